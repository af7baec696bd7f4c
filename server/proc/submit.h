/* SPDX-License-Identifier: BSD-3-Clause
 *
 * submit.h - jobs that the server submits itself.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_SUBMIT_H
#define GEARMAND_PROC_SUBMIT_H

#include "proc/state.h"

/* A job in the background, of normal priority, unless one with that unique lives.  It goes through the store, as others
 * do.  False when there is no room for it, and why. */
bool submit_own(struct proc *, struct slice function, struct slice unique, struct slice data, enum wire_error *why_r)
    RUNS_ON(proc_role);

#endif
