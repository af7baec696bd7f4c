/* SPDX-License-Identifier: BSD-3-Clause
 *
 * gate.h - whether the jobs of a function may be given away now.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_GATE_H
#define GEARMAND_PROC_GATE_H

#include "proc/state.h"

struct func;

/* 0 = not paused; NEVER = until it is called again; a paused function is kept. */
void func_pause(struct proc *, struct func *, nsec_t until) RUNS_ON(proc_role);
/* `cap` jobs may run at a time (0 = it is paused; UINT64_MAX = any number).  One is given away in each `token` (0 = no
 * rate), and up to `burst` at once when there were none before. */
void func_limit(struct proc *, struct func *, uint64_t cap, nsec_t token, uint64_t burst) RUNS_ON(proc_role);
/* Its time in proc.gates has come. */
void gate_due(struct proc *, struct func *) RUNS_ON(proc_role);
/* For functions that are gated: a job of it runs from now on; does not run any more; became READY. */
void gate_assigned(struct proc *, struct func *) RUNS_ON(proc_role);
void gate_ended(struct proc *, struct func *) RUNS_ON(proc_role);
void gate_demand(const struct proc *, struct func *) RUNS_ON(proc_role);
/* It is open for the worker that has just ended a job; sleepers are woken a little later. */
bool gate_waits(const struct func *) RUNS_ON(proc_role);
/* So many sleepers are to be woken at the end of the turn, but no more than there is work for. */
void gate_wake(struct proc *, struct func *, uint32_t how_many) RUNS_ON(proc_role);
/* How many more workers can be given a job of it now. */
uint64_t gate_room(const struct proc *, const struct func *) RUNS_ON(proc_role);
const char *gate_state(const struct proc *, const struct func *) RUNS_ON(proc_role); /* open, paused, capped, limited */
void gate_audit(const struct proc *, const struct func *) RUNS_ON(proc_role);

#endif
