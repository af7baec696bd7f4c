/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any five fields at any time in some time zones: the minute that is found is after now, whole,
 * not too far, and has what the fields say; a plain date is always found.
 *
 * The input is a byte for the zone, four for the time, and the fields with a NUL between them.
 *
 * Runs on:  one thread; keeps nothing between inputs but the process's time zone.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "wire/sched.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS = 5, HEAD = 5, DAY = 86400 };

static void
set_zone(uint8_t number)
{
	static const char *const zones[] = { "UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "CST5CDT,M3.2.0/0,M11.1.0/1",
		"LHST-10:30LHDT-11,M10.1.0,M4.1.0", "NPT-5:45" };

	setenv("TZ", zones[number % (sizeof(zones) / sizeof(zones[0]))], 1);
	tzset();
}

static void
cut_fields(struct slice in, struct slice field[FIELDS])
{
	for (int i = 0; i < FIELDS; i++) {
		const char *nul = in.len == 0 ? NULL : memchr(in.data, '\0', in.len);

		field[i] = nul == NULL ? in : slice_of(in.data, (size_t)(nul - in.data));
		in = nul == NULL ? slice_of(in.data + in.len, 0) : slice_of(nul + 1, in.len - field[i].len - 1);
	}
}

static bool
is_any(struct slice field)
{
	return field.len == 0 || slice_is(field, "*");
}

static bool
agrees(struct slice field, int actual)
{
	uint64_t wanted;

	return is_any(field) || (slice_to_u64(field, 59, &wanted) && (int)wanted == actual);
}

static void
expect_match(const struct slice field[FIELDS], int64_t now, int64_t when)
{
	time_t t = when;
	struct tm tm;

	CHECK(when > now && when <= now + (int64_t)(8 * 366 + 1) * DAY && when % 60 == 0);
	CHECK(localtime_r(&t, &tm) != NULL);
	CHECK(agrees(field[0], tm.tm_min) && agrees(field[1], tm.tm_hour) && agrees(field[2], tm.tm_mday));
	CHECK(agrees(field[3], tm.tm_mon + 1) && agrees(field[4], (tm.tm_wday + 6) % 7));
}

static bool
in_range(struct slice field, uint64_t min, uint64_t max)
{
	uint64_t n;

	return is_any(field) || (slice_to_u64(field, max, &n) && n >= min);
}

/* A date that every year has. */
static bool
must_come(const struct slice field[FIELDS])
{
	return in_range(field[0], 0, 59) && in_range(field[1], 0, 23) && in_range(field[2], 1, 28) &&
	       in_range(field[3], 1, 12) && is_any(field[4]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice field[FIELDS];
	int64_t now, when;

	if (size < HEAD)
		return 0;
	set_zone(data[0]);
	now = (int64_t)((uint32_t)data[1] << 24 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 8 | data[4]);
	cut_fields(slice_of(data + HEAD, size - HEAD), field);
	if (sched_next(field, now, &when))
		expect_match(field, now, when);
	else
		CHECK(!must_come(field));
	return 0;
}
