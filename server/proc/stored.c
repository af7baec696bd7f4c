/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What comes back from the store: outcomes, how it is, and replay.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 * Sends:    JOB_CREATED or ERROR once the outcome is known; OK when a cancelled job is removed.
 */
#include "proc/stored.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proc/dead.h"
#include "proc/expire.h"
#include "proc/func.h"
#include "proc/handle.h"
#include "proc/handlers.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/job_new.h"
#include "proc/job_read.h"
#include "proc/key.h"
#include "proc/peer.h"
#include "proc/reply.h"
#include "proc/store_out.h"

#include <gearmand/plugin.h>

/* Nobody waits for a store in trouble without being read: submissions get their ERROR, and results are taken. */
static PROC void
read_again(struct proc *p)
{
	struct list *node;

	if (list_is_empty(&p->paused) || (p->storing > p->cfg.max_storing / 2 && !store_is_in_trouble(p)))
		return;
	while ((node = list_pop(&p->paused)) != NULL) {
		struct peer *peer = LIST_ENTRY(node, struct peer, in_paused);

		peer->is_paused = false;
		peer_tell_paused(p, peer);
	}
}

/* Who waited for that has the answer. */
static PROC void
is_stored(struct proc *p, struct job *job)
{
	struct slot *slot;

	if (!job->stored)
		count(p, STAT_jobs_stored);
	job->stored = true;
	if ((job_waiting_slot(job) != NULL || job->is_own) && job->state != JOB_DEAD)
		job_set_background(p, job);
	job->is_own = false;
	while ((slot = job_waiting_slot(job)) != NULL)
		slot_created(p, slot);
}

static PROC void
was_stored(struct proc *p, struct job *job)
{
	if (job->state == JOB_STORING && job->extra->buried_at != 0)
		job_is_kicked(p, job);
	is_stored(p, job);
	if (job->state == JOB_STORING && (!p->graceful || job->extra->clients != NULL))
		job_place(p, job);
	job_settle(p, job);
}

static PROC void
log_not_taken(struct proc *p, const struct job *job, const char *what, struct slice why)
{
	struct buf line = { 0 };
	struct handle_text handle;

	job_handle(p, job, &handle);
	buf_add_str(&line, "job ");
	buf_add(&line, handle.at, handle.len);
	buf_add_str(&line, what);
	buf_add_escaped(&line, why);
	proc_log(p, GEARMAND_LOG_WARNING, &line);
	buf_fini(&line);
}

/* What is stored of it stays as it was. */
static PROC void
was_refused_again(struct proc *p, struct job *job, struct slice why)
{
	log_not_taken(p, job, ": an attempt that failed is not stored: ", why);
	if (job->state == JOB_STORING)
		job_place(p, job);
	job_settle(p, job);
}

static PROC void
was_refused(struct proc *p, struct job *job, const char *reason)
{
	struct slot *slot;
	struct slice why = slice_str(reason == NULL ? wire_error_text(WIRE_QUEUE_FAILED) : reason);

	count(p, STAT_store_refused);
	while ((slot = job_waiting_slot(job)) != NULL) {
		traffic_refused(&p->traffic, REFUSED_store);
		slot_refused(p, slot, wire_error_code(WIRE_QUEUE_FAILED), why);
	}
	if (job->stored) {
		was_refused_again(p, job, why);
		return;
	}
	if (job->state == JOB_STORING && job->extra->buried_at != 0) {
		log_not_taken(p, job, " is still dead: it cannot be sent again: ", why);
		job_is_not_kicked(p, job);
		return;
	}
	job->is_own = false;
	if (job->state == JOB_STORING && job->extra->clients != NULL)
		job_place(p, job);
	else
		job_settle(p, job);
}

static PROC void
take_outcome(struct proc *p, struct job *job, const struct msg_store *m)
{
	if (job->state == JOB_BURIED)
		return; /* a REMOVE is behind that ADD */
	if (job->state != JOB_DEAD && job->extra->add_again) {
		/* It is stored, though not as it is now.  But behind the ADD of one that died and is sent again there
		 * is a REMOVE. */
		if (m->outcome == GEARMAND_STORED && job->extra->buried_at == 0)
			is_stored(p, job);
		job_extra(p, job)->add_again = false;
		job_store(p, job);
	} else if (m->outcome == GEARMAND_STORED) {
		was_stored(p, job);
	} else {
		was_refused(p, job, m->reason);
	}
}

void
on_added(struct proc *p, struct msg_store *m)
{
	struct job *job = m->job;
	bool was_dead = job->state == JOB_DEAD; /* it ended meanwhile; only its submitters wait for a word */

	CHECK(job->magic == JOB_MAGIC && job->adding);
	job->adding = false;
	p->storing -= job_bytes(job);
	p->adding--;
	if (was_dead)
		list_remove(&job->link);
	take_outcome(p, job, m);
	if (was_dead)
		job_free(p, &job);
	read_again(p);
}

