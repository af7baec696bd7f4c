/* SPDX-License-Identifier: BSD-3-Clause
 *
 * job_read.h - what can be read off a job without a table.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_JOB_READ_H
#define GEARMAND_PROC_JOB_READ_H

#include "proc/state.h"

struct job;

struct slice job_unique(const struct job *); /* as the client sent it: "", "-" or the key */
struct slice job_data(const struct job *);
struct slice job_reducer(const struct job *);
uint64_t job_bytes(const struct job *);
/* RUNNING: when its attempt began; READY: when it became so.  By the wall clock of this moment. */
nsec_t job_since(const struct proc *, const struct job *) RUNS_ON(proc_role);

#endif
