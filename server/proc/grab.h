/* SPDX-License-Identifier: BSD-3-Clause
 *
 * grab.h - which job a worker gets.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_GRAB_H
#define GEARMAND_PROC_GRAB_H

#include "proc/state.h"

struct ability;
struct job;
struct peer;

/* The job that a worker would be given now, or NULL; *ability_r is what it would be given for. */
struct job *grab_peek(struct proc *, struct peer *, struct ability **ability_r) RUNS_ON(proc_role);

#endif
