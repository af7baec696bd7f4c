/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The PostgreSQL queue keeps what it is given: bytes, order, keys; many changes in one round trip.  What is true of
 * every queue the kit checks; this is what is PostgreSQL's.
 *
 * Runs on:  one process per test.
 * Owns:     a table per test.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/plugins/postgres_fixture.h"

Test(postgres, is_named_as_operators_know_it)
{
	struct queue *q = queue_new();

	cr_expect_str_eq(q->host.plugin->name, "postgres");
	cr_expect_str_eq(q->host.plugin->aliases[0], "libpq");
	cr_expect_str_eq(q->host.plugin->options[0].name, "libpq-conninfo");
	cr_expect(q->host.plugin->options[0].secret);
	cr_expect_str_eq(q->host.plugin->options[1].name, "libpq-table");
	cr_expect_str_eq(q->host.plugin->options[1].dflt, "queue");
	queue_free(&q);
}

/* ---- Round trips --------------------------------------------------------------------------- */

static void
expect_one_round_trip(struct queue *q, size_t count)
{
	struct gearmand_change *c = calloc(2 * count, sizeof(*c));

	cr_assert_not_null(c);
	for (size_t i = 0; i < 2 * count; i++) {
		char *key = keep(32);

		snprintf(key, 32, "%zu-%zu", count, i / 2);
		c[i] = an_add(a_job(S("f"), slice_of_text(key), S("x")));
		if (i % 2 == 1)
			c[i] = a_remove(S("g"), slice_of_text(key));
	}
	round_trips();
	cr_assert_eq(queue_commit(q, c, 2 * count), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(round_trips(), 1);
	free(c);
}

Test(postgres, a_batch_is_one_round_trip_whatever_its_size)
{
	struct queue *q = queue_opened();

	cr_assert_str_eq(queue_content(q), "");
	round_trips();
	cr_assert_eq(queue_add(q, "f", "first", ""), GEARMAND_COMMIT_DONE);
	cr_expect_eq(round_trips(), 1);
	expect_one_round_trip(q, 1);
	expect_one_round_trip(q, 4096);
	queue_remove(q, "f", "first");
	cr_expect_eq(round_trips(), 1);
	queue_free(&q);
}

Test(postgres, a_job_that_is_replaced_goes_to_the_end_and_the_next_time_in_one_round_trip)
{
	struct queue *q = queue_opened();

	queue_add(q, "f", "a", "1");
	queue_add(q, "f", "b", "2");
	cr_assert_eq(queue_add(q, "f", "a", "3"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	round_trips();
	cr_assert_eq(queue_add(q, "f", "b", "4"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(round_trips(), 1);
	cr_expect_str_eq(queue_content(q), "f/a=3 f/b=4");
	queue_free(&q);
}

Test(postgres, nothing_takes_no_round_trip)
{
	struct queue *q = queue_opened();

	cr_assert_str_eq(queue_content(q), "");
	round_trips();
	cr_expect_eq(queue_commit(q, NULL, 0), GEARMAND_COMMIT_DONE);
	cr_expect_eq(round_trips(), 0);
	queue_free(&q);
}

/* A batch of many megabytes is several statements of one transaction. */
Test(postgres, many_large_payloads_are_stored_all_or_none)
{
	struct queue *q = queue_new();
	struct gearmand_change c[4];

	for (int i = 0; i < 4; i++)
		c[i] = an_add(a_job(S("f"), slice_of_text((const char *[]){ "0", "1", "2", "3" }[i]),
		    slice_filled((size_t)17 << 20, (unsigned)i)));
	fake_host_set(&q->host, "libpq-timeout", "60");
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_sql(q, "CREATE FUNCTION not_yet() RETURNS trigger LANGUAGE plpgsql AS "
		     "$$ BEGIN RAISE EXCEPTION 'not yet' USING ERRCODE = 'query_canceled'; END $$; "
		     "CREATE TRIGGER not_yet BEFORE INSERT ON %T FOR EACH ROW WHEN (new.unique_key = '3') "
		     "EXECUTE FUNCTION not_yet()");
	cr_expect_eq(queue_commit(q, c, 4), GEARMAND_COMMIT_AGAIN);
	EXPECT_SENTENCE(q, "not yet");
	cr_expect_str_eq(queue_sql(q, "SELECT count(*) FROM %T"), "0");
	queue_sql(q, "DROP TRIGGER not_yet ON %T");
	cr_assert_eq(queue_commit(q, c, 4), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_reopen_and_replay(q);
	cr_assert_eq(q->seen_count, 4);
	for (int i = 0; i < 4; i++)
		cr_expect(slice_same(q->seen[i].data, c[i].job.data));
	queue_free(&q);
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static const struct gearmand_slice names[] = { { "it's", 4 }, { "\"; DROP TABLE queue; --", 23 }, { "100%s%n", 7 },
	{ "a\nb\tc", 5 }, { "gr\xc3\xb6\xc3\x9f", 6 }, { "\xff\xfe\x80", 3 }, { "\xc3", 1 }, { "\xed\xa0\x80", 3 },
	{ "\\x", 2 }, { "\\xff", 4 }, { "\\x5c78", 6 }, { "\\", 1 }, { "\\y", 2 }, { "NULL", 4 }, { "{a,b}", 5 },
	{ "Name", 4 }, { "name", 4 }, { "name ", 5 }, { "-", 1 }, { "\xf4\x90\x80\x80", 4 }, { "\xa4\xa2", 2 } };

enum { NAMES = sizeof(names) / sizeof(*names) };

static void
expect_keys_of_any_bytes(struct queue *q)
{
	struct gearmand_change c[NAMES * 2];

	for (int i = 0; i < NAMES; i++) {
		c[2 * i] = an_add(a_job(names[i], S("u"), S("by function")));
		c[2 * i + 1] = an_add(a_job(S("f"), names[i], S("by unique")));
		c[2 * i].job.handle = names[i];
		c[2 * i + 1].job.flags = GEARMAND_JOB_UNIQUE_IS_DATA;
	}
	cr_assert_eq(queue_commit(q, c, NAMES * 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_reopen_and_replay(q);
	cr_assert_eq(q->seen_count, NAMES * 2);
	for (size_t i = 0; i < q->seen_count; i++) {
		cr_expect_eq(c[i].outcome, GEARMAND_STORED, "%s", c[i].reason);
		cr_expect(slice_same(q->seen[i].function, c[i].job.function), "%zu", i);
		cr_expect(slice_same(q->seen[i].unique, c[i].job.unique), "%zu", i);
		cr_expect(slice_same(q->seen[i].handle, c[i].job.handle), "%zu", i);
		c[i].op = GEARMAND_REMOVE;
	}
	cr_assert_eq(queue_commit(q, c, NAMES * 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "");
}

Test(postgres, keys_are_any_bytes)
{
	struct queue *q = queue_opened();

	expect_keys_of_any_bytes(q);
	queue_free(&q);
}

Test(postgres, keys_are_any_bytes_in_databases_of_any_encoding)
{
	const char *const encodings[] = { "LATIN1", "SQL_ASCII", "EUC_JP" };

	for (int i = 0; i < 3; i++) {
		struct queue *q = queue_new();
		char options[128];

		snprintf(options, sizeof(options), "TEMPLATE template0 LOCALE 'C' ENCODING '%s'", encodings[i]);
		queue_in_database(q, "encoding", options);
		cr_assert(queue_open(q), "%s", q->err.text);
		expect_keys_of_any_bytes(q);
		queue_free(&q);
	}
}

Test(postgres, names_can_be_read_in_the_table_where_they_are_text)
{
	struct queue *q = queue_opened();

	queue_add(q,
	    "gr\xc3\xb6\xc3\x9f"
	    "er",
	    "it's", "");
	queue_add(q,
	    "\xff"
	    "A",
	    "u", "");
	cr_expect_str_eq(queue_sql(q, "SELECT function_name, unique_key FROM %T ORDER BY added"), "gr\xc3\xb6\xc3\x9f"
												  "er|it's \\xff41|u");
	queue_free(&q);
}

Test(postgres, a_function_name_that_no_index_takes_is_refused_alone)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[] = {
		an_add(a_job(S("f"), S("a"), S("1"))),
		an_add(a_job(slice_filled(1300, 1), S("b"), S("2"))), /* not text: twice as many */
		an_add(a_job(slice_filled(1200, 1), S("c"), S("3"))),
		a_remove(slice_filled(8192, 1), S("d")),
	};

	cr_assert_eq(queue_commit(q, c, 4), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(c[1].outcome, GEARMAND_REFUSED);
	cr_expect_not_null(strstr(c[1].reason, "function name of 1300 bytes is too long"));
	cr_expect(
	    c[0].outcome == GEARMAND_STORED && c[2].outcome == GEARMAND_STORED && c[3].outcome == GEARMAND_STORED);
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, 2);
	fake_host_changes_clear(c, 4);
	queue_free(&q);
}

/* ---- Refused by themselves --------------------------------------------------------------------- */

static void
expect_one_of_a_hundred_refused(struct queue *q, const char *because)
{
	struct gearmand_change c[100];

	for (int i = 0; i < 100; i++) {
		char *key = keep(16);

		snprintf(key, 16, "%d", i);
		c[i] = an_add(a_job(i == 77 ? S("evil") : S("f"), slice_of_text(key), S("x")));
	}
	cr_assert_eq(queue_commit(q, c, 100), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	for (int i = 0; i < 100; i++)
		cr_expect_eq(c[i].outcome, i == 77 ? GEARMAND_REFUSED : GEARMAND_STORED, "%d", i);
	cr_assert_not_null(c[77].reason);
	cr_expect_not_null(strstr(c[77].reason, because), "%s", c[77].reason);
	fake_host_changes_clear(c, 100);
	cr_expect_str_eq(queue_sql(q, "SELECT count(*) FROM %T"), "99");
	cr_expect_eq(queue_add(q, "f", "after", ""), GEARMAND_COMMIT_DONE, "%s", q->err.text);
}

Test(postgres, what_a_constraint_forbids_is_refused_alone)
{
	struct queue *q = queue_opened();

	queue_sql(q, "ALTER TABLE %T ADD CONSTRAINT no_evil CHECK (function_name <> 'evil')");
	expect_one_of_a_hundred_refused(q, "no_evil");
	queue_free(&q);
}

/* The server says that the statement is complete, and only then that the transaction is not. */
Test(postgres, what_a_trigger_forbids_at_the_end_of_the_transaction_is_refused_alone)
{
	struct queue *q = queue_opened();

	queue_sql(q, "CREATE OR REPLACE FUNCTION no_evil() RETURNS trigger LANGUAGE plpgsql AS "
		     "$$ BEGIN RAISE EXCEPTION 'no % here', new.function_name; END $$; "
		     "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON %T DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
		     "WHEN (new.function_name = 'evil') EXECUTE FUNCTION no_evil()");
	expect_one_of_a_hundred_refused(q, "no evil here");
	queue_free(&q);
}

/* What is there under its key is done, or of an earlier try. */
Test(postgres, a_refused_job_leaves_nothing_under_its_key)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[] = { an_add(a_job(S("f"), S("a"), S("evil"))),
		an_add(a_job(S("f"), S("b"), S("2"))) };

	queue_sql(q, "ALTER TABLE %T ADD CHECK (data <> 'evil')");
	queue_add(q, "f", "a", "1");
	cr_assert_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(c[0].outcome, GEARMAND_REFUSED);
	cr_expect_eq(c[1].outcome, GEARMAND_STORED);
	cr_expect_str_eq(queue_content(q), "f/b=2");
	fake_host_changes_clear(c, 2);
	queue_free(&q);
}

/* ---- Order ------------------------------------------------------------------------------------- */

Test(postgres, order_survives_removals_vacuum_and_an_empty_table)
{
	struct queue *q = queue_opened();

	queue_add(q, "f", "z", "1");
	queue_add(q, "f", "b", "2");
	queue_remove(q, "f", "z");
	queue_sql(q, "VACUUM %T");
	queue_add(q, "f", "c", "3"); /* where "z" was */
	cr_expect_str_eq(queue_content(q), "f/b=2 f/c=3");
	queue_add(q, "f", "a", "4");
	cr_expect_str_eq(queue_content(q), "f/b=2 f/c=3 f/a=4");
	queue_free(&q);
}

Test(postgres, a_replay_that_is_stopped_reads_no_more_and_leaves_a_session_that_works)
{
	struct queue *q = queue_opened();

	queue_add_many(q, "k", 3000);
	q->stop_after = 700;
	cr_expect(queue_replay(q), "%s", q->err.text);
	cr_expect_eq(q->seen_count, 700);
	q->stop_after = 0;
	cr_expect_eq(queue_add(q, "f", "last", ""), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, 3001);
	queue_free(&q);
}
