/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue_fixture.h - a queue module in a host that is not a server, and what its replay said; for any module.
 *
 * Runs on:  the process of one test.
 * Owns:     the store while it is open, and copies of what was replayed.
 */
#ifndef TESTS_QUEUE_FIXTURE_H
#define TESTS_QUEUE_FIXTURE_H

#include <stdio.h>

#include "tests/plugins/fake_host.h"

struct queue {
	struct host host;
	void *store; /* NULL = closed */
	struct gearmand_error err;
	char dir[128], db[160];    /* the store's, by its own fixture */
	struct gearmand_job *seen; /* by the latest queue_replay(), with copies of all bytes */
	size_t seen_count;
	size_t stop_after; /* the sink says stop at that many; 0 = never */
};

void queue_init(struct queue *, const char *module); /* file in GEARMAND_PLUGIN_PATH */
void queue_fini(struct queue *);
bool queue_open(struct queue *); /* q->err tells why not */
void queue_expect_no_open(struct queue *, const char *sentence, enum gearmand_why);
void queue_close(struct queue *);
bool queue_replay(struct queue *);            /* fills q->seen */
void queue_reopen_and_replay(struct queue *); /* must work */

#define EXPECT_SENTENCE(q, part) \
	cr_expect_not_null(strstr((q)->err.text, part), "\"%s\" is not in: %s", part, (q)->err.text)

/* Slices of any bytes: S("a\0b"). */
#define S(literal) ((struct gearmand_slice){ (literal), sizeof(literal) - 1 })
struct gearmand_slice slice_of_text(const char *);
struct gearmand_slice slice_filled(size_t len, unsigned seed); /* any bytes */
char *keep(size_t len); /* memory for len bytes and a NUL, until the test's process ends */
bool slice_same(struct gearmand_slice, struct gearmand_slice);

struct gearmand_job a_job(struct gearmand_slice function, struct gearmand_slice unique, struct gearmand_slice data);
struct gearmand_change an_add(struct gearmand_job);
struct gearmand_change a_remove(struct gearmand_slice function, struct gearmand_slice unique);
struct gearmand_change a_bury(struct gearmand_job job, const char *handle, int64_t changed_at);
struct gearmand_change an_unbury(const char *handle);
enum gearmand_commit queue_commit(struct queue *, struct gearmand_change *, size_t count);
enum gearmand_commit queue_add(struct queue *, const char *function, const char *unique, const char *data);
enum gearmand_commit queue_remove(struct queue *, const char *function, const char *unique);
/* `count` jobs of function "f" with uniques "<prefix>0", "<prefix>1" ... and that as payload, in one batch. */
enum gearmand_commit queue_add_many(struct queue *, const char *prefix, size_t count);

/* What replay said, as "function/unique=data function/unique=data", in order; "+" before a dead job. */
const char *queue_seen(struct queue *);
/* The same, after closing and opening again. */
const char *queue_content(struct queue *);

#endif
