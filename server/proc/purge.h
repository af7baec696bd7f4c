/* SPDX-License-Identifier: BSD-3-Clause
 *
 * purge.h - ends many jobs of a function, or sends its dead ones again.
 *
 * Runs on:  processing thread.
 * Owns:     struct purge.
 */
#ifndef GEARMAND_PROC_PURGE_H
#define GEARMAND_PROC_PURGE_H

#include "proc/state.h"

struct func;
struct peer;

enum { PURGE_READY = 1, PURGE_DELAYED = 2, PURGE_DEAD = 4 };

/* In this turn and the next ones; the answer comes when that is done.  `which`: PURGE_*. */
void purge_start(struct proc *, struct peer *, const struct func *, unsigned which) RUNS_ON(proc_role);
/* The same, but dead jobs are sent again, at most so many, those first that are dead longest. */
void kick_start(struct proc *, struct peer *, const struct func *, uint64_t most) RUNS_ON(proc_role);
/* A part of what is to be purged; returns when it must be called again, or NEVER. */
nsec_t purges_run(struct proc *) RUNS_ON(proc_role);
void purges_drop(struct proc *) RUNS_ON(proc_role); /* all, at the end */

#endif
