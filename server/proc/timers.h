/* SPDX-License-Identifier: BSD-3-Clause
 *
 * timers.h - what time alone brings about.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_TIMERS_H
#define GEARMAND_PROC_TIMERS_H

#include "proc/state.h"

/* Everything that time alone brings about. */
void timers_run(struct proc *) RUNS_ON(proc_role);
nsec_t timers_due(struct proc *) RUNS_ON(proc_role); /* when it must be called again, or NEVER */

#endif
