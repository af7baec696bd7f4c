/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The next minute that a schedule names.
 *
 * Runs on:  I/O threads, the main thread; localtime_r() and mktime() read the time zone.
 *
 * Days are found by the calendar alone, which is cheap, so a peer that asks for 30 February
 * costs a few thousand additions.  Only inside a day that matches is the clock on the
 * wall asked, minute by minute of real time.  What runs once is at a minute that is on the clock: those that daylight
 * saving time skips are never found, and of those that come twice the first after `now` is.
 */
#include <time.h>

#include "wire/sched.h"

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY };
enum {
	DAYS_MAX = 8 * 365 + 2 + 1, /* 8 years and a day: 29 February comes within it even about 2100 */
	HALF_DAY_MAX = 14 * 3600,   /* from noon to either end of a day, clock changes included */
	DAY_MINUTES = 24 * 60,
};

static bool
agrees(const struct sched *s, int which, int actual)
{
	return (s->want[which] >> actual & 1) != 0;
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
day_matches(const struct date *d, const struct sched *s)
{
	return agrees(s, DAY, d->day) && agrees(s, MONTH, d->month) && agrees(s, WEEKDAY, d->weekday);
}

/* Some time of this local day, by real time. */
static time_t
time_of(const struct date *d, int hour)
{
	struct tm tm = {
		.tm_year = d->year - 1900, .tm_mon = d->month - 1, .tm_mday = d->day, .tm_hour = hour, .tm_isdst = -1
	};

	return mktime(&tm);
}

/* ---- Once ------------------------------------------------------------------------------------- */

/* Seconds from a minute that does not match to one that may: to the next hour when the hour is wrong,
 * but by no more than a quarter, since clocks change on quarters. */
static int
stride(const struct tm *tm, const struct sched *s)
{
	int left = 60 - tm->tm_min;

	if (agrees(s, HOUR, tm->tm_hour))
		return 60;
	return (left < 15 ? left : 15) * 60;
}

/* The first minute of this local day, at or after `from`, that has the wanted hour and minute. */
static bool
find_in_day(const struct date *d, const struct sched *s, time_t from, time_t *when_r)
{
	time_t noon = time_of(d, 12), t = noon - HALF_DAY_MAX;
	struct tm tm;

	for (t = t < from ? from : t; t <= noon + HALF_DAY_MAX; t += stride(&tm, s)) {
		if (localtime_r(&t, &tm) == NULL)
			return false;
		if (tm.tm_mday == d->day && agrees(s, HOUR, tm.tm_hour) && agrees(s, MINUTE, tm.tm_min)) {
			*when_r = t;
			return true;
		}
	}
	return false;
}

/* ---- Again and again ---------------------------------------------------------------------------- */

static bool
wants_minute(const struct sched *s, int minute)
{
	return agrees(s, HOUR, minute / 60) && agrees(s, MINUTE, minute % 60);
}

/* Is it a day of 24 hours, which begins once? */
static bool
is_plain_day(const struct date *d, time_t *begin_r)
{
	struct date next = *d;
	time_t before;
	struct tm tm;

	date_advance(&next);
	*begin_r = time_of(d, 0);
	before = *begin_r - 60;
	return time_of(&next, 0) - *begin_r == DAY_MINUTES * 60 && localtime_r(&before, &tm) != NULL &&
	       tm.tm_mday != d->day;
}

/* On a day on which the clock is changed, its minutes are gone through.  Those that it skips come with the next; those
 * that have been there before do not count. */
static bool
run_in_odd_day(const struct date *d, const struct sched *s, time_t from, time_t *when_r)
{
	time_t noon = time_of(d, 12);
	int seen = -1;
	struct tm tm;

	for (time_t t = noon - HALF_DAY_MAX; t <= noon + HALF_DAY_MAX; t += 60) {
		bool wanted = false;

		if (localtime_r(&t, &tm) == NULL)
			return false;
		if (tm.tm_mday != d->day)
			continue;
		for (; seen < tm.tm_hour * 60 + tm.tm_min; seen++)
			wanted = wanted || wants_minute(s, seen + 1);
		if (wanted && t >= from) {
			*when_r = t;
			return true;
		}
	}
	return false;
}

static bool
run_in_day(const struct date *d, const struct sched *s, time_t from, time_t *when_r)
{
	time_t begin;

	if (!is_plain_day(d, &begin))
		return run_in_odd_day(d, s, from, when_r);
	for (int minute = 0; minute < DAY_MINUTES; minute++) {
		*when_r = begin + minute * 60;
		if (*when_r >= from && wants_minute(s, minute))
			return true;
	}
	return false;
}

/* ---- Days ------------------------------------------------------------------------------------------ */

typedef bool find_f(const struct date *, const struct sched *, time_t from, time_t *when_r);

static bool
find_minute(const struct sched *s, int64_t now, find_f *in_day, int64_t *when_r)
{
	const int64_t year_10000 = 253402300800;
	time_t from, when;
	struct date d;
	struct tm tm;

	if (now < 0 || now > year_10000)
		return false;
	from = now - now % 60 + 60;
	if (localtime_r(&from, &tm) == NULL)
		return false;
	d = date_of(&tm);
	for (int i = 0; i <= DAYS_MAX; i++, date_advance(&d)) {
		if (day_matches(&d, s) && in_day(&d, s, from, &when)) {
			*when_r = when;
			return true;
		}
	}
	return false;
}

bool
sched_next(const struct slice field[SCHED_FIELDS], int64_t now, int64_t *when_r)
{
	struct sched s;

	return sched_read(field, false, &s) && find_minute(&s, now, find_in_day, when_r);
}

bool
sched_next_run(const struct sched *s, int64_t now, int64_t *when_r)
{
	const uint64_t every_hour = (UINT64_C(1) << 24) - 1;

	return find_minute(s, now, s->want[HOUR] == every_hour ? find_in_day : run_in_day, when_r);
}
