/* SPDX-License-Identifier: BSD-3-Clause
 *
 * parser.h - the library that knows HTTP: llhttp, or its forerunner http_parser.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing; the state of the library is part of struct web_conn.
 *
 * The two are one machine under two names: callbacks, methods and faults are called the same.  A callback stops the
 * library by returning WEB_STOP, and each request gets a fresh state, so nothing has to be resumed.
 */
#ifndef PROTO_HTTP_PARSER_H
#define PROTO_HTTP_PARSER_H

#include <stddef.h>
#include <stdint.h>

#include <gearmand/slice.h>

enum { WEB_STOP = -1 };

#ifdef HAVE_LLHTTP

#include <llhttp.h>

typedef llhttp_t web_parser;
typedef llhttp_settings_t web_parser_settings;

#define web_parser_keep_alive llhttp_should_keep_alive

static inline void
web_parser_setup(size_t limit)
{
	(void)limit; /* it has no bound of its own */
}

static inline void
web_parser_init(web_parser *p, const web_parser_settings *settings, void *owner)
{
	llhttp_init(p, HTTP_REQUEST, settings);
	p->data = owner;
#if LLHTTP_VERSION_MAJOR > 9 || (LLHTTP_VERSION_MAJOR == 9 && LLHTTP_VERSION_MINOR >= 2)
	llhttp_set_lenient_optional_cr_before_lf(p, 1); /* gearmand 1.1 takes lines that end in LF alone */
#endif
}

/* Returns HPE_OK, or why it stopped. */
static inline int
web_parser_feed(web_parser *p, const web_parser_settings *settings, struct gearmand_slice in, size_t *used_r)
{
	int fault = (int)llhttp_execute(p, in.data, in.len);
	/* A place outside of these bytes would be the library's mistake, and must not become ours. */
	uintptr_t at = (uintptr_t)llhttp_get_error_pos(p), from = (uintptr_t)in.data;

	(void)settings;
	*used_r = fault != HPE_OK && at >= from && at - from <= in.len ? at - from : in.len;
	return fault;
}

#else

#include <http_parser.h>

typedef http_parser web_parser;
typedef http_parser_settings web_parser_settings;

#define web_parser_keep_alive http_should_keep_alive

static inline void
web_parser_setup(size_t limit)
{
	/* Room for what it counts before and after the head: our own bound is the one that is met. */
	http_parser_set_max_header_size((uint32_t)limit * 4 + 4096);
}

static inline void
web_parser_init(web_parser *p, const web_parser_settings *settings, void *owner)
{
	(void)settings;
	http_parser_init(p, HTTP_REQUEST);
	p->data = owner;
}

static inline int
web_parser_feed(web_parser *p, const web_parser_settings *settings, struct gearmand_slice in, size_t *used_r)
{
	*used_r = http_parser_execute(p, settings, in.data, in.len);
	return (int)HTTP_PARSER_ERRNO(p);
}

#endif
#endif
