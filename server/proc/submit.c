/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A client submits a job, or the server itself does: it joins a live one or makes a new one.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; jobs belong to the tables.
 * Sends:    JOB_CREATED, at once or after the commit, or ERROR; ADD to the store; NOOP to a worker.
 */
#include "proc/submit.h"

#include "proc/client.h"
#include "proc/func.h"
#include "proc/handlers.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/job_new.h"
#include "proc/key.h"
#include "proc/peer.h"
#include "proc/reply.h"
#include "proc/rights.h"
#include "proc/store_out.h"
#include "proc/stored.h"

#include <gearmand/plugin.h>

static const struct {
	enum gearmand_priority priority;
	bool background;
} submissions[PKT_TYPES] = {
	[PKT_SUBMIT_JOB] = { GEARMAND_NORMAL, false },
	[PKT_SUBMIT_JOB_BG] = { GEARMAND_NORMAL, true },
	[PKT_SUBMIT_JOB_HIGH] = { GEARMAND_HIGH, false },
	[PKT_SUBMIT_JOB_HIGH_BG] = { GEARMAND_HIGH, true },
	[PKT_SUBMIT_JOB_LOW] = { GEARMAND_LOW, false },
	[PKT_SUBMIT_JOB_LOW_BG] = { GEARMAND_LOW, true },
	[PKT_SUBMIT_JOB_SCHED] = { GEARMAND_NORMAL, true },
	[PKT_SUBMIT_JOB_EPOCH] = { GEARMAND_NORMAL, true },
	[PKT_SUBMIT_REDUCE_JOB] = { GEARMAND_NORMAL, false },
	[PKT_SUBMIT_REDUCE_JOB_BACKGROUND] = { GEARMAND_NORMAL, true },
};

static PROC void
log_accepted(struct proc *p, const struct func *func, const struct job_request *request)
{
	struct buf line = { 0 };

	if (p->cfg.log_level < GEARMAND_LOG_INFO)
		return;
	buf_add_str(&line, "accepted,");
	buf_add_escaped(&line, func_name(func));
	buf_add_char(&line, ',');
	buf_add_escaped(&line, request->unique);
	buf_add_char(&line, ',');
	buf_add_i64(&line, request->run_at);
	proc_log(p, GEARMAND_LOG_INFO, &line);
	buf_fini(&line);
}

/* The submitter is a background owner from now on, or once the store has the job.  (The store may have it though nobody
 * owns it in the background: when its commit came too late for who asked, and a foreground client kept it.) */
static PROC void
own_in_background(struct proc *p, struct peer *peer, struct job *job)
{
	if (job->background || job->stored || !goes_through_store(p)) {
		job_set_background(p, job);
		reply_job_created(p, peer, job);
		return;
	}
	slot_open(p, peer, job);
	if (!job->adding)
		job_store(p, job);
}

/* Submitters that outrun the store are not read until it has caught up: that is soon, for it is well.  Workers are
 * read, for others wait for what they send. */
static PROC void
hold_back(struct proc *p, struct peer *peer)
{
	if (p->cfg.max_storing == 0 || p->storing <= p->cfg.max_storing || peer->is_paused ||
	    !list_is_empty(&peer->abilities) || store_is_in_trouble(p))
		return;
	peer->is_paused = true;
	list_push(&p->paused, &peer->in_paused);
	peer_tell_paused(p, peer);
}

/* ... and hears of the job, if it said so. */
static PROC void
own_and_follow(struct proc *p, struct peer *peer, struct job *job)
{
	own_in_background(p, peer, job);
	if (peer->follows_next)
		client_follow(p, job, peer);
}

static PROC void
join(struct proc *p, struct peer *peer, struct job *job, bool background)
{
	count(p, STAT_jobs_coalesced);
	job->func->tally.joined++;
	if (background) {
		own_and_follow(p, peer, job);
		hold_back(p, peer);
		return;
	}
	client_add(p, job, peer);
	reply_job_created(p, peer, job);
}

