/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Items that others wrote under the prefix: gearmand 1.1's become jobs, all else is left alone; and how keys are found.
 *
 * Runs on:  one process per test.
 * Owns:     a prefix per test.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/plugins/memcached_fixture.h"

#define UUID "0c2f1d9e-86b0-11ed-a1eb-0242ac120002"

static void
set(struct queue *q, const char *rest, unsigned flags, const char *value)
{
	memcached_set(q, rest, flags, value, strlen(value));
}

/* ---- gearmand 1.1 ---------------------------------------------------------------------------- */

Test(memcached_takeover, jobs_of_gearmand_1_1_come_first_and_in_their_order)
{
	struct queue *q = queue_opened();

	queue_add(q, "f", "ours", "x");
	set(q, "f-u1", 1, "one");
	set(q, "g-u0", 0, "two");
	set(q, "f-" UUID, 2, "");
	set(q, "with-dash-" UUID, 1, "four");
	cr_expect_str_eq(queue_content(q), "f/u1=one g/u0=two f/" UUID "= with-dash/" UUID "=four f/ours=x");
	EXPECT_LOG(q, "4 jobs of gearmand 1.1 are taken over");
	cr_expect_eq(q->seen[0].priority, GEARMAND_NORMAL);
	cr_expect_eq(q->seen[1].priority, GEARMAND_HIGH);
	cr_expect_eq(q->seen[2].priority, GEARMAND_LOW);
	cr_expect_eq(q->seen[0].flags, 0);
	cr_expect_eq(memcached_items(q), 5);
	q->host.log[0] = '\0';
	cr_expect_str_eq(queue_content(q), "f/u1=one g/u0=two f/" UUID "= with-dash/" UUID "=four f/ours=x", "once");
	cr_expect_str_eq(q->host.log, "");
	queue_remove(q, "f", "u1");
	queue_remove(q, "with-dash", UUID);
	cr_expect_str_eq(queue_content(q), "g/u0=two f/" UUID "= f/ours=x");
	queue_free(&q);
}

Test(memcached_takeover, payloads_of_1_1_have_any_bytes_and_sizes)
{
	struct queue *q = queue_opened();
	struct gearmand_slice large = slice_filled(600000, 7);

	memcached_set(q, "f-u1", 1, "a\0b\r\nEND\r\n", 10);
	memcached_set(q, "f-u2", 1, large.data, large.len);
	for (int i = 0; i < 100; i++) {
		char rest[20];

		snprintf(rest, sizeof(rest), "f-v%d", i);
		set(q, rest, 1, rest);
	}
	queue_reopen_and_replay(q);
	cr_assert_eq(q->seen_count, 102);
	cr_expect(slice_same(q->seen[0].data, S("a\0b\r\nEND\r\n")));
	cr_expect(slice_same(q->seen[1].data, large));
	cr_expect(slice_same(q->seen[101].unique, S("v99")));
	queue_free(&q);
}

Test(memcached_takeover, jobs_without_a_unique_get_a_key_of_their_own)
{
	struct queue *q = queue_opened();

	set(q, "f-", 1, "no unique");
	set(q, "f--", 1, "on the payload");
	queue_reopen_and_replay(q);
	cr_assert_eq(q->seen_count, 2);
	cr_expect_eq(q->seen[0].flags, GEARMAND_JOB_NO_UNIQUE);
	cr_expect_eq(q->seen[1].flags, GEARMAND_JOB_UNIQUE_IS_DATA);
	cr_expect(slice_same(q->seen[0].function, S("f")));
	cr_expect_eq(q->seen[0].unique.len, 45);
	cr_expect_not(slice_same(q->seen[0].unique, q->seen[1].unique));
	queue_free(&q);
}

Test(memcached_takeover, what_cannot_be_told_apart_is_left_alone_and_named)
{
	struct queue *q = queue_opened();

	set(q, "a-b-c", 1, "a-b/c or a/b-c");
	set(q, "f-u", 7, "no priority");
	cr_expect_str_eq(queue_content(q), "");
	EXPECT_LOG(q, "2 items are left alone: where function and unique of gearmand 1.1 meet cannot be told");
	EXPECT_LOG(q, "a-b-c");
	EXPECT_LOG(q, "f-u");
	cr_expect_eq(memcached_items(q), 2);
	queue_free(&q);
}

