/* SPDX-License-Identifier: BSD-3-Clause
 *
 * memcached_fixture.h - a memcached for all tests of the program, a prefix for each, and the module on it.
 *
 * Runs on:  the process of one test; the memcached is started before the first test and stopped after the last.
 * Owns:     what queue_new_alone() and queue_liar() start; queue_free() and the end of the process end it.
 */
#ifndef TESTS_MEMCACHED_FIXTURE_H
#define TESTS_MEMCACHED_FIXTURE_H

#include "tests/plugins/queue_fixture.h"

/* A new queue under a prefix of its own.  Skips the test where memcached is not installed. */
struct queue *queue_new(void);
struct queue *queue_opened(void);
/* Another server's under the same prefix. */
struct queue *queue_beside(const struct queue *);
/* On a memcached of its own, with these options, for tests that disturb it. */
struct queue *queue_new_alone(const char *options);
void queue_free(struct queue **);

void server_do(struct queue *, const char *word); /* "kill", "again": see tests/stores/memcached.py */
void server_signal(struct queue *, int number);
const char *server_address(struct queue *); /* "127.0.0.1:port" */
/* The queue is to talk to a memcached that lies, with the real one behind it: see tests/stores/memcached_liar.py. Rules
 * are separated by '|'. */
void queue_liar(struct queue *, const char *rules);
void queue_liar_goes_on(struct queue *); /* with what is LATE */

/* What the memcached answers to this, on a connection of its own, up to its last line. */
const char *memcached_says(struct queue *, const char *command);
/* An item under the prefix, as another program writes it. */
void memcached_set(struct queue *, const char *rest, unsigned flags, const char *value, size_t len);
/* One that is empty, over the binary protocol, whose keys have any bytes. */
void memcached_set_binary(struct queue *, const char *rest);
/* Items under the prefix, without the two of the lock. */
size_t memcached_items(struct queue *);

/* Time for the module that does not pass but when told. */
void stop_clock(struct queue *);
void pass_seconds(int seconds);

/* Whether the latest log line has this in it. */
#define EXPECT_LOG(q, part) cr_expect_not_null(strstr((q)->host.log, part), "\"%s\" is not in: %s", part, (q)->host.log)

#endif
