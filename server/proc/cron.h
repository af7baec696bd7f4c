/* SPDX-License-Identifier: BSD-3-Clause
 *
 * cron.h - jobs that the server itself submits, at times that the policies name.
 *
 * Runs on:  processing thread.
 * Owns:     struct crons.
 */
#ifndef GEARMAND_PROC_CRON_H
#define GEARMAND_PROC_CRON_H

#include "proc/state.h"

struct peer;

/* proc.policies are new: their cron lines count from now on.  Also before the core has a thread. */
void cron_take_policies(struct proc *);
/* Submits what is due; returns when to look again, on the monotonic clock, or NEVER. */
nsec_t cron_run(struct proc *) RUNS_ON(proc_role);
/* The store is ours from now on: runs that were due before were another server's. */
void cron_skip(struct proc *) RUNS_ON(proc_role);
void on_cron(struct proc *, struct msg *) RUNS_ON(proc_role); /* the time of the next run is known */
/* The answer to `show cron`. */
void cron_report(struct proc *, struct peer *asking) RUNS_ON(proc_role);
void cron_free(struct proc *);

#endif
