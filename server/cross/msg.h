/* SPDX-License-Identifier: BSD-3-Clause
 *
 * msg.h - what thread classes say to each other.
 *
 * Runs on:  any thread.  A message has one owner; who posts it gives it up.
 * Owns:     its blob reference and, by kind, what the struct's comment says.
 *
 * Direction, by kind:
 *   mgmt  -> io     CONN, STOP
 *   io    -> mgmt   CONN_CLOSED
 *   io    -> proc   PEER_NEW, PACKET, REFUSE, CLOSE_ME, CLOSE_IDLE, PEER_ENDED, PEER_GONE, PART_TAKEN, COUNTS
 *   proc  -> io     REPLY, PART, CLOSE, PAUSE, RESUME, PEER_FORGOTTEN
 *   proc  -> store  ADD, REMOVE, BURY, UNBURY
 *   store -> proc   ADD (with its outcome), COMMITTED, REPLAYED, REPLAY_AGAIN, REPLAY_END, STORE_STATE
 *   mgmt  -> proc   STORE_OURS, GRACEFUL, SHUTDOWN, POLICIES, ACCESS, CRON (with its answer), ALIVE
 *   proc  -> mgmt   IDLE, FLUSHED, CRON, ALIVE (the answer)
 *   mgmt  -> store  REPLAY, RELOAD, STOP
 *   store -> mgmt   STORE_WAITING, STORE_OPEN, STORE_READY, STORE_FAILED, STORE_FLUSHED
 *   io    -> aside -> io   WORK
 *   any   -> mgmt   LOG
 *   mgmt  -> log    LOG, LOG_FILE, STOP
 *   log   -> mgmt   LOG_LOST
 */
#ifndef GEARMAND_CROSS_MSG_H
#define GEARMAND_CROSS_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"
#include "cross/blob.h"
#include "cross/service.h"
#include "cross/stats.h"
#include "wire/error_code.h"
#include "wire/level.h"
#include "wire/packet.h"
#include "wire/sched.h"

/* clang-format off */
#define MSG_KINDS(X) \
	X(CONN) X(STOP) X(CONN_CLOSED) \
	X(PEER_NEW) X(PACKET) X(REFUSE) X(CLOSE_ME) X(CLOSE_IDLE) X(PEER_ENDED) X(PEER_GONE) X(PART_TAKEN) X(COUNTS) \
	X(REPLY) X(PART) X(CLOSE) X(PAUSE) X(RESUME) X(PEER_FORGOTTEN) \
	X(ADD) X(REMOVE) X(BURY) X(UNBURY) X(COMMITTED) X(REPLAY) X(RELOAD) X(REPLAYED) X(REPLAY_AGAIN) X(REPLAY_END) \
	X(STORE_STATE) X(STORE_OURS) X(GRACEFUL) X(SHUTDOWN) X(POLICIES) X(ACCESS) X(CRON) X(ALIVE) X(IDLE) X(FLUSHED) \
	X(LOG) X(STORE_WAITING) X(STORE_OPEN) X(STORE_READY) X(STORE_FAILED) X(STORE_FLUSHED) \
	X(LOG_FILE) X(LOG_LOST) X(WORK)
/* clang-format on */

enum msg_kind {
#define X(name) MSG_##name,
	MSG_KINDS(X)
#undef X
	    MSG_KIND_COUNT
};

/* The head of every message, and the whole of those that need no more.
 *
 * PEER_ENDED: the peer has ended its sending side.  What it sent before comes behind this message, and PEER_GONE behind
 *             that.  A worker takes no job any more.
 * CLOSE_IDLE: the protocol leaves unused what the peer sends; close it, unless it waits for something, or a reply is on
 * its way: `type` is the number of replies that have come, modulo 65536.
 * PART:       a part of the reply to a text line; the next, or the REPLY that is the end of it, comes after PART_TAKEN.
 * PART_TAKEN: the socket has taken the part; `type` 1: it was dropped, and so would all others be.
 * STORE_OURS: it is open, and its jobs will come; `type` has bits, enum store_ways.
 * PAUSE:      its requests are not wanted for now, by `type`; a later PAUSE replaces an earlier one.  Results of jobs,
 *             and the end of the peer, are told all the same. */
