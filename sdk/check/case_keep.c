/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cases: what is stored comes back as it was.
 *
 * Runs on:  the process of a case.
 * Owns:     nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "rig.h"

enum { LARGE = 64 << 10, HUGE_BYTES = 16 << 20 };

static void
must_come_back(struct rig *r, const struct jobs *jobs)
{
	rig_open(r);
	rig_store_jobs(r, jobs);
	rig_must_have(r, jobs, IN_ORDER);
}

void
job_comes_back_as_it_was(struct rig *r)
{
	struct gearmand_job j = job_of(gm_slice("resize"), gm_slice("cat-1"), BYTES("cat.png"));
	struct jobs jobs = { 0 };

	j.handle = gm_slice("H:example.org:17");
	j.run_at = 1900000000;
	j.priority = GEARMAND_HIGH;
	jobs_add(&jobs, &j);
	must_come_back(r, &jobs);
}

/* Jobs f/1, f/2 ... that differ in one field, which has these values. */
#define ADD_WITH(jobs, field, values, value_of) \
	for (size_t i_ = 0; i_ < GM_COUNT(values); i_++) { \
		struct gearmand_job j_ = job_of(gm_slice("f"), printed("%zu", i_ + 1), gm_slice("x")); \
\
		j_.field = value_of((values)[i_]); \
		jobs_add(jobs, &j_); \
	}

void
priority_comes_back(struct rig *r)
{
	static const enum gearmand_priority all[] = { GEARMAND_HIGH, GEARMAND_NORMAL, GEARMAND_LOW };
	struct jobs jobs = { 0 };

	ADD_WITH(&jobs, priority, all, );
	must_come_back(r, &jobs);
}

void
due_time_comes_back(struct rig *r)
{
	static const int64_t times[] = { 0, 1, 1700000000, 2147483647, 2147483648, 4102444800, 253402300799 };
	struct jobs jobs = { 0 };

	ADD_WITH(&jobs, run_at, times, );
	must_come_back(r, &jobs);
}

/* A store may have no room for handles and flags; what it has must be right. */
static struct jobs
what_came_back(struct rig *r, const struct jobs *jobs)
{
	struct jobs seen;

	rig_open(r);
	rig_store_jobs(r, jobs);
	seen = rig_content(r);
	jobs_must_be(&seen, jobs, IN_ORDER);
	return seen;
}

void
handle_comes_back(struct rig *r)
{
	static const char *const handles[] = { "H:a:1",
		"H:a-very-long-name-of-a-host.example.org:18446744073709551615" };
	struct jobs jobs = { 0 }, seen;
	size_t kept = 0;

	ADD_WITH(&jobs, handle, handles, gm_slice);
	seen = what_came_back(r, &jobs);
	for (size_t i = 0; i < seen.count; i++)
		kept += seen.at[i].handle.len > 0;
	if (kept == 0)
		skip("this store has no room for handles: jobs get new ones at a restart");
	MUST(kept == seen.count, "some handles came back, and some did not");
}

void
flags_come_back(struct rig *r)
{
	static const uint32_t flags[] = { GEARMAND_JOB_NO_UNIQUE, GEARMAND_JOB_UNIQUE_IS_DATA };
	struct jobs jobs = { 0 }, seen;
	size_t kept = 0;

	ADD_WITH(&jobs, flags, flags, );
	seen = what_came_back(r, &jobs);
	for (size_t i = 0; i < seen.count; i++)
		kept += seen.at[i].flags != 0;
	if (kept == 0)
		skip("this store has no room for flags");
	MUST(kept == seen.count, "some flags came back, and some did not");
}

void
reducer_comes_back(struct rig *r)
{
	static const char *const reducers[] = { "", "sum", "a reducer's name, \"odd\" % \\ ?" };
	struct jobs jobs = { 0 };

	ADD_WITH(&jobs, reducer, reducers, gm_slice);
	must_come_back(r, &jobs);
}

/* Stores jobs n ... n + count - 1 in one batch. */
static void
store_range(struct rig *r, struct jobs *all, unsigned count)
{
	struct jobs jobs = { 0 };

	jobs_add_nth(&jobs, (unsigned)all->count, count);
	jobs_add_nth(all, (unsigned)all->count, count);
	rig_store_jobs(r, &jobs);
}

void
order_is_kept(struct rig *r)
{
	struct jobs all = { 0 };

	rig_open(r);
	for (int round = 0; round < 3; round++) {
		store_range(r, &all, 100);
		store_range(r, &all, 1);
		store_range(r, &all, 37);
		rig_must_have(r, &all, IN_ORDER);
	}
}

void
payload_of_any_bytes_comes_back(struct rig *r)
{
	static char every[256];
	const struct gearmand_slice payloads[] = { { every, 0 }, BYTES("\0"), BYTES("a"), BYTES("\xff"),
		BYTES("\\000'\"%s\r\n"), BYTES("a\0b\0"), BYTES("\0\0\0\0"), { every, sizeof(every) }, filled(LARGE, 1),
		filled(LARGE - 1, 2) };
	struct jobs jobs = { 0 };

	for (int i = 0; i < 256; i++)
		every[i] = (char)i;
	ADD_WITH(&jobs, data, payloads, );
	must_come_back(r, &jobs);
}

void
payload_of_16_MiB_comes_back_or_is_refused(struct rig *r)
{
	struct gearmand_job j = job_of(gm_slice("f"), gm_slice("huge"), filled(HUGE_BYTES, 3));
	struct batch b = { 0 };
	struct jobs jobs = { 0 };

	rig_open(r);
	batch_add(&b, j);
	rig_commit(r, &b);
	if (b.at[0].outcome == GEARMAND_REFUSED)
		note("refused: %s", b.at[0].reason);
	else
		jobs_add(&jobs, &j);
	rig_must_have(r, &jobs, IN_ORDER);
	batch_clear(&b);
}
