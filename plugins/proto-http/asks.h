/* SPDX-License-Identifier: BSD-3-Clause
 *
 * asks.h - headers that ask for something out of the ordinary: when a job is to run, and in which form the answer is
 * to come.
 *
 * Runs on:  the I/O thread of the connection; pure functions.
 * Owns:     nothing.
 */
#ifndef PROTO_HTTP_ASKS_H
#define PROTO_HTTP_ASKS_H

#include <stdbool.h>
#include <stdint.h>

#include <gearmand/module.h>

enum {
	WEB_WAIT_MOST = 3600 /* seconds that a request may ask to wait for a job */
};

/* X-Gearman-When. */
struct web_when {
	bool given, relative; /* `relative`: seconds from now, else since 1970 */
	int64_t seconds;
};

/* Prefer (RFC 7240).  What is not understood is no preference. */
struct web_prefer {
	bool respond_async, has_wait;
	uint32_t wait; /* seconds, at most WEB_WAIT_MOST */
};

/* Accept.  A type counts when it is named; one that only a wildcard allows does not. */
struct web_accept {
	bool events, problem; /* text/event-stream; a type that is JSON */
};

/* "1800000000", "+90", "2027-01-15T08:00:00Z".  False: none of these, or not before the year 10000. */
bool web_when_read(struct gearmand_slice, struct web_when *);
/* Adds to what earlier headers of the name said. */
void web_prefer_read(struct gearmand_slice, struct web_prefer *);
void web_accept_read(struct gearmand_slice, struct web_accept *);
/* Decimal digits alone; `most` when the number is larger.  False: something else. */
bool web_number_read(struct gearmand_slice, uint64_t most, uint64_t *number_r);
/* The value of `name` in "name=value&other=value"; false when it is not there. */
bool web_query_find(struct gearmand_slice query, const char *name, struct gearmand_slice *value_r);

struct gearmand_slice web_trimmed(struct gearmand_slice); /* without blanks around it */
/* Letter case is ignored; `word` is in lower case. */
bool web_is_word(struct gearmand_slice, const char *word);

#endif
