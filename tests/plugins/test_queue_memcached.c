/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The memcached queue, as the server uses it: items, batches, order, several servers.
 *
 * Runs on:  one process per test.
 * Owns:     a prefix per test.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/plugins/memcached_fixture.h"

Test(memcached, a_job_is_one_item_as_the_manual_has_it)
{
	struct queue *q = queue_opened();
	struct gearmand_change c = an_add(a_job(S("resize"), S("cat-1"), S("cat.png")));
	static const char value[] = "gmj1\x02\x05\x00\x06\x00\x05\x00\x03\x00\x00\x00\x01";
	static const char rest[] = "\x00\x00\x00\x00\x71\x3f\xb3\x00resizecat-1H:a:1sumcat.png";
	const char *said, *got;
	char get[200];

	c.job.handle = S("H:a:1");
	c.job.reducer = S("sum");
	c.job.priority = GEARMAND_LOW;
	c.job.flags = GEARMAND_JOB_NO_UNIQUE;
	c.job.run_at = 1900000000;
	cr_assert_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(memcached_items(q), 1);
	/* BLAKE2b-144 of "resize" NUL "cat-1" */
	snprintf(get, sizeof(get), "get %s5_g.k_Xcf8xKg8C9Y8SAlB7E", q->db);
	said = memcached_says(q, get);
	got = strstr(said, " 2 58\r\n");
	cr_assert_not_null(got, "%s", said);
	got += strlen(" 2 58\r\n");
	cr_expect_eq(memcmp(got, value, 16), 0);
	cr_expect_eq(memcmp(got + 24, rest, sizeof(rest) - 1), 0);
	queue_free(&q);
}

