/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Three rings of points.  What is counted becomes a rate, what is measured in a histogram a quantile of what came in
 * that second.
 *
 * Runs on:  any I/O thread, under a lock that nobody holds for longer than a copy takes.
 * Owns:     the rings, and what the counters were a second ago.
 */
#include "history.h"

#include <math.h>
#include <pthread.h>

#include "sheet.h"
#include "text.h"

/* How a number comes about: a value of the server; a value's growth in a second; of a histogram's growth a quantile,
 * or the mean. */
enum how { NOW, RATE, QUANTILE, MEAN };

/* Longer points are the mean of the shorter ones, or with `peak` the greatest. */
static const struct {
	const char *name;
	enum how how;
	const char *key;
	double scale; /* of the server's number; of a QUANTILE also which */
	double quantile;
	bool peak;
} series[] = {
	{ "submitted", RATE, "jobs_submitted", 1, 0, false },
	{ "completed", RATE, "jobs_completed", 1, 0, false },
	{ "failed", RATE, "jobs_failed", 1, 0, false },
	{ "wait_p50", QUANTILE, "job_wait", 1e-9, 0.5, true },
	{ "wait_p95", QUANTILE, "job_wait", 1e-9, 0.95, true },
	{ "oldest_waiting", NOW, "oldest_waiting_ns", 1e-9, 0, true },
	{ "waiting", NOW, "jobs_ready_now", 1, 0, false },
	{ "running", NOW, "jobs_running_now", 1, 0, false },
	{ "delayed", NOW, "jobs_delayed_now", 1, 0, false },
	{ "dead", NOW, "dead_jobs_now", 1, 0, false },
	{ "commit_p99", QUANTILE, "store_commit", 1e-9, 0.99, true },
	{ "batch", MEAN, "store_batch", 1, 0, false },
	{ "lag_p99", QUANTILE, "proc_lag", 1e-9, 0.99, true },
};

enum { SERIES = sizeof(series) / sizeof(series[0]), RINGS = 3 };

struct point {
	float at[SERIES]; /* NAN: nothing was measured */
};

static const struct {
	unsigned step, size; /* seconds; points */
} shapes[RINGS] = { { 1, 600 }, { 10, 1080 }, { 300, 2016 } };

struct ring {
	struct point *points;
	unsigned count; /* ever, modulo 2^32 */
};

struct history {
	pthread_mutex_t lock;
	struct ring rings[RINGS];
	int64_t end; /* of the newest second, nanoseconds since 1970 */
	uint64_t values[SERIES];
	struct sheet_histogram histograms[SERIES];
	bool has_former; /* the two above are of a second ago */
};

struct history *
history_new(void)
{
	struct history *h = calloc(1, sizeof(*h));

	GM_CHECK(h != NULL && pthread_mutex_init(&h->lock, NULL) == 0);
	for (unsigned i = 0; i < RINGS; i++)
		GM_CHECK((h->rings[i].points = calloc(shapes[i].size, sizeof(struct point))) != NULL);
	return h;
}