static PROC void
create(struct proc *p, struct peer *peer, struct func *func, const struct job_request *request)
{
	struct job *job = job_new(p, func, request);

	count(p, STAT_jobs_submitted);
	func->tally.submitted[request->background]++;
	if (!request->background && peer->storing > 0) {
		job_move(p, job, JOB_STORING);
		client_add(p, job, peer);
		slot_hold(p, peer, job); /* what this client submitted first is to run first */
	} else if (!request->background) {
		client_add(p, job, peer);
		reply_job_created(p, peer, job);
		job_place(p, job);
	} else if (goes_through_store(p)) {
		job_move(p, job, JOB_STORING);
		own_and_follow(p, peer, job);
		hold_back(p, peer);
	} else {
		own_and_follow(p, peer, job);
		job_place(p, job);
	}
}

/* Is there room for one more that waits for this job?  Owners in the background take none, unless they follow it. */
static PROC bool
may_join(struct proc *p, const struct job *job, bool only_owns, enum wire_error *why_r)
{
	if (only_owns)
		return true;
	*why_r = WIRE_TOO_MANY_CLIENTS;
	if (!bound_note(p, BOUND_CLIENTS, job->extra->client_count < JOB_CLIENTS_MAX))
		return false;
	*why_r = WIRE_SERVER_FULL;
	return bound_note(p, BOUND_MEMORY, has_memory(p, 0));
}

/* Is there room for one more job?  If not, *why_r says what is full. */
static PROC bool
has_room(struct proc *p, const struct func *func, const struct job_request *request, enum wire_error *why_r)
{
	uint64_t max = func->max[request->priority];

	*why_r = WIRE_QUEUE_FULL;
	if (!bound_note(p, BOUND_QUEUE, max == 0 || func->jobs < max))
		return false;
	*why_r = WIRE_SERVER_FULL;
	return bound_note(p, BOUND_JOBS, p->cfg.max_jobs == 0 || p->handles.count < p->cfg.max_jobs) &&
	       bound_note(p, BOUND_MEMORY, has_memory(p, request->body->cap));
}

/* Is there room for one more that waits for the store?  While the store is well most submitters are held back instead,
 * but not those that connect anew for each submission, and not workers. */
static PROC bool
has_store_room(struct proc *p)
{
	uint64_t bound = p->cfg.max_storing;

	if (bound == 0 || !goes_through_store(p))
		return true;
	if (!store_is_in_trouble(p))
		bound = bound * 4 + (4 << 20);
	return bound_note(p, BOUND_STORING, p->storing <= bound);
}

/* Which bound refuses the submission? */
static PROC enum refusal
refusal_of(const struct proc *p, enum wire_error why)
{
	switch (why) {
	case WIRE_QUEUE_FULL:
		return REFUSED_maxqueue;
	case WIRE_TOO_MANY_FUNCTIONS:
		return REFUSED_functions;
	case WIRE_TOO_MANY_CLIENTS:
		return REFUSED_clients;
	case WIRE_STORE_BEHIND:
		return REFUSED_store;
	default:
		return p->cfg.max_jobs != 0 && p->handles.count >= p->cfg.max_jobs ? REFUSED_max_jobs : REFUSED_memory;
	}
}

static PROC void
note_refusal(struct proc *p, enum wire_error why)
{
	count(p, STAT_refused_full);
	traffic_refused(&p->traffic, refusal_of(p, why));
}

static PROC void
refuse_storing(struct proc *p, struct peer *peer)
{
	struct buf text = store_error_text(p, WIRE_STORE_BEHIND);

	note_refusal(p, WIRE_STORE_BEHIND);
	reply_error_text(p, peer, wire_error_code(WIRE_STORE_BEHIND), buf_slice(&text));
	buf_fini(&text);
}

static PROC void
submit_to(struct proc *p, struct peer *peer, struct func *func, const struct job_request *request)
{
	struct job *job = key_find(p, func, request);
	bool needs_store = request->background && (job == NULL || !(job->background || job->stored || job->adding));
	enum wire_error why;
	bool only_owns = request->background && !peer->follows_next;
	bool may = job != NULL ? may_join(p, job, only_owns, &why) : has_room(p, func, request, &why);

	if (may && needs_store && !has_store_room(p)) {
		refuse_storing(p, peer);
		return;
	}
	if (!may) {
		note_refusal(p, why);
		reply_error(p, peer, why);
		return;
	}
	log_accepted(p, func, request);
	if (job != NULL)
		join(p, peer, job, request->background);
	else
		create(p, peer, func, request);
}

