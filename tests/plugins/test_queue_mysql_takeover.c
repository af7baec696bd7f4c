/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tables as they are in the world: made by gearmand 1.1 and 0.x, from tutorials, by hand.  Each is taken over without
 * losing a job, and goes on being one that 1.1 can use; or it is refused by a sentence that names what is in the way.
 *
 * Runs on:  one process per test.
 * Owns:     a database per test.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/plugins/mysql_fixture.h"
#include "tests/plugins/store_server.h"

/* Columns of a table, behind "CREATE TABLE gearman_queue". */
#define OF_1_1 "unique_key VARCHAR(64), function_name VARCHAR(255), priority INT, data LONGBLOB, when_to_run INT"
#define OF_OURS \
	"unique_key VARBINARY(64), function_name VARBINARY(703), priority INT, data LONGBLOB, when_to_run BIGINT," \
	" job_handle VARBINARY(255), reducer BLOB, flags INT UNSIGNED, seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT," \
	" PRIMARY KEY (seq), UNIQUE KEY gearmand_key (unique_key, function_name)" /* before there were dead jobs */
#define OF_0_X "unique_key VARCHAR(64) PRIMARY KEY, function_name VARCHAR(255), priority INT, data LONGBLOB"

static struct queue *
queue_on(const char *columns)
{
	struct queue *q = queue_new();
	char sql[1024];

	snprintf(sql, sizeof(sql), "CREATE TABLE gearman_queue %s", columns);
	queue_sql(q, sql);
	return q;
}

static void
expect_log(struct queue *q, const char *part)
{
	cr_expect_not_null(strstr(q->host.log, part), "\"%s\" is not in: %s", part, q->host.log);
}

/* Jobs that differ in one half of the key, or in case; removals; what 1.1 says; and nothing to mend the second time. */
static void
expect_to_work(struct queue *q, const char *which)
{
	char before[4096];

	queue_close(q);
	cr_assert(queue_open(q), "%s: %s", which, q->err.text);
	cr_assert(queue_replay(q), "%s: %s", which, q->err.text);
	for (size_t i = 0; i < q->seen_count; i++) {
		struct gearmand_change c = a_remove(q->seen[i].function, q->seen[i].unique);

		cr_assert_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s: %s", which, q->err.text);
	}
	cr_expect_str_eq(queue_sql(q, "SELECT COUNT(*) FROM gearman_queue"), "0", "%s", which);
	queue_add(q, "mail", "42", "a");
	queue_add(q, "invoice", "42", "b");
	queue_add(q, "mail", "42 ", "c");
	queue_add(q, "Mail", "42", "d");
	queue_add(q, "mail", "43", "a");
	cr_expect_eq(queue_remove(q, "mail", "43"), GEARMAND_COMMIT_DONE, "%s: %s", which, q->err.text);
	cr_expect_str_eq(queue_content(q), "mail/42=a invoice/42=b mail/42 =c Mail/42=d", "%s", which);
	queue_close(q);
	queue_sql(q, "INSERT INTO gearman_queue (priority, unique_key, function_name, data, when_to_run) VALUES"
		     " (1, '44', 'mail', 'e', 0); DELETE FROM gearman_queue WHERE unique_key = '42'"
		     " AND function_name = 'mail'");
	snprintf(before, sizeof(before), "%s", queue_sql(q, "SHOW CREATE TABLE gearman_queue"));
	q->host.log[0] = '\0';
	cr_expect_str_eq(queue_content(q), "invoice/42=b mail/42 =c Mail/42=d mail/44=e", "%s", which);
	cr_expect_str_eq(queue_sql(q, "SHOW CREATE TABLE gearman_queue"), before, "%s", which);
	cr_expect_null(strstr(q->host.log, "taken over"), "%s: %s", which, q->host.log);
}