Test(memcached_takeover, the_functions_of_other_jobs_tell_where_a_unique_begins)
{
	struct queue *q = queue_opened();

	queue_add(q, "our-own", "x", "0");
	set(q, "a-b-c", 1, "1");
	set(q, "a-b-" UUID, 1, "2");   /* there is a function "a-b" */
	set(q, "our-own-u-1", 1, "3"); /* and "our-own" */
	set(q, "k-l-m", 1, "4");
	set(q, "k-u", 1, "5"); /* there are "k" and "k-l": m remains anybody's */
	set(q, "k-l-" UUID, 1, "6");
	set(q, "-no-function", 1, "7");
	set(q, "-u", 1, "8"); /* there is "" */
	cr_expect_str_eq(queue_content(q),
	    "a-b/c=1 a-b/" UUID "=2 our-own/u-1=3 k/u=5 k-l/" UUID "=6 /no-function=7 /u=8 "
	    "our-own/x=0");
	EXPECT_LOG(q, "1 items are left alone");
	EXPECT_LOG(q, "k-l-m");
	queue_free(&q);
}

Test(memcached_takeover, the_length_of_a_unique_may_tell_where_it_begins)
{
	struct queue *q = queue_opened();
	char rest[90] = "f-g-";

	memset(rest + 4, 'u', 63);
	set(q, rest, 1, "1");
	queue_reopen_and_replay(q);
	cr_assert_eq(q->seen_count, 1);
	cr_expect(slice_same(q->seen[0].function, S("f-g")));
	queue_free(&q);
}

/* None may be missing in the log, however many they are. */
Test(memcached_takeover, every_item_that_is_left_is_named)
{
	struct queue *q = queue_opened();

	for (int i = 0; i < 100; i++) {
		char rest[20];

		sprintf(rest, "a-b-%d", i);
		set(q, rest, 1, "x");
	}
	cr_expect_str_eq(queue_content(q), "");
	EXPECT_LOG(q, "100 items are left alone");
	EXPECT_LOG(q, "a-b-99");
	queue_free(&q);
}

Test(memcached_takeover, what_has_no_room_as_ours_is_left_alone)
{
	struct queue *q = queue_opened();
	struct gearmand_slice huge = slice_filled((1 << 20) - 120, 7);

	memcached_set(q, "f-huge", 1, huge.data, huge.len);
	set(q, "f-small", 1, "x");
	cr_expect_str_eq(queue_content(q), "f/small=x");
	EXPECT_LOG(q, "1 items are left alone");
	EXPECT_LOG(q, "f-huge");
	queue_free(&q);
}

/* As when a takeover was cut short, and the job ran meanwhile and came again. */
Test(memcached_takeover, a_job_that_is_ours_already_is_kept)
{
	struct queue *q = queue_opened();

	set(q, "f-u", 1, "old");
	queue_add(q, "f", "u", "ours");
	cr_expect_str_eq(queue_content(q), "f/u=ours");
	cr_expect_eq(memcached_items(q), 1);
	queue_free(&q);
}

/* ---- Others ---------------------------------------------------------------------------------- */

Test(memcached_takeover, items_of_others_are_left_alone)
{
	struct queue *q = queue_opened();

	set(q, "session", 0, "x");
	set(q, "ABCDEFGHIJKLMNOPQRSTUVWX", 1, "key of a job, and no job");
	queue_add(q, "f", "u", "ours");
	cr_expect_str_eq(queue_content(q), "f/u=ours");
	EXPECT_LOG(q, "1 items have a job's key and no job in them");
	cr_expect_eq(memcached_items(q), 3);
	queue_remove(q, "f", "u");
	memcached_says(q, "delete ABCDEFGHIJKLMNOPQRSTUVWX");
	queue_free(&q);
}

Test(memcached_takeover, an_odd_key_is_told_as_it_is)
{
	struct queue *q = queue_opened();

	set(q, "a%b/c", 0, "x");
	cr_expect_str_eq(queue_content(q), "");
	EXPECT_LOG(q, "a%b/c for one; they are left alone");
	queue_free(&q);
}

/* It must not become a command of ours. */
Test(memcached_takeover, a_key_with_line_ends_is_nobody_we_talk_about)
{
	struct queue *q = queue_new_alone("-M -m 64");

	memcached_set_binary(q, "f-u\r\nflush_all\r\n");
	memcached_set_binary(q, "f- blank");
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add(q, "f", "u", "ours");
	cr_expect_str_eq(queue_content(q), "f/u=ours");
	cr_expect_str_eq(queue_content(q), "f/u=ours");
	cr_expect_eq(memcached_items(q), 3);
	queue_free(&q);
}

