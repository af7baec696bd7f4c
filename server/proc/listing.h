/* SPDX-License-Identifier: BSD-3-Clause
 *
 * listing.h - long answers to text commands, made in parts.
 *
 * Runs on:  processing thread.
 * Owns:     struct listing.
 */
#ifndef GEARMAND_PROC_LISTING_H
#define GEARMAND_PROC_LISTING_H

#include "proc/state.h"

struct peer;

/* Of functions, of peers, of jobs. */
enum listing_kind {
	LIST_STATUS,
	LIST_PRIORITIES,
	LIST_FUNCTIONS,
	LIST_RUNNING,
	LIST_METRICS,
	LIST_DROP,
	LIST_WORKERS,
	LIST_JOBS,
	LIST_UNIQUES,
	LIST_DEAD,
	LIST_PEEK
};

/* A part of what is being listed; true while more can be made at once. */
bool listings_run(struct proc *) RUNS_ON(proc_role);
/* The answer comes when the listing is complete; until then the peer's later replies wait behind it. */
void listing_start(struct proc *, struct peer *, enum listing_kind) RUNS_ON(proc_role);
/* The dead list, of a function or ("") of all. */
void listing_dead(struct proc *, struct peer *, struct slice function) RUNS_ON(proc_role);
/* All that is measured, with the functions that match the pattern, and with `buckets` histograms of each. */
void listing_metrics(struct proc *, struct peer *, struct slice pattern, bool buckets) RUNS_ON(proc_role);
/* The functions of that name, in any case, are dropped; the answer has a line for each. */
void listing_drop(struct proc *, struct peer *, struct slice name) RUNS_ON(proc_role);
/* Up to `most` delayed jobs of the function. */
void listing_peek(struct proc *, struct peer *, struct slice function, uint64_t most) RUNS_ON(proc_role);
void listings_drop(struct proc *) RUNS_ON(proc_role); /* all, at the end */

#endif
