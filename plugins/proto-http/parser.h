/* SPDX-License-Identifier: BSD-3-Clause
 *
 * parser.h - the HTTP parser library, whichever it is, as this module sees it: one request at a time.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     the library's state; the bytes stay the caller's.
 *
 * Two libraries fit: llhttp (parser_llhttp.c) and its forerunner http_parser
 * (parser_http_parser.c).  The build takes one of them.
 *
 * Order of use: init; feed until HEAD; ask about the head; feed until DONE; init again.
 */
#ifndef PROTO_HTTP_PARSER_H
#define PROTO_HTTP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gearmand/slice.h>

#ifdef HAVE_LLHTTP
#include <llhttp.h>
typedef llhttp_t web_library_t;
#else
#include <http_parser.h>
typedef http_parser web_library_t;
#endif

enum web_method { WEB_OTHER, WEB_GET, WEB_HEAD, WEB_POST, WEB_PUT };

enum web_verdict {
	WEB_MORE,    /* all bytes are used */
	WEB_HEADERS, /* the head is complete.  Feed again at once, be it with no bytes */
	WEB_DONE,    /* the request is complete; further bytes are not its */
	WEB_BAD      /* this is not HTTP; see web_parser_fault */
};

enum web_fault {
	WEB_FAULT_SYNTAX,
	WEB_FAULT_METHOD, /* the byte after those used is the first that fits no method */
	WEB_FAULT_VERSION,
	WEB_FAULT_TOO_LARGE
};

/* Who hears of the parts.  Each may come in pieces, and a value may not come at all when it is empty. */
struct web_listener {
	void (*url)(void *owner, struct gearmand_slice);
	void (*field)(void *owner, struct gearmand_slice);
	void (*value)(void *owner, struct gearmand_slice);
	void (*body)(void *owner, struct gearmand_slice);
};

struct web_parser {
	web_library_t library;
	const struct web_listener *to;
	void *owner;
	enum web_verdict stop; /* what made the library pause */
};

/* `limit`: heads of that size are not refused by the library itself. */
void web_parser_setup(size_t limit);
/* Borrows both for its life. */
void web_parser_init(struct web_parser *, const struct web_listener *, void *owner);
enum web_verdict web_parser_feed(struct web_parser *, struct gearmand_slice, size_t *used_r);
enum web_fault web_parser_fault(const struct web_parser *);

/* After HEADERS and before the next feed. */
enum web_method web_parser_method(const struct web_parser *);
bool web_parser_version(const struct web_parser *, unsigned *minor_r); /* false: neither 1.0 nor 1.1 */
bool web_parser_keep_alive(const struct web_parser *);
uint64_t web_parser_length(const struct web_parser *); /* of Content-Length, when there is one */

#endif