void
history_free(struct history **hp)
{
	struct history *h = *hp;

	*hp = NULL;
	if (h == NULL)
		return;
	for (unsigned i = 0; i < RINGS; i++)
		free(h->rings[i].points);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

/* ---- A second --------------------------------------------------------------------------------------- */

/* What came since: upper bound of the bucket in which that part of it lies. */
static float
quantile_of(const struct sheet_histogram *now, const struct sheet_histogram *former, double part)
{
	uint64_t all = 0, so_far = 0;

	for (unsigned i = 0; i <= now->count; i++)
		all += now->numbers[i] - former->numbers[i];
	for (unsigned i = 0; i < now->count; i++) {
		so_far += now->numbers[i] - former->numbers[i];
		if (all > 0 && (double)so_far >= part * (double)all)
			return (float)now->bounds[i];
	}
	return all > 0 ? (float)now->bounds[now->count - 1] : NAN;
}

static float
mean_of(const struct sheet_histogram *now, const struct sheet_histogram *former)
{
	uint64_t all = 0;

	for (unsigned i = 0; i <= now->count; i++)
		all += now->numbers[i] - former->numbers[i];
	return all > 0 ? (float)(now->sum - former->sum) / (float)all : NAN;
}

static float
measure(struct history *h, unsigned i, const struct sheet *s)
{
	const struct sheet_histogram *histogram = sheet_histogram(s, series[i].key);
	uint64_t value = sheet_value(s, series[i].key), former = h->values[i];
	float result = NAN;

	if (series[i].how == NOW)
		return (float)((double)value * series[i].scale);
	if (series[i].how == RATE)
		result = value >= former ? (float)(value - former) : 0;
	else if (histogram != NULL && histogram->count > 0)
		result = series[i].how == MEAN
			     ? mean_of(histogram, &h->histograms[i])
			     : quantile_of(histogram, &h->histograms[i], series[i].quantile) * (float)series[i].scale;
	h->values[i] = value;
	if (histogram != NULL)
		h->histograms[i] = *histogram;
	return h->has_former ? result : NAN;
}

/* ---- Rings ------------------------------------------------------------------------------------------ */

static const struct point *
point_back(const struct ring *ring, unsigned which, unsigned back)
{
	return &ring->points[(ring->count - 1 - back) % shapes[which].size];
}

/* The last points of the ring before, as one. */
static struct point
join(const struct history *h, unsigned which, unsigned count)
{
	struct point joined;

	for (unsigned i = 0; i < SERIES; i++) {
		float sum = 0, most = 0;
		unsigned n = 0;

		for (unsigned k = 0; k < count; k++) {
			float v = point_back(&h->rings[which], which, k)->at[i];

			n += !isnan(v);
			sum += isnan(v) ? 0 : v;
			most = v > most ? v : most;
		}
		joined.at[i] = n == 0 ? NAN : series[i].peak ? most : sum / (float)n;
	}
	return joined;
}

static void
push(struct history *h, unsigned which, const struct point *p)
{
	struct ring *ring = &h->rings[which];
	unsigned joins = which + 1 < RINGS ? shapes[which + 1].step / shapes[which].step : 0;

	ring->points[ring->count++ % shapes[which].size] = *p;
	if (joins > 0 && ring->count % joins == 0) {
		struct point joined = join(h, which, joins);

		push(h, which + 1, &joined);
	}
}

/* Seconds in which nothing was heard are points without numbers, up to as many as the shortest ring has. */
void
history_take(struct history *h, const struct sheet *s, int64_t now)
{
	struct point p, nothing;
	int64_t missed = h->end == 0 ? 0 : (now - h->end) / 1000000000 - 1;

	for (unsigned i = 0; i < SERIES; i++)
		nothing.at[i] = NAN;
	pthread_mutex_lock(&h->lock);
	for (unsigned i = 0; i < SERIES; i++)
		p.at[i] = measure(h, i, s);
	for (; missed > 0 && missed <= (int64_t)shapes[0].size; missed--)
		push(h, 0, &nothing);
	push(h, 0, &p);
	h->end = now;
	h->has_former = true;
	pthread_mutex_unlock(&h->lock);
}

/* ---- Answers ---------------------------------------------------------------------------------------- */

/* To a millionth. */
static void
add_value(struct gm_bytes *out, const char *key, float v)
{
	if (isnan(v))
		json_null(out, key);
	else
		json_seconds(out, key, (uint64_t)((double)v * 1e6 + 0.5) * 1000);
}

bool
history_add_span(struct history *h, struct gm_bytes *out, unsigned span)
{
	unsigned which = 0;

	while (which < RINGS && shapes[which].step * shapes[which].size != span)
		which++;
	if (which == RINGS)
		return false;
	pthread_mutex_lock(&h->lock);
	json_open(out, NULL, '{');
	json_u64(out, "step", shapes[which].step);
	json_u64(out, "end", (uint64_t)h->end / 1000000000);
	json_open(out, "series", '{');
	for (unsigned i = 0; i < SERIES; i++) {
		unsigned count = h->rings[which].count;

		json_open(out, series[i].name, '[');
		for (unsigned k = count < shapes[which].size ? count : shapes[which].size; k > 0; k--)
			add_value(out, NULL, point_back(&h->rings[which], which, k - 1)->at[i]);
		json_close(out, ']');
	}
	json_close(out, '}');
	json_close(out, '}');
	pthread_mutex_unlock(&h->lock);
	return true;
}

void
history_add_point(struct history *h, struct gm_bytes *out)
{
	pthread_mutex_lock(&h->lock);
	json_open(out, NULL, '{');
	json_u64(out, "at", (uint64_t)h->end / 1000000000);
	for (unsigned i = 0; h->rings[0].count > 0 && i < SERIES; i++)
		add_value(out, series[i].name, point_back(&h->rings[0], 0, 0)->at[i]);
	json_close(out, '}');
	pthread_mutex_unlock(&h->lock);
}
