/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sums and histograms of what jobs went through.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#include "proc/tally.h"

#include <stddef.h>

#define US     UINT64_C(1000)
#define MS     UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

static const uint64_t of_jobs[] = { 1 * MS, 5 * MS, 25 * MS, 100 * MS, 500 * MS, 2500 * MS, 10 * SECOND, 60 * SECOND,
	300 * SECOND, 1800 * SECOND, 7200 * SECOND };
static const uint64_t of_commits[] = { 500 * US, 1 * MS, 2500 * US, 5 * MS, 10 * MS, 25 * MS, 100 * MS, 500 * MS,
	2500 * MS, 10 * SECOND };
static const uint64_t of_batches[] = { 1, 4, 16, 64, 256, 1024, 4096 };
static const uint64_t of_lags[] = { 100 * US, 500 * US, 1 * MS, 5 * MS, 25 * MS, 100 * MS, 500 * MS, 2500 * MS };

#define BOUNDS_OF(array) \
	{ \
		array, sizeof array / sizeof *array \
	}

static const struct {
	const uint64_t *at;
	unsigned count;
} bounds[HISTOGRAM_COUNT] = {
	[HISTOGRAM_job_wait] = BOUNDS_OF(of_jobs),
	[HISTOGRAM_job_run] = BOUNDS_OF(of_jobs),
	[HISTOGRAM_store_commit] = BOUNDS_OF(of_commits),
	[HISTOGRAM_store_batch] = BOUNDS_OF(of_batches),
	[HISTOGRAM_proc_lag] = BOUNDS_OF(of_lags),
};

_Static_assert(sizeof of_jobs / sizeof *of_jobs == BUCKETS_MAX - 1, "one bucket is above the last bound");

const char *
histogram_text(enum histogram_name which)
{
	static const char *const names[] = {
#define X(name) #name,
		HISTOGRAMS(X)
#undef X
	};

	return names[which];
}

const uint64_t *
histogram_bounds(enum histogram_name which, unsigned *count_r)
{
	*count_r = bounds[which].count;
	return bounds[which].at;
}

unsigned
histogram_add(struct histogram *all, enum histogram_name which, int64_t value)
{
	uint64_t v = value > 0 ? (uint64_t)value : 0;
	unsigned i = 0;

	while (i < bounds[which].count && v > bounds[which].at[i])
		i++;
	all[which].bucket[i]++;
	all[which].sum += v;
	return i;
}

/* Of both, all members are counters. */
static void
add_counters(void *to, const void *from, size_t bytes)
{
	uint64_t *sums = to;
	const uint64_t *add = from;

	for (size_t i = 0; i < bytes / sizeof *sums; i++)
		sums[i] += add[i];
}

void
tally_add(struct tally *tally, const struct tally *from)
{
	add_counters(tally, from, sizeof *tally);
}

void
spread_add(struct spread *spread, const struct spread *from)
{
	add_counters(spread, from, sizeof *spread);
}
