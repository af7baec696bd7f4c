/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn.h - a connection to a protocol or transport module, as the server's I/O thread drives it: what the module asks
 * for is written down.
 *
 * Runs on:  the thread that calls it; one for all connections of a host.
 * Owns:     all it hands out to the module.
 *
 * The module is held to the contract of <gearmand/plugin.h>: bytes used that were not there, a packet or bytes after
 * close, input left lying though nothing is awaited, data written that is not the packet's, bytes delivered behind the
 * end.  fail() tells it.
 *
 * Above a transport stands a protocol that writes back what it is given.
 */
#ifndef CHECK_CONN_H
#define CHECK_CONN_H

#include <gearmand/packet.h>
#include <gearmand/plugin.h>

#include "host.h"

struct conn_request {
	uint32_t type;
	struct pile body; /* in wire form */
	uint64_t tag;
};

struct conn {
	struct host *host;
	void *state;

	/* What a test may set. */
	size_t max_packet; /* 64 MiB at first */
	size_t memory;     /* bytes of a body before memory is "out"; SIZE_MAX at first */
	size_t kept_most;  /* bytes that may be kept; SIZE_MAX at first */
	void (*on_request)(struct conn *, const struct conn_request *); /* called when the module has returned */
	const char *address;                                            /* of the peer */

	/* What the module did. */
	struct pile out;               /* bytes for the peer */
	struct conn_request *requests; /* everything that was submitted, options too */
	size_t request_count;
	struct pile delivered; /* by a transport */
	char peer[80];         /* set_peer: "address port" */
	bool closed, ended;    /* ended: deliver_end */
	uint32_t tick_ms;      /* 0 = none asked for */

	/* The host's own. */
	struct pile in, body;
	struct gearmand_slice sending; /* data of the packet that is being sent */
	size_t served;                 /* requests that `on_request` was called for */
	uint32_t body_type;
	uint64_t body_tag;
	size_t kept_bytes, kept_count;
	bool in_body, at_end, is_aside;
	unsigned waiting; /* requests without a last word yet */
};

static inline bool
conn_is_transport(const struct conn *c)
{
	return c->host->plugin->kind == GEARMAND_KIND_TRANSPORT;
}

/* service.c: the part of the module's table that serves connections. */
void conn_services(struct gearmand_host *);

/* Opens the module; false when it refuses, with the reason in *err. */
bool host_open(struct host *, struct gearmand_error *err);
void host_close(struct host *);
/* The same, and the host goes, which was made by calloc; the module may be closed already. */
void host_free(struct host **);

/* NULL when the module refuses the connection. */
struct conn *conn_new(struct host *, const char *address);
void conn_free(struct conn **);

/* Bytes from the peer, `piece` at a time (0 = all at once). */
void conn_say(struct conn *, const void *bytes, size_t len, size_t piece);
/* The peer's end of file; a transport hears of it. */
void conn_end(struct conn *);
/* A packet for the peer.  NULL ends the arguments. */
void conn_send(struct conn *, uint32_t type, const char *const *args, struct gearmand_slice data);
/* Calls on_request for what waits, and presents what is left, until nothing moves. */
void conn_run(struct conn *);
/* Lets the time run out that the module asked for; false when it did not ask. */
bool conn_tick(struct conn *);

#endif
