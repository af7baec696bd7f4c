/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bytes that grow, and numbers in them.
 *
 * Runs on:  any thread.
 * Owns:     nothing; a text is its user's.
 */
#include <stdlib.h>
#include <string.h>

#include "queue_memcached.h"

enum { SIZE_FIRST = 4096, KEPT_MOST = 1 << 20, DIGITS = 20 };

bool
mc_text_room(struct mc_text *t, size_t more)
{
	size_t size = t->size == 0 ? SIZE_FIRST : t->size;
	char *data;

	if (t->failed)
		return false;
	if (more <= t->size - t->len)
		return true;
	while (size - t->len < more)
		size *= 2;
	data = realloc(t->data, size);
	if (data == NULL) {
		t->failed = true;
		return false;
	}
	t->data = data;
	t->size = size;
	return true;
}

void
mc_text_add(struct mc_text *t, const char *bytes, size_t len)
{
	if (len == 0 || !mc_text_room(t, len))
		return;
	memcpy(t->data + t->len, bytes, len);
	t->len += len;
}

void
mc_text_adds(struct mc_text *t, const char *s)
{
	mc_text_add(t, s, strlen(s));
}

void
mc_text_addn(struct mc_text *t, uint64_t number)
{
	char digits[DIGITS];
	size_t at = DIGITS;

	do
		digits[--at] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	mc_text_add(t, digits + at, DIGITS - at);
}

void
mc_text_clear(struct mc_text *t)
{
	if (t->size > KEPT_MOST || t->failed)
		mc_text_free(t);
	t->len = 0;
}

void
mc_text_free(struct mc_text *t)
{
	free(t->data);
	*t = (struct mc_text){ .data = NULL };
}

uint64_t
mc_number(struct gearmand_slice s)
{
	uint64_t number = 0;
	size_t i = 0;

	for (; i < s.len && i < DIGITS && s.data[i] >= '0' && s.data[i] <= '9'; i++)
		number = number * 10 + (uint64_t)(s.data[i] - '0');
	return i < s.len && s.data[i] != ' ' ? 0 : number;
}

bool
mc_begins(struct gearmand_slice s, const char *with)
{
	size_t len = strlen(with);

	return s.len >= len && memcmp(s.data, with, len) == 0;
}
