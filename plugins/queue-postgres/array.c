/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Many values as one parameter: arrays of one dimension in PostgreSQL's binary format.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the bytes are the caller's.
 *
 * The amount comes from clients, so running out of memory is remembered and asked for at the end.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "queue_postgres.h"

void
qp_bytes_add(struct qp_bytes *b, const void *p, size_t n)
{
	if (n > b->cap - b->len && !b->failed) {
		size_t cap = b->cap == 0 ? 1024 : b->cap;
		char *grown;

		while (cap - b->len < n)
			cap *= 2;
		grown = realloc(b->p, cap);
		b->failed = grown == NULL;
		if (grown != NULL) {
			b->p = grown;
			b->cap = cap;
		}
	}
	if (b->failed || n == 0)
		return;
	memcpy(b->p + b->len, p, n);
	b->len += n;
}

void
qp_bytes_free(struct qp_bytes *b)
{
	free(b->p);
	*b = (struct qp_bytes){ .p = NULL };
}

static void
add_int4(struct qp_bytes *b, uint32_t v)
{
	v = htonl(v);
	qp_bytes_add(b, &v, sizeof(v));
}

void
qp_array_begin(struct qp_bytes *b, unsigned element, size_t count)
{
	b->len = 0;
	add_int4(b, count == 0 ? 0 : 1); /* dimensions */
	add_int4(b, 0);                  /* no NULL in it */
	add_int4(b, element);
	if (count == 0)
		return;
	add_int4(b, (uint32_t)count);
	add_int4(b, 1); /* index of the first */
}

void
qp_array_bytes(struct qp_bytes *b, struct gearmand_slice v)
{
	add_int4(b, (uint32_t)v.len);
	qp_bytes_add(b, v.data, v.len);
}

void
qp_array_int4(struct qp_bytes *b, int32_t v)
{
	add_int4(b, 4);
	add_int4(b, (uint32_t)v);
}

void
qp_array_int8(struct qp_bytes *b, int64_t v)
{
	add_int4(b, 8);
	add_int4(b, (uint32_t)((uint64_t)v >> 32));
	add_int4(b, (uint32_t)v);
}
