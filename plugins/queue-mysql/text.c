/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SQL text of any bytes.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; a text is its user's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue_mysql.h"

enum { KEEP = 8 << 20 }; /* of memory, from one batch to the next */

static bool
make_room(struct my_text *t, size_t more)
{
	size_t size = t->size == 0 ? 4096 : t->size;
	char *data;

	if (t->failed)
		return false;
	if (more > SIZE_MAX / 4 - t->len) {
		t->failed = true;
		return false;
	}
	while (size < t->len + more)
		size *= 2;
	if (size == t->size)
		return true;
	data = realloc(t->data, size);
	t->failed = data == NULL;
	if (data == NULL)
		return false;
	t->data = data;
	t->size = size;
	return true;
}

void
my_text_add(struct my_text *t, const char *bytes, size_t len)
{
	if (!make_room(t, len))
		return;
	memcpy(t->data + t->len, bytes, len);
	t->len += len;
}

void
my_text_adds(struct my_text *t, const char *s)
{
	my_text_add(t, s, strlen(s));
}

void
my_text_addf(struct my_text *t, const char *format, ...)
{
	char s[2048];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(s, sizeof(s), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(s))
		t->failed = true;
	else
		my_text_add(t, s, (size_t)n);
}

void
my_text_add_literal(struct my_text *t, MYSQL *db, struct gearmand_slice v)
{
	/* The library wants room for the worst case and its NUL. */
	if (!make_room(t, 2 * v.len + 3))
		return;
	t->data[t->len++] = '\'';
	if (v.len > 0)
		t->len += mysql_real_escape_string(db, t->data + t->len, v.data, v.len);
	t->data[t->len++] = '\'';
}

size_t
my_literal_length(struct gearmand_slice v)
{
	size_t len = v.len + 2;

	for (size_t i = 0; i < v.len; i++) {
		switch (v.data[i]) {
		case '\0':
		case '\n':
		case '\r':
		case '\\':
		case '\'':
		case '"':
		case '\x1a':
			len++;
			break;
		default:
			break;
		}
	}
	return len;
}

void
my_text_clear(struct my_text *t)
{
	if (t->size > KEEP)
		my_text_free(t);
	t->len = 0;
	t->failed = false;
}

void
my_text_free(struct my_text *t)
{
	free(t->data);
	*t = (struct my_text){ .len = 0 };
}
