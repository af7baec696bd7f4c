/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sched.h - times that five fields name: when a SUBMIT_JOB_SCHED job is to run, and when cron lines are.
 *
 * Runs on:  I/O threads and the main thread (it reads the time zone, so never the processing thread).
 *           Pure but for that; sched_read() is pure.
 *
 * The fields are minute 0-59, hour 0-23, day of month 1-31, month 1-12, day of week 0-6 (0 is Monday, as the
 * protocol text has it), each empty or `*` for any.  All given fields must match, in local time.
 */
#ifndef GEARMAND_WIRE_SCHED_H
#define GEARMAND_WIRE_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum { SCHED_FIELDS = 5 };

struct sched {
	uint64_t want[SCHED_FIELDS]; /* bit n: the value n matches */
};

/* `sets`: a field may also be a list of numbers and ranges, and have steps: 1-5,30 or 0-59/10.  False when a field is
 * not understood. */
bool sched_read(const struct slice field[SCHED_FIELDS], bool sets, struct sched *);
/* Finds the first whole minute after `now` (seconds since 1970) that matches: false when a field is
 * not understood, or no minute within the next 8 years + 1 day matches (30 February, say). */
bool sched_next(const struct slice field[SCHED_FIELDS], int64_t now, int64_t *when_r);
/* The same for what runs again and again.  A time of day that the clock skips is at the next minute that there is, and
 * one that comes twice is the first of the two; but where any hour matches, the minutes of each hour that comes
 * match.  False only when there is no minute. */
bool sched_next_run(const struct sched *, int64_t now, int64_t *when_r);

#endif
