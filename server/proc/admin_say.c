/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What several text commands say.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#include "proc/admin.h"
#include "proc/func.h"
#include "proc/handle.h"
#include "proc/job.h"
#include "proc/reply.h"
#include "proc/store_out.h"

void
admin_say(struct proc *p, struct peer *peer, const char *text)
{
	struct buf out = { 0 };

	buf_add_str(&out, text);
	reply_text(p, peer, &out);
}

void
admin_incomplete(struct proc *p, struct peer *peer, const struct words *words)
{
	struct buf out = { 0 };

	buf_add_str(&out, "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+");
	buf_add_escaped(&out, words->at[0]);
	buf_add_str(&out, "\r\n");
	reply_text(p, peer, &out);
}

struct job *
admin_job(struct proc *p, struct peer *peer, const struct words *words)
{
	struct job *job = job_find(p, words->at[2]);

	if (job == NULL)
		admin_say(p, peer, "ERR UNKNOWN_JOB\r\n");
	return job;
}

struct func *
admin_func(struct proc *p, struct peer *peer, struct slice name)
{
	enum wire_error why;
	struct func *func = func_get(p, name, &why);

	if (func == NULL && why == WIRE_SERVER_FULL)
		admin_say(p, peer, "ERR MEMORY_ALLOCATION_FAILURE\r\n");
	else if (func == NULL)
		admin_say(p, peer, "ERR TOO_MANY_FUNCTIONS\r\n");
	return func;
}

void
admin_cancel(struct proc *p, struct peer *peer, struct job *job)
{
	bool in_store = job_is_in_store(p, job);

	job_cancel(p, job, OUTCOME_CANCELLED);
	if (in_store)
		slot_open_removal(p, peer); /* OK when the store has removed it, or it might come back */
	else
		admin_say(p, peer, "OK\r\n");
}