Test(mysql_takeover, tables_of_all_kinds_work, .timeout = 120)
{
	static const char *const kinds[] = {
		"(" OF_1_1 ", UNIQUE KEY (unique_key, function_name))",
		"(" OF_1_1 ", UNIQUE KEY (function_name, unique_key)) ENGINE=MyISAM CHARACTER SET latin1",
		"(" OF_1_1 ") CHARACTER SET ucs2",
		"(" OF_0_X ")",
		"(" OF_0_X ") ENGINE=MyISAM CHARACTER SET latin1 COLLATE latin1_german2_ci",
		"(" OF_1_1 ", UNIQUE KEY whole (unique_key, function_name), UNIQUE KEY narrow (unique_key))",
		"(" OF_1_1 ", PRIMARY KEY (unique_key(10), function_name(10)), KEY (function_name))",
		"(" OF_1_1 ", UNIQUE (unique_key, function_name, priority), UNIQUE (data(20)))",
		"(unique_key VARCHAR(64) NOT NULL, function_name VARCHAR(255) NOT NULL, priority INT NOT NULL,"
		" data LONGBLOB NOT NULL, when_to_run INT NOT NULL, PRIMARY KEY (unique_key, function_name))",
		"(unique_key VARCHAR(64) NOT NULL, function_name VARCHAR(255) NOT NULL, priority INT NOT NULL,"
		" data LONGBLOB NOT NULL, when_to_run BIGINT NOT NULL, UNIQUE (unique_key, function_name))"
		" CHARACTER SET latin1",
		"(id INT UNSIGNED NOT NULL AUTO_INCREMENT, " OF_1_1
		", PRIMARY KEY (id), UNIQUE (unique_key, function_name))",
		"(" OF_1_1 ", `the id` BIGINT AUTO_INCREMENT UNIQUE, seq INT) ENGINE=Aria",
		"(" OF_1_1 ", seq INT NOT NULL, UNIQUE (unique_key, function_name))",
		"(Unique_Key VARCHAR(64), Function_Name VARCHAR(255), Priority INT, Data LONGBLOB, When_To_Run INT,"
		" UNIQUE KEY `Both` (Unique_Key, Function_Name))",
		"(unique_key VARCHAR(255), function_name VARCHAR(255), priority TINYINT, data MEDIUMTEXT,"
		" UNIQUE (unique_key(100), function_name(50))) CHARACTER SET latin1",
		"(" OF_1_1 ", note VARCHAR(20) UNIQUE, made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, size INT AS"
		" (LENGTH(data)) VIRTUAL)",
		"(" OF_OURS ")",
		"(" OF_1_1 ", changed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, error VARCHAR(10) NOT NULL DEFAULT '-',"
		" attempts INT NOT NULL DEFAULT 0, UNIQUE (unique_key, function_name))",
	};
	struct queue *q = queue_new();
	char sql[1024];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		snprintf(sql, sizeof(sql),
		    "CREATE TABLE gearman_queue %s; INSERT INTO gearman_queue (unique_key,"
		    " function_name, priority, data) VALUES ('u', 'f', 1, 'x')",
		    kinds[i]);
		if (strstr(kinds[i], "when_to_run INT NOT NULL") != NULL || strstr(kinds[i], "seq INT NOT") != NULL ||
		    strstr(kinds[i], "BIGINT NOT NULL") != NULL)
			*strstr(sql, "; INSERT") = '\0';
		queue_sql(q, sql);
		expect_to_work(q, kinds[i]);
		queue_close(q);
		queue_sql(q, "DROP TABLE gearman_queue");
	}
	queue_free(&q);
}

static enum gearmand_commit
add_tried(struct queue *q, const char *unique)
{
	struct gearmand_job job = a_job(S("f"), slice_of_text(unique), S("x"));
	struct gearmand_change c;

	job.attempts = 2;
	job.changed_at = 1700000000;
	job.error = slice_filled(1000, 1);
	c = an_add(job);
	return queue_commit(q, &c, 1);
}

static const char *
tried(struct queue *q)
{
	return queue_sql(q, "SELECT unique_key, attempts, changed_at, expires_at, LENGTH(error) FROM gearman_queue");
}

