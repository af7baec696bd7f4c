/* SPDX-License-Identifier: BSD-3-Clause
 *
 * listen.h - listening sockets: from addresses, or handed in by a service manager.
 *
 * Runs on:  main thread at start-up, before privileges are dropped; later the management thread
 *           closes them.
 * Owns:     the sockets, and the files of unix sockets.
 */
#ifndef GEARMAND_MGMT_LISTEN_H
#define GEARMAND_MGMT_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <gearmand/plugin.h>

#include "mgmt/listen_unix.h"

struct service;
struct serving_place;

struct listener {
	int fd;
	const struct service *service;
	bool is_unix;
	dev_t dev; /* of a unix socket's file, while it is ours to remove; else 0 */
	ino_t ino;
	char host[256];   /* numeric address, or the path of a unix socket */
	const char *name; /* "127.0.0.1:4730", "[::1]:4730", "unix:/path"; the place's */
	char port[8];     /* the real one, also when 0 was asked for; empty for a unix socket */
};

struct listeners {
	struct listener *at;
	unsigned count;
	unsigned said;                  /* so many of them are in the log */
	struct unix_rights unix_rights; /* of those that are made from here on */
};

/* All addresses of the place, or none; they share the port, also when it is 0. */
bool listeners_bind(struct listeners *, struct serving_place *, int backlog, struct gearmand_error *);
/* A socket that listens already. */
bool listeners_take(struct listeners *, int fd, struct serving_place *, struct gearmand_error *);
bool listeners_has(const struct listeners *, const struct service *);
void listeners_remove(struct listeners *, unsigned i);  /* closes it */
void listeners_cut(struct listeners *, unsigned count); /* closes all but the first `count` */
void listeners_fini(struct listeners *);                /* closes; removes unix sockets that are still ours */

#endif
