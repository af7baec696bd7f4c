/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tally.h - what is counted of jobs by function, and how long things took.
 *
 * Runs on:  processing thread.
 * Owns:     nothing: a tally lies in each function, the histograms in the core, and each function has its spread.
 */
#ifndef GEARMAND_PROC_TALLY_H
#define GEARMAND_PROC_TALLY_H

#include <stdint.h>

/* Why an attempt did not end its job. */
#define LOSSES(X) X(connection) X(ability) X(timeout) X(fail) X(exception)

enum loss {
#define X(name) LOSS_##name,
	LOSSES(X)
#undef X
	    LOSS_COUNT
};

/* How a job ends: name, and as people read it. */
/* clang-format off */
#define OUTCOMES(X) \
	X(COMPLETED, "completed") \
	X(FAILED,    "failed")    /* WORK_FAIL */ \
	X(EXCEPTION, "exception") /* WORK_EXCEPTION */ \
	X(TIMEOUT,   "timeout")   /* its time was up, and it is not tried again */ \
	X(CANCELLED, "cancelled") \
	X(ABANDONED, "abandoned") /* nobody wants it any more */ \
	X(EXPIRED,   "expired")   /* it waited too long */ \
	X(DEAD,      "dead")      /* it is on the dead list */ \
	X(DROPPED,   "dropped")   /* given up since its worker was lost, or it left the dead list */
/* clang-format on */

enum outcome {
#define X(name, text) OUTCOME_##name,
	OUTCOMES(X)
#undef X
	    OUTCOME_COUNT
};

/* Since the function was made.  Times are sums, in nanoseconds. */
struct tally {
	uint64_t submitted[2]; /* new jobs: in the foreground, in the background */
	uint64_t joined;       /* submissions that joined a job by its unique */
	uint64_t assigned;
	uint64_t ended[OUTCOME_COUNT]; /* a dead job once, also when it leaves the dead list later */
	uint64_t lost[LOSS_COUNT];
	uint64_t wait; /* from ready until assigned */
	uint64_t run;  /* of attempts, however they ended */
};

/* Adds all of `from`. */
void tally_add(struct tally *, const struct tally *from);

enum { BUCKETS_MAX = 12 };

/*    name           what is measured */
#define HISTOGRAMS(X) \
	X(job_wait)     /* ns: as tally.wait */ \
	X(job_run)      /* ns: as tally.run */ \
	X(store_commit) /* ns: a call of the queue module's commit that went well */ \
	X(store_batch)  /* changes in such a commit */ \
	X(proc_lag)     /* ns: from posting a message to the core until it is handled; samples */

enum histogram_name {
#define X(name) HISTOGRAM_##name,
	HISTOGRAMS(X)
#undef X
	    HISTOGRAM_COUNT
};

struct histogram {
	uint64_t sum;
	uint64_t bucket[BUCKETS_MAX]; /* values up to each bound and above the one before; last: above all bounds */
};

const char *histogram_text(enum histogram_name);
/* Ascending; one fewer than buckets. */
const uint64_t *histogram_bounds(enum histogram_name, unsigned *count_r);
/* Below 0 counts as 0: two threads read the clock.  Returns the bucket. */
unsigned histogram_add(struct histogram *all, enum histogram_name, int64_t value);

/* The jobs of a function in buckets of job_wait and job_run; their sums are in its tally. */
struct spread {
	uint64_t wait[BUCKETS_MAX], run[BUCKETS_MAX];
};

/* Adds all of `from`. */
void spread_add(struct spread *, const struct spread *from);

#endif
