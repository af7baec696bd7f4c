/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto_host.h - a host for one protocol module and one connection: what the module asks for is written down.
 *
 * Single-threaded; owns all it hands out.  It holds the module to the contract of <gearmand/plugin.h> and aborts with a
 * sentence when it is broken: bytes used that were not there, a packet after close, input left lying though
 * nothing is awaited, data written that is not the packet's.
 *
 * A job that the module submits waits until the test answers it with fake_send(), or is answered at
 * once by what `on_job` does.
 */
#ifndef TESTS_PROTO_HOST_H
#define TESTS_PROTO_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gearmand/packet.h>
#include <gearmand/plugin.h>

struct fake_text {
	char *data; /* always NUL-terminated behind `len` bytes */
	size_t len;
};

struct fake_request {
	uint32_t type;
	struct fake_text body; /* in wire form */
};

struct fake {
	struct gearmand_host host; /* first: the module's table */
	const struct gearmand_plugin *plugin;
	void *module, *conn_state;
	const char *const *settings; /* "name=value", NULL-terminated; the rest has its default */

	/* What a test may set. */
	size_t max_packet; /* 64 MiB at first */
	size_t memory;     /* bytes of a body before memory is "out"; SIZE_MAX at first */
	void (*on_job)(struct fake *, const struct fake_request *); /* called when the module has returned */
	void *own;

	/* What the module did. */
	struct fake_text out;      /* bytes for the peer */
	struct fake_request *jobs; /* everything that was submitted, options too */
	size_t job_count;
	struct fake_text listens; /* "address port\n" ... */
	bool closed;
	uint32_t tick_ms; /* 0 = none asked for */

	/* The host's own. */
	struct fake_text in, body;
	struct gearmand_slice sending; /* data of the packet that is being sent */
	size_t served;                 /* jobs that `on_job` was called for */
	uint32_t body_type;
	bool in_body, body_refused;
	unsigned waiting; /* jobs without a last word yet */
};

/* Opens the module and a connection; NULL when open refuses, with the reason in *err. */
struct fake *fake_new(const struct gearmand_plugin *, const char *const *settings, struct gearmand_error *err);
void fake_free(struct fake **);

/* Bytes from the peer, `piece` at a time (0 = all at once). */
void fake_say(struct fake *, const void *bytes, size_t len, size_t piece);
/* A packet for the peer.  Strings are arguments; NULL ends them. */
void fake_send(struct fake *, uint32_t type, const char *const *args, struct gearmand_slice data);
/* Lets the time run out that the module asked for; false when it did not. */
bool fake_tick(struct fake *);

void fake_text_add(struct fake_text *, const void *bytes, size_t len);
void fake_text_cut(struct fake_text *, size_t len); /* that many from the front */

#endif
