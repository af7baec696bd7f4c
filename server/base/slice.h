/* SPDX-License-Identifier: BSD-3-Clause
 *
 * slice.h - bytes that somebody else owns.  Any thread; pure.
 *
 * It is the counted string of the module interface too, so nothing is
 * converted at that boundary.
 */
#ifndef GEARMAND_BASE_SLICE_H
#define GEARMAND_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <gearmand/slice.h>

#define slice gearmand_slice /* `struct slice` is `struct gearmand_slice` */

static inline struct slice
slice_of(const void *data, size_t len)
{
	return (struct slice){ .data = data, .len = len };
}

static inline struct slice
slice_str(const char *s)
{
	return slice_of(s, strlen(s));
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool
slice_is(struct slice a, const char *s)
{
	return slice_eq(a, slice_str(s));
}

/* A copy at *at, which goes on behind it; its room is the caller's to see to. */
static inline struct slice
slice_keep(char **at, struct slice s)
{
	struct slice kept = slice_of(*at, s.len);

	if (s.len > 0)
		memcpy(*at, s.data, s.len);
	*at += s.len;
	return kept;
}

/* Without one NUL at the end, as some clients send behind a last argument. */
static inline struct slice
slice_without_nul(struct slice s)
{
	if (s.len > 0 && s.data[s.len - 1] == '\0')
		s.len--;
	return s;
}

/* ASCII letters compare equal in either case, whatever the locale. */
bool slice_is_nocase(struct slice a, const char *s);

/* What comes before the first `at`; *rest_r is what comes behind it, or without data when there is none. */
struct slice slice_split(struct slice text, char at, struct slice *rest_r);

/* Decimal digits only, no sign, no space; false when empty, not a number or above `max`. */
bool slice_to_u64(struct slice a, uint64_t max, uint64_t *value_r);

/* As 1.1 reads numbers (strtoll): leading spaces and a sign are fine, rubbish after
 * the digits is ignored, no digits are 0.  False only when the value is out of range. */
bool slice_to_i64_lenient(struct slice a, int64_t *value_r);

#endif
