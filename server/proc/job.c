/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The life of a job: made, placed, ended.
 *
 * Runs on:  processing thread.
 * Owns:     struct job and its reference to the body.
 */
#include "proc/job.h"

#include "base/mem.h"
#include "proc/client.h"
#include "proc/ended.h"
#include "proc/func.h"
#include "proc/gate.h"
#include "proc/handle.h"
#include "proc/job_extra.h"
#include "proc/job_read.h"
#include "proc/key.h"
#include "proc/peer.h"
#include "proc/reply.h"
#include "proc/store_out.h"
#include "proc/wake.h"

#include <gearmand/packet.h>

static const bool lawful[JOB_STATE_COUNT][JOB_STATE_COUNT] = {
#define X(from, to) [JOB_##from][JOB_##to] = true,
	JOB_MOVES(X)
#undef X
};

static bool
is_queued(enum job_state state)
{
	return state == JOB_STORING || state == JOB_DELAYED || state == JOB_READY;
}

static PROC void
note_wait(struct proc *p, const struct job *job)
{
	nsec_t took = p->now.mono - job->since;
	struct func *func = job->func;

	func->tally.assigned++;
	func->tally.wait += (uint64_t)took;
	if (func->spread == NULL)
		func_spread(p, func);
	func->spread->wait[histogram_add(p->histograms, HISTOGRAM_job_wait, took)]++;
}

static PROC void
note_run(struct proc *p, const struct job *job)
{
	nsec_t took = p->now.mono - job->since;

	job->func->tally.run += (uint64_t)took;
	job->func->spread->run[histogram_add(p->histograms, HISTOGRAM_job_run, took)]++;
}

static PROC void
leave_state(struct proc *p, struct job *job)
{
	struct job_extra *extra;

	switch ((enum job_state)job->state) {
	case JOB_STORING:
		list_remove(&job->link); /* of proc.placing */
		break;
	case JOB_DELAYED:
		heap_remove(&p->delays, &job_extra(p, job)->timer);
		job->func->delayed--;
		job->func->retrying -= job->extra->tries > 0;
		break;
	case JOB_READY:
		func_take(p, job->func, job);
		break;
	case JOB_RUNNING:
		extra = job_extra(p, job);
		heap_remove(&p->limits, &extra->timer);
		extra->worker = NULL;
		list_remove(&job->link);
		list_remove(&extra->in_runners);
		note_run(p, job);
		job->func->running--;
		if (job->func->gated)
			gate_ended(p, job->func);
		break;
	case JOB_BURIED:
		extra = job_extra(p, job);
		list_remove(&job->link);
		list_remove(&extra->in_buried);
		extra->timer = (struct heap_node){ 0 };
		p->buried_count--;
		p->buried_bytes -= job_bytes(job) + job_extra_bytes(job);
		job->func->buried--;
		job->func->jobs++;
		break;
	default:
		break;
	}
}

/* Wall clock. */
static nsec_t
due(const struct job_extra *extra)
{
	nsec_t at = extra->run_at > INT64_MAX / A_SECOND ? INT64_MAX : extra->run_at * A_SECOND;

	return extra->retry_at > 0 ? extra->retry_at : at;
}

static PROC void
enter_state(struct proc *p, struct job *job)
{
	switch ((enum job_state)job->state) {
	case JOB_DELAYED:
		job->func->delayed++;
		job->func->retrying += job->extra->tries > 0;
		heap_set(&p->delays, &job_extra(p, job)->timer, due(job->extra));
		break;
	case JOB_READY:
		job->since = p->now.mono;
		func_push(p, job->func, job);
		break;
	case JOB_RUNNING:
		note_wait(p, job);
		job->since = p->now.mono;
		list_init(&job_extra(p, job)->in_runners);
		list_push(&job->func->runners, &job_extra(p, job)->in_runners);
		job->func->running++;
		if (job->func->gated)
			gate_assigned(p, job->func);
		break;
	case JOB_BURIED:
		list_push(&job->func->dead, &job->link);
		list_init(&job_extra(p, job)->in_buried);
		list_push(&p->buried, &job_extra(p, job)->in_buried);
		p->buried_count++;
		p->buried_bytes += job_bytes(job) + job_extra_bytes(job);
		job->func->buried++;
		job->func->jobs--;
		break;
	default:
		break;
	}
}

void
job_move(struct proc *p, struct job *job, enum job_state to)
{
	enum job_state from = job->state;

	CHECK(job->magic == JOB_MAGIC);
	CHECK(lawful[from][to]);
	leave_state(p, job);
	job->state = to;
	if (is_queued(from))
		job->func->queued[job->priority]--;
	if (is_queued(to))
		job->func->queued[job->priority]++;
	enter_state(p, job);
}

void
job_place(struct proc *p, struct job *job)
{
	bool later = job->extra->run_at > p->now.wall / A_SECOND;

	job_move(p, job, later ? JOB_DELAYED : JOB_READY);
	if (!later)
		wake_for_job(p, job->func);
}

