/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bind.h - which sockets the server listens on.
 *
 * Runs on:  main thread at start-up.  All is borrowed.
 */
#ifndef GEARMAND_MGMT_BIND_H
#define GEARMAND_MGMT_BIND_H

#include <stdbool.h>

#include <gearmand/plugin.h>

struct listeners;
struct passed_sockets;
struct serving;
struct settings;

struct bind_plan {
	const struct settings *settings;
	const struct serving *serving;
	const struct passed_sockets *passed;
};

/* Who may connect to the unix sockets that are bound from here on. */
bool bind_rights(struct listeners *, const struct settings *, struct gearmand_error *);
/* Takes what a service manager holds open for us. */
bool bind_passed(struct listeners *, const struct bind_plan *, struct gearmand_error *);
/* Binds for each service that has no socket yet: all or nothing.  `early`: only for those that do not wait for the
 * store. */
bool bind_rest(struct listeners *, const struct bind_plan *, bool early, struct gearmand_error *);

#endif
