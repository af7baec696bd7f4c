/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn.h - a connection and the class that has it, for the files of io/.
 *
 * Runs on:  its I/O thread.
 * Owns:     the socket, what is unread and unsent, the state of the protocol on it.
 *
 * Life: conn_open() tells the core PEER_NEW.  When nothing more can come from the peer (end of
 * file, a socket error, or we close) conn_gone() tells it PEER_GONE, once.  What the core
 * still sends goes out, until PEER_FORGOTTEN; then the connection ends when its output is out.
 *
 * An idle connection costs this struct, libevent's event and the protocol's state: buffers
 * belong to the thread, and `rest` and `out` hold memory only while there is something in them.
 */
#ifndef GEARMAND_IO_CONN_H
#define GEARMAND_IO_CONN_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/role.h"
#include "cross/msg.h"
#include "io/io.h"

struct event;
struct event_base;

/* Before a function definition: it runs on an I/O thread (see base/role.h). */
#define IO RUNS_ON(io_role)

enum {
	READ_BYTES = 65536,      /* at most this much of a connection per pass */
	WRITE_BYTES = 1 << 20,   /* the same for writing */
	MESSAGE_COST = 96,       /* memory of an unsent message beside its bytes */
	UNSENT_FEW = 1 << 16,    /* of one connection: too little to close it, however much waits for others */
	BLOB_FIRST_BYTES = 4096, /* of an announced body, before any of it came */
	DRAIN_SECONDS = 10,      /* for a peer to read what it is owed when the connection ends */
	LINGER_SECONDS = 2       /* for a peer to see our end of file before its bytes are answered by a reset */
};

struct io {
	struct loop *loop;
	struct event_base *base;
	struct mbox *in, *proc, *mgmt;
	struct io_config config;
	struct hash conns;   /* by number */
	struct list dirty;   /* connections that may have something to write */
	struct list to_proc; /* gathered in this pass */
	size_t to_proc_count;
	uint64_t counts[STAT_ALL];
	bool counted;      /* counts are not all zero */
	bool told_mgmt;    /* in this turn */
	size_t unsent;     /* bytes and bookkeeping of all that waits in `out` of its connections */
	char *read_buffer; /* rest_max + READ_BYTES */
	size_t rest_max;   /* bytes a protocol may leave unused before its connection is not read */
};

/* What modules know as struct gearmand_conn. */
struct conn {
	struct hash_node by_number;
	uint64_t number;
	struct io *io;
	const struct service *service;
	void *protocol;            /* its state */
	void *transport;           /* its state; NULL without one */
	struct event *event;       /* the socket is ready */
	struct event *timer;       /* tick_in, DRAIN, LINGER; NULL until used */
	struct list dirty;         /* in io->dirty */
	struct list out;           /* struct msg_reply, in wire form */
	size_t out_bytes;          /* of `out`, less out_sent */
	size_t out_count;          /* messages in `out` */
	size_t out_sent;           /* bytes of the first message that are sent already */
	struct buf rest;           /* what the protocol did not use yet */
	struct blob *body;         /* of a request that comes in pieces; NULL when empty */
	struct msg_reply *sending; /* what the protocol's send is being called with */
	uint32_t body_type;
	int fd;
	short watched; /* EV_READ, EV_WRITE */
	bool body_begun : 1;
	bool deaf : 1;          /* nothing is received any more */
	bool mute : 1;          /* the protocol closed it: nothing more is sent */
	bool broken : 1;        /* the socket is of no more use */
	bool at_end : 1;        /* the peer's end of file was read; what is in `rest` may still count */
	bool gone : 1;          /* the core was told PEER_GONE */
	bool forgotten : 1;     /* the core said PEER_FORGOTTEN */
	bool draining : 1;      /* forgotten; what is unsent has DRAIN_SECONDS */
	bool lingering : 1;     /* all is sent; waits for the peer's end of file */
	bool blocked : 1;       /* the socket takes no more bytes for now */
	bool yields : 1;        /* blocked, but only to let others go first: the event comes at once */
	bool text_open : 1;     /* a text line is with the core, and its one reply has not come */
	bool held_rest : 1;     /* the reply came; `rest` is to be looked at when output is not held up */
	bool paused : 1;        /* not read: the core said so */
	bool paused_output : 1; /* not read: too much is unsent */
	bool paused_rest : 1;   /* not read: the protocol does not use what is there */
	bool in_transport : 1;  /* what is written now is for the socket, not for the transport */
	char address[];         /* "192.0.2.1:4730", "[::1]:4730", or a unix socket's path */
};

/* io.c */
void io_post(struct io *, struct msg **) IO; /* to the core, at the end of the pass */
void io_post_mgmt(struct io *, struct msg **) IO;
void io_count(struct io *, enum statistic, uint64_t n) IO;

/* conn.c */
void conn_open(struct io *, struct msg_conn **) IO; /* takes */
void conn_free(struct conn **) IO;                  /* at once */
void conn_gone(struct conn *) IO;                   /* nothing more comes; tells the core, once */
void conn_close(struct conn *) IO;                  /* gone, and ends when the output is out */
void conn_break(struct conn *) IO;                  /* gone, and what is unsent is lost */
void conn_forgotten(struct conn *) IO;              /* may free it */
void conn_end(struct conn *) IO;                    /* forgotten: goes on towards the end; may free it */
void conn_watch(struct conn *) IO;                  /* after a change of what is wanted of the socket */
void conn_timer(struct conn *, uint32_t ms) IO;     /* 0 = off */

/* conn_in.c */
void conn_readable(struct conn *) IO; /* may free it */
/* Plain bytes for the protocol. */
void conn_present(struct conn *, struct slice) IO;
void conn_present_rest(struct conn *) IO; /* again, what it did not use */
void conn_release_rest(struct conn *) IO; /* the same, if it was held for a text reply */

/* conn_out.c */
void conn_put(struct conn *, struct msg_reply *) IO; /* takes; wire form, for the socket */
void conn_put_bytes(struct conn *, struct slice) IO; /* copies; for the socket */
void conn_drop_output(struct conn *) IO;
void conn_flush(struct conn *) IO; /* may free it */
void conn_mark_dirty(struct conn *) IO;

/* conn_reply.c: a packet from the core, by way of protocol and transport; takes. */
void conn_reply(struct conn *, struct msg *) IO;
void conn_write(struct conn *, struct slice) IO; /* plain bytes; copies */

/* conn_request.c */
void conn_body_begin(struct conn *, uint32_t type, size_t size) IO;
bool conn_body_add(struct conn *, struct slice, size_t size) IO; /* `size`: announced; 0 = not known */
void conn_body_end(struct conn *) IO;
void conn_body_drop(struct conn *) IO;
/* A packet whose body is there as a whole; copied. */
void conn_packet(struct conn *, uint32_t type, struct slice body) IO;
void conn_request(struct conn *, const struct gearmand_packet *) IO;
/* The core answers with this ERROR when the answers to earlier requests are out. */
void conn_refuse(struct conn *, enum wire_error) IO;
/* The core closes the connection when the answers to earlier requests are out. */
void conn_close_in_order(struct conn *) IO;

#endif
