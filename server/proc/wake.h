/* SPDX-License-Identifier: BSD-3-Clause
 *
 * wake.h - which sleeping workers are woken.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_WAKE_H
#define GEARMAND_PROC_WAKE_H

#include "proc/state.h"

struct func;
struct peer;

/* After a job became READY. */
void wake_for_job(struct proc *, struct func *) RUNS_ON(proc_role);
/* After the rewake timer ran out. */
void wake_more(struct proc *, struct func *) RUNS_ON(proc_role);
/* At the end of a turn; true when some are left for the next. */
bool wakes_run(struct proc *) RUNS_ON(proc_role);
/* PRE_SLEEP: from here on the peer can be woken by each function it does. */
void sleep_enter(struct peer *) RUNS_ON(proc_role);
void sleep_wake(struct proc *, struct peer *) RUNS_ON(proc_role); /* NOOP */

#endif
