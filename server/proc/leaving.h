/* SPDX-License-Identifier: BSD-3-Clause
 *
 * leaving.h - what a peer leaves.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_LEAVING_H
#define GEARMAND_PROC_LEAVING_H

#include "proc/state.h"

struct peer;

/* It has put jobs to `lost`: the first of them go now, the others in peers_leave(). */
void peer_loses_jobs(struct proc *, struct peer *) RUNS_ON(proc_role);
/* A part of what it leaves; true when that is all. */
bool peer_let_go(struct proc *, struct peer *) RUNS_ON(proc_role);

#endif
