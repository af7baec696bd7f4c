/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When a SUBMIT_JOB_SCHED job runs.
 *
 * Time zones are given as rules, so no zone data is needed; a test has a process of its own, so
 * the zone it sets is its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <criterion/criterion.h>

#include "dice.h"
#include "wire/sched.h"

#define UTC       "UTC0"
#define BERLIN    "CET-1CEST,M3.5.0,M10.5.0/3"
#define HAVANA    "CST5CDT,M3.2.0/0,M11.1.0/1"
#define LORD_HOWE "LHST-10:30LHDT-11,M10.1.0,M4.1.0"
#define KATHMANDU "NPT-5:45"
#define APIA      "WST-13"

/* "2026-03-29 01:30:00", always UTC, in seconds since 1970. */
static int64_t
utc(const char *text)
{
	struct tm tm = { 0 };

	int read = sscanf(
	    text, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec);

	cr_assert_eq(read, 6, "%s is no time", text);
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return timegm(&tm);
}

static void
set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

/* Five fields as in a crontab, '-' for an empty one. */
static bool
next_of(const char *fields, int64_t now, int64_t *when_r)
{
	char word[5][40] = { 0 };
	struct slice field[5];

	cr_assert_eq(sscanf(fields, "%39s %39s %39s %39s %39s", word[0], word[1], word[2], word[3], word[4]), 5);
	for (int i = 0; i < 5; i++)
		field[i] = strcmp(word[i], "-") == 0 ? slice_of("", 0) : slice_str(word[i]);
	return sched_next(field, now, when_r);
}

struct row {
	const char *zone, *fields, *now, *when; /* NULL: never */
};

static void
expect_rows(const struct row *rows, size_t n)
{
	for (const struct row *r = rows; r < rows + n; r++) {
		int64_t when = 0;

		set_zone(r->zone);

		bool found = next_of(r->fields, utc(r->now), &when);

		cr_assert_eq(
		    found, r->when != NULL, "'%s' after %s in %s: found is %d", r->fields, r->now, r->zone, found);
		if (found)
			cr_assert_eq(when, utc(r->when), "'%s' after %s in %s: %ld seconds from %s", r->fields, r->now,
			    r->zone, (long)(when - utc(r->when)), r->when);
	}
}

#define EXPECT_ROWS(rows) expect_rows(rows, sizeof(rows) / sizeof((rows)[0]))

Test(sched, is_the_first_whole_minute_after_now_that_matches)
{
	static const struct row rows[] = {
		{ UTC, "* * * * *", "2026-08-01 10:20:00", "2026-08-01 10:21:00" },
		{ UTC, "- - - - -", "2026-08-01 10:20:01", "2026-08-01 10:21:00" },
		{ UTC, "- * - * -", "2026-08-01 10:20:59", "2026-08-01 10:21:00" },
		{ UTC, "20 * * * *", "2026-08-01 10:20:00", "2026-08-01 11:20:00" },
		{ UTC, "20 * * * *", "2026-08-01 10:19:59", "2026-08-01 10:20:00" },
		{ UTC, "0 0 * * *", "2026-08-01 00:00:00", "2026-08-02 00:00:00" },
		{ UTC, "* 7 * * *", "2026-08-01 07:58:30", "2026-08-01 07:59:00" },
		{ UTC, "* 7 * * *", "2026-08-01 07:59:30", "2026-08-02 07:00:00" },
		{ UTC, "59 23 31 12 *", "2026-12-31 23:58:59", "2026-12-31 23:59:00" },
		{ UTC, "59 23 31 12 *", "2026-12-31 23:59:00", "2027-12-31 23:59:00" },
		{ UTC, "* * * * *", "2026-12-31 23:59:10", "2027-01-01 00:00:00" },
		{ UTC, "0 12 31 * *", "2026-04-01 00:00:00", "2026-05-31 12:00:00" },
		{ UTC, "05 007 * * *", "2026-08-01 00:00:00", "2026-08-01 07:05:00" },
		{ KATHMANDU, "0 12 * * *", "2026-08-01 00:00:00", "2026-08-01 06:15:00" },
		{ APIA, "0 0 2 8 *", "2026-08-01 10:00:00", "2026-08-01 11:00:00" },
	};

	EXPECT_ROWS(rows);
}

