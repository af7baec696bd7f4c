/* SPDX-License-Identifier: BSD-3-Clause
 *
 * metrics.h - all that is measured, as lines for programs: the answer to `metrics`.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_METRICS_H
#define GEARMAND_PROC_METRICS_H

#include "proc/state.h"

struct func;

/* Over all functions, as they were when the answer came to each. */
struct metrics_sums {
	uint64_t ready, running, delayed;
	nsec_t oldest_waiting;
};

/* The lines of the server as a whole, and the names of the numbers in the lines of functions.  `buckets`: those have
 * histograms, too. */
void metrics_add_server(const struct proc *, struct buf *, bool buckets) RUNS_ON(proc_role);
/* The line of a function; returns how many sleepers were looked at. */
size_t metrics_add_func(const struct proc *, struct buf *, const struct func *, bool buckets) RUNS_ON(proc_role);
void metrics_sum(const struct proc *, struct metrics_sums *, const struct func *) RUNS_ON(proc_role);
void metrics_add_sums(struct buf *, const struct metrics_sums *);

#endif
