/* SPDX-License-Identifier: BSD-3-Clause
 *
 * peer.h - a connection as the core sees it: a client, a worker, or both.
 *
 * Runs on:  processing thread.
 * Owns:     struct peer.
 */
#ifndef GEARMAND_PROC_PEER_H
#define GEARMAND_PROC_PEER_H

#include "proc/state.h"

struct debt;

struct peer {
	uint32_t magic;
	uint16_t io;        /* number of its I/O thread */
	uint16_t replies;   /* that were sent to it, modulo 65536 */
	bool exceptions;    /* wants WORK_EXCEPTION as such */
	bool asleep;        /* PRE_SLEEP came, and neither NOOP nor a request since */
	bool closing;       /* CLOSE is on its way: nothing more is taken from it */
	bool ended;         /* PEER_ENDED came: it sends nothing new */
	bool gone;          /* PEER_GONE came: only open replies are left */
	bool is_paused;     /* its submissions wait: too much waits for the store */
	bool is_held;       /* its requests wait: too much waits behind its open replies */
	bool is_cut;        /* closed, since too much waited behind its open replies: nothing is said to it */
	bool follows_next;  /* the job that it submits next in the background */
	bool is_module;     /* its protocol is a module's: it hears of attempts that are void */
	uint8_t told_pause; /* enum pause_what + 1 as its I/O thread was told last; 0 = none */
	uint32_t ability_count;
	uint64_t number;
	nsec_t clear;      /* when it has paid for what its packets cost beyond their share; see fair.h */
	struct debt *debt; /* NULL unless it owes */
	struct hash_node by_number;
	struct list in_list;    /* proc.peer_list */
	struct list in_paused;  /* proc.paused */
	struct list abilities;  /* struct ability.of_peer, by rank */
	struct list unlisted;   /* struct ability.sleeping, those in no function's sleepers */
	struct list lost;       /* struct job.link: jobs that it has given up and that are not lost yet */
	struct list in_leaving; /* proc.leaving */
	struct list waits_for;  /* struct client.of_peer: jobs whose results it wants */
	struct list slots;      /* struct slot.of_peer: replies that must wait, in order */
	uint32_t storing;       /* of them, those that wait for a commit */
	size_t held;            /* bytes of them */
	uint64_t excepted;      /* number of the job it ended last with WORK_EXCEPTION; 0 = none */
	uint16_t excepted_prefix;
	char *id; /* SET_CLIENT_ID; NULL = "-" */
	uint32_t id_len;
	int fd; /* for listings only */
	char port[8];
	char address[];
};

void peer_new(struct proc *, const struct msg_conn *) RUNS_ON(proc_role);
struct peer *peer_find(struct proc *, uint64_t number) RUNS_ON(proc_role); /* NULL when there is none */
/* The connection has ended: its jobs go elsewhere, and it is forgotten when its last reply is out. */
void peer_gone(struct proc *, struct peer *) RUNS_ON(proc_role);
/* A part of what leaving peers leave; forgets those that are done.  True while there is more. */
bool peers_leave(struct proc *) RUNS_ON(proc_role);
void peer_free(struct proc *, struct peer **) RUNS_ON(proc_role); /* takes; has no jobs and no slots any more */

static inline struct slice
peer_id(const struct peer *peer)
{
	return peer->id == NULL ? slice_of("-", 1) : slice_of(peer->id, peer->id_len);
}

#endif
