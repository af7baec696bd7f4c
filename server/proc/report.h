/* SPDX-License-Identifier: BSD-3-Clause
 *
 * report.h - short answers about the server as a whole.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_REPORT_H
#define GEARMAND_PROC_REPORT_H

#include "proc/state.h"

struct peer;

void report_counters(struct proc *, struct peer *) RUNS_ON(proc_role);
void report_queue(struct proc *, struct peer *) RUNS_ON(proc_role);

#endif
