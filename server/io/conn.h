/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn.h - a connection and the class that has it, for the files of io/.
 *
 * Runs on:  its I/O thread.
 * Owns:     the socket, what is unread and unsent, the state of the protocol on it.
 *
 * A connection's life is a table of moves; conn_move() is the only writer of `life`.  Beside its life stand the
 * pauses: reasons for which its socket is not read.  The end of the peer is seen in any case.
 *
 * An idle connection costs this struct and the state of a module's protocol: buffers belong to the thread; `rest`,
 * `out` and `body` hold memory only while there is something in them.
 *
 * The files call each other downwards only:
 *   io.c, conn_open.c   from events and messages
 *   host.c, gear.c      from protocols
 *   conn_in.c           bytes in       conn_reply.c   packets out
 *   conn_request.c      packets in     conn_out.c     bytes out
 *   conn_transport.c    calls to a transport
 *   conn.c              life and events
 *   conn_base.c         what all of them need
 */
#ifndef GEARMAND_IO_CONN_H
#define GEARMAND_IO_CONN_H

#include <sys/types.h>

#include <gearmand/plugin.h>

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
	READ_BYTES = 65536,       /* at most this much of a connection per pass */
	PASS_BYTES = 1 << 21,     /* of all connections of a thread per pass */
	WRITE_BYTES = 1 << 20,    /* of a connection per pass */
	MESSAGE_COST = 96,        /* memory of an unsent message beside its bytes */
	UNSENT_FEW = 1 << 16,     /* of one connection: too little to close it, however much waits for others */
	GATHER_BYTES = 1 << 16,   /* answers to text lines that came together go out together, up to this */
	BODY_FIRST_BYTES = 4096,  /* of an announced body, before any of it came */
	BODY_LARGE_BYTES = 65536, /* of a body that may have to make room for others */
	DRAIN_SECONDS = 10,       /* for a peer to read what it is owed when the connection ends */
	LINGER_SECONDS = 2,       /* for a peer to see our end of file before its bytes are answered by a reset */
	STALL_SECONDS = 2         /* a peer that takes nothing for so long does not read */
};

struct io {
	struct loop *loop;
	struct event_base *base;
	struct mbox *in, *proc, *mgmt;
	void (*on_timer)(int fd, short what, void *conn); /* of conn.timer */
	struct io_config config;
	int epoll;           /* of the connections' sockets: it needs less for each than the event base would */
	struct event *ready; /* there is something in it */
	struct hash conns;   /* by number */
	struct list dirty;   /* connections that may have something to do */
	struct list waiting; /* connections with output that the socket did not take */
	struct list bodies;  /* large ones that are being received, the oldest first */
	struct list threads; /* struct gearmand_thread: what modules have of this thread */
	struct list to_proc; /* gathered in this pass */
	struct list dear;    /* large replies for modules, and what came for their connections behind them */
	size_t to_proc_count;
	uint64_t counts[STAT_ALL];
	uint64_t tag;       /* of the module's request at hand; else 0 */
	bool counted;       /* counts are not all zero */
	unsigned posts;     /* of counts */
	bool told_mgmt;     /* in this turn */
	bool busy;          /* several sockets were ready at once */
	bool bodies_full;   /* and the log has a line about it */
	size_t read_bytes;  /* at most, of a connection in this pass */
	size_t unsent;      /* bytes and bookkeeping of all that waits in `out` of its connections, without ... */
	size_t shared;      /* ... bodies that others may have, too; see io_unsent() */
	char *read_buffer;  /* rest_max + READ_BYTES */
	size_t rest_max;    /* bytes a protocol may leave unused before its connection is not read */
	uint32_t now;       /* seconds, monotonic; of this turn */
	uint32_t judged_at; /* `now` when those that hold output were last looked at */
};

