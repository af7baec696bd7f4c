/* SPDX-License-Identifier: BSD-3-Clause
 *
 * key.h - uniques: the live job that an equal submission joins.
 *
 * Runs on:  processing thread.
 * Owns:     struct twin.
 */
#ifndef GEARMAND_PROC_KEY_H
#define GEARMAND_PROC_KEY_H

#include "proc/state.h"

struct func;
struct job;
struct job_request;

/* Only jobs with a unique have it. */
struct job_key {
	struct hash_node
	    node; /* proc.uniques, the newest job with that unique; or proc.data_keys, when its data is the key */
};

/* What belongs into request.key_hash, for both of these. */
uint64_t key_hash(const struct proc *, const struct job_request *) RUNS_ON(proc_role);
/* The live job that a submission joins, or NULL. */
struct job *key_find(struct proc *, const struct func *, const struct job_request *) RUNS_ON(proc_role);
struct job *unique_find(struct proc *, struct slice unique) RUNS_ON(proc_role); /* the newest of any function */
void key_add(struct proc *, struct job *, uint64_t key_hash)
    RUNS_ON(proc_role); /* no-op without a key; hash 0 = not known */
void key_remove(struct proc *, struct job *) RUNS_ON(proc_role);

#endif
