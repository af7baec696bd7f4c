/* SPDX-License-Identifier: BSD-3-Clause
 *
 * store_out.h - what the store is told of a job.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_STORE_OUT_H
#define GEARMAND_PROC_STORE_OUT_H

#include "proc/state.h"

struct job;

/* ADD; the outcome comes back. */
void job_store(struct proc *, struct job *) RUNS_ON(proc_role);
/* The same for one that is stored, or is being stored: as it is now.  Sets the time of the change. */
void job_store_again(struct proc *, struct job *) RUNS_ON(proc_role);
/* What the store has of it is removed, before it ends. */
void job_unstore(struct proc *, struct job *) RUNS_ON(proc_role);
/* It is about to be BURIED: the store has it among the dead, or, if it keeps none, not at all. */
void job_store_dead(struct proc *, struct job *) RUNS_ON(proc_role);
void job_unbury(struct proc *, struct job *) RUNS_ON(proc_role); /* among the dead no longer, if it was there */
bool job_is_in_store(const struct proc *, const struct job *) RUNS_ON(proc_role);
/* A dead job of the store that is none here. */
void dead_forget(struct proc *, struct slice handle) RUNS_ON(proc_role);

#endif
