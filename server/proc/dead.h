/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dead.h - the dead list: jobs that were given up and may be sent again.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_DEAD_H
#define GEARMAND_PROC_DEAD_H

#include "proc/state.h"

struct job;

/* To the dead list; clients must have been told. */
void job_bury(struct proc *, struct job *) RUNS_ON(proc_role);
/* BURIED: it is sent again, as if it had never been tried; if it goes through the store, when that has it.  False when
 * a job with its unique is there. */
bool job_kick(struct proc *, struct job *) RUNS_ON(proc_role);
/* The store has one that is sent again; or it cannot have it, which is dead as before then. */
void job_is_kicked(struct proc *, struct job *) RUNS_ON(proc_role);
void job_is_not_kicked(struct proc *, struct job *) RUNS_ON(proc_role);
/* What is too old, or too much, leaves the dead list.  Returns when to look again, on the monotonic clock, or NEVER. */
nsec_t buried_trim(struct proc *) RUNS_ON(proc_role);
/* BURIED: handle, function, unique, attempts, since when it is dead (seconds since 1970), bytes of its data, the last
 * error. */
void buried_add_line(const struct proc *, const struct job *, struct buf *) RUNS_ON(proc_role);

#endif
