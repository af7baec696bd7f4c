/* SPDX-License-Identifier: BSD-3-Clause
 *
 * retry.h - an attempt came to nothing: again, later, or never.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_RETRY_H
#define GEARMAND_PROC_RETRY_H

#include "proc/state.h"

struct job;

/* RUNNING: the attempt came to nothing.  By the function's policy the job is queued again, now or later, or given up;
 * it ends when nobody wants it. */
void job_attempt_lost(struct proc *, struct job *, enum policy_loss) RUNS_ON(proc_role);
/* RUNNING: is that the job's end, when its worker says that it failed? */
bool job_ends_by(const struct job *, enum policy_loss) RUNS_ON(proc_role);
/* RUNNING: its worker said that it failed, and its clients have heard that; its followers, too, if it is the end. */
void job_failed(struct proc *, struct job *, enum policy_loss) RUNS_ON(proc_role);

#endif
