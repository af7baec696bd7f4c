/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ended.h - jobs that have ended, for a while: how, when, and with what result.
 *
 * Runs on:  processing thread.
 * Owns:     struct ended.
 */
#ifndef GEARMAND_PROC_ENDED_H
#define GEARMAND_PROC_ENDED_H

#include "proc/job.h"
#include "proc/result.h"
#include "proc/state.h"

struct ended {
	struct hash_node by_handle; /* proc.ended */
	struct hash_node by_unique; /* proc.ended_uniques, while it is the newest with its unique */
	struct list by_age;         /* proc.ended_by_age */
	struct heap_node end;       /* proc.ended_ends */
	uint16_t prefix;            /* of the handle */
	uint8_t outcome;            /* enum outcome */
	bool background;
	bool newest;
	uint32_t tries;           /* attempts that came to nothing */
	nsec_t started, ended_at; /* wall clock: the last attempt began, 0 = there was none; it ended */
	struct blob *error;       /* what the last exception said, or NULL */
	struct result *result;    /* of a completed job, if its policy keeps it; or NULL */
	struct slice function, unique, worker, address; /* worker: "" = none had it at the end */
	char text[];                                    /* backing of these */
};

/* Notes how the job ends, if its policy says so; call before it has ended. */
void ended_add(struct proc *, struct job *, enum outcome) RUNS_ON(proc_role);
/* A dead job has been sent again. */
void ended_forget(struct proc *, const struct job *) RUNS_ON(proc_role);
/* NULL when it is not known, or not any more.  Ask for a living or dead job first: job_find(). */
const struct ended *ended_find(struct proc *, struct slice handle) RUNS_ON(proc_role);
/* The one that ended last with that unique, whatever its function. */
const struct ended *ended_find_unique(struct proc *, struct slice unique) RUNS_ON(proc_role);
const char *outcome_name(enum outcome);
/* Forgets those whose time is over, and the oldest while there are too many.  Returns when to look again, on the
 * monotonic clock, or NEVER. */
nsec_t ended_trim(struct proc *) RUNS_ON(proc_role);
void ended_audit(struct proc *) RUNS_ON(proc_role);
void ended_forget_all(struct proc *) RUNS_ON(proc_role); /* at the end */

#endif
