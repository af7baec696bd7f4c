/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bytes that grow, and the few things that are done with counted strings.
 *
 * Runs on:  any thread; the caller owns what it passes.
 *
 * Memory is asked of malloc and not of the host, whose allocate() ends the process when there
 * is none: what is kept here has a length that a peer chose.
 */
#include "text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool
web_text_add(struct web_text *t, struct gearmand_slice s, size_t limit)
{
	if (t->len > limit || s.len > limit - t->len)
		return false;
	if (s.len == 0)
		return true;
	if (s.len > t->size - t->len) {
		size_t need = t->len + s.len;
		size_t size = need < SIZE_MAX / 2 ? need + need / 2 : need;
		char *data = realloc(t->data, size);

		if (!data)
			return false;
		t->data = data;
		t->size = size;
	}
	memcpy(t->data + t->len, s.data, s.len);
	t->len += s.len;
	return true;
}

void
web_text_clear(struct web_text *t)
{
	t->len = 0;
}

void
web_text_fini(struct web_text *t)
{
	free(t->data);
	*t = (struct web_text){ 0 };
}

struct gearmand_slice
web_text_slice(const struct web_text *t)
{
	return (struct gearmand_slice){ t->data, t->len };
}

struct gearmand_slice
web_slice(const char *string)
{
	return (struct gearmand_slice){ string, strlen(string) };
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool
web_is_word(struct gearmand_slice s, const char *word)
{
	for (size_t i = 0; i < s.len; i++)
		if (word[i] == '\0' || lower(s.data[i]) != word[i])
			return false;
	return word[s.len] == '\0';
}
