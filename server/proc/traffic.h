/* SPDX-License-Identifier: BSD-3-Clause
 *
 * traffic.h - what is counted of connections, bytes, errors and refusals, each by its kind.
 *
 * Runs on:  processing thread.
 * Owns:     nothing: a struct traffic lies in the core.
 */
#ifndef GEARMAND_PROC_TRAFFIC_H
#define GEARMAND_PROC_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "cross/msg.h"

/* Codes of ERROR packets; what a store says goes as QUEUE_ERROR. */
#define ERROR_CODES(X) \
	X(INVALID_MAGIC) \
	X(INVALID_COMMAND) \
	X(ARGUMENT_TOO_LARGE) \
	X(INVALID_PACKET) \
	X(QUEUE_ERROR) \
	X(NOT_ALLOWED) \
	X(SHUTDOWN_GRACEFUL) \
	X(UNKNOWN_OPTION) \
	X(JOB_NOT_FOUND)

enum error_code {
#define X(name) CODE_##name,
	ERROR_CODES(X)
#undef X
	    CODE_COUNT
};

/* Why submissions are refused. */
#define REFUSALS(X) X(max_jobs) X(memory) X(maxqueue) X(functions) X(clients) X(store) X(shutdown) X(access)

enum refusal {
#define X(name) REFUSED_##name,
	REFUSALS(X)
#undef X
	    REFUSED_COUNT
};

struct arrivals { /* of one protocol, with TLS or without */
	const char *protocol;
	bool is_tls;
	uint64_t now, all;
};

enum flow { BYTES_IN, BYTES_OUT, PACKETS_IN, PACKETS_OUT, FLOWS };

/* More protocols than that are counted with the last. */
enum { ARRIVALS_MAX = 16 };

struct traffic {
	uint64_t errors[CODE_COUNT], refused[REFUSED_COUNT];
	uint64_t without_descriptors; /* connections closed at once for want of one */
	struct arrivals arrivals[ARRIVALS_MAX];
	unsigned arrivals_count;
	uint64_t (*flows)[FLOWS]; /* of each I/O thread */
	unsigned io_count;
};

void traffic_init(struct traffic *, unsigned io_count);
void traffic_fini(struct traffic *);

void traffic_came(struct traffic *, const char *protocol, bool is_tls); /* `protocol` lives as long as the process */
void traffic_left(struct traffic *, const char *protocol, bool is_tls);
void traffic_counts(struct traffic *, const struct msg_counts *);
void traffic_error(struct traffic *, const struct msg_reply *); /* an ERROR packet goes out */
void traffic_refused(struct traffic *, enum refusal);
/* Lines of `metrics`.  `refused`: connections closed at once, in all. */
void traffic_add(const struct traffic *, uint64_t refused, struct buf *out);

#endif