Test(sched, weekday_0_is_monday_and_must_agree_with_the_day_of_month)
{
	static const struct row rows[] = {
		{ UTC, "0 0 * * 0", "2026-01-01 00:00:00", "2026-01-05 00:00:00" },
		{ UTC, "0 0 * * 6", "2026-01-01 00:00:00", "2026-01-04 00:00:00" },
		{ UTC, "0 0 13 * 4", "2026-04-01 00:00:00", "2026-11-13 00:00:00" },
		{ UTC, "0 0 * 2 6", "2026-03-01 00:00:00", "2027-02-07 00:00:00" },
		{ BERLIN, "0 0 * * 0", "2026-01-04 22:59:00", "2026-01-04 23:00:00" },
	};

	EXPECT_ROWS(rows);
}

Test(sched, days_that_are_rare_are_waited_for)
{
	static const struct row rows[] = {
		{ UTC, "0 0 29 2 *", "2026-01-01 00:00:00", "2028-02-29 00:00:00" },
		{ UTC, "0 0 29 2 *", "2028-02-29 00:00:00", "2032-02-29 00:00:00" },
		{ UTC, "0 0 29 2 *", "2096-02-29 00:00:00", "2104-02-29 00:00:00" },
		{ UTC, "0 0 29 2 1", "2026-01-01 00:00:00", "2028-02-29 00:00:00" },
		{ BERLIN, "59 23 29 2 *", "2026-01-01 00:00:00", "2028-02-29 22:59:00" },
	};

	EXPECT_ROWS(rows);
}

Test(sched, days_that_never_come_are_refused)
{
	static const struct row rows[] = {
		{ UTC, "0 0 30 2 *", "2026-01-01 00:00:00", NULL }, { UTC, "* * 31 2 *", "2026-01-01 00:00:00", NULL },
		{ UTC, "0 0 31 4 *", "2026-01-01 00:00:00", NULL },
		{ BERLIN, "0 0 31 11 *", "2026-01-01 00:00:00", NULL },
		{ UTC, "0 0 29 2 0", "2026-01-01 00:00:00", NULL }, /* a Monday not before 2044 */
	};

	EXPECT_ROWS(rows);
}

Test(sched, minutes_that_the_clock_skips_do_not_match)
{
	static const struct row rows[] = {
		/* 29 March 2026, 01:00 UTC: 02:00 becomes 03:00. */
		{ BERLIN, "30 2 * * *", "2026-03-28 12:00:00", "2026-03-30 00:30:00" },
		{ BERLIN, "30 2 29 3 *", "2026-03-28 12:00:00", "2027-03-29 00:30:00" },
		{ BERLIN, "* 2 * * *", "2026-03-28 12:00:00", "2026-03-30 00:00:00" },
		{ BERLIN, "* * * * *", "2026-03-29 00:59:00", "2026-03-29 01:00:00" },
		{ BERLIN, "30 * * * *", "2026-03-29 00:30:00", "2026-03-29 01:30:00" },
		{ BERLIN, "0 3 * * *", "2026-03-28 12:00:00", "2026-03-29 01:00:00" },
		{ BERLIN, "0 12 * * *", "2026-03-29 00:00:00", "2026-03-29 10:00:00" },
		/* 8 March 2026: midnight becomes 01:00. */
		{ HAVANA, "0 0 * * *", "2026-03-07 12:00:00", "2026-03-09 04:00:00" },
		{ HAVANA, "30 * 8 3 *", "2026-03-07 12:00:00", "2026-03-08 05:30:00" },
		{ HAVANA, "* * * * 6", "2026-03-07 12:00:00", "2026-03-08 05:00:00" },
		/* 4 October 2026: 02:00 becomes 02:30. */
		{ LORD_HOWE, "15 2 * * *", "2026-10-03 12:00:00", "2026-10-04 15:15:00" },
		{ LORD_HOWE, "45 2 * * *", "2026-10-03 12:00:00", "2026-10-03 15:45:00" },
	};

	EXPECT_ROWS(rows);
}

