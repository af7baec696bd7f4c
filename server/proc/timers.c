/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What time alone brings about: jobs fall due, time limits run out, more workers are woken,
 * submissions have waited too long for the store.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; the heaps belong to struct proc.
 */
#include "proc/timers.h"

#include "proc/dead.h"
#include "proc/ended.h"
#include "proc/expire.h"
#include "proc/func.h"
#include "proc/gate.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/reply.h"
#include "proc/retry.h"
#include "proc/stored.h"
#include "proc/wake.h"

/* Delayed jobs go by the wall clock, which may be set; so it is looked at this often while there are any. */
static const nsec_t wall_check = A_SECOND;

/* After a standstill: how soon it is looked whether all has been read. */
static const nsec_t late_check = 5 * 1000000;

/* Of each kind in one turn: about half a millisecond.  What is left stays due, so the next turn comes at once. */
enum { DUE_PER_TURN = 512 };

static PROC void
run_delays(struct proc *p)
{
	for (int n = 0; n < DUE_PER_TURN; n++) {
		struct heap_node *node = heap_first(&p->delays);
		struct job *job;

		if (node == NULL || node->key > p->now.wall)
			return;
		job = CONTAINER_OF(node, struct job_extra, timer)->job;
		job_place_again(p, job);
	}
}

/* Clients hear that the job failed.  A job that is (also) a background job is not thrown away: the
 * attempt counts as lost. */
static PROC void
out_of_time(struct proc *p, struct job *job)
{
	count(p, STAT_jobs_timed_out);
	if (p->cfg.timeout_requeues) {
		job_attempt_lost(p, job, POLICY_TIMEOUT);
		return;
	}
	job_fail_clients(p, job);
	job_attempt_lost(p, job, POLICY_TIMEOUT);
}

static PROC void
run_limits(struct proc *p)
{
	struct heap_node *node;

	for (int n = 0; n < DUE_PER_TURN; n++) {
		if ((node = heap_first(&p->limits)) == NULL || node->key > p->now.mono)
			return;
		out_of_time(p, CONTAINER_OF(node, struct job_extra, timer)->job);
	}
}

static PROC void
run_rewakes(struct proc *p)
{
	struct heap_node *node;

	for (int n = 0; n < DUE_PER_TURN; n++) {
		if ((node = heap_first(&p->rewakes)) == NULL || node->key > p->now.mono)
			return;
		wake_more(p, CONTAINER_OF(node, struct func, rewake));
	}
}

static PROC void
run_gates(struct proc *p)
{
	struct heap_node *node;

	for (int n = 0; n < DUE_PER_TURN; n++) {
		if ((node = heap_first(&p->gates)) == NULL || node->key > p->now.mono)
			return;
		gate_due(p, CONTAINER_OF(node, struct func, gate));
	}
}

static PROC void
run_expiries(struct proc *p)
{
	unsigned budget = DUE_PER_TURN;

	while (budget > 0 && expire_next(p) <= p->now.mono)
		expire_due(p, CONTAINER_OF(heap_first(&p->expiries), struct func, expiry), &budget);
}

static struct slot *
longest_waiting(const struct proc *p)
{
	struct list *node = list_first(&p->waiting);

	return node == NULL ? NULL : LIST_ENTRY(node, struct slot, by_age);
}

static PROC void
give_up_slot(struct proc *p, struct slot *slot)
{
	struct buf text = store_error_text(p, WIRE_QUEUE_TIMEOUT);

	traffic_refused(&p->traffic, REFUSED_store);
	slot_refused(p, slot, wire_error_code(WIRE_QUEUE_TIMEOUT), buf_slice(&text));
	buf_fini(&text);
}

/* The submission is given up; if nobody else wants the job, REMOVE follows its ADD. */
static PROC void
run_queue_timeouts(struct proc *p)
{
	for (int n = 0; n < DUE_PER_TURN; n++) {
		struct slot *slot = longest_waiting(p);
		struct job *job;

		if (slot == NULL || slot->deadline > p->now.mono)
			return;
		job = slot->job;
		count(p, STAT_store_timeouts);
		give_up_slot(p, slot);
		job_settle(p, job);
	}
}

/* It will be removed, but nobody knows when. */
static PROC void
run_cancel_timeouts(struct proc *p)
{
	struct list *node;

	for (int n = 0; n < DUE_PER_TURN && (node = list_first(&p->cancels)) != NULL; n++) {
		struct slot *slot = LIST_ENTRY(node, struct slot, by_age);

		if (slot->deadline > p->now.mono)
			return;
		slot_removed(p, slot, "ERR QUEUE_ERROR The+job+is+cancelled+but+still+stored\r\n");
	}
}

static PROC nsec_t
next_due(const struct proc *p, nsec_t due)
{
	const struct heap_node *limit = heap_first(&p->limits), *delay = heap_first(&p->delays);
	const struct heap_node *rewake = heap_first(&p->rewakes), *gate = heap_first(&p->gates);
	const struct slot *slot = longest_waiting(p);

	if (limit != NULL)
		due = earlier(due, limit->key);
	if (rewake != NULL)
		due = earlier(due, rewake->key);
	if (gate != NULL)
		due = earlier(due, gate->key);
	due = earlier(due, expire_next(p));
	if (slot != NULL)
		due = earlier(due, slot->deadline);
	if (!list_is_empty(&p->cancels))
		due = earlier(due, LIST_ENTRY(list_first(&p->cancels), struct slot, by_age)->deadline);
	if (delay != NULL)
		due = earlier(due, p->now.mono + earlier(delay->key - p->now.wall, wall_check));
	return due < p->now.mono ? p->now.mono : due;
}

/* Nobody is out of time while what came in time may not have been read. */
void
timers_run(struct proc *p)
{
	run_delays(p);
	run_gates(p);
	run_rewakes(p);
	if (!p->now.late) {
		run_limits(p);
		run_expiries(p);
		run_queue_timeouts(p);
		run_cancel_timeouts(p);
	}
}

nsec_t
timers_due(struct proc *p)
{
	nsec_t due = next_due(p, earlier(store_watch(p), earlier(buried_trim(p), ended_trim(p))));

	return p->now.late && due <= p->now.mono ? p->now.mono + late_check : due;
}
