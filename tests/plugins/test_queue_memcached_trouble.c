/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The memcached queue in trouble: each failure is a sentence that says whether waiting may help; what passes heals, and
 * nothing is called stored that is not.
 *
 * Runs on:  one process per test.
 * Owns:     a prefix per test.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/plugins/memcached_fixture.h"

static struct queue *
queue_with_a_liar(const char *rules)
{
	struct queue *q = queue_new();

	queue_liar(q, rules);
	cr_assert(queue_open(q), "%s", q->err.text);
	return q;
}

/* ---- Opening --------------------------------------------------------------------------------- */

Test(memcached_trouble, a_memcached_that_is_down_may_come_back)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "libmemcached-servers", "127.0.0.1:1");
	queue_expect_no_open(q, "memcached 127.0.0.1:1: Connection refused", GEARMAND_WHY_PASSING);
	queue_free(&q);
}

Test(memcached_trouble, a_memcached_that_wants_a_password_is_told)
{
	struct queue *q = queue_new();

	queue_liar(q, "gets =>CLIENT_ERROR unauthenticated\\r\\n");
	queue_expect_no_open(q, "it says \"unauthenticated\"", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(memcached_trouble, something_that_is_no_memcached_is_told)
{
	struct queue *q = queue_new();

	queue_liar(q, "gets =>HTTP/1.0 400 Bad \\x01 Request\\r\\n");
	queue_expect_no_open(q, "it says \"HTTP/1.0 400 Bad", GEARMAND_WHY_PASSING);
	queue_free(&q);
}

/* ---- Jobs that are refused ------------------------------------------------------------------- */

Test(memcached_trouble, a_job_that_is_too_large_is_refused_alone)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[] = { an_add(a_job(S("f"), S("a"), S("1"))),
		an_add(a_job(S("f"), S("large"), slice_filled(1 << 20, 3))), an_add(a_job(S("f"), S("b"), S("2"))) };

	cr_assert_eq(queue_commit(q, c, 3), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(c[1].outcome, GEARMAND_REFUSED);
	cr_expect_not_null(
	    strstr(c[1].reason, "a job of 1048576 bytes is too large for memcached 127.0.0.1:"), "%s", c[1].reason);
	cr_expect_eq(c[0].outcome + c[2].outcome, 0);
	cr_expect_str_eq(queue_content(q), "f/a=1 f/b=2");
	fake_host_changes_clear(c, 3);
	queue_free(&q);
}

Test(memcached_trouble, large_items_are_fine_where_memcached_takes_them)
{
	struct queue *q = queue_new_alone("-M -m 200 -I 32m");
	struct gearmand_change c = an_add(a_job(S("f"), S("large"), slice_filled(16 << 20, 3)));

	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(c.outcome, GEARMAND_STORED, "%s", c.reason);
	queue_reopen_and_replay(q);
	cr_assert_eq(q->seen_count, 1);
	cr_expect(slice_same(q->seen[0].data, c.job.data));
	queue_free(&q);
}

static const char *
key_of(size_t i)
{
	static char key[20];

	sprintf(key, "u%zu", i);
	return key;
}

/* Stores jobs of 10,000 bytes one by one; how many there was room for. */
static size_t
fill(struct queue *q, size_t most)
{
	size_t count = 0;

	for (enum gearmand_commit result = GEARMAND_COMMIT_DONE; result == GEARMAND_COMMIT_DONE && count < most;
	     count++) {
		char *key = keep(20);
		struct gearmand_change c;

		sprintf(key, "u%zu", count);
		c = an_add(a_job(S("f"), slice_of_text(key), slice_filled(10000, 1)));
		result = queue_commit(q, &c, 1);
		cr_assert(result == GEARMAND_COMMIT_DONE || result == GEARMAND_COMMIT_FULL, "%s", q->err.text);
		if (result == GEARMAND_COMMIT_FULL)
			return count;
	}
	return count;
}

Test(memcached_trouble, a_full_memcached_says_so_until_there_is_room)
{
	enum { COUNT = 1000 };
	struct queue *q = queue_new_alone("-M -m 4");
	struct gearmand_change c[3];
	size_t count;

	cr_assert(queue_open(q), "%s", q->err.text);
	count = fill(q, COUNT);
	cr_assert(count > 100 && count < 900, "%zu were stored", count);
	EXPECT_SENTENCE(q, "is full (see its -m)");
	c[0] = an_add(a_job(S("g"), S("small"), S("for this there may be room")));
	c[1] = an_add(a_job(S("g"), S("b"), slice_filled(10000, 1)));
	c[2] = an_add(a_job(S("g"), S("c"), slice_filled(10000, 1)));
	cr_expect_eq(queue_commit(q, c, 3), GEARMAND_COMMIT_FULL, "a batch that does not fit");
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, count, "nothing else is there");
	for (size_t i = 0; i < count; i++)
		cr_expect_eq(queue_remove(q, "f", key_of(i)), GEARMAND_COMMIT_DONE);
	while (queue_commit(q, c, 3) == GEARMAND_COMMIT_FULL) /* memcached tidies up meanwhile */
		;
	cr_expect_eq(queue_commit(q, c, 3), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_free(&q);
}

Test(memcached_trouble, a_removal_makes_room_for_an_addition_of_its_batch)
{
	struct queue *q = queue_new_alone("-M -m 4");
	struct gearmand_change c[2];
	size_t count;

	cr_assert(queue_open(q), "%s", q->err.text);
	count = fill(q, 1000);
	c[0] = a_remove(S("f"), S("u0"));
	c[1] = an_add(a_job(S("f"), S("more"), slice_filled(10000, 1)));
	cr_expect_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, count);
	queue_free(&q);
}

/* ---- What memcached forgets ------------------------------------------------------------------ */

Test(memcached_trouble, evictions_are_told_now_and_then)
{
	enum { COUNT = 1000 };
	struct queue *q = queue_new_alone("-m 4");

	stop_clock(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	EXPECT_LOG(q, "evicts jobs when it is full; started with -M it refuses new ones instead");
	cr_expect_eq(fill(q, COUNT), COUNT);
	cr_expect_null(strstr(q->host.log, "has evicted"), "it is not asked all the time");
	pass_seconds(10);
	cr_expect_eq(q->host.ops->check(q->store, &q->err), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	EXPECT_LOG(q, "is full and has evicted ");
	q->host.log[0] = '\0';
	fill(q, COUNT);
	pass_seconds(10);
	cr_expect_eq(queue_add(q, "f", "more", "x"), GEARMAND_COMMIT_DONE);
	cr_expect_str_eq(q->host.log, "", "not so soon again");
	pass_seconds(600);
	cr_expect_eq(queue_add(q, "f", "more", "x"), GEARMAND_COMMIT_DONE);
	EXPECT_LOG(q, "is full and has evicted ");
	queue_free(&q);
}

Test(memcached_trouble, a_memcached_that_is_emptied_or_restarted_is_told)
{
	struct queue *q = queue_new_alone("-M -m 64");

	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add(q, "f", "a", "1");
	memcached_says(q, "flush_all");
	cr_expect_eq(
	    q->host.ops->check(q->store, &q->err), GEARMAND_COMMIT_DONE, "the lock is taken again: %s", q->err.text);
	EXPECT_LOG(q, "was restarted or emptied, and has forgotten what it had");
	q->host.log[0] = '\0';
	cr_expect_eq(q->host.ops->check(q->store, &q->err), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(q->host.log, "", "once");
	cr_expect_str_eq(queue_content(q), "");
	queue_add(q, "f", "b", "1");
	server_do(q, "kill");
	cr_expect_eq(queue_add(q, "f", "c", "1"), GEARMAND_COMMIT_BROKEN);
	server_do(q, "again");
	cr_expect_str_eq(queue_content(q), "");
	EXPECT_LOG(q, "was restarted or emptied, and has forgotten what it had");
	cr_expect_eq(queue_add(q, "f", "c", "1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/c=1");
	queue_free(&q);
}

/* ---- Stalls ---------------------------------------------------------------------------------- */

static struct queue *
queue_that_is_impatient(void)
{
	struct queue *q = queue_new_alone("-M -m 200");

	fake_host_set(&q->host, "libmemcached-timeout", "1");
	fake_host_set(&q->host, "libmemcached-lease", "60");
	cr_assert(queue_open(q), "%s", q->err.text);
	return q;
}

Test(memcached_trouble, a_memcached_that_stalls_is_waited_for_and_nothing_is_lost)
{
	struct queue *q = queue_that_is_impatient(), *other;
	struct gearmand_change c[] = { an_add(a_job(S("f"), S("b"), S("2"))), a_remove(S("f"), S("a")) };

	queue_add(q, "f", "a", "1");
	server_signal(q, SIGSTOP);
	cr_expect_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "it does not answer");
	queue_close(q);
	queue_expect_no_open(q, "it does not answer", GEARMAND_WHY_PASSING);
	other = queue_beside(q);
	fake_host_set(&other->host, "libmemcached-timeout", "1");
	queue_expect_no_open(other, "it does not answer", GEARMAND_WHY_PASSING);
	server_signal(q, SIGCONT);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(queue_add(q, "f", "a", "3"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/b=2 f/a=3");
	strcpy(other->dir, "/nowhere");
	queue_free(&other);
	queue_free(&q);
}

/* Or the removal would meet the job that comes after it. */
Test(memcached_trouble, what_was_sent_before_a_stall_is_done_before_anything_else)
{
	struct queue *q = queue_new();
	struct gearmand_change c = a_remove(S("f"), S("a"));

	fake_host_set(&q->host, "libmemcached-timeout", "1");
	fake_host_set(&q->host, "libmemcached-lease", "60");
	queue_liar(q, "1*delete t=>LATE");
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add(q, "f", "a", "1");
	cr_expect_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_BROKEN);
	queue_close(q);
	queue_expect_no_open(q, "it has not done yet what it was sent before", GEARMAND_WHY_PASSING);
	queue_liar_goes_on(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(queue_add(q, "f", "a", "2"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/a=2");
	queue_free(&q);
}

/* More than sockets hold, and a part of a command is sent. */
Test(memcached_trouble, a_large_batch_into_a_stall_is_finished_later)
{
	enum { COUNT = 100 };
	struct queue *q = queue_that_is_impatient();
	struct gearmand_change c[COUNT];

	for (unsigned i = 0; i < COUNT; i++) {
		char *key = keep(20);

		sprintf(key, "u%u", i);
		c[i] = an_add(a_job(S("f"), slice_of_text(key), slice_filled(i % 2 == 0 ? 500000 : 16000, i)));
	}
	server_signal(q, SIGSTOP);
	cr_expect_eq(queue_commit(q, c, COUNT), GEARMAND_COMMIT_BROKEN);
	queue_close(q);
	server_signal(q, SIGCONT);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_commit(q, c, COUNT), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_reopen_and_replay(q);
	cr_assert_eq(q->seen_count, COUNT);
	for (unsigned i = 0; i < COUNT; i++)
		cr_expect(slice_same(q->seen[i].data, c[i].job.data));
	queue_free(&q);
}

/* ---- Answers that should not be -------------------------------------------------------------- */

Test(memcached_trouble, an_answer_that_makes_no_sense_breaks_the_connection)
{
	static const char *const answers[][2] = { { "SERVER_ERROR huh", "it says \"huh\"" },
		{ "CLIENT_ERROR bad command line format", "it says \"bad command line format\"" },
		{ "NOT_STORED", "it says \"NOT_STORED\"" }, { "ERROR", "it says \"ERROR\"" },
		{ "MAYBE", "it says \"MAYBE\"" } };

	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		struct queue *q;
		char rule[100];

		snprintf(rule, sizeof(rule), "1*set=>%s\\r\\n", answers[i][0]);
		q = queue_with_a_liar(rule);
		cr_expect_eq(queue_add(q, "f", "u", "x"), GEARMAND_COMMIT_BROKEN);
		EXPECT_SENTENCE(q, answers[i][1]);
		queue_close(q);
		cr_assert(queue_open(q), "%s", q->err.text);
		cr_expect_eq(queue_add(q, "f", "u", "x"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		queue_free(&q);
	}
}

/* The reply of the first stands for the second, and so on; the last one has none. */
Test(memcached_trouble, a_reply_that_is_missing_is_no_acknowledgement)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "libmemcached-timeout", "1");
	queue_liar(q, "1*set=>");
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_add_many(q, "u", 3), GEARMAND_COMMIT_BROKEN);
	queue_close(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_add_many(q, "u", 3), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/u0=u0 f/u1=u1 f/u2=u2");
	queue_free(&q);
}

Test(memcached_trouble, a_removal_that_is_cut_short_is_repeated)
{
	struct queue *q = queue_with_a_liar("1*delete t=>MAYBE\\r\\n|1*delete t=>CLOSE");

	queue_add(q, "f", "u", "x");
	cr_expect_eq(queue_remove(q, "f", "u"), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "it says \"MAYBE\"");
	queue_close(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_remove(q, "f", "u"), GEARMAND_COMMIT_BROKEN);
	queue_close(q);
	cr_expect_str_eq(queue_content(q), "f/u=x");
	cr_expect_eq(queue_remove(q, "f", "u"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "");
	queue_free(&q);
}
