/* SPDX-License-Identifier: BSD-3-Clause
 *
 * listen_unix.h - listening on a unix socket, whose file outlives a server that crashed.
 *
 * Runs on:  main thread at start-up; removing also on the management thread.
 */
#ifndef GEARMAND_MGMT_LISTEN_UNIX_H
#define GEARMAND_MGMT_LISTEN_UNIX_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <gearmand/plugin.h>

/* Who may connect: whoever may write to the file. */
struct unix_rights {
	uid_t uid; /* -1 = as it comes */
	gid_t gid;
	mode_t mode;
};

/* The file of a dead server is replaced, that of a living one is refused, and so is anything that is not a socket.
 * -1: error says why. */
int listen_unix(
    const char *path, int backlog, const struct unix_rights *, dev_t *dev_r, ino_t *ino_r, struct gearmand_error *);
/* Only if the file is still the one that was made. */
void listen_unix_remove(const char *path, dev_t, ino_t);
/* The path of a socket's address as text; "@name" for one without a file. */
void listen_unix_path(const struct sockaddr_storage *, socklen_t, char *text, size_t size);

#endif