/* A memcached that answers nothing before it has the whole batch, and the question for the lock. */
Test(memcached, a_batch_is_one_exchange)
{
	struct queue *q = queue_new();

	queue_liar(q, "HOLD=>1001");
	stop_clock(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_add_many(q, "u", 1000), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_free(&q);
}

Test(memcached, keys_have_the_prefix_alone_in_common)
{
	struct queue *q = queue_new(), *longer = queue_beside(q);

	strcat(longer->db, "x");
	fake_host_set(&longer->host, "libmemcached-prefix", longer->db);
	cr_assert(queue_open(q) && queue_open(longer), "%s%s", q->err.text, longer->err.text);
	queue_add(q, "f", "a", "1");
	queue_add(longer, "f", "b", "2");
	cr_expect_str_eq(queue_content(longer), "f/b=2");
	cr_expect_str_eq(queue_content(q), "f/a=1");
	queue_free(&longer);
	queue_free(&q);
}

Test(memcached, a_prefix_may_be_long_or_empty_but_has_no_blanks)
{
	struct queue *q = queue_new_alone("-M -m 64");
	char prefix[300];

	memset(prefix, 'p', sizeof(prefix));
	prefix[201] = '\0';
	fake_host_set(&q->host, "libmemcached-prefix", prefix);
	queue_expect_no_open(q, "up to 200 printable characters", GEARMAND_WHY_LASTING);
	prefix[200] = '\0';
	fake_host_set(&q->host, "libmemcached-prefix", prefix);
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add(q, "f", "long", "1");
	cr_expect_str_eq(queue_content(q), "f/long=1");
	cr_expect_eq(queue_remove(q, "f", "long"), GEARMAND_COMMIT_DONE);
	queue_close(q);
	fake_host_set(&q->host, "libmemcached-prefix", "");
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add(q, "f", "none", "1");
	cr_expect_str_eq(queue_content(q), "f/none=1");
	queue_close(q);
	fake_host_set(&q->host, "libmemcached-prefix", "a b");
	queue_expect_no_open(q, "no blanks", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(memcached, servers_must_be_told)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "libmemcached-servers", "");
	queue_expect_no_open(q, "needs --libmemcached-servers=HOST:PORT", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(memcached, a_host_has_a_default_port_a_weight_and_perhaps_brackets)
{
	struct queue *q = queue_new();
	char list[100];

	snprintf(list, sizeof(list), "%s:7", server_address(q)); /* a weight */
	fake_host_set(&q->host, "libmemcached-servers", list);
	cr_expect(queue_open(q), "%s", q->err.text);
	queue_close(q);
	fake_host_set(&q->host, "libmemcached-servers", "[::1]:1");
	queue_expect_no_open(q, "memcached [::1]:1: ", GEARMAND_WHY_PASSING);
	fake_host_set(&q->host, "libmemcached-servers", "/no/such/socket");
	queue_expect_no_open(q, "memcached /no/such/socket: No such file", GEARMAND_WHY_PASSING);
	fake_host_set(&q->host, "libmemcached-servers", "nosuch.invalid");
	queue_expect_no_open(q, "memcached nosuch.invalid:11211: ", GEARMAND_WHY_PASSING);
	queue_free(&q);
}

/* ---- Order ----------------------------------------------------------------------------------- */

static struct queue *
queue_on_two(struct queue **second)
{
	struct queue *q = queue_new_alone("-M -m 64");
	char list[100];

	*second = queue_new_alone("-M -m 64");
	snprintf(list, sizeof(list), "%s", server_address(q));
	snprintf(list + strlen(list), sizeof(list) - strlen(list), ",%s", server_address(*second));
	fake_host_set(&q->host, "libmemcached-servers", list);
	return q;
}

static void
expect_many(struct queue *q, const char *prefix, size_t first, size_t count)
{
	cr_assert_eq(q->seen_count, count);
	for (size_t i = 0; i < count; i++) {
		char key[64];

		snprintf(key, sizeof(key), "%s%zu", prefix, first + i);
		cr_assert(slice_same(q->seen[i].unique, slice_of_text(key)), "number %zu is %.*s", i,
		    (int)q->seen[i].unique.len, q->seen[i].unique.data);
	}
}

/* The first of those that queue_add_many() stored with "u". */
static void
remove_many(struct queue *q, size_t count)
{
	struct gearmand_change *c = calloc(count, sizeof(*c));

	for (size_t i = 0; i < count; i++) {
		char *key = keep(20);

		sprintf(key, "u%zu", i);
		c[i] = a_remove(S("f"), slice_of_text(key));
	}
	cr_assert_eq(queue_commit(q, c, count), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	free(c);
}

Test(memcached, jobs_of_several_servers_come_in_their_order)
{
	struct queue *second, *q = queue_on_two(&second);

	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert_eq(queue_add_many(q, "u", 5000), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_gt(memcached_items(q), 1000);
	cr_expect_gt(memcached_items(second), 1000);
	queue_reopen_and_replay(q);
	expect_many(q, "u", 0, 5000);
	remove_many(q, 4990);
	queue_reopen_and_replay(q);
	expect_many(q, "u", 4990, 10);
	queue_free(&second);
	queue_free(&q);
}

Test(memcached, order_and_lock_do_without_the_numbers_of_memcached)
{
	struct queue *q = queue_new_alone("-C -M -m 64"), *again = queue_beside(q);

	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add_many(q, "u", 3000);
	queue_add(q, "f", "u3000", "last");
	queue_reopen_and_replay(q);
	expect_many(q, "u", 0, 3001);
	cr_expect(queue_open(again), "a former self: %s", again->err.text);
	strcpy(again->dir, "/nowhere");
	queue_free(&again);
	queue_free(&q);
}

Test(memcached, replay_may_be_stopped_and_the_queue_goes_on)
{
	struct queue *q = queue_opened();

	queue_add_many(q, "u", 1000);
	q->stop_after = 10;
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, 10);
	q->stop_after = 0;
	cr_expect_eq(queue_add(q, "f", "last", "x"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_assert(queue_replay(q), "%s", q->err.text);
	cr_expect_eq(q->seen_count, 1001);
	queue_free(&q);
}

/* ---- Another pool ---------------------------------------------------------------------------- */

Test(memcached, jobs_move_when_the_pool_is_another_one)
{
	struct queue *second, *q = queue_on_two(&second);
	char both[512];

	snprintf(both, sizeof(both), "%s", q->host.table.option(&q->host.table, "libmemcached-servers"));
	fake_host_set(&q->host, "libmemcached-servers", server_address(q));
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add_many(q, "u", 500);
	queue_close(q);
	fake_host_set(&q->host, "libmemcached-servers", both);
	queue_reopen_and_replay(q);
	expect_many(q, "u", 0, 500);
	EXPECT_LOG(q, "jobs are moved to the server where this pool has their keys");
	cr_expect_eq(memcached_items(q) + memcached_items(second), 500);
	cr_expect_gt(memcached_items(second), 100);
	remove_many(q, 500);
	cr_expect_str_eq(queue_content(q), "");
	queue_free(&second);
	queue_free(&q);
}

Test(memcached, a_dead_server_is_named_and_nothing_goes_elsewhere)
{
	struct queue *second, *q = queue_on_two(&second);
	char name[60];

	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add_many(q, "u", 100);
	snprintf(name, sizeof(name), "memcached %s: ", server_address(second));
	server_do(second, "kill");
	cr_expect_eq(queue_add_many(q, "v", 100), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, name);
	queue_close(q);
	queue_expect_no_open(q, name, GEARMAND_WHY_PASSING);
	EXPECT_SENTENCE(q, "Connection refused");
	server_do(second, "again");
	cr_assert(queue_open(q), "%s", q->err.text);
	EXPECT_LOG(q, "was restarted or emptied, and has forgotten what it had");
	cr_expect_eq(queue_add_many(q, "v", 100), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_free(&second);
	queue_free(&q);
}
