/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The MySQL queue keeps what it is given, takes over tables of gearmand 1.1, and refuses what a server or table does
 * not take, alone.  What is true of every queue the kit checks; this is what is MySQL's.
 *
 * Runs on:  one process per test.
 * Owns:     a database per test.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/plugins/mysql_fixture.h"

/* As gearmand 1.1 makes it; the character set is the database's. */
#define TABLE_OF_1_1 \
	"CREATE TABLE gearman_queue(unique_key VARCHAR(64),function_name VARCHAR(255),priority INT,data LONGBLOB," \
	"when_to_run INT,unique key (unique_key, function_name))"
#define OLD_ROW "INSERT INTO gearman_queue (unique_key, function_name, priority, data, when_to_run) VALUES "

static void
expect_open_and_replay(struct queue *q)
{
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert(queue_replay(q), "%s", q->err.text);
}

Test(mysql, is_named_as_operators_know_it)
{
	struct queue *q = queue_new();

	cr_expect_str_eq(q->host.plugin->name, "mysql");
	for (const struct gearmand_option *o = q->host.plugin->options; o->name != NULL; o++)
		cr_expect_eq(o->secret, strcmp(o->name, "mysql-password") == 0, "%s", o->name);
	queue_free(&q);
}

/* ---- Round trips --------------------------------------------------------------------------- */

Test(mysql, a_batch_is_one_round_trip)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[2048];

	for (size_t i = 0; i < 2048; i++) {
		char *key = keep(32);

		snprintf(key, 32, "%zu", i / 2);
		c[i] = i % 2 == 0 ? an_add(a_job(S("f"), slice_of_text(key), S("x")))
				  : a_remove(i % 4 == 1 ? S("g") : slice_of_text(key), slice_of_text(key));
	}
	cr_assert_str_eq(queue_content(q), "");
	round_trips();
	cr_assert_eq(queue_commit(q, c, 2048), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(round_trips(), 1);
	cr_assert_eq(queue_commit(q, NULL, 0), GEARMAND_COMMIT_DONE);
	cr_expect_eq(round_trips(), 0);
	cr_expect_str_eq(queue_sql(q, "SELECT COUNT(*) FROM gearman_queue"), "1024");
	queue_free(&q);
}

Test(mysql, a_job_that_is_replaced_goes_to_the_end)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[] = { an_add(a_job(S("f"), S("a"), S("3"))), a_remove(S("f"), S("c")) };

	queue_add(q, "f", "a", "1");
	queue_add(q, "f", "b", "2");
	queue_add(q, "f", "c", "2");
	cr_assert_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/b=2 f/a=3");
	queue_free(&q);
}

/* ---- Tables -------------------------------------------------------------------------------- */

Test(mysql, any_name_of_a_table_is_fine)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "mysql-table", "my-queue.of `jobs`'\\");
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add(q, "f", "a", "1");
	cr_expect_str_eq(queue_content(q), "f/a=1");
	cr_expect_str_eq(queue_sql(q, "SELECT data FROM `my-queue.of ``jobs``'\\`"), "1");
	cr_expect_str_eq(queue_sql(q, "SELECT COUNT(*) FROM `my-queue.of ``jobs``'\\_dead`"), "0");
	queue_free(&q);
}

/* 64 characters are the most. */
Test(mysql, a_name_that_has_no_room_for_dead_is_hashed)
{
	static const char name[] = "a234567890123456789012345678901234567890123456789012345678901234";
	struct queue *q = queue_new();

	for (int len = 59; len <= 64; len += 5) {
		fake_host_set(&q->host, "mysql-table", name + 64 - len);
		cr_assert(queue_open(q), "%d: %s", len, q->err.text);
		queue_close(q);
	}
	cr_expect_str_eq(queue_sql(q, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
				      " AND table_name LIKE '%dead' ORDER BY LENGTH(table_name)"),
	    "6afabdd34f7bcc91ad65043ec7b2491d_dead 67890123456789012345678901234567890123456789012345678901234_dead");
	queue_free(&q);
}

