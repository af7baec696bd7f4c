/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Text commands with which a connection follows jobs that it did not submit in the foreground.
 *
 * Runs on:  processing thread, called by admin.c.
 * Owns:     nothing.
 * Sends:    text, in the manner of admin.c; then what the job's worker sends, as to any client.
 */
#include "proc/admin.h"
#include "proc/client.h"
#include "proc/ended.h"
#include "proc/handle.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/peer.h"
#include "proc/reply.h"

/* How far the job is by now: its next progress may be long in coming. */
static PROC void
tell_progress(struct proc *p, struct peer *peer, const struct job *job)
{
	struct msg_reply *reply;
	struct handle_text handle;
	struct msg *m;
	char number[20];

	if (job->extra->numerator == 0 && job->extra->denominator == 0)
		return;
	job_handle(p, job, &handle);
	reply = msg_reply_new(PKT_WORK_STATUS, peer_number(peer), handle.len + 2 * (sizeof number + 1));
	msg_reply_arg(reply, slice_of(handle.at, handle.len), false);
	msg_reply_arg(reply, slice_of(number, u64_to_text(number, job->extra->numerator)), false);
	msg_reply_arg(reply, slice_of(number, u64_to_text(number, job->extra->denominator)), true);
	m = &reply->msg;
	peer_send(p, peer, &m);
}

/* Like a worker's packet; `bytes` is NULL when there are none. */
static PROC void
say_work(
    struct proc *p, struct peer *peer, enum pkt_type type, struct slice handle, struct blob *bytes, struct slice data)
{
	struct msg_reply *reply = msg_reply_new(type, peer_number(peer), handle.len + 1);
	struct msg *m = &reply->msg;

	msg_reply_arg(reply, handle, false);
	if (data.len > 0)
		msg_reply_data(reply, bytes, data);
	peer_send(p, peer, &m);
}

static PROC void
say_result(struct proc *p, struct peer *peer, struct slice handle, const struct result *result)
{
	struct slice all = blob_slice(result->bytes), pieces = slice_of(all.data, result->pieces_len);

	if (pieces.len > 0)
		say_work(p, peer, PKT_WORK_DATA, handle, result->bytes, pieces);
	all = slice_of(all.data + pieces.len, all.len - pieces.len);
	say_work(p, peer, PKT_WORK_COMPLETE, handle, result->bytes, all);
}

/* What its worker sent is said again, if it is kept as a whole. */
static PROC void
follow_ended(struct proc *p, struct peer *peer, struct slice handle, const struct ended *e)
{
	bool completed = e->outcome == OUTCOME_COMPLETED;

	if (completed && (e->result == NULL || e->result->is_cut)) {
		admin_say(p, peer, "ERR NOT_KEPT The+job+is+completed+and+its+result+is+not+kept\r\n");
		return;
	}
	admin_say(p, peer, "OK\r\n");
	if (completed)
		say_result(p, peer, handle, e->result);
	else if (e->outcome == OUTCOME_EXCEPTION && peer->exceptions)
		say_work(p, peer, PKT_WORK_EXCEPTION, handle, e->error, blob_slice(e->error));
	else
		reply_arg(p, peer, PKT_WORK_FAIL, handle);
}

/* A dead job has failed: it does nothing more by itself. */
static PROC void
follow(struct proc *p, struct peer *peer, struct job *job)
{
	if (!bound_note(p, BOUND_CLIENTS, job->extra->client_count < JOB_CLIENTS_MAX)) {
		admin_say(p, peer, "ERR QUEUE_ERROR As+many+clients+as+may+wait+for+this+job+already\r\n");
	} else if (!bound_note(p, BOUND_MEMORY, has_memory(p, 0))) {
		admin_say(p, peer, "ERR MEMORY_ALLOCATION_FAILURE\r\n");
	} else {
		admin_say(p, peer, "OK\r\n");
		tell_progress(p, peer, job);
		client_follow(p, job, peer);
		if (job->state == JOB_BURIED) {
			job_tell_failed(p, job);
			job_drop_listeners(p, job);
		}
	}
}

void
admin_follow_job(struct proc *p, struct peer *peer, const struct words *words)
{
	struct slice handle = slice_without_nul(words->at[2]);
	struct job *job = job_find(p, handle);
	const struct ended *ended = job == NULL ? ended_find(p, handle) : NULL;

	if (job != NULL)
		follow(p, peer, job);
	else if (ended != NULL)
		follow_ended(p, peer, handle, ended);
	else
		admin_say(p, peer, "ERR UNKNOWN_JOB\r\n");
}

/* What it followed last is the first in the job's list. */
void
admin_unfollow_job(struct proc *p, struct peer *peer, const struct words *words)
{
	struct job *job = admin_job(p, peer, words);
	struct client *client;

	if (job == NULL)
		return;
	for (client = job->extra->followers; client != NULL && client->peer != peer; client = client->next)
		p->spent++;
	if (client != NULL)
		client_free(p, &client);
	admin_say(p, peer, "OK\r\n");
}

/* Without a gap between JOB_CREATED and `follow job`, in which a fast worker would end the job. */
void
admin_follow_next(struct proc *p, struct peer *peer)
{
	peer->follows_next = true;
	admin_say(p, peer, "OK\r\n");
}
