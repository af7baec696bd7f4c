/* SPDX-License-Identifier: BSD-3-Clause
 *
 * conn.h - connections to a Gearman server, in the raw protocol, for the load generators.
 *
 * Runs on:  one thread, one epoll.
 * Owns:     a connection's socket and buffers; the struct is its user's, and goes on.
 *
 * All failures end the process with a sentence: there is nothing to measure then.
 */
#ifndef TESTS_BENCH_CONN_H
#define TESTS_BENCH_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/packet.h"

enum conn_role { FG_CLIENT, FG_WORKER, BG_CLIENT, BG_WORKER };

struct conn {
	int fd;
	struct ssl_st *tls; /* OpenSSL's; NULL without TLS */
	enum conn_role role;
	bool wants_write;
	struct buf in, out;
	size_t sent;     /* bytes of `out` that are gone */
	long open;       /* client: submissions without an end */
	uint64_t *since; /* ring of the times of open submissions, `depth` of them */
	unsigned first, next, depth;
};

typedef void conn_packet_f(struct conn *, const struct pkt_head *, struct slice body);

_Noreturn void die(const char *what);
uint64_t now_ns(void);
int by_size(const void *, const void *); /* of uint64_t, for qsort() */

/* Has more descriptors from here on, too. */
void conn_setup(void);
/* All connections from here on speak TLS; the server's certificate is not looked at. */
void conn_use_tls(void);
void conn_dial(struct conn *, enum conn_role, int port, int depth);
/* Into the buffer; conn_flush() sends. */
void conn_add(struct conn *, enum pkt_type, const struct slice *parts, int count);
void conn_flush(struct conn *);
/* An echo, there and back: the server has dealt with all before it, and nothing else is on its way. */
void conn_settle(struct conn *);

/* Times of open submissions, in order. */
void conn_opened(struct conn *, uint64_t now);
uint64_t conn_ended(struct conn *); /* when the oldest was opened */

/* What a worker does: asks for work, sleeps, echoes.  True: a job is done. */
bool conn_work(struct conn *, const struct pkt_head *, struct slice body);

/* Waits for up to `ms`, hands over packets, then calls `idle` for each connection that had some.  True:
 * `other`, a descriptor or -1, can be read. */
bool conn_poll(int ms, conn_packet_f *, void (*idle)(struct conn *), int other);

/* Of the server: seconds of CPU of all threads, resident bytes.  0 when there is no such process. */
double server_cpu(int pid);
double server_bytes(int pid);

#endif