Test(mysql, a_table_of_1_1_is_taken_over_with_its_jobs_in_their_order)
{
	struct queue *q = queue_new();

	queue_sql(q, TABLE_OF_1_1 " CHARACTER SET latin1");
	queue_sql(q, "SET NAMES utf8mb4; " OLD_ROW "('u3', 'f', 2, 'low', 0), ('u1', 'f', 0, 'high', 2000000000),"
		     "('gr\xc3\xbc\xc3\x9f', 'f', 1, NULL, NULL)");
	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), "f/u3=low f/u1=high f/gr\xc3\xbc\xc3\x9f=");
	cr_expect_eq(q->seen[0].priority, GEARMAND_LOW);
	cr_expect_eq(q->seen[1].run_at, 2000000000);
	cr_expect_eq(q->seen[2].run_at, 0);
	cr_expect_eq(queue_add(q, "f", "U1", "another"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(queue_add(q, "f", "u1 ", "and another"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(queue_remove(q, "f", "u1"), GEARMAND_COMMIT_DONE);
	cr_expect_str_eq(queue_content(q), "f/u3=low f/gr\xc3\xbc\xc3\x9f= f/U1=another f/u1 =and another");
	queue_free(&q);
}

/* VARCHAR(255) of utf8mb4 is what most servers give 1.1 today. */
Test(mysql, what_1_1_says_works_on_a_table_that_was_taken_over)
{
	struct queue *q = queue_new();

	queue_sql(q, TABLE_OF_1_1 " CHARACTER SET utf8mb4");
	queue_sql(q, OLD_ROW "('a', 'f', 1, 'before', 0)");
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_close(q);
	queue_sql(q,
	    OLD_ROW "('b', 'f', 1, 'after', 0); DELETE FROM gearman_queue WHERE unique_key='a' AND function_name='f'");
	cr_expect_str_eq(
	    queue_sql(q, "SELECT unique_key, function_name, data, priority, when_to_run FROM gearman_queue"),
	    "b|f|after|1|0");
	cr_expect_str_eq(queue_content(q), "f/b=after");
	queue_free(&q);
}

/* The longest key there is, in every row format of InnoDB; and the text of a server that speaks utf8mb4. */
Test(mysql, keys_fit_every_row_format)
{
	static const char *const formats[] = { "REDUNDANT", "COMPACT", "DYNAMIC", "COMPRESSED" };
	struct gearmand_change c = an_add(a_job(slice_filled(703, 1), slice_filled(64, 2), S("long")));
	struct queue *q = queue_new();
	char sql[400];

	memset((char *)c.job.function.data, 0xff, 703);
	memset((char *)c.job.unique.data, 0xfe, 64);
	for (int i = 0; i < 4; i++) {
		snprintf(sql, sizeof(sql),
		    "DROP TABLE IF EXISTS gearman_queue; %s CHARACTER SET %s ROW_FORMAT=%s; %s('Ã¼', 'f', 1, '1', 0)",
		    TABLE_OF_1_1, i < 2 ? "utf8mb3" : "utf8mb4", formats[i], OLD_ROW);
		queue_sql(q, sql);
		expect_open_and_replay(q);
		cr_expect_eq(q->seen_count, 1);
		cr_expect_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s: %s", formats[i], q->err.text);
		cr_expect_eq(c.outcome, GEARMAND_STORED, "%s", formats[i]);
		queue_reopen_and_replay(q);
		cr_expect_eq(q->seen_count, 2);
		queue_close(q);
		snprintf(sql, sizeof(sql), "DROP TABLE gearman_queue; SET GLOBAL innodb_default_row_format = %s",
		    i == 3 ? "dynamic" : formats[i]);
		queue_sql(q, sql);
		cr_expect(queue_open(q), "made as %s: %s", formats[i], q->err.text);
		cr_expect_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s: %s", formats[i], q->err.text);
		queue_close(q);
	}
	queue_free(&q);
}

Test(mysql, an_open_table_is_not_changed_again)
{
	struct queue *q = queue_new();
	char before[4096];

	queue_sql(q, TABLE_OF_1_1);
	cr_assert(queue_open(q), "%s", q->err.text);
	snprintf(before, sizeof(before), "%s", queue_sql(q, "SHOW CREATE TABLE gearman_queue"));
	q->host.log[0] = '\0';
	queue_close(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_str_eq(queue_sql(q, "SHOW CREATE TABLE gearman_queue"), before);
	cr_expect_str_eq(q->host.log, "");
	queue_free(&q);
}

Test(mysql, jobs_without_a_unique_get_keys_of_their_own)
{
	struct queue *q = queue_new();

	queue_sql(q,
	    "CREATE TABLE gearman_queue (unique_key VARCHAR(64), function_name VARCHAR(255), priority INT, data TEXT)");
	queue_sql(q, "INSERT INTO gearman_queue VALUES ('', 'f', 1, 'a'), (NULL, 'f', 1, 'b'), ('-', 'f', 9, 'c'), "
		     "('u', NULL, 1, 'no function')");
	expect_open_and_replay(q);
	cr_assert_eq(q->seen_count, 3);
	cr_expect_not_null(strstr(q->host.log, "1 rows have no key"), "%s", q->host.log);
	cr_expect_eq(q->seen[0].flags, GEARMAND_JOB_NO_UNIQUE);
	cr_expect_eq(q->seen[2].flags, GEARMAND_JOB_UNIQUE_IS_DATA);
	cr_expect_eq(q->seen[2].priority, GEARMAND_NORMAL);
	for (size_t i = 0; i < 3; i++) {
		struct gearmand_change c = a_remove(q->seen[i].function, q->seen[i].unique);

		cr_expect_eq(q->seen[i].unique.len, 64);
		cr_assert_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	}
	cr_expect_str_eq(queue_content(q), "");
	queue_free(&q);
}

Test(mysql, what_is_no_queue_is_left_alone)
{
	struct queue *q = queue_new();

	queue_sql(q, "CREATE TABLE gearman_queue (a INT)");
	queue_expect_no_open(q, "not a gearmand queue", GEARMAND_WHY_LASTING);
	queue_sql(q, "RENAME TABLE gearman_queue TO t; CREATE VIEW gearman_queue AS SELECT * FROM t");
	queue_expect_no_open(q, "not a table", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(mysql, an_engine_without_transactions_is_warned_of)
{
	struct queue *q = queue_new();

	queue_sql(q, TABLE_OF_1_1 " ENGINE=MyISAM CHARACTER SET latin1");
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_add(q, "f", "a", "1"), GEARMAND_COMMIT_DONE);
	queue_close(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_not_null(strstr(q->host.log, "engine is MyISAM"), "%s", q->host.log);
	queue_free(&q);
}

/* ---- The dead ------------------------------------------------------------------------------ */

/* Two changes: it is buried, and leaves the others. */
static void
dies(struct gearmand_change c[2], const char *unique, const char *handle)
{
	struct gearmand_job job = a_job(S("f"), slice_of_text(unique), slice_of_text(handle));

	job.handle = slice_of_text(handle);
	job.attempts = 3;
	job.changed_at = 1700000000;
	job.error = S("it did not work");
	job.flags = GEARMAND_JOB_DEAD;
	c[0] = (struct gearmand_change){ .op = GEARMAND_BURY, .job = job };
	c[1] = a_remove(job.function, job.unique);
}

Test(mysql, a_job_dies_in_one_round_trip)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[2];

	queue_add(q, "f", "a", "1");
	queue_add(q, "f", "b", "2");
	dies(c, "a", "H:1");
	round_trips();
	cr_assert_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(round_trips(), 1);
	cr_expect_str_eq(queue_sql(q, "SELECT unique_key FROM gearman_queue"), "b");
	cr_expect_str_eq(
	    queue_sql(q, "SELECT unique_key, job_handle, attempts, changed_at, error, flags FROM gearman_queue_dead"),
	    "a|H:1|3|1700000000|it did not work|4");
	cr_expect_str_eq(queue_content(q), "f/b=2 +f/a=H:1");
	cr_expect_eq(q->seen[0].flags, 0);
	cr_expect_eq(q->seen[1].flags, GEARMAND_JOB_DEAD);
	queue_free(&q);
}

Test(mysql, a_job_dies_all_or_not_at_all)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[2];

	queue_add(q, "f", "a", "1");
	queue_sql(q, "CREATE TRIGGER t BEFORE DELETE ON gearman_queue FOR EACH ROW INSERT INTO nowhere VALUES (1)");
	dies(c, "a", "H:1");
	cr_expect_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_BROKEN);
	queue_sql(q, "DROP TRIGGER t");
	cr_expect_str_eq(queue_content(q), "f/a=1");
	cr_assert_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "+f/a=H:1");
	queue_free(&q);
}

/* More than the pages of a replay, and than the handles of one statement. */
Test(mysql, many_dead_come_back_in_their_order)
{
	enum { MANY = 2500 };
	static struct gearmand_change c[2 * MANY];
	struct queue *q = queue_opened();

	for (int i = 0; i < MANY; i++) {
		char *handle = keep(16);

		snprintf(handle, 16, "H:%d", MANY - i);
		dies(&c[2 * i], "a", handle);
		c[2 * i + 1] = an_add(a_job(S("g"), slice_of_text(handle), S("x")));
	}
	cr_assert_eq(queue_commit(q, c, 2 * MANY), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_reopen_and_replay(q);
	cr_assert_eq(q->seen_count, 2 * MANY);
	for (int i = 0; i < MANY; i++) {
		cr_assert(slice_same(q->seen[MANY + i].handle, c[2 * i].job.handle), "%d", i);
		cr_assert_eq(q->seen[MANY + i].flags, GEARMAND_JOB_DEAD);
		c[2 * i].op = GEARMAND_UNBURY;
		c[2 * i + 1].op = GEARMAND_REMOVE;
	}
	cr_assert_eq(queue_commit(q, c, 2 * MANY), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "");
	queue_free(&q);
}

Test(mysql, a_table_of_the_dead_that_is_dropped_is_made_again)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[2];

	queue_add(q, "f", "a", "1");
	queue_sql(q, "DROP TABLE gearman_queue_dead");
	dies(c, "a", "H:1");
	cr_expect_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "gearman_queue_dead' doesn't exist");
	cr_expect_str_eq(queue_content(q), "f/a=1");
	cr_expect_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "+f/a=H:1");
	queue_free(&q);
}

