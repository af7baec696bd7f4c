/* SPDX-License-Identifier: BSD-3-Clause
 *
 * peer.h - a connection as the core sees it: a client, a worker, or both.
 *
 * Runs on:  processing thread.
 * Owns:     struct peer.
 */
#ifndef GEARMAND_PROC_PEER_H
#define GEARMAND_PROC_PEER_H

#include <string.h>

#include "proc/state.h"

struct debt;

struct peer {
	uint16_t io;           /* number of its I/O thread */
	uint16_t replies;      /* that were sent to it, modulo 65536 */
	bool exceptions : 1;   /* wants WORK_EXCEPTION as such */
	bool asleep : 1;       /* PRE_SLEEP came, and neither NOOP nor a request since */
	bool closing : 1;      /* CLOSE is on its way: nothing more is taken from it */
	bool ended : 1;        /* PEER_ENDED came: it sends nothing new */
	bool gone : 1;         /* PEER_GONE came: only open replies are left */
	bool is_paused : 1;    /* its submissions wait: too much waits for the store */
	bool is_held : 1;      /* its requests wait: too much waits behind its open replies */
	bool is_cut : 1;       /* closed, since too much waited behind its open replies: nothing is said to it */
	bool follows_next : 1; /* the job that it submits next in the background */
	bool is_own : 1;       /* a module's for itself: it may see, whatever the rules say */
	bool is_module : 1;    /* its protocol is a module's: it hears of attempts that are void */
	bool is_tls : 1;       /* its transport may prove who it is */
	uint8_t told_pause;    /* enum pause_what + 1 as its I/O thread was told last; 0 = none */
	uint8_t judged;        /* proc.access_number of the rules that `rights` are of */
	uint32_t ability_count;
	int fd;            /* for listings only */
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
	size_t held;            /* bytes of them */
	uint32_t storing;       /* of them, those that wait for a commit */
	uint32_t user;          /* of a unix socket: number of the user at the other end; else ACCESS_NO_USER */
	uint64_t excepted;      /* number of the job it ended last with WORK_EXCEPTION; 0 = none */
	uint16_t excepted_prefix;
	uint16_t port;                      /* 0 = of a unix socket */
	uint16_t identity_len;              /* bytes of tokens, behind the address and its NUL */
	uint16_t told_minute;               /* when its refusals were logged last, in minutes, modulo 65536 ... */
	char *id;                           /* SET_CLIENT_ID; NULL = "-" */
	const struct access_rights *rights; /* of proc.access or proc.former_access; NULL = not judged yet */
	const char *protocol;               /* "gear" */
	uint32_t may_submit; /* number of a function to which it may submit, as was seen last; 0 = none */
	uint8_t id_len;
	uint8_t told_rights; /* ... and which, bits of enum access_right */
	char address[];
};

void peer_new(struct proc *, const struct msg_conn *) RUNS_ON(proc_role);
struct peer *peer_find(struct proc *, uint64_t number) RUNS_ON(proc_role); /* NULL when there is none */
/* The connection has ended: its jobs go elsewhere, and it is forgotten when its last reply is out. */
void peer_gone(struct proc *, struct peer *) RUNS_ON(proc_role);
/* A part of what leaving peers leave; forgets those that are done.  True while there is more. */
bool peers_leave(struct proc *) RUNS_ON(proc_role);
void peer_free(struct proc *, struct peer **) RUNS_ON(proc_role); /* takes; has no jobs and no slots any more */

static inline uint64_t
peer_number(const struct peer *peer)
{
	return peer->by_number.hash;
}

static inline struct slice
peer_id(const struct peer *peer)
{
	return peer->id == NULL ? slice_of("-", 1) : slice_of(peer->id, peer->id_len);
}

/* For log lines. */
static inline void
peer_add_address(const struct peer *peer, struct buf *out)
{
	buf_add_str(out, peer->address);
	if (peer->port == 0)
		return;
	buf_add_char(out, ':');
	buf_add_u64(out, peer->port);
}

/* What the transport proved: tokens with a NUL behind each. */
static inline struct slice
peer_identity(const struct peer *peer)
{
	return slice_of(peer->address + strlen(peer->address) + 1, peer->identity_len);
}

#endif
