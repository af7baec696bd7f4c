/* SPDX-License-Identifier: BSD-3-Clause
 *
 * buf.h - a growing run of bytes, and the few ways we make text.
 *
 * Runs on:  the thread that owns the buffer; pure (no locale, no stdio).
 * Owns:     its memory.  An empty buffer holds none.
 */
#ifndef GEARMAND_BASE_BUF_H
#define GEARMAND_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct buf {
	char *data;
	size_t len, cap; /* bytes */
};

void buf_fini(struct buf *);            /* frees; the buffer is empty and usable again */
char *buf_room(struct buf *, size_t n); /* at least n writable bytes behind the content; never NULL */
void buf_add(struct buf *, const void *, size_t n);
void buf_add_slice(struct buf *, struct slice);
void buf_add_str(struct buf *, const char *);
void buf_add_char(struct buf *, char);
void buf_add_u64(struct buf *, uint64_t); /* decimal */
void buf_add_i64(struct buf *, int64_t);  /* decimal */
/* For listings and logs: control bytes (below 32, and 127) become \xHH; all else stays as it is. */
void buf_add_escaped(struct buf *, struct slice);
void buf_drop(struct buf *, size_t n); /* forgets the first n bytes; an emptied buffer is freed */

static inline struct slice
buf_slice(const struct buf *b)
{
	return slice_of(b->data, b->len);
}

/* Writes decimal digits without a NUL; `out` holds 20 bytes.  Returns how many. */
size_t u64_to_text(char *out, uint64_t);

#endif