/* ---- Refusals ------------------------------------------------------------------------------ */

Test(mysql, a_job_that_the_table_forbids_is_refused_alone)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[] = { an_add(a_job(S("f"), S("a"), S("1"))), an_add(a_job(S("f"), S("b"), S("bad"))),
		a_remove(S("f"), S("old")), an_add(a_job(S("f"), S("c"), S("3"))) };

	queue_add(q, "f", "old", "0");
	queue_sql(q, "CREATE TRIGGER forbid BEFORE INSERT ON gearman_queue FOR EACH ROW BEGIN IF NEW.data = 'bad' THEN"
		     " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'we do not want this'; END IF; END");
	cr_assert_eq(queue_commit(q, c, 4), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_assert_eq(c[1].outcome, GEARMAND_REFUSED);
	cr_expect_not_null(strstr(c[1].reason, "we do not want this"), "%s", c[1].reason);
	cr_expect_eq(c[0].outcome, GEARMAND_STORED);
	fake_host_changes_clear(c, 4);
	cr_expect_str_eq(queue_content(q), "f/a=1 f/c=3");
	queue_free(&q);
}

Test(mysql, a_dead_job_that_the_table_forbids_is_refused_alone)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[7];

	queue_add(q, "f", "a", "1");
	queue_sql(q, "CREATE TRIGGER forbid BEFORE INSERT ON gearman_queue_dead FOR EACH ROW BEGIN IF NEW.job_handle ="
		     " 'H:2' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'it rests elsewhere'; END IF; END");
	dies(&c[0], "a", "H:1");
	dies(&c[2], "b", "H:2");
	dies(&c[4], "c", "H:3");
	c[6] = an_add(a_job(S("f"), S("d"), S("4")));
	cr_assert_eq(queue_commit(q, c, 7), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_assert_eq(c[2].outcome, GEARMAND_REFUSED);
	cr_expect_not_null(strstr(c[2].reason, "it rests elsewhere"), "%s", c[2].reason);
	cr_expect_eq(c[0].outcome + c[4].outcome + c[6].outcome, GEARMAND_STORED);
	fake_host_changes_clear(c, 7);
	cr_expect_str_eq(queue_content(q), "f/d=4 +f/a=H:1 +f/c=H:3");
	queue_free(&q);
}

