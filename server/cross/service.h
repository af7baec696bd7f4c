/* SPDX-License-Identifier: BSD-3-Clause
 *
 * service.h - what is spoken on a listening socket: a protocol, maybe over a transport.
 *
 * Runs on:  built at start-up by the management thread, only read after that.
 */
#ifndef GEARMAND_CROSS_SERVICE_H
#define GEARMAND_CROSS_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gearmand_protocol_ops;
struct gearmand_transport_ops;

struct service {
	const char *name;           /* of the protocol: "gear", "http" */
	const char *transport_name; /* NULL without one */
	const struct gearmand_protocol_ops *protocol;
	void *protocol_module;
	const struct gearmand_transport_ops *transport; /* NULL = the bytes of the socket */
	void *transport_module;
	void *tag;              /* what the module gave to listen() ... */
	const void *tag_module; /* ... which is protocol_module or transport_module */
	/* Numbers of the modules' counters: STAT_COUNT and up. */
	unsigned protocol_counters, transport_counters;
};

#endif
