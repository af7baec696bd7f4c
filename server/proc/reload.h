/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reload.h - new policies and access rules while the server runs.
 *
 * Runs on:  processing thread.
 * Owns:     the tables that hold, and those before them.
 */
#ifndef GEARMAND_PROC_RELOAD_H
#define GEARMAND_PROC_RELOAD_H

#include "proc/state.h"

void on_policies(struct proc *, struct msg *) RUNS_ON(proc_role); /* takes what it has */
/* Functions get their new policy, a part at each turn; true while some have the former one. */
bool policies_run(struct proc *) RUNS_ON(proc_role);

void on_access(struct proc *, struct msg *) RUNS_ON(proc_role); /* takes what it has */
/* Peers are judged anew in the same way. */
bool access_run(struct proc *) RUNS_ON(proc_role);

#endif