/* The server's settings change for all: one of its own. */
Test(mysql, packets_and_modes_of_the_server, .timeout = 120)
{
	struct queue *q = queue_new_alone();
	struct gearmand_slice zeros = { memset(keep(900 << 10), 0, 900 << 10), 900 << 10 };
	struct gearmand_change c[] = { an_add(a_job(S("f"), S("a"), slice_filled(900 << 10, 1))),
		an_add(a_job(S("f"), S("zeros"), zeros)), an_add(a_job(S("f"), S("b"), slice_filled(900 << 10, 2))),
		an_add(a_job(S("f"), S("\\'\"`\x1a%"), S("\\'\"`\x1a%\\0"))),
		an_add(a_job(S("f"), S("c"), slice_filled(2 << 20, 3))) };

	queue_sql(q, "SET GLOBAL max_allowed_packet = 1048576, GLOBAL sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'");
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert_eq(queue_commit(q, c, 5), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(c[1].outcome, GEARMAND_REFUSED, "escapes count");
	cr_expect_eq(c[4].outcome, GEARMAND_REFUSED);
	cr_expect_not_null(strstr(c[4].reason, "max_allowed_packet is 1047552"), "%s", c[4].reason);
	cr_expect_eq(c[0].outcome + c[2].outcome + c[3].outcome, GEARMAND_STORED);
	fake_host_changes_clear(c, 5);
	queue_reopen_and_replay(q);
	cr_assert_eq(q->seen_count, 3);
	cr_expect(slice_same(q->seen[0].data, c[0].job.data) && slice_same(q->seen[1].data, c[2].job.data));
	cr_expect(slice_same(q->seen[2].data, c[3].job.data) && slice_same(q->seen[2].unique, c[3].job.unique));
	queue_sql(q, "SET GLOBAL max_allowed_packet = 16777216");
	queue_reopen_and_replay(q);
	cr_assert_eq(queue_commit(q, c, 5), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(c[1].outcome + c[4].outcome, GEARMAND_STORED, "the limit is read again");
	queue_sql(q, "SET GLOBAL max_allowed_packet = 1048576");
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, 5, "what is larger than the limit of today comes back");
	queue_sql(q, "SET GLOBAL innodb_flush_log_at_trx_commit = 2");
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, 5);
	cr_expect_not_null(strstr(q->host.log, "innodb_flush_log_at_trx_commit is 2"), "%s", q->host.log);
	queue_free(&q);
}
