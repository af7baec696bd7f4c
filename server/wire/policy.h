/* SPDX-License-Identifier: BSD-3-Clause
 *
 * policy.h - what is done for functions whose name matches a pattern: the lines of a policy file.
 *
 * Any thread; pure.  A line is `PATTERN KEY=VALUE ...`; the first line whose pattern matches a function counts, and
 * counts as a whole: what it does not say has the default.  In a pattern `*` stands for any bytes, `?` for one.
 * A value with spaces stands in double quotes.  Empty lines, and lines whose first word begins with `#`, say nothing.
 */
#ifndef GEARMAND_WIRE_POLICY_H
#define GEARMAND_WIRE_POLICY_H

#include "base/buf.h"
#include "wire/sched.h"

enum policy_loss { /* ways in which an attempt ends without a result; bits of policy.retry_on */
	POLICY_LOST = 1,
	POLICY_TIMEOUT = 2,
	POLICY_FAIL = 4,
	POLICY_EXCEPTION = 8,
};

enum policy_backoff { POLICY_EXPONENTIAL, POLICY_LINEAR, POLICY_FIXED };

enum {
	POLICY_LINES_MAX = 1000,  /* in a file: a new function is compared with each */
	POLICY_PATTERN_MAX = 255, /* bytes */
	POLICY_WHY = 256,         /* bytes of a sentence */
};

#define POLICY_NO_CAP UINT64_MAX

/* When a job is submitted again and again. */
struct policy_cron {
	struct slice text; /* the five fields; "" = never */
	struct sched when;
};

/* One line.  Times are nanoseconds; 0 = none, unless said otherwise. */
struct policy {
	unsigned line; /* its number in the file, from 1; 0 = no line matches */
	struct slice pattern;
	uint64_t attempts;        /* the one that ends the job if it ends without a result; 0 = no limit */
	uint64_t retry_on;        /* enum policy_loss */
	uint64_t backoff;         /* enum policy_backoff */
	uint64_t jitter;          /* per cent of the delay, up and down */
	uint64_t keep_dead;       /* a job that is given up goes to the dead list */
	int64_t delay, max_delay; /* before the next attempt */
	int64_t expire;           /* how long a job may wait for a worker */
	int64_t run_limit;        /* how long an attempt may take */
	uint64_t running;         /* jobs at a time; 0 = it is paused; POLICY_NO_CAP */
	int64_t token;            /* time from one assignment to the next, on average */
	uint64_t burst;           /* assignments at once before that */
	int64_t keep_state;       /* how long an ended job is known */
	uint64_t keep_result;     /* ... and so many bytes of its result */
	struct policy_cron cron;
	struct slice payload; /* name of a file with the data of that job; "" = none */
	struct slice data;    /* what is in it; see policies_plan() */
	int64_t first_run;    /* seconds since 1970; likewise */
	uint64_t maxqueue[3]; /* by priority: high, normal, low; 0 = none */
};

/* What holds where nothing is set. */
void policy_default(struct policy *);
/* One KEY=VALUE, which must live as long as the policy.  `seen` has a bit for each key, at first none.  False with a
 * sentence when it is wrong. */
bool policy_set(struct policy *, struct slice word, uint64_t *seen, char why[POLICY_WHY]);
/* How long to wait before the next attempt when `tries` were lost; `dice` are 64 random bits. */
int64_t policy_delay(const struct policy *, uint64_t tries, uint64_t dice);
/* Each setting as a file would say it, also those that it leaves out: "attempts=10 retry-on=lost,timeout ..." */
void policy_add_text(const struct policy *, struct buf *);
/* Does the whole name match? */
bool pattern_matches(struct slice pattern, struct slice name);
/* The same; adds the bytes that were compared, at worst the product of both lengths. */
bool pattern_matches_counted(struct slice pattern, struct slice name, size_t *steps);

struct policies; /* the lines of a file, with their text */

/* Reads a whole file.  `base` is what counts where no line matches, and has the defaults of each line, but that dead
 * jobs of a line are kept.  NULL when something is wrong: *line_r is the line (0 = the file as a whole), `why` what. */
struct policies *policies_new(struct slice text, const struct policy *base, unsigned *line_r, char why[POLICY_WHY]);
void policies_free(struct policies **);
size_t policies_count(const struct policies *);
const struct policy *policies_at(const struct policies *, size_t); /* in the order of the file */
/* What the file cannot say by itself: the data of that line's job, which is copied, and when it is first to be
 * submitted. */
void policies_plan(struct policies *, size_t, struct slice data, int64_t first_run);
const struct policy *policies_match(const struct policies *, struct slice function); /* the one that counts */

#endif
