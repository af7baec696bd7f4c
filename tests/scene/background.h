/* SPDX-License-Identifier: BSD-3-Clause
 *
 * background.h - short ways to say what scenes about background jobs of function "f" say often.
 *
 * Runs on:  the test's thread.
 */
#ifndef GEARMAND_TESTS_BACKGROUND_H
#define GEARMAND_TESTS_BACKGROUND_H

#include "tests/scene/scene.h"

static inline void
submit_background(struct scene *s, int client, const char *unique, const char *handle)
{
	tell(s, client, SUBMIT_JOB_BG, "f", unique, "x");
	expect(s, client, JOB_CREATED, handle);
}

static inline void
expect_job(struct scene *s, int worker, const char *handle)
{
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, handle, "f", "x");
}

static inline void
expect_no_job(struct scene *s, int worker)
{
	tell(s, worker, GRAB_JOB);
	expect(s, worker, NO_JOB);
}

static inline void
fail_job(struct scene *s, int worker, const char *handle)
{
	expect_job(s, worker, handle);
	tell(s, worker, WORK_FAIL, handle);
}

#endif
