/* SPDX-License-Identifier: BSD-3-Clause
 *
 * job_new.h - how a job is made.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#ifndef GEARMAND_PROC_JOB_NEW_H
#define GEARMAND_PROC_JOB_NEW_H

#include "proc/state.h"

#include <gearmand/plugin.h>

struct func;
struct job;

/* What a submission asks for; slices view into `body`. */
struct job_request {
	struct blob *body;
	struct slice unique, reducer, data;
	uint64_t key_hash; /* hash_bytes() of the unique, or of `data` where that is the key; 0 = not known */
	int64_t run_at;
	enum gearmand_priority priority;
	bool background;
};

/* In the tables, state NEW; takes a reference to the body. */
struct job *job_new(struct proc *, struct func *, const struct job_request *) RUNS_ON(proc_role);
/* The same for a replayed job whose handle is known ("" = it gets a new one); flags as stored.  A
 * dead job has no key. */
struct job *job_new_replayed(
    struct proc *, struct func *, const struct job_request *, struct slice handle, uint8_t flags) RUNS_ON(proc_role);

#endif