Test(sched, of_minutes_that_come_twice_the_next_one_is_taken)
{
	static const struct row rows[] = {
		/* 25 October 2026, 01:00 UTC: 03:00 becomes 02:00. */
		{ BERLIN, "30 2 * * *", "2026-10-24 12:00:00", "2026-10-25 00:30:00" },
		{ BERLIN, "30 2 * * *", "2026-10-25 00:30:00", "2026-10-25 01:30:00" },
		{ BERLIN, "30 2 * * *", "2026-10-25 01:30:00", "2026-10-26 01:30:00" },
		{ BERLIN, "0 3 * * *", "2026-10-25 00:00:00", "2026-10-25 02:00:00" },
		{ BERLIN, "59 23 25 10 *", "2026-10-25 00:00:00", "2026-10-25 22:59:00" },
		/* 1 November 2026: 01:00 becomes midnight. */
		{ HAVANA, "0 0 1 11 *", "2026-10-31 12:00:00", "2026-11-01 04:00:00" },
		{ HAVANA, "0 0 1 11 *", "2026-11-01 04:00:00", "2026-11-01 05:00:00" },
		{ HAVANA, "59 23 * * *", "2026-11-01 05:00:00", "2026-11-02 04:59:00" },
		/* 5 April 2026: 02:00 becomes 01:30. */
		{ LORD_HOWE, "45 1 * * *", "2026-04-04 12:00:00", "2026-04-04 14:45:00" },
		{ LORD_HOWE, "45 1 * * *", "2026-04-04 14:45:00", "2026-04-04 15:15:00" },
	};

	EXPECT_ROWS(rows);
}

Test(sched, garbage_in_any_field_is_refused)
{
	static const char *const bad[] = { "x", "-1", "+1", "**", "*/5", "1,2", "1-2", "1x", "0x1", "1.0", "60",
		"99999999999999999999", "4294967296", "18446744073709551616" };
	int64_t when = 7;

	set_zone(UTC);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (int at = 0; at < 5; at++) {
			struct slice field[5] = { 0 };

			field[at] = slice_str(bad[i]);
			cr_assert_not(sched_next(field, 1785542400, &when), "'%s' is taken in field %d", bad[i], at);
		}
	}
	cr_assert_eq(when, 7);
}

Test(sched, numbers_end_where_the_calendar_does)
{
	static const struct {
		const char *fields;
		bool good;
	} rows[] = { { "59 * * * *", true }, { "60 * * * *", false }, { "0 * * * *", true }, { "* 23 * * *", true },
		{ "* 24 * * *", false }, { "* 0 * * *", true }, { "* * 31 * *", true }, { "* * 32 * *", false },
		{ "* * 0 * *", false }, { "* * 1 * *", true }, { "* * * 12 *", true }, { "* * * 13 *", false },
		{ "* * * 0 *", false }, { "* * * 1 *", true }, { "* * * * 6", true }, { "* * * * 7", false },
		{ "* * * * 0", true } };
	int64_t when;

	set_zone(UTC);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_assert_eq(next_of(rows[i].fields, 1785542400, &when), rows[i].good, "%s", rows[i].fields);
}

