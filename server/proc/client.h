/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client.h - a peer that waits for a job, or follows it.
 *
 * Runs on:  processing thread.
 * Owns:     struct client.
 */
#ifndef GEARMAND_PROC_CLIENT_H
#define GEARMAND_PROC_CLIENT_H

#include "proc/state.h"

struct job;
struct peer;

/* Clients of one job, followers among them: what its worker sends goes to each of them. */
enum { JOB_CLIENTS_MAX = 10000 };

/* A peer that wants a job's results.  The same peer may be there twice (1.1: it gets everything twice).
 *
 * A follower hears what other clients hear, but a job is not wanted because of it; and it stays when an attempt
 * fails and the job is tried again: it hears the end of the job. */
struct client {
	struct client *next, **back; /* job_extra.clients or .followers */
	struct list of_peer;
	struct peer *peer;
	struct job *job;
	uint64_t tag; /* of the submission */
};

/* The job has room for it. */
void client_add(struct proc *, struct job *, struct peer *) RUNS_ON(proc_role);
void client_follow(struct proc *, struct job *, struct peer *) RUNS_ON(proc_role); /* the same, as a follower */
void client_free(struct proc *, struct client **) RUNS_ON(proc_role);              /* takes */

/* What is said to the client's peer next belongs to its submission; proc.asking is to be cleared behind it. */
static inline void
answer_of(struct proc *p, const struct client *client)
{
	p->asking = client->peer;
	p->tag = client->tag;
}

#endif
