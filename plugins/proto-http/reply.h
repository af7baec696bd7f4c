/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reply.h - the head of a response.
 *
 * Runs on:  the I/O thread of the connection.  Borrows everything during the call.
 */
#ifndef PROTO_HTTP_REPLY_H
#define PROTO_HTTP_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include <gearmand/module.h>

enum web_framing { WEB_BY_LENGTH, WEB_BY_CHUNKS, WEB_BY_CLOSE, WEB_WITHOUT_BODY };

struct web_reply {
	unsigned status;
	unsigned minor; /* of the request's version: 0 or 1 */
	bool keep_alive;
	struct gearmand_slice handle; /* empty = no such header */
	const char *command;          /* name of the packet that this answers; NULL = no such header */
	const char *allow;            /* methods, for 405 */
	const char *type;             /* of the body; NULL = no such header */
	struct gearmand_slice page;   /* origin of a page that may read this; empty = none of another origin may */
	struct gearmand_slice more;   /* further headers, each with its CR LF */
	enum web_framing framing;
	uint64_t length; /* WEB_BY_LENGTH: bytes of the body, which the caller writes */
};

/* False: no memory, and nothing is written. */
bool web_reply_head(const struct gearmand_host *, struct gearmand_conn *, const struct web_reply *);
void web_reply_continue(const struct gearmand_host *, struct gearmand_conn *);
const char *web_phrase(unsigned status);

#endif
