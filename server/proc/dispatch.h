/* SPDX-License-Identifier: BSD-3-Clause
 *
 * dispatch.h - from a message to its handler.
 *
 * Runs on:  processing thread.
 * Owns:     the message while its handler runs.
 */
#ifndef GEARMAND_PROC_DISPATCH_H
#define GEARMAND_PROC_DISPATCH_H

#include "proc/state.h"

void proc_dispatch(struct proc *, struct msg **) RUNS_ON(proc_role); /* takes */
/* What was set aside and may be looked at now; returns when more may be, or NEVER. */
nsec_t proc_dispatch_owed(struct proc *) RUNS_ON(proc_role);

#endif
