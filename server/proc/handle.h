/* SPDX-License-Identifier: BSD-3-Clause
 *
 * handle.h - handles of jobs: "prefix:number", and the table of all jobs by them.
 *
 * Runs on:  processing thread.
 * Owns:     struct prefix.
 */
#ifndef GEARMAND_PROC_HANDLE_H
#define GEARMAND_PROC_HANDLE_H

#include "proc/job.h"
#include "proc/state.h"

struct handle_text {
	char at[HANDLE_MAX + 1];
	uint8_t len;
};

void handle_write(const struct proc *, uint64_t number, unsigned prefix, struct handle_text *) RUNS_ON(proc_role);
void job_handle(const struct proc *, const struct job *, struct handle_text *) RUNS_ON(proc_role);

/* Its number in proc.handles, where numbers of other prefixes stand, too. */
static inline uint64_t
handle_key(uint64_t number, unsigned prefix)
{
	return number ^ (uint64_t)prefix << 48;
}

static inline uint64_t
job_number(const struct job *job) /* of the handle */
{
	return handle_key(job->by_handle.hash, job->prefix);
}

struct prefix *prefix_add(struct proc *, struct slice text); /* of handles; new; also before the core has a thread */
/* False when it is no handle, or one of a server that is not known here.  A trailing NUL is tolerated. */
bool handle_read(struct proc *, struct slice handle, uint64_t *number_r, uint16_t *prefix_r) RUNS_ON(proc_role);
struct job *job_find(struct proc *, struct slice handle) RUNS_ON(proc_role); /* a trailing NUL is tolerated */
/* What a replayed job with that handle is to have: its number, and its prefix.  A stored handle is kept unless it makes
 * no sense or is taken. */
uint64_t handle_restore(struct proc *, struct slice handle, uint16_t *prefix_r) RUNS_ON(proc_role);

#endif