/*     from      to          */
/* clang-format off */
#define CONN_MOVES(X) \
	X(OPEN,      DEAF     ) /* what the peer sends is wrong: the core closes in order */ \
	X(OPEN,      GONE     ) /* the peer has ended */ \
	X(OPEN,      SHUT     ) \
	X(DEAF,      SHUT     ) \
	X(GONE,      SHUT     ) \
	X(GONE,      DRAINING ) \
	X(SHUT,      DRAINING ) \
	X(DRAINING,  LINGERING)
/* clang-format on */

enum conn_life {
	CONN_OPEN,
	CONN_DEAF,     /* nothing is received any more */
	CONN_GONE,     /* the core was told PEER_GONE; what it still says goes out */
	CONN_SHUT,     /* the same, but what the core says is dropped */
	CONN_DRAINING, /* the core has forgotten it; what is unsent has DRAIN_SECONDS */
	CONN_LINGERING /* all is sent; waits for the peer's end of file */
};

enum conn_pause {
	PAUSED_CORE = 1,        /* the core wants no requests but results */
	PAUSED_SUBMISSIONS = 2, /* the core wants no submissions in the background */
	PAUSED_REQUEST = 4,     /* `rest` begins with a request that must wait for that */
	PAUSED_OUTPUT = 8,      /* too much is unsent */
	PAUSED_REST = 16,       /* the protocol does not use what is there */
	PAUSED_ALL = 32,        /* the core wants nothing, no results either: it has not come to what it got */
	PAUSED_ASIDE = 64       /* the transport's state is with another thread */
};

/* A request's body that comes in pieces. */
struct body {
	struct list in_io; /* io.bodies, when it is large */
	struct conn *conn;
	struct blob *blob; /* NULL when empty */
	size_t size;       /* announced; 0 = not known */
	uint64_t tag;      /* of a module's request */
	uint32_t type;
};

/* What a connection of a module has besides. */
struct extra {
	const char *listener;      /* the address that the peer connected to */
	struct msg *news;          /* PEER_NEW, while a transport may still tell who the peer is */
	struct buf packet;         /* what the protocol has written of a packet that goes through a transport */
	struct msg_reply *sending; /* what the protocol's send is being called with */
	void *protocol;            /* its state */
	void *transport;           /* its state; NULL without one */
	struct event *timer;       /* transport_tick_in; NULL until used */
	struct buf wire;           /* what the transport has written and the socket has not taken */
	struct buf identity;       /* tokens */
	char *address;             /* set_peer's */
	uint32_t dear;             /* messages in io.dear */
	bool in_transport : 1;     /* a callback of the transport is under way: what it writes is for the socket */
	bool proved : 1;           /* the transport has said who the peer is */
	bool finished : 1;         /* the transport was told of the end */
};

/* What modules know as struct gearmand_conn. */
struct conn {
	struct hash_node by_number;
	struct io *io;
	const struct service *service;
	struct extra *extra; /* NULL for the gear protocol on a bare socket */
	struct event *timer; /* tick_in, a request's patience, DRAIN, LINGER; NULL until used */
	struct list in_io;   /* io.dirty or io.waiting */
	struct list out;     /* struct msg_reply, in wire form */
	size_t out_bytes;    /* of `out`, less out_sent */
	size_t out_sent;     /* bytes of the first message that are sent already */
	uint32_t out_count;  /* messages in `out` */
	uint32_t moved_at;   /* io.now when the socket last took something, or `out` began to wait */
	struct buf rest;     /* what the protocol did not use yet */
	struct body *body;   /* NULL: none is begun */
	uint32_t body_left;  /* gear: bytes of a packet's body that have not come */
	int fd;
	uint16_t watched;      /* EPOLL*, see conn_watch() */
	uint8_t life;          /* enum conn_life */
	uint8_t pauses;        /* enum conn_pause */
	bool dirty : 1;        /* it is in io.dirty */
	bool broken : 1;       /* the socket is of no more use */
	bool at_end : 1;       /* the socket's end of file was read */
	bool ended : 1;        /* the peer has ended its sending side; what is in `rest` may still count */
	bool end_told : 1;     /* the core was told PEER_ENDED */
	bool blocked : 1;      /* the socket takes no more bytes for now, or others go first */
	bool again : 1;        /* `rest` is to be presented again */
	bool part_open : 1;    /* a part of that reply is unsent: the core waits for PART_TAKEN */
	bool text_open : 1;    /* a text line is with the core, and its one reply has not come */
	bool gathers : 1;      /* the reply to a line waits for the reply to the next, which came with it */
	bool impatient : 1;    /* its submissions waited too long for the store: refused until that is well */
	bool passes_over : 1;  /* gear: what comes of the packet's body is of no use */
	uint16_t replies;      /* that came from the core, modulo 65536 */
	char socket_address[]; /* see conn_address() */
};

