/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stored.h - how the store is.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_STORED_H
#define GEARMAND_PROC_STORED_H

#include "proc/state.h"

/* Says so when a commit takes long; returns when to look again, or NEVER. */
nsec_t store_watch(struct proc *) RUNS_ON(proc_role);
/* The error's text, and the store's trouble behind it; to be freed. */
struct buf store_error_text(const struct proc *, enum wire_error) RUNS_ON(proc_role);

#endif