/* A body in the core's own layout, which has the reducer behind the unique. */
static PROC struct blob *
replayed_body(const struct msg_store *m)
{
	struct blob *body;
	struct slice nul = slice_of("", 1);
	bool whole;

	if (m->reducer.len == 0)
		return blob_ref(m->msg.blob);
	body = blob_new(m->msg.blob->len + m->reducer.len + 1);
	if (body == NULL)
		return NULL;
	whole = blob_add(&body, m->function) && blob_add(&body, nul) && blob_add(&body, m->unique) &&
		blob_add(&body, nul) && blob_add(&body, m->reducer) && blob_add(&body, nul) && blob_add(&body, m->data);
	CHECK(whole);
	return body;
}

static PROC void
log_not_replayed(struct proc *p, const struct msg_store *m, const char *why)
{
	struct buf line = { 0 };

	buf_add_str(&line, "a stored job of function '");
	buf_add_escaped(&line, m->function);
	buf_add_str(&line, "' stays in the store: ");
	buf_add_str(&line, why);
	proc_log(p, GEARMAND_LOG_WARNING, &line);
	buf_fini(&line);
}

/* What became of it so far. */
static PROC void
set_past(struct proc *p, struct job *job, const struct msg_store *m)
{
	struct job_extra *extra;

	job_set_error(p, job, m->error);
	if (m->attempts == 0 && m->changed_at == 0)
		return;
	extra = job_extra(p, job);
	extra->tries = m->attempts;
	extra->changed_at = m->changed_at;
}

/* A crash came while it died or was sent again: of the two records the later one counts.  True: it is alive. */
static PROC bool
is_outlived(struct proc *p, const struct func *func, const struct msg_store *m)
{
	struct job *job = job_find(p, m->handle);

	if (job == NULL || job->func != func || job->state == JOB_BURIED ||
	    !slice_eq(m->unique, slice_of(job->body->data + func->name_len + 1, job->unique_len)))
		return false;
	if (m->changed_at <= job->extra->changed_at) {
		dead_forget(p, m->handle);
		return true;
	}
	job_unstore(p, job);
	job_leave_in_store(p, job);
	return false;
}

/* One whose handle cannot be had is among the dead under another one from now on. */
static PROC void
take_over_dead(struct proc *p, struct job *job, const struct msg_store *m)
{
	struct handle_text handle;

	job_extra(p, job)->buried_at = m->changed_at * A_SECOND;
	job_handle(p, job, &handle);
	job_extra(p, job)->in_dead = slice_eq(m->handle, slice_of(handle.at, handle.len));
	if (!job->extra->in_dead) {
		job_store_dead(p, job);
		dead_forget(p, m->handle);
	}
	job_move(p, job, JOB_BURIED);
}

/* The time for which it may wait goes on where it was. */
static PROC void
take_over_alive(struct proc *p, struct job *job, const struct msg_store *m)
{
	job->stored = true;
	job_place(p, job);
	if (m->expires_at > 0 && job->state == JOB_READY)
		expire_resume(p, job, m->expires_at);
}

static PROC void
take_over(struct proc *p, struct func *func, const struct msg_store *m)
{
	struct blob *body = replayed_body(m);
	struct job_request request = { .body = body, .unique = m->unique, .run_at = m->run_at, .background = true };
	bool is_dead = (m->flags & GEARMAND_JOB_DEAD) != 0;
	struct job *job;

	if (body == NULL) {
		log_not_replayed(p, m, "no memory");
		return;
	}
	request.priority = m->priority < PRIORITIES ? m->priority : GEARMAND_NORMAL;
	request.data = slice_of(body->data + body->len - m->data.len, m->data.len);
	if (m->reducer.len > 0)
		request.reducer = slice_of(body->data + m->function.len + 1 + m->unique.len + 1, m->reducer.len);
	if (m->flags == 0)
		request.key_hash = key_hash(p, &request);
	if (m->flags == 0 && key_find(p, func, &request) != NULL) {
		log_not_replayed(p, m, "a job with the same unique is there already");
	} else if (!is_dead || !is_outlived(p, func, m)) {
		job = job_new_replayed(p, func, &request, m->handle, m->flags);
		job_set_background(p, job);
		set_past(p, job, m);
		if (is_dead)
			take_over_dead(p, job, m);
		else
			take_over_alive(p, job, m);
		count(p, STAT_jobs_replayed);
	}
	blob_unref(&body);
}

void
on_replayed(struct proc *p, struct msg_store *m)
{
	struct func *func;
	enum wire_error why;

	if (m->function.len > PKT_ARG_BYTES_MAX || memchr(m->function.data, '\0', m->function.len) != NULL)
		log_not_replayed(p, m, "its function's name is too long or holds a NUL byte");
	else if (m->unique.len > UNIQUE_MAX || m->reducer.len > REDUCER_MAX)
		log_not_replayed(p, m, "its unique or reducer is longer than 64 bytes");
	else if ((func = func_get(p, m->function, &why)) == NULL)
		log_not_replayed(p, m, "there are more functions than --max-functions");
	else
		take_over(p, func, m);
}

