/* SPDX-License-Identifier: BSD-3-Clause
 *
 * history.h - what the server was like: some numbers each second, and for longer each few seconds and minutes.
 *
 * Runs on:  any I/O thread; one of them adds.  A short lock.
 * Owns:     the numbers: 3,700 points of each, 4 bytes each.
 */
#ifndef PROTO_MONITOR_HISTORY_H
#define PROTO_MONITOR_HISTORY_H

#include <gearmand/module.h>

struct history;
struct sheet;

struct history *history_new(void);
void history_free(struct history **);
/* The server as it is now; is called each second. */
void history_take(struct history *, const struct sheet *, int64_t wall_ns);
/* {"step", "end", "series"} of this span in seconds, 600, 10800 or 604800; false: there is no such span. */
bool history_add_span(struct history *, struct gm_bytes *, unsigned span);
/* {"at", ...}: the newest second. */
void history_add_point(struct history *, struct gm_bytes *);

#endif
