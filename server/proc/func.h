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
struct peer;

struct func {
	uint32_t magic;
	uint32_t number; /* for hashing */
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
	uint64_t jobs;           /* all that are not DEAD */
	uint64_t running;
	uint64_t queued[PRIORITIES]; /* not RUNNING, not DEAD */
	uint64_t delayed;            /* DELAYED */
	uint64_t max[PRIORITIES];    /* maxqueue; 0 = none */
	uint32_t workers;
	bool kept;             /* made by `create function`, or has a maxqueue */
	uint64_t cap;          /* running jobs at most; UINT64_MAX = no limit */
	nsec_t token;          /* time from one assignment to the next, on average; 0 = no rate */
	nsec_t slack;          /* how much earlier than that: what was saved while nothing was assigned */
	nsec_t tat;            /* monotonic: when the next assignment would be if all came evenly */
	nsec_t paused_until;   /* monotonic; 0 = is not paused, NEVER = until somebody resumes it */
	struct heap_node gate; /* proc.gates: shut, and time opens it */
	struct list in_opened; /* proc.opened */
	uint32_t to_wake;      /* workers that are to be woken at the end of the turn, if there is work for them */
	uint32_t name_len;
	char name[];
};

/* A worker's promise to do a function. */
struct ability {
	struct hash_node by_pair; /* proc.abilities */
	struct list of_peer, of_func;
	struct list sleeping; /* func.sleepers or peer.unlisted */
	struct list running;  /* struct job.link: the jobs it was given, in order of assignment */
	struct peer *peer;
	struct func *func;
	int64_t turn;      /* smaller is served earlier; the order of peer.abilities */
	uint32_t limit_ms; /* CAN_DO_TIMEOUT; 0 = none */
	uint32_t line;     /* the newest line of a listing that has it; see proc.line */
};

struct func *func_find(struct proc *, struct slice name) RUNS_ON(proc_role); /* NULL when there is none */
/* Finds or makes it; NULL when there is no room, and *why_r says of what. */
struct func *func_get(struct proc *, struct slice name, enum wire_error *why_r) RUNS_ON(proc_role);
/* Call after something stopped using it: it may be dropped from then on when room is needed. */
void func_idle_check(struct proc *, struct func *) RUNS_ON(proc_role);
bool func_is_unused(const struct func *) RUNS_ON(proc_role);      /* no jobs, no workers */
void func_free(struct proc *, struct func **) RUNS_ON(proc_role); /* takes; must be unused */
struct slice func_name(const struct func *);

/* The queue of READY jobs. */
void func_push(struct proc *, struct func *, struct job *) RUNS_ON(proc_role);
void func_take(struct proc *, struct func *, struct job *) RUNS_ON(proc_role); /* out of the queue */
bool func_has_ready(const struct func *) RUNS_ON(proc_role);                   /* some that may be given away now */

/* The gate.  0 = not paused; NEVER = until it is called again; a paused function is kept. */
void func_pause(struct proc *, struct func *, nsec_t until) RUNS_ON(proc_role);
/* `cap` jobs may run at a time (0 = it is paused; UINT64_MAX = any number).  One is given away in each `token` (0 = no
 * rate), and up to `burst` at once when there were none before. */
void func_limit(struct proc *, struct func *, uint64_t cap, nsec_t token, uint64_t burst) RUNS_ON(proc_role);
/* After anything that it depends on has changed, or its time in proc.gates has come; true when it has opened. */
bool gate_turn(struct proc *, struct func *) RUNS_ON(proc_role);
/* For functions that are gated: a job of it runs from now on; does not run any more; became READY. */
void gate_assigned(struct proc *, struct func *) RUNS_ON(proc_role);
void gate_ended(struct proc *, struct func *) RUNS_ON(proc_role);
void gate_demand(const struct proc *, struct func *) RUNS_ON(proc_role);
/* So many sleepers are to be woken at the end of the turn, but no more than there is work for. */
void gate_wake(struct proc *, struct func *, uint32_t how_many) RUNS_ON(proc_role);
/* How many more workers can be given a job of it now. */
uint64_t gate_room(const struct proc *, const struct func *) RUNS_ON(proc_role);
const char *gate_state(const struct proc *, const struct func *) RUNS_ON(proc_role); /* open, paused, capped, limited */
void gate_audit(const struct proc *, const struct func *) RUNS_ON(proc_role);

struct ability *ability_find(struct proc *, const struct peer *, const struct func *) RUNS_ON(proc_role);
/* The peer can do nothing any more, and its running jobs are lost to it, function by function. */
void abilities_reset(struct proc *, struct peer *) RUNS_ON(proc_role);

/* Waking.  After a job became READY. */
void wake_for_job(struct proc *, struct func *) RUNS_ON(proc_role);
/* After the rewake timer ran out. */
void wake_more(struct proc *, struct func *) RUNS_ON(proc_role);
/* At the end of a turn; true when some are left for the next. */
bool wakes_run(struct proc *) RUNS_ON(proc_role);
/* PRE_SLEEP: from here on the peer can be woken by each function it does. */
void sleep_enter(struct peer *) RUNS_ON(proc_role);
void sleep_wake(struct proc *, struct peer *) RUNS_ON(proc_role); /* NOOP */

/* The job that a worker would be given now, or NULL; *ability_r is what it would be given for. */
struct job *grab_peek(struct proc *, struct peer *, struct ability **ability_r) RUNS_ON(proc_role);

#endif
