/* SPDX-License-Identifier: BSD-3-Clause
 *
 * io.h - an I/O class: sockets, connections and the protocols on them.
 *
 * Runs on:  its I/O thread, as a rider on that thread's loop.
 * Owns:     its connections: socket, unread and unsent bytes, protocol state.
 */
#ifndef GEARMAND_IO_IO_H
#define GEARMAND_IO_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "cross/loop.h"
#include "cross/service.h"

struct gearmand_host;
struct io;

struct io_config {
	unsigned number;        /* 1 ...; its log tag */
	size_t max_packet;      /* bytes of a packet's body */
	size_t max_line;        /* bytes of a text line, LF included */
	size_t max_output;      /* unsent bytes of a connection before it is closed */
	size_t max_unsent;      /* of all connections of this thread; past it, those that hold the most are closed */
	size_t pause_output;    /* unsent bytes before the connection is not read */
	size_t max_waiting;     /* messages posted to the core and not yet taken, before this thread waits */
	size_t max_bodies[2];   /* bytes of all bodies in the process: for requests, for results; 0 = no bound */
	struct mbox *aside;     /* where work of transports is done; NULL = on this thread */
	uint32_t queue_timeout; /* milliseconds that a submission waits for the store */
	uint8_t hash_key[HASH_KEY_BYTES]; /* the core's, for msg_packet.data_hash */
};

/* Mailboxes are borrowed and outlive it. */
struct io *io_new(struct loop *, const struct io_config *, struct mbox *in, struct mbox *proc, struct mbox *mgmt);
void io_free(struct io **); /* closes every connection */
struct rider io_rider(struct io *);

/* The built-in Gearman protocol: the operations of a module's, but a part of the connection; see gear.c. */
extern const struct gearmand_protocol_ops gear_protocol;

/* Fills in the members of a host table that this class serves: request ... deliver. */
void io_host_services(struct gearmand_host *);

#endif
