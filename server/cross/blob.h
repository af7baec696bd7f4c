/* SPDX-License-Identifier: BSD-3-Clause
 *
 * blob.h - the body of a packet: bytes that many read and nobody changes.
 *
 * Runs on:  any thread.  The count is the one shared word of the server; it is atomic.
 * Owns:     its bytes, until the last reference goes.
 *
 * Bytes are copied once, from the socket's read buffer into a blob; jobs, stores and
 * replies refer to it from there.
 */
#ifndef GEARMAND_CROSS_BLOB_H
#define GEARMAND_CROSS_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct blob {
	uint32_t refs;
	uint32_t len, cap; /* bytes */
	char data[];
};

enum { BLOB_CAP_COUNTED = 1024 }; /* from so many bytes on a blob counts in blob_bytes() */

extern size_t blob_all_bytes; /* see blob_bytes() */

struct blob *blob_new(size_t cap);    /* empty, one reference; NULL when there is no memory */
struct blob *blob_copy(struct slice); /* the same, filled */
/* While there is one reference: adds bytes, growing as needed; false when there is no memory or
 * the blob would pass 4 GiB - 1 (it is unchanged then). */
bool blob_add(struct blob **, struct slice);
/* While there is one reference: room for at least `cap` bytes in all, without the slack that
 * blob_add() grows by; false as there. */
bool blob_reserve(struct blob **, size_t cap);
struct blob *blob_ref(struct blob *); /* NULL gives NULL */
void blob_unref(struct blob **);      /* takes; NULL is fine */
/* Bytes of all blobs of the process but the small ones, whose number is bounded where they come in. */
static inline size_t
blob_bytes(void)
{
	return __atomic_load_n(&blob_all_bytes, __ATOMIC_RELAXED);
}

static inline struct slice
blob_slice(const struct blob *b)
{
	return b == NULL ? slice_of("", 0) : slice_of(b->data, b->len);
}

#endif