static inline uint64_t
conn_number(const struct conn *c)
{
	return c->by_number.hash;
}

/* The state of its protocol.  Gear has none but the connection itself. */
static inline void *
conn_protocol(struct conn *c)
{
	return c->extra == NULL ? c : c->extra->protocol;
}

/* "192.0.2.1:4730", "[::1]:4730", or a unix socket's path. */
static inline const char *
conn_address(const struct conn *c)
{
	return c->extra != NULL && c->extra->address != NULL ? c->extra->address : c->socket_address;
}

/* Nothing of the transport may be called. */
static inline bool
conn_is_aside(const struct conn *c)
{
	return (c->pauses & PAUSED_ASIDE) != 0;
}

static inline bool
conn_has_transport(const struct conn *c)
{
	return c->service->transport != NULL;
}

/* To the core, at the end of the pass. */
static inline void
io_post(struct io *io, struct msg **mp)
{
	list_push(&io->to_proc, &(*mp)->link);
	io->to_proc_count++;
	*mp = NULL;
}

static inline void
io_count(struct io *io, enum statistic stat, uint64_t n)
{
	io->counts[stat] += n;
	io->counted = true;
}

/* Memory of what waits in all of them.  A body that a thousand listeners wait for is there once, and is among all
 * bodies until the last of them has it. */
static inline size_t
io_unsent(const struct io *io)
{
	size_t bodies = blob_bytes();

	return io->unsent + (io->shared < bodies ? io->shared : bodies);
}

/* The same of one connection, as if it were alone. */
static inline size_t
conn_unsent(const struct conn *c)
{
	return c->out_bytes + (size_t)c->out_count * MESSAGE_COST + (c->extra == NULL ? 0 : c->extra->wire.len);
}

static inline bool
conn_has_output(const struct conn *c)
{
	return c->out_bytes > 0 || (c->extra != NULL && c->extra->wire.len > 0);
}

static inline bool
conn_speaks_gear(const struct conn *c)
{
	return c->service->protocol == &gear_protocol;
}

/* In wire form.  A text reply has no packet head, though the room for it is there. */
static inline size_t
conn_message_size(const struct msg_reply *m)
{
	return m->head_len - (m->msg.type == PKT_TEXT ? PKT_HEAD : 0) + m->data.len;
}

/* conn_base.c */
void io_post_mgmt(struct io *, struct msg **) IO;
void conn_introduce(struct conn *) IO;           /* to the core, if that was put off */
void conn_post(struct conn *, struct msg **) IO; /* the same, of this peer */
void conn_move(struct conn *, enum conn_life) IO;
void conn_mark_dirty(struct conn *) IO;
void conn_drop_output(struct conn *) IO;
void conn_drop_body(struct conn *) IO;
char *conn_address_new(const struct msg_conn *); /* "ADDRESS:PORT"; the caller's to free */
void conn_sent(struct conn *, size_t) IO;        /* so many bytes of `out` are gone */
/* A message waits from now on, or does so no longer: its memory. */
void io_count_message(struct io *, const struct msg_reply *, bool waits) IO;

/* conn.c */
bool conn_wants_read(const struct conn *) IO;
void conn_watch(struct conn *) IO;              /* after a change of what is wanted of the socket */
void conn_timer(struct conn *, uint32_t ms) IO; /* 0 = off */
bool conn_timer_runs(const struct conn *) IO;
void conn_gone(struct conn *) IO;  /* nothing more comes; tells the core, once */
void conn_close(struct conn *) IO; /* gone, and ends when the output is out */
void conn_break(struct conn *) IO; /* gone, and what is unsent is lost */
void conn_forgotten(struct conn *) IO;
void conn_free(struct conn **) IO;
void conn_part_taken(struct conn *, bool dropped) IO; /* the part that is open, if any */