Test(sched, bytes_that_are_no_text_are_refused)
{
	struct slice field[5] = { 0 };
	int64_t when;

	field[0] = slice_of("1\0", 2);
	cr_assert_not(sched_next(field, 1785542400, &when));
	field[0] = slice_of(" 1", 2);
	cr_assert_not(sched_next(field, 1785542400, &when));
	field[0] = slice_of("1 ", 2);
	cr_assert_not(sched_next(field, 1785542400, &when));
	field[0] = slice_of("*\0", 2);
	cr_assert_not(sched_next(field, 1785542400, &when));
	field[0] = slice_of(NULL, 0);
	cr_assert(sched_next(field, 1785542400, &when));
}

Test(sched, a_clock_that_is_far_off_is_not_followed)
{
	static const int64_t odd[] = { INT64_MIN, -1, INT64_MAX, INT64_MAX / 2 };
	int64_t when = 0;

	set_zone(BERLIN);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		cr_assert_not(next_of("* * * * *", odd[i], &when));
	cr_assert(next_of("* * * * *", 0, &when) && when == 60);
	cr_assert(next_of("* * * * *", 4102444800, &when) && when == 4102444860); /* beyond 2038 */
}

/* ---- What runs again and again --------------------------------------------------------- */

static struct sched
read_sets(const char *fields)
{
	char word[5][40];
	struct slice field[5];
	struct sched s;

	cr_assert_eq(sscanf(fields, "%39s %39s %39s %39s %39s", word[0], word[1], word[2], word[3], word[4]), 5);
	for (int i = 0; i < 5; i++)
		field[i] = slice_str(word[i]);
	cr_assert(sched_read(field, true, &s), "%s", fields);
	return s;
}

/* The runs after the row's `now` come at its `when`, with spaces between these. */
static void
expect_runs(const struct row *rows, size_t n)
{
	for (const struct row *r = rows; r < rows + n; r++) {
		struct sched s = read_sets(r->fields);
		int64_t now = utc(r->now), when;

		set_zone(r->zone);
		for (const char *at = r->when; *at != '\0'; at += 19 + (at[19] == ' ')) {
			cr_assert(sched_next_run(&s, now, &when));
			cr_assert_eq(when, utc(at), "'%s' in %s: %ld seconds from %.19s", r->fields, r->zone,
			    (long)(when - utc(at)), at);
			now = when + 17;
		}
	}
}

Test(sched, what_runs_again_runs_once_a_day_whatever_the_clock_does)
{
	static const struct row rows[] = {
		{ UTC, "30 2 * * *", "2026-03-28 02:30:00", "2026-03-29 02:30:00 2026-03-30 02:30:00" },
		/* 29 March 2026, 01:00 UTC: 02:00 becomes 03:00. */
		{ BERLIN, "30 2 * * *", "2026-03-27 12:00:00",
		    "2026-03-28 01:30:00 2026-03-29 01:00:00 2026-03-30 00:30:00" },
		{ BERLIN, "10,50 2 * * *", "2026-03-29 00:00:00", "2026-03-29 01:00:00 2026-03-30 00:10:00" },
		{ BERLIN, "0 2-3 * * *", "2026-03-29 00:00:00", "2026-03-29 01:00:00 2026-03-30 00:00:00" },
		{ BERLIN, "30 2 29 3 *", "2026-03-28 12:00:00", "2026-03-29 01:00:00 2027-03-29 00:30:00" },
		/* 25 October 2026, 01:00 UTC: 03:00 becomes 02:00. */
		{ BERLIN, "30 2 * * *", "2026-10-24 12:00:00",
		    "2026-10-25 00:30:00 2026-10-26 01:30:00 2026-10-27 01:30:00" },
		{ BERLIN, "30 2 * * *", "2026-10-25 01:00:00", "2026-10-26 01:30:00" },
		{ BERLIN, "0 3 * * *", "2026-10-25 00:00:00", "2026-10-25 02:00:00" },
		/* 8 March 2026: midnight becomes 01:00; 1 November: 01:00 becomes midnight. */
		{ HAVANA, "0 0 * * *", "2026-03-07 12:00:00",
		    "2026-03-08 05:00:00 2026-03-09 04:00:00 2026-03-10 04:00:00" },
		{ HAVANA, "30 0 * * *", "2026-10-31 12:00:00",
		    "2026-11-01 04:30:00 2026-11-02 05:30:00 2026-11-03 05:30:00" },
		{ HAVANA, "59 23 * * *", "2026-10-31 12:00:00", "2026-11-01 03:59:00 2026-11-02 04:59:00" },
		/* 4 October 2026: 02:00 becomes 02:30; 5 April: 02:00 becomes 01:30. */
		{ LORD_HOWE, "15 2 * * *", "2026-10-03 12:00:00", "2026-10-03 15:30:00 2026-10-04 15:15:00" },
		{ LORD_HOWE, "45 1 * * *", "2026-04-04 12:00:00", "2026-04-04 14:45:00 2026-04-05 15:15:00" },
	};

	expect_runs(rows, sizeof rows / sizeof *rows);
}

