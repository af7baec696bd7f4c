/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Comparing and parting counted strings, and reading numbers out of them.
 *
 * Runs on:  any thread; pure, and the locale has no say.
 */
#include "base/slice.h"

static unsigned char
lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool
slice_is_nocase(struct slice a, const char *s)
{
	if (a.len != strlen(s))
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.data[i]) != lower(s[i]))
			return false;
	return true;
}

struct slice
slice_split(struct slice text, char at, struct slice *rest_r)
{
	const char *found = text.len == 0 ? NULL : memchr(text.data, at, text.len);
	size_t len = found == NULL ? text.len : (size_t)(found - text.data);

	*rest_r = found == NULL ? slice_of(NULL, 0) : slice_of(found + 1, text.len - len - 1);
	return slice_of(text.data, len);
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
slice_to_u64(struct slice a, uint64_t max, uint64_t *value_r)
{
	const uint64_t safe = UINT64_MAX / 10;
	uint64_t value = 0;

	if (a.len == 0)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		unsigned digit = (unsigned char)a.data[i] - (unsigned)'0';

		if (digit > 9 || (value >= safe && (value > safe || digit > UINT64_MAX % 10)))
			return false;
		value = value * 10 + digit;
	}
	if (value > max)
		return false;
	*value_r = value;
	return true;
}

/* What isspace() says in the C locale. */
static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool
slice_to_i64_lenient(struct slice a, int64_t *value_r)
{
	size_t i = 0;
	bool negative = false;
	int64_t value = 0;

	while (i < a.len && is_space(a.data[i]))
		i++;
	if (i < a.len && (a.data[i] == '-' || a.data[i] == '+'))
		negative = a.data[i++] == '-';
	for (; i < a.len && is_digit(a.data[i]); i++) {
		/* Towards the sign, since INT64_MIN has no positive twin. */
		int digit = negative ? '0' - a.data[i] : a.data[i] - '0';

		if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*value_r = value;
	return true;
}
