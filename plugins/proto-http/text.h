/* SPDX-License-Identifier: BSD-3-Clause
 *
 * text.h - bytes that grow, with a bound, because their number comes from the wire.
 *
 * Runs on:  any thread.  Owns its bytes.
 */
#ifndef PROTO_HTTP_TEXT_H
#define PROTO_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <gearmand/slice.h>

struct web_text {
	char *data; /* not NUL-terminated */
	size_t len, size;
};

/* All zeroes is an empty one. */
/* False, and nothing added: longer than `limit` bytes then, or no memory. */
bool web_text_add(struct web_text *, struct gearmand_slice, size_t limit);
/* Makes it empty but keeps the memory. */
void web_text_clear(struct web_text *);
void web_text_fini(struct web_text *);

struct gearmand_slice web_text_slice(const struct web_text *);

/* The bytes of a string, without its NUL. */
struct gearmand_slice web_slice(const char *string);
/* Letter case is ignored; `word` is in lower case. */
bool web_is_word(struct gearmand_slice, const char *word);

#endif
