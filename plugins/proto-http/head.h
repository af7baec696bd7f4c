/* SPDX-License-Identifier: BSD-3-Clause
 *
 * head.h - the head of one request: what job it asks for, or about which job.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     the bytes of the target and of the headers that matter.
 *
 * Order of use: line, until it is whole; field and value as the parser gives them; finish; then read the members.
 * The first thing found wrong is remembered, and web_head_finish() tells it.
 */
#ifndef PROTO_HTTP_HEAD_H
#define PROTO_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include <gearmand/module.h>

#include "asks.h"

/* `status` is 0 when there is nothing to refuse; `why` is a static sentence, or NULL. */
struct web_refusal {
	unsigned status;
	const char *why;
};

enum web_rank { WEB_HIGH, WEB_NORMAL, WEB_LOW };

/* A path that begins with _job/ is about a job. */
enum web_about { WEB_FUNCTION, WEB_JOB, WEB_RESULT, WEB_NOTHING };

struct web_head {
	struct gm_bytes line, name, value; /* name and value: of the header that is being read */
	size_t target, target_len;         /* its place in `line` */
	struct web_refusal fault;
	bool in_target, in_header, in_value;
	bool framing_lost; /* where the request ends cannot be told */

	/* From the headers. */
	struct gm_bytes unique; /* meaningful when has_unique */
	bool has_unique, background, stream, has_length, chunked, expects_continue, expects_other, asks_method;
	struct gm_bytes host, origin, site; /* data is NULL when the header did not come */
	enum web_rank rank;
	struct web_when when;
	struct web_prefer prefer;
	struct web_accept accept;

	/* From the target, valid after finish as long as the head. */
	enum web_about about;
	struct gearmand_slice function; /* percent-decoded, may be empty; of a job its handle */
	struct gearmand_slice query;    /* as it came, without '?' */
	size_t depth;                   /* slashes in the path, those at its beginning aside */
};

void web_head_init(struct web_head *);
void web_head_fini(struct web_head *);

/* More of the request line, with its LF at last.  The minor number of its version is 0 or 1. */
struct web_refusal web_head_line(struct web_head *, struct gearmand_slice, unsigned *minor_r);
void web_head_field(struct web_head *, struct gearmand_slice);
void web_head_value(struct web_head *, struct gearmand_slice);
struct web_refusal web_head_finish(struct web_head *, unsigned minor);

#endif
