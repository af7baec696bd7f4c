/* SPDX-License-Identifier: BSD-3-Clause
 *
 * text.h - bytes as text: UTF-8, JSON, base64.
 *
 * Runs on:  any thread; pure functions.
 * Owns:     nothing; what grows belongs to the caller.
 */
#ifndef PROTO_HTTP_TEXT_H
#define PROTO_HTTP_TEXT_H

#include <stdbool.h>

#include <gearmand/module.h>

/* Bytes of the character that it begins with; 0 when that is no UTF-8, or the slice is empty. */
size_t web_utf8(struct gearmand_slice);
/* UTF-8 without CR and NUL. */
bool web_is_text(struct gearmand_slice);
/* As a JSON string, with its quotes.  Bytes that are not UTF-8 become \xHH, as text. */
void web_json_string(struct gm_bytes *, struct gearmand_slice);
/* The next member of an object: a comma, if there was one before, and the name. */
void web_json_name(struct gm_bytes *, const char *name);
void web_json_member(struct gm_bytes *, const char *name, struct gearmand_slice value);
/* At most 3 bytes as 4 characters. */
void web_base64(struct gearmand_slice, char out[4]);

#endif
