/* SPDX-License-Identifier: BSD-3-Clause
 *
 * accept.h - accepts connections and hands them to I/O threads in turn.
 *
 * Runs on:  management thread.
 * Owns:     the events on the listening sockets; sockets between accept and the I/O thread's mailbox.
 */
#ifndef GEARMAND_MGMT_ACCEPT_H
#define GEARMAND_MGMT_ACCEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/role.h"
#include "cross/mbox.h"
#include "mgmt/listen.h"

struct acceptor;
struct service;
struct event_base;

/* All is borrowed and outlives the acceptor. */
struct accept_config {
	struct listeners *listeners; /* closed by acceptor_stop() and acceptor_free() */
	struct mbox *const *io;
	unsigned io_count;
	uint64_t max_connections; /* 0 = no bound */
	int fd_max;               /* a connection with a higher number is closed: descriptors run out */
	nsec_t calm;              /* without trouble, after which it is over */
	/* Seconds (0 = no probes), seconds, probes; -1 = the system's. */
	int keepalive_idle, keepalive_interval, keepalive_count;
};

struct acceptor *acceptor_new(struct event_base *, const struct accept_config *);
void acceptor_free(struct acceptor **); /* NULL is fine */
/* Accepts on the listeners that there are: again, when there are more of them.  `early`: on those only that do not
 * wait for the store. */
void acceptor_start(struct acceptor *, bool early) RUNS_ON(mgmt_role);
/* The far end of a connection that a module has for itself; -1: the system gives none. */
int acceptor_attend(struct acceptor *, const struct service *) RUNS_ON(mgmt_role);
/* Closes the listening sockets but those that are served until the end; twice is fine. */
void acceptor_stop(struct acceptor *) RUNS_ON(mgmt_role);
void acceptor_conn_closed(struct acceptor *) RUNS_ON(mgmt_role); /* one of those handed over has ended */
/* Connections closed at once, since this was last asked; and how many of them for want of descriptors. */
uint64_t acceptor_take_refused(struct acceptor *, uint64_t *without_descriptors_r) RUNS_ON(mgmt_role);

#endif
