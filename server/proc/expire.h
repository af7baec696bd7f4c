/* SPDX-License-Identifier: BSD-3-Clause
 *
 * expire.h - jobs that have waited too long.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_EXPIRE_H
#define GEARMAND_PROC_EXPIRE_H

#include "proc/state.h"

struct func;
struct job;

/* The function's time in proc.expiries has come: jobs of it that have waited too long are given up, and the time of the
 * next is set.  *budget is not 0; the function costs 1, each such job another. */
void expire_due(struct proc *, struct func *, unsigned *budget) RUNS_ON(proc_role);
/* When expire_due() is to be called for some function, on the monotonic clock, or NEVER. */
nsec_t expire_next(const struct proc *) RUNS_ON(proc_role);
/* READY, the last of its list, back from the store: it may wait until then, in seconds since 1970, and not as long as
 * if it had just come.  No longer than those before it, nor shorter. */
void expire_resume(struct proc *, struct job *, int64_t until) RUNS_ON(proc_role);
void expire_audit(const struct func *) RUNS_ON(proc_role);

#endif
