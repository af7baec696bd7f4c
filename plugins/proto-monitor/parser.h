/* SPDX-License-Identifier: BSD-3-Clause
 *
 * parser.h - the library that knows HTTP: llhttp, or its forerunner http_parser.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 *
 * The two are one machine under two names.  Here it is given whole heads only, one after the other.
 */
#ifndef PROTO_MONITOR_PARSER_H
#define PROTO_MONITOR_PARSER_H

#include <stdbool.h>

#include <gearmand/slice.h>

#ifdef HAVE_LLHTTP

#include <llhttp.h>

typedef llhttp_t mon_parser;
typedef llhttp_settings_t mon_parser_settings;

#define mon_parser_keep_alive llhttp_should_keep_alive

static inline bool
mon_parser_read(mon_parser *p, const mon_parser_settings *settings, struct gearmand_slice head, void *owner)
{
	llhttp_init(p, HTTP_REQUEST, settings);
	p->data = owner;
	return llhttp_execute(p, head.data, head.len) == HPE_OK;
}

#else

#include <http_parser.h>

typedef http_parser mon_parser;
typedef http_parser_settings mon_parser_settings;

#define mon_parser_keep_alive http_should_keep_alive

static inline bool
mon_parser_read(mon_parser *p, const mon_parser_settings *settings, struct gearmand_slice head, void *owner)
{
	http_parser_init(p, HTTP_REQUEST);
	p->data = owner;
	http_parser_execute(p, settings, head.data, head.len);
	return HTTP_PARSER_ERRNO(p) == HPE_OK;
}

#endif
#endif
