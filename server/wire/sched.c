/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The next minute that a SUBMIT_JOB_SCHED job may run at.
 *
 * Runs on:  I/O threads; localtime_r() and mktime() read the time zone.
 *
 * Days are found by the calendar alone, which is cheap, so a peer that asks for 30 February
 * costs a few thousand additions.  Only inside a day that matches is the clock on the
 * wall asked, minute by minute of real time: minutes that daylight saving time skips are never
 * found, and of those that come twice the first after `now` is.
 */
#include <time.h>

#include "wire/sched.h"

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };
enum { ANY = -1 };
enum {
	DAYS_MAX = 8 * 365 + 2 + 1, /* 8 years and a day: 29 February comes within it even about 2100 */
	HALF_DAY_MAX = 14 * 3600    /* from noon to either end of a day, clock changes included */
};

static const struct {
	uint8_t min, max;
} ranges[FIELDS] = {
	[MINUTE] = { 0, 59 },
	[HOUR] = { 0, 23 },
	[DAY] = { 1, 31 },
	[MONTH] = { 1, 12 },
	[WEEKDAY] = { 0, 6 },
};

static bool
parse_field(struct slice text, int which, int *value_r)
{
	uint64_t value;

	*value_r = ANY;
	if (text.len == 0 || slice_is(text, "*"))
		return true;
	if (!slice_to_u64(text, ranges[which].max, &value) || value < ranges[which].min)
		return false;
	*value_r = (int)value;
	return true;
}

static bool
agrees(int wanted, int actual)
{
	return wanted == ANY || wanted == actual;
}

struct date {
	int year, month, day; /* as people write them */
	int weekday;          /* 0 is Monday */
};

static struct date
date_of(const struct tm *tm)
{
	return (struct date){ tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday, (tm->tm_wday + 6) % 7 };
}

static int
days_in_month(int year, int month)
{
	static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

static void
date_advance(struct date *d)
{
	d->weekday = (d->weekday + 1) % 7;
	if (++d->day <= days_in_month(d->year, d->month))
		return;
	d->day = 1;
	if (++d->month <= 12)
		return;
	d->month = 1;
	d->year++;
}

static bool
day_matches(const struct date *d, const int want[FIELDS])
{
	return agrees(want[DAY], d->day) && agrees(want[MONTH], d->month) && agrees(want[WEEKDAY], d->weekday);
}

/* Seconds from a minute that does not match to one that may: to the next hour when the hour is wrong,
 * but by no more than a quarter, since clocks change on quarters. */
static int
stride(const struct tm *tm, const int want[FIELDS])
{
	int left = 60 - tm->tm_min;

	if (agrees(want[HOUR], tm->tm_hour))
		return 60;
	return (left < 15 ? left : 15) * 60;
}

/* The first minute of this local day, at or after `from`, that has the wanted hour and minute. */
static bool
find_in_day(const struct date *d, const int want[FIELDS], time_t from, time_t *when_r)
{
	struct tm tm = {
		.tm_year = d->year - 1900, .tm_mon = d->month - 1, .tm_mday = d->day, .tm_hour = 12, .tm_isdst = -1
	};
	time_t noon = mktime(&tm), t = noon - HALF_DAY_MAX;

	for (t = t < from ? from : t; t <= noon + HALF_DAY_MAX; t += stride(&tm, want)) {
		if (localtime_r(&t, &tm) == NULL)
			return false;
		if (tm.tm_mday == d->day && agrees(want[HOUR], tm.tm_hour) && agrees(want[MINUTE], tm.tm_min)) {
			*when_r = t;
			return true;
		}
	}
	return false;
}

bool
sched_next(const struct slice field[5], int64_t now, int64_t *when_r)
{
	const int64_t year_10000 = 253402300800;
	int want[FIELDS];
	struct tm tm;
	time_t from, when;

	for (int i = 0; i < FIELDS; i++)
		if (!parse_field(field[i], i, &want[i]))
			return false;
	if (now < 0 || now > year_10000)
		return false;
	from = now - now % 60 + 60;
	if (localtime_r(&from, &tm) == NULL)
		return false;

	struct date d = date_of(&tm);

	for (int i = 0; i <= DAYS_MAX; i++, date_advance(&d)) {
		if (day_matches(&d, want) && find_in_day(&d, want, from, &when)) {
			*when_r = when;
			return true;
		}
	}
	return false;
}