static PROC void
submit(struct proc *p, struct peer *peer, const struct msg_packet *packet, struct slice reducer, int64_t run_at)
{
	struct job_request request = {
		.body = packet->msg.blob,
		.unique = packet->pkt.arg[1],
		.reducer = reducer,
		.data = packet->pkt.data,
		.key_hash = packet->data_hash,
		.run_at = run_at > 0 ? run_at : 0,
		.priority = submissions[packet->msg.type].priority,
		.background = submissions[packet->msg.type].background,
	};
	struct slice name = packet->pkt.arg[0];
	struct func *func = func_find(p, name);
	enum wire_error why;

	if (p->graceful) {
		traffic_refused(&p->traffic, REFUSED_shutdown);
		reply_error(p, peer, WIRE_SHUTTING_DOWN);
	} else if (!may_submit(p, peer, name, func)) {
		traffic_refused(&p->traffic, REFUSED_access);
		rights_note_refusal(p, peer, ACCESS_SUBMIT, name);
		reply_error(p, peer, WIRE_MAY_NOT_SUBMIT);
	} else if (request.unique.len > UNIQUE_MAX) {
		reply_error(p, peer, WIRE_UNIQUE_TOO_LARGE);
	} else if (reducer.len > REDUCER_MAX) {
		reply_error(p, peer, WIRE_REDUCER_TOO_LARGE);
	} else if (func == NULL && (func = func_get(p, name, &why)) == NULL) {
		note_refusal(p, why);
		reply_error(p, peer, why);
	} else {
		request.key_hash = key_hash(p, &request);
		submit_to(p, peer, func, &request);
	}
}

static PROC void
create_own(struct proc *p, struct func *func, const struct job_request *request)
{
	struct job *job = job_new(p, func, request);

	count(p, STAT_jobs_submitted);
	func->tally.submitted[true]++;
	if (!goes_through_store(p)) {
		job_set_background(p, job);
		job_place(p, job);
		return;
	}
	job->is_own = true;
	job_move(p, job, JOB_STORING);
	job_store(p, job);
}

static PROC bool
submit_own_to(struct proc *p, struct func *func, const struct job_request *request, enum wire_error *why_r)
{
	const struct job *job = key_find(p, func, request);
	bool may = job != NULL || has_room(p, func, request, why_r);

	if (may && job == NULL && !has_store_room(p)) {
		*why_r = WIRE_STORE_BEHIND;
		may = false;
	}
	if (!may)
		return false;
	log_accepted(p, func, request);
	if (job == NULL) {
		create_own(p, func, request);
	} else {
		count(p, STAT_jobs_coalesced);
		func->tally.joined++;
	}
	return true;
}

bool
submit_own(struct proc *p, struct slice function, struct slice unique, struct slice data, enum wire_error *why_r)
{
	struct blob *body = blob_new(function.len + 1 + unique.len + 1 + data.len);
	struct job_request request = { .priority = GEARMAND_NORMAL, .background = true };
	struct slice nul = slice_of("", 1);
	struct func *func = func_get(p, function, why_r);
	bool good = false;

	if (func != NULL && body == NULL) {
		*why_r = WIRE_SERVER_FULL;
	} else if (func != NULL) {
		good = blob_add(&body, function) && blob_add(&body, nul) && blob_add(&body, unique) &&
		       blob_add(&body, nul) && blob_add(&body, data);
		CHECK(good); /* there is room for just this */
		request.body = body;
		request.unique = slice_of(body->data + function.len + 1, unique.len);
		request.data = slice_of(body->data + body->len - data.len, data.len);
		request.key_hash = key_hash(p, &request);
		good = submit_own_to(p, func, &request, why_r);
	}
	blob_unref(&body);
	if (!good)
		note_refusal(p, *why_r);
	return good;
}

void
on_submit(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	submit(p, peer, packet, slice_of("", 0), 0);
}

void
on_submit_sched(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	submit(p, peer, packet, slice_of("", 0), packet->run_at);
}

void
on_submit_epoch(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	int64_t run_at;

	if (slice_to_i64_lenient(packet->pkt.arg[2], &run_at))
		submit(p, peer, packet, slice_of("", 0), run_at);
	else
		reply_error(p, peer, WIRE_NUMBER_TOO_LARGE);
}

void
on_submit_reduce(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	submit(p, peer, packet, packet->pkt.arg[2], 0);
}