Test(sched, what_runs_each_hour_goes_by_the_hours_that_come)
{
	static const struct row rows[] = {
		{ BERLIN, "30 * * * *", "2026-03-29 00:00:00", "2026-03-29 00:30:00 2026-03-29 01:30:00" },
		{ BERLIN, "30 * * * *", "2026-10-25 00:00:00",
		    "2026-10-25 00:30:00 2026-10-25 01:30:00 2026-10-25 02:30:00" },
		{ BERLIN, "30 0-23 * * *", "2026-10-25 00:00:00", "2026-10-25 00:30:00 2026-10-25 01:30:00" },
	};

	expect_runs(rows, sizeof rows / sizeof *rows);
}

Test(sched, sets_are_lists_of_numbers_and_ranges_with_steps)
{
	static const struct row rows[] = {
		{ UTC, "*/20 * * * *", "2026-08-01 10:20:00", "2026-08-01 10:40:00 2026-08-01 11:00:00" },
		{ UTC, "5/25 1 * * *", "2026-08-01 00:00:00",
		    "2026-08-01 01:05:00 2026-08-01 01:30:00 2026-08-01 01:55:00 2026-08-02 01:05:00" },
		{ UTC, "0 8-18/5,23 * * 0-4", "2026-08-07 12:00:00",
		    "2026-08-07 13:00:00 2026-08-07 18:00:00 2026-08-07 23:00:00 2026-08-10 08:00:00" },
		{ UTC, "0 0 1,15 * *", "2026-08-01 00:00:00", "2026-08-15 00:00:00 2026-09-01 00:00:00" },
	};
	static const char *const bad[] = { "", "*/0", "*/x", "1-", "-1", "5-1", "1,", ",1", "1--2", "60", "0-60", "*-1",
		"1/", "*/60", "MON" };

	expect_runs(rows, sizeof rows / sizeof *rows);
	for (size_t i = 1; i < sizeof bad / sizeof *bad; i++) {
		struct slice field[5] = { 0 };
		struct sched s;

		field[0] = slice_str(bad[i]);
		cr_assert_not(sched_read(field, true, &s), "'%s' is taken", bad[i]);
	}
}

/* ---- Against a plain search, minute by minute ---------------------------------------- */

static bool
matches(const int want[5], time_t t)
{
	struct tm tm;

	localtime_r(&t, &tm);
	return (want[0] < 0 || want[0] == tm.tm_min) && (want[1] < 0 || want[1] == tm.tm_hour) &&
	       (want[2] < 0 || want[2] == tm.tm_mday) && (want[3] < 0 || want[3] == tm.tm_mon + 1) &&
	       (want[4] < 0 || want[4] == (tm.tm_wday + 6) % 7);
}

static int
maybe(uint64_t *rolls, uint64_t from, uint64_t to)
{
	return dice_below(rolls, 3) == 0 ? -1 : (int)(from + dice_below(rolls, to - from + 1));
}

