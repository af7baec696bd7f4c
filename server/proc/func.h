/* SPDX-License-Identifier: BSD-3-Clause
 *
 * func.h - a function: its waiting jobs, its workers, its limits.
 *
 * Runs on:  processing thread.
 * Owns:     the struct; jobs and abilities in its lists are borrowed.
 */
#ifndef GEARMAND_PROC_FUNC_H
#define GEARMAND_PROC_FUNC_H

#include "proc/state.h"

struct job;
struct policy;

struct func {
	uint32_t magic;
	uint32_t number; /* grows with each that is made; for hashing, and for readers that want an order */
	struct hash_node by_name;
	struct list ready[PRIORITIES] OWNED_BY(proc_role); /* struct job.link, oldest first */
	struct list in_ready[PRIORITIES];                  /* proc.ready_funcs, while the gate is open */
	uint64_t waiting[PRIORITIES];                      /* length of `ready` */
	bool gated;                                        /* has any of the limits that gate.c knows */
	bool shut;                                         /* its jobs may not be given away now */
	struct list abilities;                             /* struct ability.of_func: every worker that can do it */
	struct list sleepers;    /* struct ability.sleeping; may hold some that woke meanwhile */
	struct list in_idle;     /* proc.idle_funcs */
	struct heap_node rewake; /* proc.rewakes */
	nsec_t woken;            /* when a worker was last woken for it */
	uint32_t width;          /* how many the next rewake wakes */
	uint64_t jobs;           /* all that are neither DEAD nor BURIED */
	uint64_t buried;
	struct list dead; /* struct job.link: BURIED, longest there first */
	uint64_t running;
	struct list runners;         /* struct job_extra.in_runners: RUNNING jobs, longest at it first */
	uint64_t queued[PRIORITIES]; /* not RUNNING, not DEAD */
	uint64_t delayed;            /* DELAYED */
	uint64_t retrying;           /* of these, those with an attempt behind them */
	uint64_t max[PRIORITIES];    /* maxqueue; 0 = none */
	const struct policy *policy; /* in proc.policies, or proc.former_policies */
	uint32_t workers;
	bool kept;             /* made by `create function`, or has a maxqueue */
	uint64_t cap;          /* running jobs at most; UINT64_MAX = no limit */
	nsec_t token;          /* time from one assignment to the next, on average; 0 = no rate */
	nsec_t slack;          /* how much earlier than that: what was saved while nothing was assigned */
	nsec_t tat;            /* monotonic: when the next assignment would be if all came evenly */
	nsec_t paused_until;   /* monotonic; 0 = is not paused, NEVER = until somebody resumes it */
	struct heap_node gate; /* proc.gates: time opens it; or it is open, and then sleepers are woken */
	struct list in_opened; /* proc.opened */
	struct heap_node
	    expiry;       /* proc.expiries: no job of it expires before; set while some of it are ready and may */
	uint32_t to_wake; /* workers that are to be woken at the end of the turn, if there is work for them */
	struct tally tally;
	struct spread *spread; /* NULL until it has had a job given to a worker */
	uint32_t name_len;
	char name[];
};

/* No jobs, dead ones among them, and no workers. */
static inline bool
func_is_unused(const struct func *func)
{
	return func->jobs == 0 && func->buried == 0 && func->workers == 0;
}

/* Call after something stopped using it: it may be dropped from then on when room is needed. */
static inline PROC void
func_idle_check(struct proc *p, struct func *func)
{
	if (func_is_unused(func) && !func->kept && func->paused_until == 0 && !list_is_linked(&func->in_idle))
		list_push(&p->idle_funcs, &func->in_idle);
}

struct func *func_find(struct proc *, struct slice name) RUNS_ON(proc_role); /* NULL when there is none */
/* Finds or makes it; NULL when there is no room, and *why_r says of what. */
struct func *func_get(struct proc *, struct slice name, enum wire_error *why_r) RUNS_ON(proc_role);
void func_free(struct proc *, struct func **) RUNS_ON(proc_role); /* takes; must be unused */
struct slice func_name(const struct func *);

/* Makes its spread. */
void func_spread(struct proc *, struct func *) RUNS_ON(proc_role);

/* The policy that holds for it from now on: one of proc.policies. */
void func_set_policy(struct proc *, struct func *) RUNS_ON(proc_role);

/* The queue of READY jobs. */
void func_push(struct proc *, struct func *, struct job *) RUNS_ON(proc_role);
void func_take(struct proc *, struct func *, struct job *) RUNS_ON(proc_role); /* out of the queue */
bool func_has_ready(const struct func *) RUNS_ON(proc_role);                   /* some that may be given away now */
/* Nanoseconds that the oldest of its READY, or RUNNING, jobs has been so; 0 = there is none. */
nsec_t func_oldest_ready(const struct proc *, const struct func *) RUNS_ON(proc_role);
/* When the first of its READY jobs has waited too long, on the monotonic clock; NEVER when there is none.  Its policy
 * says how long that is. */
nsec_t func_next_expiry(const struct func *) RUNS_ON(proc_role);
nsec_t func_oldest_running(const struct proc *, const struct func *) RUNS_ON(proc_role);

#endif
