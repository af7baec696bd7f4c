/* SPDX-License-Identifier: BSD-3-Clause
 *
 * store_out.h - what the store is told of a job.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_STORE_OUT_H
#define GEARMAND_PROC_STORE_OUT_H

#include "proc/state.h"

struct job;

void job_store(struct proc *, struct job *) RUNS_ON(proc_role);
void job_unstore(struct proc *, struct job *) RUNS_ON(proc_role);

#endif
