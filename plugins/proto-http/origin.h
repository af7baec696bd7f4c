/* SPDX-License-Identifier: BSD-3-Clause
 *
 * origin.h - browsers send what pages of strangers made them send; such requests are refused.
 *
 * Runs on:  the I/O thread of the connection; web_names_are_well on the main thread.
 * Owns:     nothing.
 */
#ifndef PROTO_HTTP_ORIGIN_H
#define PROTO_HTTP_ORIGIN_H

#include "conn.h"

/* Has each of the two lists, --http-host and --http-allow-origin, the form that is compared? */
bool web_names_are_well(const struct gearmand_host *, struct gearmand_error *);
/* Of a request whose head is read.  Remembers whether a page of another origin may read the answer. */
struct web_refusal web_stranger_check(struct web_conn *);
/* Does the browser of a page that may use this service ask what it may send?  After web_stranger_check(). */
bool web_is_preflight(const struct web_conn *);
/* The headers that answer it. */
extern const char web_preflight[];

#endif
