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

#include <gearmand/plugin.h>

struct service {
	const char *name; /* "gear", "http": for the log */
	const struct gearmand_protocol_ops *protocol;
	void *protocol_module;
	const struct gearmand_transport_ops *transport; /* NULL = the bytes of the socket */
	void *transport_module;
};

#endif
