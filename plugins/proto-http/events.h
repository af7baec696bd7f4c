/* SPDX-License-Identifier: BSD-3-Clause
 *
 * events.h - what is heard of a job, as server-sent events.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 */
#ifndef PROTO_HTTP_EVENTS_H
#define PROTO_HTTP_EVENTS_H

#include "conn.h"

/* The head of the answer; events come from now on. */
void web_events_begin(struct web_conn *);
void web_events_heard(struct web_conn *, const struct gearmand_packet *);
void web_events_tick(struct web_conn *);

#endif
