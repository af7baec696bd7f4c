/* SPDX-License-Identifier: BSD-3-Clause
 *
 * purge.h - ends the waiting jobs of a function.
 *
 * Runs on:  processing thread.
 * Owns:     struct purge.
 */
#ifndef GEARMAND_PROC_PURGE_H
#define GEARMAND_PROC_PURGE_H

#include "proc/state.h"

struct func;
struct peer;

/* In this turn and the next ones; the answer comes when that is done. */
void purge_start(struct proc *, struct peer *, const struct func *, bool ready, bool delayed) RUNS_ON(proc_role);
/* A part of what is to be purged; returns when it must be called again, or NEVER. */
nsec_t purges_run(struct proc *) RUNS_ON(proc_role);
void purges_drop(struct proc *) RUNS_ON(proc_role); /* all, at the end */

#endif
