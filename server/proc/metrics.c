/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The answer to `metrics`: server, histograms, functions.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 *
 * docs/protocol.md has the lines.  A reader takes the columns by their names, so that there may be more of them later.
 */
#include "proc/metrics.h"

#include "proc/func.h"
#include "proc/inspect.h"
#include "proc/report.h"

/*    column               its value; `f` NULL: of all functions that are no more */
/* clang-format off */
#define GAUGES(X) \
	X(jobs,                f->jobs) \
	X(running,             f->running) \
	X(ready_high,          f->waiting[0]) \
	X(ready_normal,        f->waiting[1]) \
	X(ready_low,           f->waiting[2]) \
	X(delayed,             f->delayed) \
	X(retrying,            f->retrying) \
	X(dead,                f->buried) \
	X(workers,             f->workers) \
	X(sleeping,            asleep) \
	X(paused,              f->shut) \
	X(oldest_waiting_ns,   (uint64_t)func_oldest_ready(p, f)) \
	X(oldest_running_ns,   (uint64_t)func_oldest_running(p, f)) \
	X(number,              f->number)

#define TALLIES(X) \
	X(submitted_foreground, t->submitted[0]) \
	X(submitted_background, t->submitted[1]) \
	X(joined,               t->joined) \
	X(assigned,             t->assigned) \
	X(lost_connection,      t->lost[LOSS_connection]) \
	X(lost_ability,         t->lost[LOSS_ability]) \
	X(lost_timeout,         t->lost[LOSS_timeout]) \
	X(lost_fail,            t->lost[LOSS_fail]) \
	X(lost_exception,       t->lost[LOSS_exception]) \
	X(wait_ns,              t->wait) \
	X(run_ns,               t->run)
/* clang-format on */

static void
measure_number(struct buf *out, uint64_t value)
{
	char *at = buf_room(out, 21);

	*at = '\t';
	out->len += 1 + u64_to_text(at + 1, value);
}

static void
measure_value(struct buf *out, const char *name, uint64_t value)
{
	buf_add_str(out, "value\t");
	buf_add_str(out, name);
	measure_number(out, value);
	buf_add_char(out, '\n');
}

static void
measure_text(struct buf *out, const char *name, struct slice text)
{
	buf_add_str(out, "text\t");
	buf_add_str(out, name);
	buf_add_char(out, '\t');
	buf_add_escaped(out, text);
	buf_add_char(out, '\n');
}

static PROC void
add_histogram(const struct proc *p, struct buf *out, enum histogram_name which)
{
	unsigned count;
	const uint64_t *bounds = histogram_bounds(which, &count);

	buf_add_str(out, "bounds\t");
	buf_add_str(out, histogram_text(which));
	for (unsigned i = 0; i < count; i++)
		measure_number(out, bounds[i]);
	buf_add_str(out, "\nhistogram\t");
	buf_add_str(out, histogram_text(which));
	measure_number(out, p->histograms[which].sum);
	for (unsigned i = 0; i <= count; i++)
		measure_number(out, p->histograms[which].bucket[i]);
	buf_add_char(out, '\n');
}

static PROC void
add_tally(struct buf *out, const struct tally *t)
{
#define X(name, value) measure_number(out, value);
	TALLIES(X)
#undef X
	for (int i = 0; i < OUTCOME_COUNT; i++)
		measure_number(out, t->ended[i]);
}

static PROC void
add_spread(struct buf *out, const struct spread *s)
{
	static const struct spread none;
	const uint64_t *const parts[] = { (s == NULL ? &none : s)->wait, (s == NULL ? &none : s)->run };

	for (unsigned i = 0; i < 2 * BUCKETS_MAX; i++)
		measure_number(out, parts[i / BUCKETS_MAX][i % BUCKETS_MAX]);
}

/* Nothing is there of functions that are no more, but what they did counts. */
static PROC void
add_folded(const struct proc *p, struct buf *out, bool buckets)
{
	buf_add_str(out, "function\t(other)");
#define X(name, value) measure_number(out, 0);
	GAUGES(X)
#undef X
	add_tally(out, &p->folded);
	if (buckets)
		add_spread(out, &p->folded_spread);
	buf_add_char(out, '\n');
}

static PROC void
add_columns(struct buf *out, bool buckets)
{
	static const char *const parts[] = { "\twait_", "\trun_" };

	buf_add_str(out, "columns\tname"
#define X(name, value) "\t" #name
	    GAUGES(X) TALLIES(X)
#undef X
#define X(name, text) "\tended_" text
		OUTCOMES(X)
#undef X
	);
	for (unsigned i = 0; buckets && i < 2 * BUCKETS_MAX; i++) {
		buf_add_str(out, parts[i / BUCKETS_MAX]);
		buf_add_u64(out, i % BUCKETS_MAX);
	}
	buf_add_char(out, '\n');
}

void
metrics_add_server(const struct proc *p, struct buf *out, bool buckets)
{
	report_add_counters(p, out, "value\t");
	traffic_add(&p->traffic, p->counts[STAT_connections_refused], out);
	measure_value(out, "start_wall", (uint64_t)p->cfg.started);
	measure_value(out, "threads", (uint64_t)p->cfg.threads);
	measure_value(out, "job_bytes_limit", p->cfg.max_memory);
	measure_value(out, "store_since", (uint64_t)p->store_since / A_SECOND);
	measure_value(out, "waiting_adds", p->adding);
	measure_value(out, "waiting_removes", p->removing);
	measure_value(out, "commit_ns", (uint64_t)report_commit_time(p));
	measure_text(out, "version", slice_str(p->cfg.version));
	measure_text(out, "queue", slice_str(p->cfg.queue_name == NULL ? "builtin" : p->cfg.queue_name));
	measure_text(out, "store", slice_str(report_store_state(p)));
	measure_text(out, "store_error", buf_slice(&p->store_error));
	measure_text(out, "state", slice_str(p->graceful || p->shut ? "draining" : "running"));
	for (int i = 0; i < HISTOGRAM_COUNT; i++)
		add_histogram(p, out, (enum histogram_name)i);
	add_columns(out, buckets);
	add_folded(p, out, buckets);
}

size_t
metrics_add_func(const struct proc *p, struct buf *out, const struct func *f, bool buckets)
{
	size_t steps, asleep = inspect_asleep(f, &steps);

	buf_add_str(out, "function\t");
	buf_add_escaped(out, func_name(f));
#define X(name, value) measure_number(out, value);
	GAUGES(X)
#undef X
	add_tally(out, &f->tally);
	if (buckets)
		add_spread(out, f->spread);
	buf_add_char(out, '\n');
	return steps;
}

void
metrics_sum(const struct proc *p, struct metrics_sums *sums, const struct func *f)
{
	nsec_t oldest = func_oldest_ready(p, f);

	for (int i = 0; i < PRIORITIES; i++)
		sums->ready += f->waiting[i];
	sums->running += f->running;
	sums->delayed += f->delayed;
	if (oldest > sums->oldest_waiting)
		sums->oldest_waiting = oldest;
}

void
metrics_add_sums(struct buf *out, const struct metrics_sums *sums)
{
	measure_value(out, "jobs_ready_now", sums->ready);
	measure_value(out, "jobs_running_now", sums->running);
	measure_value(out, "jobs_delayed_now", sums->delayed);
	measure_value(out, "oldest_waiting_ns", (uint64_t)sums->oldest_waiting);
}
