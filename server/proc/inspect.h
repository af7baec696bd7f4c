/* SPDX-License-Identifier: BSD-3-Clause
 *
 * inspect.h - lines that say what there is of a job, and of a function.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_INSPECT_H
#define GEARMAND_PROC_INSPECT_H

#include "proc/job.h"

struct func;
struct peer;

/* A line of `peek`. */
void inspect_job(const struct proc *, struct buf *out, const struct job *) RUNS_ON(proc_role);
/* A whole answer: jobs that are ready, those that workers would get first; running ones, or dead ones, those that are
 * it longest. */
void inspect_first(struct proc *, struct peer *asking, const struct func *, enum job_state, uint64_t most)
    RUNS_ON(proc_role);
/* The answer to `peek job`. */
void inspect_payload(struct proc *, struct peer *asking, const struct job *) RUNS_ON(proc_role);
/* Lines of `show running`; returns how many. */
size_t inspect_runners(const struct proc *, struct buf *out, const struct func *) RUNS_ON(proc_role);
/* Functions, their sleepers and whose these are lie anywhere in memory: what the next lines need, so many at most, is
 * asked for together. */
enum { INSPECT_AHEAD = 16 };
void inspect_ahead(const struct hash *funcs, struct hash_walk) RUNS_ON(proc_role);
/* How many of its workers sleep; *steps_r sleepers were looked at for that. */
size_t inspect_asleep(const struct func *, size_t *steps_r) RUNS_ON(proc_role);
/* A line of `show functions`; returns how many sleepers were looked at. */
size_t inspect_func(const struct proc *, struct buf *out, const struct func *) RUNS_ON(proc_role);

#endif