Test(mysql_takeover, a_table_of_an_earlier_version_gets_columns_that_that_version_does_not_mind)
{
	struct queue *q = queue_on("(" OF_OURS ")");

	queue_sql(q, "INSERT INTO gearman_queue VALUES ('a', 'f', 1, '1', 0, 'H:1', 'sum', 1, 7)");
	cr_assert(queue_open(q), "%s", q->err.text);
	expect_log(q, "ADD COLUMN attempts INT UNSIGNED, ADD COLUMN changed_at BIGINT, ADD COLUMN expires_at BIGINT,"
		      " ADD COLUMN error BLOB");
	cr_assert(queue_replay(q), "%s", q->err.text);
	cr_assert_eq(q->seen_count, 1);
	cr_expect(slice_same(q->seen[0].handle, S("H:1")) && q->seen[0].flags == 1 && q->seen[0].attempts == 0);
	cr_assert_eq(add_tried(q, "b"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(tried(q), "a|NULL|NULL|NULL|NULL b|2|1700000000|0|1000");
	queue_close(q);
	queue_sql(q, "REPLACE INTO gearman_queue(unique_key,function_name,data,job_handle,reducer,priority,when_to_run,"
		     "flags)VALUES('a','f','2','H:1','',1,0,0),('c','f','3','H:3','',1,0,0)");
	cr_expect_str_eq(queue_content(q), "f/b=x f/a=2 f/c=3");
	cr_expect_eq(q->seen[0].attempts, 2);
	cr_expect_eq(q->seen[1].attempts, 0);
	queue_free(&q);
}

/* From now on a user logs in who has these rights on that table, and those that he had. */
static void
log_in(struct queue *q, const char *rights, const char *table)
{
	char sql[600];

	snprintf(sql, sizeof(sql), "CREATE USER IF NOT EXISTS r_%s@localhost; GRANT %s ON %s TO r_%s@localhost", q->db,
	    rights, table, q->db);
	queue_sql(q, sql);
	snprintf(sql, sizeof(sql), "r_%s", q->db);
	fake_host_set(&q->host, "mysql-user", sql);
}

Test(mysql_takeover, who_may_not_change_a_table_is_told_and_the_least_that_is_needed_is_enough)
{
	struct queue *q = queue_on("(" OF_OURS ")");

	queue_sql(q,
	    "CREATE TABLE gearmand_lock (queue VARBINARY(256) NOT NULL PRIMARY KEY, owner VARBINARY(64) NOT NULL,"
	    " node VARBINARY(64) NOT NULL, beats BIGINT UNSIGNED NOT NULL)");
	log_in(q, "SELECT, INSERT, UPDATE", "gearmand_lock");
	log_in(q, "SELECT, INSERT, UPDATE, DELETE", "gearman_queue");
	queue_expect_no_open(q, "taking it over: ALTER command denied", GEARMAND_WHY_LASTING);
	fake_host_set(&q->host, "mysql-user", "root");
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_close(q);
	log_in(q, "SELECT", "gearman_queue");
	queue_expect_no_open(q, "trying whether its dead jobs may be written", GEARMAND_WHY_LASTING);
	EXPECT_SENTENCE(q, "gearman_queue_dead");
	log_in(q, "SELECT, INSERT, DELETE", "gearman_queue_dead");
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(add_tried(q, "a"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(tried(q), "a|2|1700000000|0|1000");
	queue_free(&q);
}

Test(mysql_takeover, two_jobs_with_one_unique_are_two_rows_in_a_table_of_0_x)
{
	struct queue *q = queue_on("(" OF_0_X ")");

	queue_sql(q, "INSERT INTO gearman_queue VALUES ('41', 'mail', 1, 'old')");
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_null(strstr(queue_sql(q, "SHOW CREATE TABLE gearman_queue"), "PRIMARY KEY (`unique_key`)"));
	queue_add(q, "mail", "42", "a");
	queue_add(q, "invoice", "42", "b");
	cr_expect_str_eq(queue_content(q), "mail/41=old mail/42=a invoice/42=b");
	queue_free(&q);
}

Test(mysql_takeover, an_index_that_is_not_a_queue_s_is_refused_by_its_name_and_nothing_is_changed)
{
	struct queue *q = queue_on("(" OF_1_1 ", host VARCHAR(20) DEFAULT 'here', UNIQUE KEY one_per_host (host))");
	char before[2048];

	snprintf(before, sizeof(before), "%s", queue_sql(q, "SHOW CREATE TABLE gearman_queue"));
	queue_expect_no_open(q, "which is not a queue's; drop it: one_per_host", GEARMAND_WHY_LASTING);
	cr_expect_str_eq(queue_sql(q, "SHOW CREATE TABLE gearman_queue"), before);
	queue_sql(q, "ALTER TABLE gearman_queue DROP INDEX one_per_host");
	expect_to_work(q, "without it");
	queue_free(&q);
}

Test(mysql_takeover, a_column_that_no_job_fills_is_refused_by_its_name_and_nothing_is_changed)
{
	struct queue *q = queue_on("(" OF_1_1 ", tenant INT NOT NULL, UNIQUE (unique_key, function_name))");
	char before[2048];

	snprintf(before, sizeof(before), "%s", queue_sql(q, "SHOW CREATE TABLE gearman_queue"));
	queue_expect_no_open(q, "has a DEFAULT or may be NULL: tenant", GEARMAND_WHY_LASTING);
	cr_expect_str_eq(queue_sql(q, "SHOW CREATE TABLE gearman_queue"), before);
	queue_sql(q, "ALTER TABLE gearman_queue ALTER tenant SET DEFAULT 0");
	expect_to_work(q, "with a default");
	queue_free(&q);
}

Test(mysql_takeover, rows_with_one_key_are_all_jobs)
{
	struct queue *q = queue_on("(" OF_1_1 ")");

	queue_sql(q,
	    "INSERT INTO gearman_queue VALUES ('u', 'f', 1, 'first', 0), ('u', 'f', 1, 'second', 0),"
	    " ('u', 'g', 1, 'other', 0), ('u', 'f', 1, 'third', 0), (NULL, 'f', 1, 'a', 0), (NULL, 'f', 1, 'b', 0)");
	cr_assert(queue_open(q), "%s", q->err.text);
	expect_log(q, "2 jobs had the function and unique key of another job");
	cr_assert(queue_replay(q), "%s", q->err.text);
	cr_assert_eq(q->seen_count, 6);
	cr_expect(slice_same(q->seen[0].unique, S("u")) && slice_same(q->seen[2].unique, S("u")));
	cr_expect(slice_same(q->seen[0].data, S("first")) && slice_same(q->seen[3].data, S("third")));
	cr_expect_eq(q->seen[1].flags, GEARMAND_JOB_NO_UNIQUE);
	cr_expect_eq(q->seen[1].unique.len, 64);
	expect_to_work(q, "afterwards");
	queue_free(&q);
}

Test(mysql_takeover, a_unique_key_that_is_too_long_becomes_one_that_fits)
{
	struct queue *q = queue_on("(unique_key VARCHAR(200), function_name VARCHAR(255), priority INT, data BLOB)");

	queue_sql(q, "INSERT INTO gearman_queue VALUES (REPEAT('u', 65), 'f', 1, 'x'), (REPEAT('u', 64), 'f', 1, 'y')");
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert(queue_replay(q), "%s", q->err.text);
	cr_assert_eq(q->seen_count, 2);
	cr_expect_eq(q->seen[0].unique.len, 64);
	cr_expect(q->seen[1].unique.len == 64 && q->seen[1].unique.data[0] == 'u');
	expect_to_work(q, "afterwards");
	queue_free(&q);
}

Test(mysql_takeover, a_function_may_be_empty_and_what_has_none_is_left_alone)
{
	struct queue *q = queue_on("(" OF_1_1 ", UNIQUE (unique_key, function_name))");

	queue_sql(q, "INSERT INTO gearman_queue VALUES ('a', '', 1, '1', 0), ('b', NULL, 1, '2', 0)");
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_add(q, "", "c", "3"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "/a=1 /c=3");
	cr_expect_eq(queue_remove(q, "", "a"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	expect_log(q, "1 rows have no key");
	cr_expect_str_eq(queue_content(q), "/c=3");
	queue_free(&q);
}

/* What the settings of a server, or of an account, are there to do to the statements of people. */
Test(mysql_takeover, settings_that_limit_statements_are_not_for_the_queue)
{
	struct queue *q = queue_on("(" OF_1_1 ", UNIQUE (unique_key, function_name))");
	char path[200];
	FILE *f;

	queue_sql(q, "INSERT INTO gearman_queue VALUES ('a', 'f', 1, '1', 0), ('b', 'f', 1, '2', 0)");
	snprintf(path, sizeof(path), "%s/%ld.cnf", store_server_dir(), (long)getpid());
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fprintf(f,
	    "[gearmand]\ninit-command=\"SET SESSION sql_select_limit = 1, sql_safe_updates = 1, sql_big_selects = 0,"
	    " max_join_size = 1, unique_checks = 0, completion_type = 'CHAIN', autocommit = 0,"
	    " sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES', tx_read_only = 1\"\n");
	fclose(f);
	fake_host_set(&q->host, "mysql-defaults-file", path);
	expect_to_work(q, "with limits");
	unlink(path);
	queue_free(&q);
}