void
job_place_again(struct proc *p, struct job *job)
{
	if (job->adding && job->stored && !store_is_in_trouble(p)) {
		job_move(p, job, JOB_STORING);
		return;
	}
	job_move(p, job, JOB_READY);
	wake_for_job(p, job->func);
}

/* The slot that holds a job, if one does, was its first and is the last in the list. */
struct slot *
job_waiting_slot(const struct job *job)
{
	return job->extra->slots == NULL || job->extra->slots->holds ? NULL : job->extra->slots;
}

void
jobs_place_held(struct proc *p)
{
	struct list *node;

	while ((node = list_pop(&p->placing)) != NULL) {
		struct job *job = LIST_ENTRY(node, struct job, link);

		if (job->state != JOB_STORING)
			continue; /* placed already */
		if (!job->adding && job_is_wanted(job))
			job_place(p, job); /* else when its commit is back */
		job_settle(p, job);
	}
}

void
job_set_background(struct proc *p, struct job *job)
{
	if (job->background)
		return;
	job->background = true;
	p->background++;
}

bool
job_is_wanted(const struct job *job)
{
	return job->background || job->is_own || job->extra->clients != NULL || job->extra->slots != NULL;
}

void
job_drop_clients(struct proc *p, struct job *job)
{
	while (job->extra->clients != NULL) {
		struct client *client = job->extra->clients;

		client_free(p, &client);
	}
}

void
job_drop_listeners(struct proc *p, struct job *job)
{
	job_drop_clients(p, job);
	while (job->extra->followers != NULL) {
		struct client *client = job->extra->followers;

		client_free(p, &client);
	}
}

/* Open slots stay: a submission is answered when its ADD comes back, whatever became of the job. */
static PROC void
unlink_job(struct proc *p, struct job *job)
{
	job_drop_listeners(p, job);
	for (struct slot *slot = job->extra->slots; slot != NULL; slot = slot->next) {
		if (slot->holds) {
			slot_leave_job(p, slot);
			break;
		}
	}
	if (job->state != JOB_BURIED)
		key_remove(p, job);
	hash_remove(&p->handles, &job->by_handle);
	job_move(p, job, JOB_DEAD);
	job->func->jobs--;
	if (job->background)
		p->background--;
	func_idle_check(p, job->func);
}

static PROC void
bury(struct proc *p, struct job *job)
{
	job->func = NULL;
	if (job->adding)
		list_push(&p->dead, &job->link);
	else
		job_free(p, &job);
}

void
job_end(struct proc *p, struct job *job, enum outcome outcome)
{
	ended_add(p, job, outcome);
	job_unstore(p, job);
	unlink_job(p, job);
	bury(p, job);
}

void
job_leave_in_store(struct proc *p, struct job *job)
{
	/* Every living state but NEW may die; the table holds that too. */
	unlink_job(p, job);
	bury(p, job);
}

void
job_settle(struct proc *p, struct job *job)
{
	if (job->state == JOB_RUNNING || job->state == JOB_DEAD)
		return;
	if (!job_is_wanted(job)) {
		job_cancel(p, job, OUTCOME_ABANDONED);
	} else if (p->graceful && job->stored && job->extra->clients == NULL && job->extra->slots == NULL) {
		job_leave_in_store(p, job);
	}
}

void
job_free(struct proc *p, struct job **job_p)
{
	struct job *job = *job_p;

	*job_p = NULL;
	CHECK(job->magic == JOB_MAGIC);
	CHECK(job->state == JOB_DEAD && job->extra->clients == NULL && job->extra->slots == NULL);
	CHECK(!list_is_linked(&job->link));
	job->magic = 0;
	job_extra_free(p, job);
	p->memory -= job_bytes(job);
	blob_unref(&job->body);
	mem_free(job);
}

/* It may be that somebody else's request ends the job, who is answered next. */
static PROC void
tell_failed(struct proc *p, const struct job *job, const struct client *list)
{
	const struct peer *asking = p->asking;
	uint64_t tag = p->tag;
	struct handle_text handle;

	job_handle(p, job, &handle);
	for (const struct client *client = list; client != NULL; client = client->next) {
		if (client->peer->gone)
			continue; /* it may be that its own leaving ends the job that it follows */
		answer_of(p, client);
		reply_arg(p, client->peer, PKT_WORK_FAIL, slice_of(handle.at, handle.len));
	}
	p->asking = asking;
	p->tag = tag;
}

void
job_tell_failed(struct proc *p, const struct job *job)
{
	tell_failed(p, job, job->extra->clients);
	tell_failed(p, job, job->extra->followers);
}

void
job_fail_clients(struct proc *p, struct job *job)
{
	tell_failed(p, job, job->extra->clients);
	job_drop_clients(p, job);
}

void
job_cancel(struct proc *p, struct job *job, enum outcome outcome)
{
	job_tell_failed(p, job);
	count(p, STAT_jobs_dropped);
	job_end(p, job, outcome);
}
