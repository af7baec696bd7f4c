/* SPDX-License-Identifier: BSD-3-Clause
 *
 * serving.h - opens the modules that the operator chose, and tells what is spoken on which address.
 *
 * Runs on:  main thread at start-up.
 * Owns:     the services; the I/O threads refer to them as long as they run.
 */
#ifndef GEARMAND_MGMT_SERVING_H
#define GEARMAND_MGMT_SERVING_H

#include <stdbool.h>

#include <gearmand/plugin.h>

#include "cross/service.h"
#include "mgmt/settings.h"

struct plugins;

/* One set of addresses, and what is spoken there. */
struct serving_place {
	struct service service;
	const struct service *on_unix; /* the same without a transport that covers TCP only; NULL = service */
	const char *passed_name;       /* of sockets that a service manager passes for it */
	char *const *addresses;        /* borrowed; none = loopback */
	unsigned address_count;
	const char *port;
	bool is_own; /* no address: a module's connection without a peer, of which the server keeps the far end */
	int far_end;
	struct text_list names; /* of its listening sockets; connections refer to them */
};

/* Is it served before the store is open, and until the end? */
bool serving_is_early(const struct service *);

struct serving {
	struct serving_place **at; /* [0] is gear */
	unsigned count;
	struct service gear_on_unix;
};

/* Opens transports, then protocols.  `gear` is the built-in protocol. */
bool serving_open(struct serving *, const struct settings *, struct plugins *, const struct gearmand_protocol_ops *gear,
    struct gearmand_error *);
/* Does a transport have work for a thread of its own? */
bool serving_has_work(const struct serving *);
/* Modules are closed with the plugin host. */
void serving_close(struct serving *);

#endif