/* While this server stood by, another one may have given numbers to jobs. */
void
on_store_ours(struct proc *p, struct msg *m)
{
	uint64_t least = MSG_AS(msg_text, m)->number;

	p->cfg.adds_at_shutdown = (m->type & STORE_ADDS_AT_SHUTDOWN) != 0;
	p->cfg.keeps_dead = (m->type & STORE_KEEPS_DEAD) != 0;
	if (p->next_handle < least)
		p->next_handle = least;
}

/* Nobody is served before the end of the replay, so there are no other jobs. */
void
on_replay_again(struct proc *p)
{
	struct hash_walk walk = { 0 };
	struct hash_node *node;

	while ((node = hash_next(&p->handles, &walk)) != NULL) {
		struct job *job = CONTAINER_OF(node, struct job, by_handle);

		if (job_is_in_store(p, job) && job->state != JOB_RUNNING)
			job_leave_in_store(p, job);
	}
	p->counts[STAT_jobs_replayed] = 0;
}

void
on_replay_end(struct proc *p, struct msg *m)
{
	(void)m;
	p->replaying = false;
	p->store_since = p->now.wall;
}

/* ---- How the store is ---------------------------------------------------------------- */

static const nsec_t slow_after = 2 * A_SECOND;

struct buf
store_error_text(const struct proc *p, enum wire_error error)
{
	struct buf text = { 0 };

	buf_add_str(&text, wire_error_text(error));
	if (p->store_trouble.len > 0) {
		buf_add_str(&text, ": ");
		buf_add_escaped(&text, buf_slice(&p->store_trouble));
	}
	return text;
}

static PROC void
log_slow(struct proc *p)
{
	struct buf line = { 0 };

	buf_add_str(&line, "queue ");
	buf_add_str(&line, p->cfg.queue_name == NULL ? "" : p->cfg.queue_name);
	if (p->store_slow) {
		buf_add_str(&line, ": slow: a commit has been running for 2 seconds; changes that wait: ");
		buf_add_u64(&line, p->adding + p->removing);
	} else {
		buf_add_str(&line, ": the slow commit is over; seconds that it took: ");
		buf_add_u64(&line, (uint64_t)((p->now.mono - p->store_heard) / A_SECOND));
	}
	proc_log(p, p->store_slow ? GEARMAND_LOG_ERROR : GEARMAND_LOG_NOTICE, &line);
	buf_fini(&line);
}

static PROC void
set_slow(struct proc *p, bool slow)
{
	if (p->store_slow == slow)
		return;
	p->store_slow = slow;
	p->store_since = p->now.wall;
	log_slow(p);
}

/* The store's thread is inside the module then, and cannot tell. */
nsec_t
store_watch(struct proc *p)
{
	nsec_t due = p->store_heard + slow_after;

	if (p->adding + p->removing == 0 || store_is_in_trouble(p))
		return NEVER;
	if (due > p->now.mono)
		return due;
	set_slow(p, true);
	read_again(p);
	return NEVER;
}

static PROC void
hear_from_store(struct proc *p)
{
	set_slow(p, false);
	p->store_heard = p->now.mono;
}

void
on_store_state(struct proc *p, struct msg *m)
{
	const char *trouble = MSG_AS(msg_text, m)->text;
	bool was_well = p->store_trouble.len == 0;

	hear_from_store(p);
	buf_fini(&p->store_trouble);
	buf_add_str(&p->store_trouble, trouble);
	p->store_is_full = MSG_AS(msg_text, m)->number != 0;
	if (was_well != (trouble[0] == '\0'))
		p->store_since = p->now.wall;
	if (trouble[0] == '\0')
		return;
	buf_fini(&p->store_error);
	buf_add_str(&p->store_error, trouble);
	read_again(p);
}

static PROC void
answer_cancels(struct proc *p)
{
	struct list *node;

	while ((node = list_first(&p->cancels)) != NULL) {
		struct slot *slot = LIST_ENTRY(node, struct slot, by_age);

		if (slot->removal > p->removed)
			return;
		slot_removed(p, slot, "OK\r\n");
	}
}

void
on_committed(struct proc *p, struct msg *m)
{
	const struct msg_text *t = MSG_AS(msg_text, m);

	CHECK(t->number <= p->removing && t->bytes <= p->storing);
	p->removing -= t->number;
	p->removed += t->number;
	answer_cancels(p);
	p->storing -= t->bytes;
	p->memory -= t->bytes;
	hear_from_store(p);
	read_again(p);
	if (m->type == 0)
		return; /* no batch, only what a later change made superfluous */
	count(p, STAT_store_commits);
	histogram_add(p->histograms, HISTOGRAM_store_commit, t->took);
	histogram_add(p->histograms, HISTOGRAM_store_batch, (int64_t)t->changes);
}
