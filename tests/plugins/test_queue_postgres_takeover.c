/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tables of gearmand 1.1 are taken over as they are, and given back in a state that 1.1 can use.  The real 1.1 does it
 * in tests/live/postgres.py.
 *
 * Runs on:  one process per test.
 * Owns:     a table per test.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/plugins/postgres_fixture.h"

/* As 1.1 makes it. */
#define TABLE_OF_1_1 \
	"CREATE TABLE %T (unique_key VARCHAR(64), function_name VARCHAR(255), priority INTEGER, data BYTEA," \
	" when_to_run INTEGER, UNIQUE(unique_key, function_name))"

static struct queue *
old_table(void)
{
	struct queue *q = queue_new();

	queue_sql(q, TABLE_OF_1_1);
	return q;
}

static void
expect_open_and_replay(struct queue *q)
{
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert(queue_replay(q), "%s", q->err.text);
}

/* Every replayed job can be removed by the key that replay gave, whatever its row was like. */
static void
expect_removable(struct queue *q)
{
	for (size_t i = 0; i < q->seen_count; i++) {
		struct gearmand_change c = a_remove(q->seen[i].function, q->seen[i].unique);

		cr_assert_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	}
	cr_expect_str_eq(queue_sql(q, "SELECT count(*) FROM %T"), "0");
}

Test(postgres_takeover, jobs_come_in_the_order_in_which_1_1_stored_them)
{
	struct queue *q = old_table();

	queue_sql(q, "INSERT INTO %T VALUES ('gone', 'f', 1, '0', 0)");
	queue_sql(q, "INSERT INTO %T VALUES ('b', 'f', 0, '1', 0)");
	queue_sql(q, "DELETE FROM %T WHERE unique_key = 'gone'");
	/* Where "gone" was, once no transaction of another test might still see it. */
	for (int i = 0; i < 500 && strcmp(queue_sql(q, "SELECT unique_key FROM %T"), "a b") != 0; i++) {
		queue_sql(q, "DELETE FROM %T WHERE unique_key = 'a'");
		queue_sql(q, "VACUUM %T");
		queue_sql(q, "INSERT INTO %T VALUES ('a', 'f', 2, '2', 2000000000)");
	}
	cr_assert_str_eq(queue_sql(q, "SELECT unique_key FROM %T"), "a b");
	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), "f/b=1 f/a=2");
	cr_expect_eq(q->seen[0].priority, GEARMAND_HIGH);
	cr_expect_eq(q->seen[1].priority, GEARMAND_LOW);
	cr_expect_eq(q->seen[1].run_at, 2000000000);
	cr_expect_eq(q->seen[0].handle.len, 0);
	queue_add(q, "f", "c", "3");
	cr_expect_str_eq(queue_content(q), "f/b=1 f/a=2 f/c=3");
	expect_removable(q);
	queue_free(&q);
}

/* Forward, back, and forward again. */
Test(postgres_takeover, the_statements_of_1_1_work_on_a_table_of_ours)
{
	struct queue *q = queue_opened();

	queue_add(q, "f", "ours", "1");
	queue_add(q, "f", "done there", "2");
	queue_close(q);
	queue_sql(q, "INSERT INTO %T (priority, unique_key, function_name, data, when_to_run) "
		     "VALUES (1, 'theirs', 'f', 'x', 0)");
	queue_sql(q, "DELETE FROM %T WHERE unique_key = 'done there' AND function_name = 'f'");
	cr_expect_str_eq(queue_sql(q, "SELECT unique_key, function_name, priority, data, when_to_run FROM %T "
				      "ORDER BY unique_key"),
	    "ours|f|1|\\x31|0 theirs|f|1|\\x78|0");
	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), "f/ours=1 f/theirs=x");
	queue_free(&q);
}

Test(postgres_takeover, what_did_not_fit_fits_now)
{
	struct queue *q = old_table();
	struct gearmand_change c = an_add(a_job(slice_filled(1000, 1), S("u"), S("")));

	queue_sql(q, "INSERT INTO %T VALUES ('u', 'f', 1, '1', 0)");
	c.job.run_at = INT64_C(4102444800);
	expect_open_and_replay(q);
	cr_expect_not_null(strstr(q->host.log, "1 jobs of another server are taken over"), "%s", q->host.log);
	cr_assert_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(c.outcome, GEARMAND_STORED, "%s", c.reason);
	queue_reopen_and_replay(q);
	cr_assert_eq(q->seen_count, 2);
	cr_expect(slice_same(q->seen[1].function, c.job.function));
	cr_expect_eq(q->seen[1].run_at, INT64_C(4102444800));
	queue_free(&q);
}

