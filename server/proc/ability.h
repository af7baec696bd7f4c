/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ability.h - what a worker can do.
 *
 * Runs on:  processing thread.
 * Owns:     struct ability; it is in the tables of its peer and of its function.
 */
#ifndef GEARMAND_PROC_ABILITY_H
#define GEARMAND_PROC_ABILITY_H

#include "proc/state.h"

struct func;
struct peer;

/* A worker's promise to do a function. */
struct ability {
	struct hash_node by_pair; /* proc.abilities */
	struct list of_peer, of_func;
	struct list sleeping; /* func.sleepers or peer.unlisted */
	struct list running;  /* struct job.link: the jobs it was given, in order of assignment */
	struct peer *peer;
	struct func *func;
	int64_t rank;      /* smaller is served earlier; the order of peer.abilities */
	uint32_t limit_ms; /* CAN_DO_TIMEOUT; 0 = none */
	uint32_t line;     /* the newest line of a listing that has it; see proc.line */
};

/* Jobs of a peer that go on though it may not do their functions any more. */
struct withdrawn {
	struct hash_node by_peer; /* proc.withdrawn */
	const struct peer *peer;
	struct list running; /* struct job.link */
};

struct ability *ability_find(struct proc *, const struct peer *, const struct func *) RUNS_ON(proc_role);
/* Abilities that the rules do not allow go; what they run goes on. */
void abilities_withdraw(struct proc *, struct peer *) RUNS_ON(proc_role);
/* Has it abilities, or jobs of those that were withdrawn? */
bool abilities_left(const struct proc *, const struct peer *) RUNS_ON(proc_role);
/* The peer can do nothing any more, and its running jobs are lost to it, function by function. */
void abilities_reset(struct proc *, struct peer *) RUNS_ON(proc_role);

#endif