/* A value that is cut or has another job's key. */
Test(memcached_takeover, a_damaged_value_is_no_job)
{
	struct queue *q = queue_opened();
	static const char lies[] = "gmj1\1\1\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0fu";
	static const char other[] = "gmj1\1\1\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0fu";

	memcached_set(q, "AAAAAAAAAAAAAAAAAAAAAAAA", 1, lies, sizeof(lies) - 1);
	memcached_set(q, "BBBBBBBBBBBBBBBBBBBBBBBB", 1, other, sizeof(other) - 1);
	memcached_set(q, "CCCCCCCCCCCCCCCCCCCCCCCC", 1, other, 20);
	cr_expect_str_eq(queue_content(q), "");
	EXPECT_LOG(q, "3 items have a job's key and no job in them");
	queue_free(&q);
}

/* ---- Finding keys ---------------------------------------------------------------------------- */

Test(memcached_takeover, a_crawler_that_is_busy_is_waited_for)
{
	struct queue *q = queue_new();

	queue_liar(q, "3*lru_crawler=>BUSY currently processing crawler request\\r\\n");
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add(q, "f", "u", "x");
	cr_expect_str_eq(queue_content(q), "f/u=x");
	queue_free(&q);
}

Test(memcached_takeover, an_older_memcached_is_asked_until_nothing_new_turns_up)
{
	struct queue *q = queue_new();

	queue_liar(
	    q, "lru_crawler metadump hash=>BADCLASS invalid class id\\r\\n|1*lru_crawler metadump all=>END\\r\\n");
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add_many(q, "u", 500);
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, 500, "the first dump missed them");
	cr_expect(slice_same(q->seen[499].unique, S("u499")));
	queue_free(&q);
}

Test(memcached_takeover, a_crawler_that_is_off_is_turned_on)
{
	struct queue *q = queue_new_alone("-M -m 64 -o no_lru_crawler");

	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add(q, "f", "u", "x");
	cr_expect_str_eq(queue_content(q), "f/u=x");
	queue_free(&q);
}

Test(memcached_takeover, a_memcached_that_does_not_tell_its_keys_is_refused)
{
	struct queue *q = queue_new_alone("-M -m 64 -X");

	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_not(queue_replay(q));
	EXPECT_SENTENCE(q, "does not tell which keys it has: it was started with -X");
	queue_free(&q);
}

Test(memcached_takeover, half_a_dump_is_no_dump)
{
	struct queue *q = queue_new();

	queue_liar(q, "1*lru_crawler=>key=x exp=-1 la=1 cas=1\\nSERVER_ERROR out of memory\\r\\n|1*lru_crawler=>CLOSE");
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add(q, "f", "u", "x");
	cr_expect_not(queue_replay(q));
	EXPECT_SENTENCE(q, "it says \"out of memory\"");
	queue_close(q);
	cr_assert(queue_open(q) && !queue_replay(q), "%s", q->err.text);
	EXPECT_SENTENCE(q, "it closed the connection");
	queue_close(q);
	cr_assert(queue_open(q) && queue_replay(q), "%s", q->err.text);
	cr_expect_str_eq(queue_seen(q), "f/u=x");
	queue_free(&q);
}

Test(memcached_takeover, a_job_that_vanishes_while_it_is_replayed_is_told)
{
	struct queue *q = queue_opened();

	queue_add_many(q, "u", 3);
	queue_close(q);
	queue_liar(q, "6*get t=>END\\r\\n"); /* values are read twice */
	cr_expect_str_eq(queue_content(q), "");
	EXPECT_LOG(q, "3 jobs were gone when they were to be read");
	cr_expect_str_eq(queue_content(q), "f/u0=u0 f/u1=u1 f/u2=u2");
	queue_free(&q);
}

/* Keys that were dumped and are not there any more, before, between and behind others of one request. */
Test(memcached_takeover, keys_without_items_do_not_disturb_the_others)
{
	struct queue *q = queue_new_alone("-M -m 64");
	char rule[3000] = "1*lru_crawler=>", line[400];
	const char *dump, *end;
	int n = 0;

	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add_many(q, "u", 5);
	dump = memcached_says(q, "lru_crawler metadump hash");
	for (; strncmp(dump, "key=", 4) == 0; dump = end + 1) {
		end = strchr(dump, '\n');
		snprintf(line, sizeof(line), "key=%s%c%023d exp=-1 la=1 cas=0\\n", q->db, "A3Zcz_."[n], 7);
		strcat(rule, line);
		strncat(rule, dump, (size_t)(end - dump));
		strcat(rule, "\\n");
		n++;
	}
	strcat(rule, "END\\r\\n");
	queue_close(q);
	queue_liar(q, rule);
	cr_expect_str_eq(queue_content(q), "f/u0=u0 f/u1=u1 f/u2=u2 f/u3=u3 f/u4=u4");
	EXPECT_LOG(q, "7 jobs were gone when they were to be read");
	queue_free(&q);
}
