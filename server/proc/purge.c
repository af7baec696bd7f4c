/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ends jobs of a function, or sends its dead ones again: some of them in each turn.
 *
 * Runs on:  processing thread.
 * Owns:     struct purge.
 * Sends:    WORK_FAIL to clients that wait; removals to the store; "OK n" when the store has removed what it had.
 *
 * Jobs that come while it is at work are left alone as far as they can be told from those before: of ready and dead
 * jobs no more are looked at than there were, oldest first.
 */
#include "proc/purge.h"

#include <string.h>

#include "base/mem.h"
#include "proc/dead.h"
#include "proc/func.h"
#include "proc/job.h"
#include "proc/peer.h"
#include "proc/reply.h"
#include "proc/store_out.h"

/* Of a turn: about a millisecond.  To look at one job costs 1. */
enum { PURGE_COST_PER_TURN = 8192, COST_OF_END = 8 };

struct purge {
	struct list link; /* proc.purges, or proc.purged */
	struct slot *slot;
	uint64_t ended;
	uint64_t ready[PRIORITIES]; /* are still to be ended */
	bool delayed;               /* those, too */
	uint64_t dead;              /* are still to be looked at ... */
	bool is_kick;               /* ... and to be sent again, not to be ended: ... */
	uint64_t kicks;             /* ... so many more of them */
	bool in_store;              /* some were there */
	uint64_t removal;           /* it is answered when proc.removed is that much ... */
	nsec_t deadline;            /* ... or, with ERR, then; monotonic */
	struct hash_walk walk;
	size_t name_len;
	char name[];
};

static PROC struct purge *
purge_new(struct proc *p, struct peer *peer, const struct func *func)
{
	struct purge *purge = mem_new(sizeof *purge + func->name_len);

	purge->slot = slot_open_plain(p, peer);
	purge->name_len = func->name_len;
	memcpy(purge->name, func->name, func->name_len);
	list_init(&purge->link);
	list_push(&p->purges, &purge->link);
	return purge;
}

void
purge_start(struct proc *p, struct peer *peer, const struct func *func, unsigned which)
{
	struct purge *purge = purge_new(p, peer, func);

	if (which & PURGE_READY)
		memcpy(purge->ready, func->waiting, sizeof purge->ready);
	purge->delayed = (which & PURGE_DELAYED) != 0;
	purge->dead = which & PURGE_DEAD ? func->buried : 0;
}

void
kick_start(struct proc *p, struct peer *peer, const struct func *func, uint64_t most)
{
	struct purge *purge = purge_new(p, peer, func);

	purge->is_kick = true;
	purge->kicks = most;
	purge->dead = func->buried;
}

static void
purge_free(struct purge **purge_p)
{
	struct purge *purge = *purge_p;

	*purge_p = NULL;
	list_remove(&purge->link);
	mem_free(purge);
}

/* As `cancel job` does. */
static PROC size_t
purge_job(struct proc *p, struct purge *purge, struct job *job)
{
	size_t before = p->spent;

	purge->in_store = purge->in_store || job_is_in_store(p, job);
	purge->ended++;
	job_cancel(p, job, OUTCOME_CANCELLED);
	return COST_OF_END * (1 + p->spent - before);
}

/* Each of these is false when the budget was not enough. */
static PROC bool
purge_ready(struct proc *p, struct purge *purge, const struct func *func, size_t *budget)
{
	for (int i = 0; i < PRIORITIES; i++) {
		struct list *node;

		while (purge->ready[i] > 0 && (node = list_first(&func->ready[i])) != NULL) {
			if (*budget == 0)
				return false;
			purge->ready[i]--;
			*budget -= earlier(*budget, purge_job(p, purge, LIST_ENTRY(node, struct job, link)));
		}
	}
	return true;
}

static PROC bool
purge_delayed(struct proc *p, struct purge *purge, const struct func *func, size_t *budget)
{
	while (purge->delayed && func->delayed > 0) {
		struct hash_node *node = hash_next_within(&p->handles, &purge->walk, budget);
		struct job *job = CONTAINER_OF(node, struct job, by_handle);

		if (node == NULL)
			return *budget > 0;
		if (job->func == func && job->state == JOB_DELAYED)
			*budget -= earlier(*budget, purge_job(p, purge, job));
		*budget -= *budget > 0;
		if (*budget == 0)
			return false;
	}
	return true;
}

/* One whose unique a living job has stays dead, and goes behind the others. */
static PROC void
kick_one(struct proc *p, struct purge *purge, struct func *func, struct job *job)
{
	if (job_kick(p, job)) {
		purge->kicks--;
		purge->ended++;
		return;
	}
	list_remove(&job->link);
	list_push(&func->dead, &job->link);
}

static PROC bool
purge_dead(struct proc *p, struct purge *purge, struct func *func, size_t *budget)
{
	struct list *node;

	while (purge->dead > 0 && (purge->kicks > 0 || !purge->is_kick) && (node = list_first(&func->dead)) != NULL) {
		if (*budget == 0)
			return false;
		purge->dead--;
		if (purge->is_kick) {
			kick_one(p, purge, func, LIST_ENTRY(node, struct job, link));
			*budget -= earlier(*budget, COST_OF_END);
		} else {
			*budget -= earlier(*budget, purge_job(p, purge, LIST_ENTRY(node, struct job, link)));
		}
	}
	return true;
}

/* A function that is not there any more has no jobs.  The last one that ends may take its function with it, when room
 * is needed; so it is looked for each time. */
static PROC bool
purge_step(struct proc *p, struct purge *purge, size_t *budget)
{
	struct func *func = func_find(p, slice_of(purge->name, purge->name_len));

	return func == NULL || (purge_ready(p, purge, func, budget) && purge_delayed(p, purge, func, budget) &&
				   purge_dead(p, purge, func, budget));
}

static PROC void
purge_answer(struct proc *p, struct purge *purge)
{
	struct buf text = { 0 };

	if (p->removed >= purge->removal) {
		buf_add_str(&text, "OK ");
		buf_add_u64(&text, purge->ended);
		buf_add_str(&text, "\n");
	} else {
		buf_add_str(&text, "ERR QUEUE_ERROR The+jobs+are+cancelled+but+still+stored\r\n");
	}
	buf_add_char(&text, '\0');
	slot_removed(p, purge->slot, text.data);
	buf_fini(&text);
	purge_free(&purge);
}

nsec_t
purges_run(struct proc *p)
{
	size_t budget = PURGE_COST_PER_TURN;
	struct list *node;

	while (!store_is_behind(p) && (node = list_first(&p->purges)) != NULL) {
		struct purge *purge = LIST_ENTRY(node, struct purge, link);

		if (budget == 0 || !purge_step(p, purge, &budget))
			return p->now.mono;
		list_remove(node);
		list_push(&p->purged, node);
		purge->removal = purge->in_store ? p->removed + p->removing : 0;
		purge->deadline = p->now.mono + p->cfg.queue_timeout;
	}
	while ((node = list_first(&p->purged)) != NULL) {
		struct purge *purge = LIST_ENTRY(node, struct purge, link);

		if (p->removed < purge->removal && purge->deadline > p->now.mono)
			return purge->deadline;
		purge_answer(p, purge);
	}
	return NEVER;
}

void
purges_drop(struct proc *p)
{
	struct list *node;

	list_splice(&p->purged, &p->purges);
	while ((node = list_first(&p->purged)) != NULL) {
		struct purge *purge = LIST_ENTRY(node, struct purge, link);

		purge_free(&purge);
	}
}
