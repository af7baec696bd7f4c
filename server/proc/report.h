/* SPDX-License-Identifier: BSD-3-Clause
 *
 * report.h - short answers about the server as a whole.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_REPORT_H
#define GEARMAND_PROC_REPORT_H

#include "proc/state.h"

struct peer;

/* A line `BEFORE NAME tab VALUE` for each counter, and for what there is now. */
void report_add_counters(const struct proc *, struct buf *, const char *before) RUNS_ON(proc_role);
/* none, replaying, well, slow, full, unwell */
const char *report_store_state(const struct proc *) RUNS_ON(proc_role);
/* How long changes have waited without a word from the store. */
nsec_t report_commit_time(const struct proc *) RUNS_ON(proc_role);
void report_counters(struct proc *, struct peer *) RUNS_ON(proc_role);
void report_options(struct proc *, struct peer *) RUNS_ON(proc_role);
void report_plugins(struct proc *, struct peer *) RUNS_ON(proc_role);
void report_queue(struct proc *, struct peer *) RUNS_ON(proc_role);

#endif