Test(postgres_takeover, where_a_view_keeps_columns_narrow_what_does_not_fit_is_refused_alone)
{
	struct queue *q = old_table();
	struct gearmand_change c[] = {
		an_add(a_job(S("f"), S("a"), S("1"))),
		an_add(a_job(slice_filled(300, 1), S("b"), S("2"))),
		an_add(a_job(S("f"), S("c"), S("3"))),
	};

	queue_sql(q, "CREATE VIEW narrow AS SELECT function_name, when_to_run FROM %T");
	c[2].job.run_at = INT64_C(4102444800);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_not_null(strstr(q->host.log, "keeps its narrow columns"), "%s", q->host.log);
	cr_assert_eq(queue_commit(q, c, 3), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(c[0].outcome, GEARMAND_STORED);
	cr_expect_eq(c[1].outcome, GEARMAND_REFUSED);
	cr_expect_eq(c[2].outcome, GEARMAND_REFUSED);
	cr_expect_not_null(strstr(c[1].reason, "too long"), "%s", c[1].reason);
	cr_expect_not_null(strstr(c[2].reason, "out of range"), "%s", c[2].reason);
	cr_expect_str_eq(queue_content(q), "f/a=1");
	fake_host_changes_clear(c, 3);
	queue_free(&q);
}

Test(postgres_takeover, nothing_is_an_empty_payload_and_no_time)
{
	struct queue *q = old_table();

	queue_sql(q, "INSERT INTO %T VALUES ('u', 'f', NULL, NULL, NULL), ('v', 'f', 7, '', -5)");
	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), "f/u= f/v=");
	for (size_t i = 0; i < 2; i++) {
		cr_expect_eq(q->seen[i].priority, GEARMAND_NORMAL);
		cr_expect_eq(q->seen[i].run_at, 0);
		cr_expect_eq(q->seen[i].flags, 0);
		cr_expect_eq(q->seen[i].reducer.len, 0);
	}
	expect_removable(q);
	queue_free(&q);
}

Test(postgres_takeover, a_job_without_a_unique_gets_a_key_of_its_own)
{
	struct queue *q = old_table();

	queue_sql(q,
	    "INSERT INTO %T VALUES ('', 'f', 1, 'empty', 0), (NULL, 'f', 1, 'null', 0), "
	    "(NULL, 'f', 1, 'null', 0), ('-', 'f', 1, 'dash', 0), (repeat('\xc3\xb6', 40), 'f', 1, 'long', 0)");
	expect_open_and_replay(q);
	cr_assert_eq(q->seen_count, 5);
	for (size_t i = 0; i < 5; i++) {
		cr_expect_eq(q->seen[i].unique.len, 32);
		cr_expect_eq(q->seen[i].flags, i == 3 ? GEARMAND_JOB_UNIQUE_IS_DATA : GEARMAND_JOB_NO_UNIQUE);
		for (size_t k = 0; k < i; k++)
			cr_expect_not(slice_same(q->seen[i].unique, q->seen[k].unique));
	}
	expect_removable(q);
	queue_free(&q);
}

Test(postgres_takeover, a_name_that_looks_like_bytes_stays_that_name)
{
	struct queue *q = old_table();

	queue_sql(
	    q, "INSERT INTO %T VALUES ('\\xff', 'f', 1, '1', 0), ('u', '\\x', 1, '2', 0), ('\\xzz', 'f', 1, '3', 0)");
	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), "f/\\xff=1 \\x/u=2 f/\\xzz=3");
	cr_expect_str_eq(queue_content(q), "f/\\xff=1 \\x/u=2 f/\\xzz=3", "the second time too");
	expect_removable(q);
	queue_free(&q);
}

Test(postgres_takeover, names_of_1_1_in_another_encoding_keep_their_bytes)
{
	const char *const encodings[] = { "LATIN1", "EUC_JP" };

	for (int i = 0; i < 2; i++) {
		struct queue *q = queue_new();
		char options[128];

		snprintf(options, sizeof(options), "TEMPLATE template0 LOCALE 'C' ENCODING '%s'", encodings[i]);
		queue_in_database(q, "old", options);
		queue_sql(q, TABLE_OF_1_1);
		queue_sql(q, "INSERT INTO %T VALUES ('\xa4\xa2', 'f\xa4\xa2', 1, '1', 0)"); /* valid in both */
		expect_open_and_replay(q);
		cr_expect_str_eq(queue_seen(q), "f\xa4\xa2/\xa4\xa2=1");
		expect_removable(q);
		queue_free(&q);
	}
}