Test(sched, agrees_with_a_search_through_every_minute_about_clock_changes)
{
	static const char *const zones[] = { UTC, BERLIN, HAVANA, LORD_HOWE };
	static const char *const dates[] = { "2026-03-27 07:11:00", "2026-10-23 07:11:00", "2026-04-03 00:00:00",
		"2026-03-06 23:59:59", "2026-10-30 10:00:00", "2026-10-02 20:20:00" };
	uint64_t rolls = 29;

	for (int round = 0; round < 240; round++) {
		/* Few hours, so that many fall on a change. */
		int want[5] = { maybe(&rolls, 0, 59), maybe(&rolls, 0, 3), -1, -1, maybe(&rolls, 0, 6) };
		int64_t now = utc(dates[dice_below(&rolls, 6)]) + (int64_t)dice_below(&rolls, 86400), when, t;
		char text[5][12] = { "*", "*", "*", "*", "*" };
		struct slice field[5];

		set_zone(zones[dice_below(&rolls, 4)]);
		for (int i = 0; i < 5; i++) {
			if (want[i] >= 0)
				snprintf(text[i], sizeof(text[i]), "%d", want[i]);
			field[i] = slice_str(text[i]);
		}
		cr_assert(sched_next(field, now, &when));
		for (t = now - now % 60 + 60; !matches(want, t); t += 60)
			cr_assert_lt(t, now + 30 * 86400);
		cr_assert_eq(when, t, "%s: '%s %s * * %s' after %ld: %ld, not %ld", getenv("TZ"), text[0], text[1],
		    text[4], (long)now, (long)when, (long)t);
	}
}

/* Each minute of real time from two days before: those on the clock that are new on their day, and those that it
 * skipped on the way, have come. */
static int64_t
run_by_search(const struct sched *s, int64_t now)
{
	int day = 0, seen = -1;

	for (time_t t = now - now % 60 - 2 * 86400;; t += 60) {
		bool wanted = false;
		struct tm tm;

		localtime_r(&t, &tm);
		if (tm.tm_mday != day)
			seen = -1;
		day = tm.tm_mday;
		for (; seen < tm.tm_hour * 60 + tm.tm_min; seen++)
			wanted |= s->want[1] >> (seen + 1) / 60 & s->want[0] >> (seen + 1) % 60 & 1;
		if (wanted && t > now && s->want[4] >> (tm.tm_wday + 6) % 7 & 1)
			return t;
		cr_assert_lt(t, now + 30 * 86400);
	}
}

Test(sched, runs_agree_with_a_search_through_every_minute_about_clock_changes)
{
	static const char *const zones[] = { UTC, BERLIN, HAVANA, LORD_HOWE };
	static const char *const dates[] = { "2026-03-27 07:11:00", "2026-10-23 07:11:00", "2026-04-03 00:00:00",
		"2026-03-06 23:59:59", "2026-10-30 10:00:00", "2026-10-02 20:20:00" };
	uint64_t rolls = 31;

	for (int round = 0; round < 300; round++) {
		int64_t now = utc(dates[dice_below(&rolls, 6)]) + (int64_t)dice_below(&rolls, 3 * 86400), when;
		char fields[40];
		struct sched s;

		snprintf(fields, sizeof fields, "%d/%d %d,%d * * *", (int)dice_below(&rolls, 60),
		    1 + (int)dice_below(&rolls, 59), (int)dice_below(&rolls, 4), (int)dice_below(&rolls, 24));
		s = read_sets(fields);
		set_zone(zones[dice_below(&rolls, 4)]);
		cr_assert(sched_next_run(&s, now, &when));
		cr_assert_eq(when, run_by_search(&s, now), "%s: '%s' after %ld: %ld, not %ld", getenv("TZ"), fields,
		    (long)now, (long)when, (long)run_by_search(&s, now));
	}
}