struct msg {
	struct list link;
	uint32_t magic;
	uint16_t kind; /* enum msg_kind */
	uint16_t type; /* PACKET, REPLY: enum pkt_type; REFUSE: enum wire_error; PAUSE: enum pause_what; COUNTS */
	uint64_t peer; /* connection number; 0 = none */
	struct blob *blob;
};

/* Of submissions, those in the background; ALL: results of jobs too, and the end of the peer may be told late. */
enum pause_what { PAUSE_REQUESTS, PAUSE_SUBMISSIONS, PAUSE_ALL };

/* STORE_OURS: what is special about the store. */
enum store_ways { STORE_ADDS_AT_SHUTDOWN = 1 /* and only then */, STORE_KEEPS_DEAD = 2 };

/* PACKET: a request in wire form.  `pkt` views into msg.blob.  For PKT_TEXT, pkt.data is the line, which gets
 * exactly one PKT_TEXT reply. */
struct msg_packet {
	struct msg msg;
	int64_t run_at;     /* SUBMIT_JOB_SCHED: seconds since 1970, worked out by the I/O thread */
	uint64_t data_hash; /* SUBMIT_* with the unique "-": hash_bytes() of pkt.data under the core's key */
	uint64_t tag;       /* of a module's request; comes back with its answers */
	struct pkt pkt;
};

/* REFUSE. */
struct msg_refuse {
	struct msg msg;
	uint64_t tag;
};

/* REPLY: one packet to a peer; PART: a part of one, always PKT_TEXT.  `head` is 12 bytes left for the packet head, then
 * all arguments with their NULs; `data` views into msg.blob and follows on the wire. For PKT_TEXT: only `head +
 * PKT_HEAD` and `data`, sent as they are. */
struct msg_reply {
	struct msg msg;
	struct slice data;
	uint64_t tag;                /* of the request that it answers; 0 = of none */
	uint32_t head_len, head_cap; /* bytes of head, the first PKT_HEAD included */
	char head[];
};

/* PEER_NEW.  CONN has the same, and the socket.  msg.blob of PEER_NEW: what the transport proved of the peer, tokens
 * with a NUL behind each. */
enum { IDENTITY_MAX = 8192 };
struct msg_conn {
	struct msg msg;
	int fd;      /* CONN: owned by the message until an I/O thread takes it; else only a number to show */
	uint16_t io; /* number of its I/O thread */
	const struct service *service; /* CONN: what is spoken; lives as long as the process */
	char address[64];              /* numeric, or the path of a unix socket; for listings and logs */
	char port[8];
	bool is_own;   /* a module's for itself: there is no peer */
	bool has_user; /* a unix socket: `user` is the number of the user at the other end */
	uint32_t user;
	const char *listener; /* CONN: the address that the peer connected to; lives as long as the process */
};

/* ADD: proc -> store -> proc.  REMOVE, BURY, UNBURY: proc -> store.  REPLAYED: store -> proc.
 * Slices view into msg.blob or `text`. */
struct msg_store {
	struct msg msg;
	void *job; /* ADD: the core's; only carried */
	struct slice function, unique, handle, reducer, data, error;
	int64_t run_at;                 /* seconds since 1970; 0 = at once */
	int64_t changed_at, expires_at; /* seconds since 1970; 0 = never */
	uint32_t attempts;
	uint8_t priority;           /* enum gearmand_priority */
	uint8_t flags;              /* GEARMAND_JOB_* */
	uint8_t outcome;            /* ADD on its way back: enum gearmand_outcome */
	struct msg_store *replaced; /* ADD, BURY in a batch: the removal of its key before it; the store's */
	uint32_t place;             /* in the batch as it was gathered; the store's */
	bool told;                  /* the core counts it as done, while it waits for room; the store's */
	char *reason;               /* ADD refused: a sentence; owned; may be NULL */
	char text[];                /* backing of handle, error and generated keys */
};

