/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The dead list: background jobs that were given up and may be sent again.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; the jobs go by their handles, but no longer by their uniques: a new submission makes a new job.
 *
 * It is bounded by age, number and bytes; what is longest there goes first.  A store that keeps dead jobs has them,
 * too; with one that does not they are in memory alone.
 */
#include "proc/dead.h"

#include "proc/ended.h"
#include "proc/func.h"
#include "proc/handle.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/job_new.h"
#include "proc/job_read.h"
#include "proc/key.h"
#include "proc/store_out.h"
#include "proc/wake.h"

enum { TRIM_PER_TURN = 256 };

void
job_bury(struct proc *p, struct job *job)
{
	struct job_extra *extra;

	job_drop_listeners(p, job);
	key_remove(p, job);
	job_store_dead(p, job);
	extra = job_extra(p, job);
	extra->buried_at = p->now.wall;
	extra->retry_at = 0;
	count(p, STAT_jobs_buried);
	ended_add(p, job, OUTCOME_DEAD);
	job_move(p, job, JOB_BURIED);
}

void
job_is_kicked(struct proc *p, struct job *job)
{
	struct job_extra *extra = job_extra(p, job);

	job_unbury(p, job);
	extra->tries = 0;
	extra->buried_at = 0;
	job_set_error(p, job, slice_of("", 0));
	job_extra_tidy(p, job);
}

void
job_is_not_kicked(struct proc *p, struct job *job)
{
	job_tell_failed(p, job);
	job_drop_listeners(p, job);
	key_remove(p, job);
	job->is_own = false;
	job_set_background(p, job);
	job_move(p, job, JOB_BURIED);
}

/* Who submits it meanwhile waits for the commit as well: until then it is dead for the store. */
static PROC void
send_through_store(struct proc *p, struct job *job)
{
	job_move(p, job, JOB_STORING);
	job_extra(p, job)->run_at = 0;
	job->background = false;
	p->background--;
	job->is_own = true;
	job_store_again(p, job);
}

bool
job_kick(struct proc *p, struct job *job)
{
	struct job_request request = { .body = job->body, .unique = job_unique(job), .data = job_data(job) };

	CHECK(job->state == JOB_BURIED);
	if (job->has_key) {
		request.key_hash = key_hash(p, &request);
		if (key_find(p, job->func, &request) != NULL)
			return false;
	}
	key_add(p, job, request.key_hash);
	ended_forget(p, job);
	if (goes_through_store(p)) {
		send_through_store(p, job);
		return true;
	}
	job_move(p, job, JOB_READY);
	job_is_kicked(p, job);
	wake_for_job(p, job->func);
	return true;
}

static bool
is_too_much(const struct proc *p)
{
	return p->buried_count > p->cfg.dead_max || p->buried_bytes > p->cfg.dead_max_bytes;
}

nsec_t
buried_trim(struct proc *p)
{
	struct list *node;

	for (int n = 0; (node = list_first(&p->buried)) != NULL; n++) {
		struct job *job = LIST_ENTRY(node, struct job_extra, in_buried)->job;
		nsec_t end = p->cfg.dead_keep == 0 ? NEVER : job->extra->buried_at + p->cfg.dead_keep;

		if (n == TRIM_PER_TURN)
			return p->now.mono;
		if (end > p->now.wall && !is_too_much(p))
			return end == NEVER ? NEVER : p->now.mono + (end - p->now.wall);
		count(p, STAT_jobs_dropped);
		job_end(p, job, OUTCOME_DROPPED);
	}
	return NEVER;
}

void
buried_add_line(const struct proc *p, const struct job *job, struct buf *out)
{
	struct handle_text handle;

	job_handle(p, job, &handle);
	buf_add(out, handle.at, handle.len);
	buf_add_char(out, '\t');
	buf_add_escaped(out, func_name(job->func));
	buf_add_char(out, '\t');
	buf_add_escaped(out, job_unique(job));
	buf_add_char(out, '\t');
	buf_add_u64(out, job->extra->tries);
	buf_add_char(out, '\t');
	buf_add_i64(out, job->extra->buried_at / A_SECOND);
	buf_add_char(out, '\t');
	buf_add_u64(out, job_data(job).len);
	buf_add_char(out, '\t');
	buf_add_escaped(out, blob_slice(job->extra->error));
	buf_add_char(out, '\n');
}
