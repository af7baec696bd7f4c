/* SPDX-License-Identifier: BSD-3-Clause
 *
 * link.h - connections to servers, with deadlines, any number side by side.
 *
 * Runs on:  the only thread, inside links_turn().
 * Owns:     the socket, what is to be sent, and what was read and not taken yet.
 *
 * Names are looked up by the system's resolver, which has time limits of its own.
 */
#ifndef GEARMANCTL_LINK_H
#define GEARMANCTL_LINK_H

#include <stdint.h>

#include "base/buf.h"
#include "target.h"

enum link_state { LINK_CONNECTING, LINK_SHAKING /* hands, over TLS */, LINK_TALKING, LINK_DONE, LINK_FAILED };

/* What was made of the bytes read so far.  PROGRESS: as MORE, and the deadline begins anew. */
enum link_verdict { TAKE_MORE, TAKE_PROGRESS, TAKE_DONE, TAKE_BAD };

struct link;
/* Takes what it can from the front of link->in.  BAD: it has said why with link_fail(). */
typedef enum link_verdict link_take_f(struct link *);

struct addrinfo;
struct secure;

struct link {
	const struct target *target;
	struct addrinfo *addresses, *next; /* next: what is tried after this one */
	int fd;                            /* -1: none */
	struct secure *secure;             /* NULL: plain */
	enum link_state state;
	int64_t timeout, deadline, giving_up; /* milliseconds; giving_up: on connecting at all */
	struct buf in, out;
	size_t sent;  /* of out */
	bool reached; /* there was a connection, and its server is the right one */
	link_take_f *take;
	char why[256]; /* FAILED: a sentence */
};

int64_t now_ms(void); /* monotonic */

/* Begins to connect, over TLS after secure_setup() unless it is a unix socket.  What is in link->out goes first; more
 * may be put there at any time.  timeout in milliseconds, for connecting and for the answer each. */
void link_start(struct link *, const struct target *, int64_t timeout, link_take_f *);
__attribute__((format(printf, 2, 3))) void link_fail(struct link *, const char *format, ...);
/* Without a deadline from now on; that the peer's machine is gone is noticed after two minutes. */
void link_wait_forever(struct link *);
bool link_has_ended(const struct link *);
void link_fini(struct link *);

/* One turn of all: sleeps until something happens, or until `until` (0: a deadline of theirs) or until `extra_fd` (-1:
 * none) can be read.  False when all have ended before. */
bool links_turn(struct link **, unsigned count, int extra_fd, int64_t until);

#endif
