/* SPDX-License-Identifier: BSD-3-Clause
 *
 * secure.h - TLS on the socket of a link, and what a server must prove.
 *
 * Runs on:  the only thread.
 * Owns:     OpenSSL's objects; sockets are the link's.  Without OpenSSL in the build secure_setup() refuses, and the
 *           rest is never called.
 */
#ifndef GEARMANCTL_SECURE_H
#define GEARMANCTL_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct secure; /* of one connection */

struct secure_settings {
	const char *ca;          /* file of authorities; NULL: the default */
	const char *certificate; /* of this client; NULL: it shows none */
	const char *key;         /* NULL: it is in the certificate's file */
	bool insecure;           /* any server is taken */
};

/* What all connections have in common.  False: it has said why on stderr. */
bool secure_setup(const struct secure_settings *);
bool secure_is_on(void);
void secure_end(void);

/* `host` is the name or address that the server must prove to have.  NULL: no memory. */
struct secure *secure_new(int fd, const char *host);
/* Says goodbye to a server that was talked to. */
void secure_free(struct secure **);

/* 1: done.  0: it waits for the socket, see secure_writes().  -1: secure_why(). */
int secure_shake(struct secure *);
/* Does the handshake wait until the socket can be written? */
bool secure_writes(const struct secure *);
/* As recv() and send() of a socket that does not block: with EPROTO in errno there is a sentence. */
ssize_t secure_read(struct secure *, void *to, size_t size);
ssize_t secure_write(struct secure *, const void *from, size_t len);
const char *secure_why(const struct secure *);

#endif