Test(postgres_takeover, a_function_may_be_empty_and_what_has_none_is_left_alone_with_a_warning)
{
	struct queue *q = old_table();

	queue_sql(q, "INSERT INTO %T VALUES ('a', NULL, 1, '1', 0), ('b', '', 1, '2', 0), ('c', 'f', 1, '3', 0)");
	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), "/b=2 f/c=3");
	cr_expect_not_null(strstr(q->host.log, "1 rows of table"), "%s", q->host.log);
	cr_expect_eq(queue_add(q, "", "d", "4"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(queue_remove(q, "", "b"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/c=3 /d=4");
	queue_free(&q);
}

Test(postgres_takeover, a_table_without_a_unique_index_gets_one_and_keeps_all_its_jobs)
{
	struct queue *q = queue_new();

	queue_sql(q,
	    "CREATE TABLE %T (unique_key VARCHAR(64), function_name VARCHAR(255), priority INTEGER, data BYTEA,"
	    " when_to_run INTEGER)");
	queue_sql(q, "INSERT INTO %T VALUES ('u', 'f', 1, '1', 0), ('u', 'f', 1, '2', 0), ('u', 'g', 1, '3', 0),"
		     " ('u', 'f', 1, '4', 0), (NULL, NULL, 1, '5', 0), (NULL, NULL, 1, '6', 0)");
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_not_null(strstr(q->host.log, "had no unique index"), "%s", q->host.log);
	cr_assert(queue_replay(q), "%s", q->err.text);
	cr_assert_eq(q->seen_count, 4);
	cr_expect(slice_same(q->seen[0].unique, S("u")) && slice_same(q->seen[2].function, S("g")));
	cr_expect(slice_same(q->seen[1].data, S("2")) && slice_same(q->seen[3].data, S("4")));
	cr_expect(q->seen[1].unique.len == 32 && q->seen[1].flags == GEARMAND_JOB_NO_UNIQUE);
	cr_expect_eq(queue_add(q, "f", "u", "new"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	q->host.log[0] = '\0';
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, 4);
	cr_expect_null(strstr(q->host.log, "unique index"), "%s", q->host.log);
	queue_sql(q, "DELETE FROM %T WHERE function_name IS NULL");
	expect_removable(q);
	queue_free(&q);
}

Test(postgres_takeover, a_table_that_a_crash_empties_is_warned_of)
{
	struct queue *q = queue_opened();

	cr_expect_null(strstr(q->host.log, "UNLOGGED"), "%s", q->host.log);
	queue_close(q);
	queue_sql(q, "ALTER TABLE %T SET UNLOGGED");
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_not_null(strstr(q->host.log, "is UNLOGGED: a crash of the database empties it"), "%s", q->host.log);
	queue_free(&q);
}

Test(postgres_takeover, columns_of_others_stay)
{
	struct queue *q = queue_new();

	queue_sql(q, "CREATE TABLE %T (id SERIAL PRIMARY KEY, function_name VARCHAR(255), unique_key VARCHAR(64), "
		     "priority SMALLINT, data BYTEA, note TEXT DEFAULT 'x', UNIQUE (function_name, unique_key))");
	expect_open_and_replay(q);
	cr_expect_eq(queue_add(q, "f", "u", "1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/u=1");
	cr_expect_str_eq(queue_sql(q, "SELECT id, note FROM %T"), "1|x");
	queue_free(&q);
}

/* Rows of two parts may be at the same place each in its own. */
Test(postgres_takeover, a_table_in_parts_is_a_table)
{
	struct queue *q = queue_new();

	queue_sql(q,
	    "CREATE TABLE %T (unique_key VARCHAR(64), function_name VARCHAR(255), priority INTEGER, data BYTEA, "
	    "when_to_run INTEGER, UNIQUE (unique_key, function_name)) PARTITION BY LIST (function_name); "
	    "CREATE TABLE part_f PARTITION OF %T FOR VALUES IN ('f'); "
	    "CREATE TABLE part_g PARTITION OF %T FOR VALUES IN ('g')");
	queue_sql(q, "INSERT INTO %T VALUES ('a', 'f', 1, '1', 0)");
	queue_sql(q, "INSERT INTO %T VALUES ('a', 'g', 1, '2', 0)");
	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), "f/a=1 g/a=2");
	cr_expect_eq(queue_add(q, "g", "b", "3"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/a=1 g/a=2 g/b=3");
	expect_removable(q);
	queue_free(&q);
}

Test(postgres_takeover, many_jobs_are_numbered_in_their_order)
{
	struct queue *q = old_table();

	queue_sql(q, "INSERT INTO %T SELECT 'u' || n, 'f', 1, 'x', 0 FROM generate_series(1, 50000) AS n");
	expect_open_and_replay(q);
	cr_assert_eq(q->seen_count, 50000);
	cr_expect(slice_same(q->seen[0].unique, S("u1")));
	cr_expect(slice_same(q->seen[49999].unique, S("u50000")));
	queue_free(&q);
}
