/* SPDX-License-Identifier: BSD-3-Clause
 *
 * text.h - how answers are written: numbers, names, JSON.
 *
 * Runs on:  any thread; pure.
 * Owns:     nothing.
 */
#ifndef PROTO_MONITOR_TEXT_H
#define PROTO_MONITOR_TEXT_H

#include <gearmand/module.h>

void text_add_u64(struct gm_bytes *, uint64_t);
void text_add_seconds(struct gm_bytes *, uint64_t ns); /* "0.25" */
/* What is UTF-8 as it is; other bytes, and those of control, as \xHH.  `quote` is put in front of each '"' and each
 * backslash. */
void text_add_name(struct gm_bytes *, struct gearmand_slice name, char quote);

bool text_is_plain(struct gearmand_slice name); /* it would be added as it is, but for quotes and backslashes */

/* JSON, piece by piece; `key` is NULL for an element of a list. */
void json_open(struct gm_bytes *, const char *key, char bracket); /* '{' or '[' */
void json_close(struct gm_bytes *, char bracket);
void json_u64(struct gm_bytes *, const char *key, uint64_t);
void json_seconds(struct gm_bytes *, const char *key, uint64_t ns);
void json_bool(struct gm_bytes *, const char *key, bool);
void json_null(struct gm_bytes *, const char *key);
void json_name(struct gm_bytes *, struct gearmand_slice name, const char *more); /* the caller adds the number */
void json_raw(struct gm_bytes *, const char *key, struct gearmand_slice json);   /* a piece that is made */
void json_text(struct gm_bytes *, const char *key, struct gearmand_slice);

/* The next piece of `rest` up to the byte, which goes too. */
struct gearmand_slice text_cut(struct gearmand_slice *rest, char at);

#endif
