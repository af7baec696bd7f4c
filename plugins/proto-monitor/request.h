/* SPDX-License-Identifier: BSD-3-Clause
 *
 * request.h - the head of one request.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     a copy of the head; all slices are in it.
 */
#ifndef PROTO_MONITOR_REQUEST_H
#define PROTO_MONITOR_REQUEST_H

#include <gearmand/module.h>

enum { MON_HEAD_MOST = 8192, MON_BODY_MOST = 65536 };

enum mon_method { MON_GET = 1, MON_POST = 2, MON_OTHER = 4 }; /* HEAD is a GET without a body */

/* A header that did not come has `data` NULL. */
struct mon_request {
	enum mon_method method;
	bool is_head, keep_alive;
	struct gearmand_slice path, query; /* as they came, without '?' */
	struct gearmand_slice host, origin, site, accept;
	uint64_t body;     /* bytes, which mean nothing here */
	unsigned fault;    /* status to refuse with; 0 = none */
	const char *why;   /* the sentence that goes with it */
	bool framing_lost; /* where the request ends cannot be told */
	bool saw_length;
	struct gearmand_slice name; /* of the header whose value comes next */
	struct gm_bytes text;
};

/* How long the head at the beginning of these bytes is, with the empty line; 0 = it is not whole yet. */
size_t mon_head_len(struct gearmand_slice);
/* Reads a whole head.  `names`: what the service is called besides its addresses; may be NULL. */
void mon_request_read(struct mon_request *, struct gearmand_slice head, const char *names);
void mon_request_fini(struct mon_request *);

/* Percent-decoded into `out`, which must be empty; false: an escape is malformed, or means NUL. */
bool mon_decode(struct gearmand_slice, struct gm_bytes *out);
/* The parameter of the query, decoded; false: it is malformed.  Empty when it is not there. */
bool mon_parameter(const struct mon_request *, const char *name, struct gm_bytes *out);
/* Is OpenMetrics wanted rather than the text format of Prometheus? */
bool mon_wants_openmetrics(struct gearmand_slice accept);

#endif
