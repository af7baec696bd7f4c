/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A growing run of bytes, and numbers and names as text.
 *
 * Runs on:  the thread that owns the buffer; pure.
 * Owns:     its memory.
 */
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"

enum { CAP_MIN = 64 };

void
buf_fini(struct buf *b)
{
	mem_free(b->data);
	*b = (struct buf){ 0 };
}

char *
buf_room(struct buf *b, size_t n)
{
	CHECK(n < SIZE_MAX / 4 - b->len);
	if (b->data == NULL || b->cap - b->len < n) {
		size_t cap = b->cap == 0 ? CAP_MIN : b->cap;

		while (cap - b->len < n)
			cap *= 2;
		b->data = mem_grow(b->data, cap);
		b->cap = cap;
	}
	return b->data + b->len;
}

void
buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_room(b, n), bytes, n);
	b->len += n;
}

void
buf_add_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.data, s.len);
}

void
buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_add_char(struct buf *b, char c)
{
	*buf_room(b, 1) = c;
	b->len++;
}

size_t
u64_to_text(char *out, uint64_t value)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
				    "34353637383940414243444546474849505152535455565758596061626364656667"
				    "6869707172737475767778798081828384858687888990919293949596979899";
	char digits[20];
	size_t at = sizeof(digits);
	uint32_t part;

	if (value < 10) { /* most numbers of a listing */
		*out = (char)('0' + value);
		return 1;
	}
	for (; value > UINT32_MAX; value /= 10000) {
		part = (uint32_t)(value % 10000);
		memcpy(digits + (at -= 2), pairs + part % 100 * 2, 2);
		memcpy(digits + (at -= 2), pairs + part / 100 * 2, 2);
	}
	for (part = (uint32_t)value; part >= 10; part /= 100)
		memcpy(digits + (at -= 2), pairs + part % 100 * 2, 2);
	if (part > 0)
		digits[--at] = (char)('0' + part);
	memcpy(out, digits + at, sizeof(digits) - at);
	return sizeof(digits) - at;
}

void
buf_add_u64(struct buf *b, uint64_t value)
{
	b->len += u64_to_text(buf_room(b, 20), value);
}

void
buf_add_i64(struct buf *b, int64_t value)
{
	if (value < 0)
		buf_add_char(b, '-');
	buf_add_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static bool
needs_escape(unsigned char c)
{
	return c < ' ' || c == 127;
}

void
buf_add_escaped(struct buf *b, struct slice s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (needs_escape(c))
			buf_add(b, (char[]){ '\\', 'x', hex[c >> 4], hex[c & 15] }, 4);
		else
			buf_add_char(b, s.data[i]);
	}
}

void
buf_drop(struct buf *b, size_t n)
{
	CHECK(n <= b->len);
	b->len -= n;
	if (b->len == 0)
		buf_fini(b);
	else if (n > 0)
		memmove(b->data, b->data + n, b->len);
}
