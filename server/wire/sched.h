/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sched.h - when a SUBMIT_JOB_SCHED job is to run.
 *
 * Runs on:  I/O threads (it reads the time zone, so never the processing thread).
 *           Pure but for that.
 */
#ifndef GEARMAND_WIRE_SCHED_H
#define GEARMAND_WIRE_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* minute 0-59, hour 0-23, day of month 1-31, month 1-12, day of week 0-6 (0 is Monday, as the
 * protocol text has it), each empty or `*` for any.  All given fields must match, in local time.
 * Finds the first whole minute after `now` (seconds since 1970) that matches: false when a field is
 * not understood, or no minute within the next 8 years + 1 day matches (30 February, say). */
bool sched_next(const struct slice field[5], int64_t now, int64_t *when_r);

#endif
