/* SPDX-License-Identifier: BSD-3-Clause
 *
 * api.h - pieces of JSON that an answer and an event have in common.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 */
#ifndef PROTO_MONITOR_API_H
#define PROTO_MONITOR_API_H

#include <gearmand/module.h>

struct mon_conn;
struct sheet;
struct sheet_row;

/* Members of an object that is open. */
void api_add_status(struct gm_bytes *, const struct sheet *, const struct mon_conn *);
/* An element of a list that is open. */
void api_add_function(struct gm_bytes *, const struct sheet *, const struct sheet_row *);

#endif
