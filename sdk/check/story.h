/* SPDX-License-Identifier: BSD-3-Clause
 *
 * story.h - all that happens on one connection, as text: the same bytes, however they are cut, must come to the same.
 *
 * A worker of sorts serves each job, and what becomes of it depends on the first letter of its function: f fails,
 * e raises an exception, d sends data first, b sends too much of it, v is lost after some data and begun anew, q is
 * refused by the queue, u is refused for its unique; all others return the workload.  Who follows a job by its handle
 * hears the same, by the first letter of the handle; u is not known then.
 *
 * Runs on:  the thread that calls it.  Owns nothing; the text is the caller's.
 */
#ifndef CHECK_STORY_H
#define CHECK_STORY_H

#include "conn.h"

/* How often time runs out at the end of a story. */
enum { TICKS_MOST = 3 };

struct cut {
	size_t first; /* so many bytes come first; 0 = no such cut */
	size_t piece; /* the rest in pieces of this; 0 = all at once */
	bool late;    /* requests are answered when all is said, and not as they come */
};

/* A connection whose peer says this.  When all is said, time runs out; then the peer ends its side. */
struct pile story_of(struct host *, struct gearmand_slice bytes, struct cut);
/* False: another story comes of it, and both are on stderr. */
bool story_is(struct host *, const struct pile *, struct gearmand_slice bytes, struct cut);

/* Answers a request as above: for on_request. */
void story_serve(struct conn *, const struct conn_request *);

#endif