struct msg_log {
	struct msg msg;
	enum gearmand_level level;
	int64_t wall;   /* nanoseconds since 1970; 0 = when it is written */
	char thread[8]; /* "main", "proc", "store" or an I/O thread's number */
	char text[];
};

struct mbox;
struct policies;

struct msg_policies { /* POLICIES: what is to hold from now on */
	struct msg msg;
	struct policies *policies; /* owned */
};

struct access;

struct msg_access { /* ACCESS: the rules from now on */
	struct msg msg;
	struct access *access; /* owned */
};

struct msg_cron { /* CRON: when does that come next?  The core knows neither calendar nor time zone */
	struct msg msg;
	uint64_t table; /* number of the core's table, of which ... */
	uint32_t line;  /* ... this one is meant */
	struct sched sched;
	int64_t after, next; /* seconds since 1970; the answer, 0 = never */
};

struct msg_counts { /* COUNTS: what was counted since the last; `type`: number of the I/O thread, 0 = another */
	struct msg msg;
	uint64_t by[STAT_ALL];
	int64_t posted;               /* monotonic, of some: when; 0 = not said */
	uint64_t without_descriptors; /* of the connections refused, for want of a descriptor */
};

struct msg_text { /* STORE_STATE (empty = well again), STORE_FAILED, COMMITTED, REPLAY_END, the other STORE_* */
	struct msg msg;
	uint64_t number;  /* COMMITTED: changes among it that are no ADDs; REPLAY_END: jobs replayed; STORE_FLUSHED:
			     changes that could  not be saved; STORE_WAITING: 1 = another server has it; STORE_OURS: the
			     least number of the  next job; LOG_FILE: a descriptor; LOG_LOST: lines */
	uint64_t bytes;   /* COMMITTED: what these took, see change_bytes() */
	uint64_t changes; /* COMMITTED, of a commit: changes in it, and ... */
	int64_t took;     /* ... nanoseconds of the module's commit */
	char text[];
};

/* WORK: of a transport, with a connection's state.  Comes back to `from` when it is done. */
struct msg_work {
	struct msg msg;
	void (*work)(void *state);
	void *state;
	struct mbox *from;
};

/* All are zeroed but for the head, and what is said here; never NULL. */
struct msg *msg_new(enum msg_kind, uint64_t peer);
void *msg_new_sized(enum msg_kind, uint64_t peer, size_t size); /* size of the whole struct */
struct msg_packet *msg_packet_new(uint64_t peer);               /* `pkt` is to be filled */
struct msg_text *msg_text_new(enum msg_kind, struct slice text);
struct msg_reply *msg_reply_new(enum pkt_type, uint64_t peer, size_t arg_bytes);
void msg_reply_arg(struct msg_reply *, struct slice, bool last); /* all but the last get a NUL */
/* Refers to `data`, which must view into `blob`. */
void msg_reply_data(struct msg_reply *, struct blob *, struct slice data);
void msg_free(struct msg **); /* takes; NULL is fine; closes the fd of a CONN */
void msg_free_all(struct list *);
void msg_free_spares(void); /* memory that the calling thread, which is about to end, keeps for messages */

/* What a change takes while it waits; not for ADDs, whose job is there as long as they are. */
static inline size_t
change_bytes(const struct msg_store *m)
{
	return sizeof *m + m->function.len + m->unique.len + m->handle.len + m->reducer.len + m->data.len +
	       m->error.len;
}

#define MSG(node)        LIST_ENTRY(node, struct msg, link)
#define MSG_AS(type_, m) ((struct type_ *)(void *)(m)) /* struct msg is the first member of each */

#endif