/* conn_open.c */
void conn_on_event(struct conn *, uint32_t what) IO; /* may free it */
void conn_open(struct io *, struct msg_conn **) IO;  /* takes */
void conn_on_timer(int fd, short what, void *conn);

/* thread.c: what modules have of this thread. */
void *io_thread_state(struct io *, const struct service *) IO; /* made when it is not there yet; may be NULL */
void io_threads_free(struct io *) IO;
void io_thread_timer(struct gearmand_thread *, uint32_t ms) IO;

/* conn_in.c */
void conn_readable(struct conn *, bool ending) IO; /* `ending`: the peer's end of file has come; may free it */
void conn_present(struct conn *, struct slice) IO; /* plain bytes for the protocol */
void conn_end_of_file(struct conn *) IO;           /* there are no more of them */
void conn_resume(struct conn *) IO;                /* what is in `rest`, if it is time for that */
void conn_set_pauses(struct conn *, unsigned) IO;  /* the core says so: PAUSED_CORE, PAUSED_SUBMISSIONS or neither */

/* conn_out.c */
void conn_put(struct conn *, struct msg_reply *) IO; /* takes; wire form */
/* Bytes of the protocol; copied.  With a transport they go out with conn_end_packet(). */
void conn_write(struct conn *, struct slice) IO;
void conn_end_packet(struct conn *) IO;
void conn_flush(struct conn *) IO;
void conn_end(struct conn *) IO; /* forgotten: goes on towards the end; may free it */
void io_judge(struct io *) IO;   /* closes those that hold the most, while too much is unsent in all */

/* conn_transport.c: how a connection calls its transport. */
void conn_transport_receive(struct conn *, struct slice) IO; /* empty: the end of file */
void conn_transport_send(struct conn *) IO;                  /* some of `out`, to `wire` */
void conn_transport_finish(struct conn *) IO;                /* once: its farewell */
void conn_transport_timer(struct conn *, uint32_t ms) IO;    /* 0 = off */
void conn_transport_aside(struct conn *) IO;                 /* has its work done */
void conn_transport_worked(struct conn *) IO;                /* that is done */
void conn_transport_wire(struct conn *, struct slice) IO;    /* bytes for the socket */
void conn_transport_peer(struct conn *, const char *address, const char *port) IO;
void conn_transport_proves(struct conn *) IO; /* who the peer is: `identity` */

/* conn_reply.c: a packet from the core, by way of the protocol; takes. */
void conn_reply(struct conn *, struct msg *) IO;
/* A part of the reply to a text line; takes. */
void conn_reply_part(struct conn *, struct msg *) IO;

/* conn_request.c */
/* May such a packet be taken at all, now?  If not, *why_r says why. */
bool conn_may_take(struct conn *, uint32_t type, size_t size, enum wire_error *why_r) IO;
void conn_body_begin(struct conn *, uint32_t type, size_t size) IO; /* `size`: announced; 0 = not known */
bool conn_body_add(struct conn *, struct slice) IO;                 /* false: the body is dropped */
void conn_body_end(struct conn *) IO;                               /* no-op when it is */
/* A packet whose body is there as a whole; copied. */
void conn_packet(struct conn *, uint32_t type, struct slice body) IO;
void conn_request(struct conn *, const struct gearmand_packet *) IO;
/* Must this request wait?  Then the connection is not read, and `rest` presented again when it may go on. */
bool conn_must_wait(struct conn *, uint32_t type) IO;
/* The core answers with this ERROR when the answers to earlier requests are out. */
void conn_refuse(struct conn *, enum wire_error) IO;
/* The core closes the connection when the answers to earlier requests are out. */
void conn_close_in_order(struct conn *) IO;

#endif
