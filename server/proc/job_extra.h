/* SPDX-License-Identifier: BSD-3-Clause
 *
 * job_extra.h - what only some jobs have.
 *
 * Runs on:  processing thread.
 * Owns:     struct job_extra.
 */
#ifndef GEARMAND_PROC_JOB_EXTRA_H
#define GEARMAND_PROC_JOB_EXTRA_H

#include "proc/state.h"

struct client;
struct job;
struct peer;
struct result;
struct slot;

/* What a job has that somebody waits for, or that runs, ran before, or is to run later. */
struct job_extra {
	struct job *job;
	union {
		struct heap_node timer; /* DELAYED: proc.delays; RUNNING: proc.limits */
		struct list in_buried;  /* BURIED: proc.buried */
	};
	struct peer *worker; /* RUNNING */
	struct client *clients, *followers;
	struct slot *slots;              /* background submitters that wait for the commit */
	int64_t run_at;                  /* seconds since 1970; 0 = at once */
	uint32_t numerator, denominator; /* WORK_STATUS */
	uint32_t tries;                  /* attempts that came to nothing */
	uint16_t client_count;           /* of `clients` and `followers` */
	uint8_t verdict;                 /* RUNNING: enum verdict, what an operator wants when the attempt ends */
	bool in_dead : 1;                /* the store has it among the dead */
	bool add_again : 1;              /* the ADD under way is out of date; or it has one due at shutdown */
	int64_t changed_at;              /* seconds since 1970: when it last failed, died or was sent again */
	nsec_t retry_at;                 /* wall clock: when it is tried again; 0 = at once */
	nsec_t verdict_delay;            /* VERDICT_RETRY */
	nsec_t buried_at;                /* BURIED: wall clock.  STORING: it is sent again from the dead list */
	struct blob *error;              /* what the last exception said, or NULL */
	struct list in_runners;          /* RUNNING: func.runners */
	struct result *result;           /* RUNNING: what is to be kept of it, or NULL */
};

enum { ERROR_TEXT_MAX = 1000 }; /* bytes of `error` */

enum verdict { VERDICT_NONE, VERDICT_RETRY, VERDICT_BURY };

void job_extra_init(struct proc *, struct job *, int64_t run_at) RUNS_ON(proc_role);
/* Its own extra, to write. */
struct job_extra *job_extra(struct proc *, struct job *) RUNS_ON(proc_role);
void job_extra_free(struct proc *, struct job *) RUNS_ON(proc_role);
size_t job_extra_bytes(const struct job *); /* counted in proc.memory beside job_bytes() */
/* What its worker said of a failure, or as much of it as is kept; "" = nothing. */
void job_set_error(struct proc *, struct job *, struct slice) RUNS_ON(proc_role);
/* Call after something in it became zero: it goes when nothing is left in it. */
void job_extra_tidy(struct proc *, struct job *) RUNS_ON(proc_role);

#endif
