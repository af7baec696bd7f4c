/* SPDX-License-Identifier: BSD-3-Clause
 *
 * inspect.h - lines that say what there is of a job, and of a function.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_INSPECT_H
#define GEARMAND_PROC_INSPECT_H

#include "proc/state.h"

struct func;
struct job;
struct peer;

/* A line of `peek`. */
void inspect_job(const struct proc *, struct buf *out, const struct job *) RUNS_ON(proc_role);
/* The ready jobs that workers would get first, as a whole answer. */
void inspect_ready(struct proc *, struct peer *asking, const struct func *, uint64_t most) RUNS_ON(proc_role);
/* How many of its workers sleep; *steps_r sleepers were looked at for that. */
size_t inspect_asleep(const struct func *, size_t *steps_r) RUNS_ON(proc_role);
/* A line of `show functions`; returns how many sleepers were looked at. */
size_t inspect_func(const struct proc *, struct buf *out, const struct func *) RUNS_ON(proc_role);

#endif
