/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the SQLite queue does not open it refuses in a sentence, and opens when the cause is gone; and a file has one
 * server.
 *
 * Runs on:  one process per test.
 * Owns:     a folder per test.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/plugins/sqlite_fixture.h"

/* ---- Options ------------------------------------------------------------------------------- */

Test(sqlite_options, a_missing_file_name_is_a_sentence)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "libsqlite3-db", "");
	queue_expect_no_open(q, "--libsqlite3-db=FILE", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(sqlite_options, an_empty_table_name_is_a_sentence)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "libsqlite3-table", "");
	queue_expect_no_open(q, "--libsqlite3-table", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(sqlite_options, a_table_name_that_sqlite_keeps_for_itself_is_a_sentence)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "libsqlite3-table", "sqlite_jobs");
	queue_expect_no_open(q, "reserved for internal use", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(sqlite_options, an_unknown_level_of_synchronous_is_a_sentence)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "libsqlite3-synchronous", "2; DROP TABLE x");
	queue_expect_no_open(q, "must be OFF, NORMAL, FULL or EXTRA", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

/* ---- Open ------------------------------------------------------------------------------------ */

Test(sqlite_open, a_missing_folder_is_named)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "libsqlite3-db", "/nowhere/at/all.db");
	queue_expect_no_open(q, "queue file /nowhere/at/all.db: No such file or directory", GEARMAND_WHY_PASSING);
	queue_free(&q);
}

Test(sqlite_open, a_folder_is_not_a_file)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "libsqlite3-db", q->dir);
	queue_expect_no_open(q, "Is a directory", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(sqlite_open, a_fifo_is_not_a_file)
{
	struct queue *q = queue_new();

	cr_assert_eq(mkfifo(q->db, 0600), 0);
	queue_expect_no_open(q, "not a file", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(sqlite_open, what_is_not_a_database_is_left_as_it_is)
{
	struct queue *q = queue_new();
	struct stat st;

	file_write(q->db, "dear diary, today I was taken for a database, which does not happen to "
			  "me often; I am a text file\n");
	queue_expect_no_open(q, "not an SQLite database", GEARMAND_WHY_LASTING);
	EXPECT_SENTENCE(q, q->db);
	cr_assert_eq(stat(q->db, &st), 0);
	cr_expect_eq(st.st_size, 98);
	queue_free(&q);
}

Test(sqlite_open, a_table_that_is_no_queue_is_left_as_it_is)
{
	struct queue *q = queue_new();

	queue_sql(q, "CREATE TABLE gearman_queue (a, b)");
	queue_expect_no_open(q, "is not a gearmand queue", GEARMAND_WHY_LASTING);
	cr_expect_str_eq(queue_sql(q, "SELECT group_concat(name) FROM pragma_table_info('gearman_queue')"), "a,b");
	queue_free(&q);
}

Test(sqlite_open, a_view_is_no_queue)
{
	struct queue *q = queue_new();

	queue_sql(q, "CREATE VIEW gearman_queue AS SELECT 1 AS unique_key, 2 AS function_name, 3 AS priority, "
		     "4 AS data");
	queue_expect_no_open(q, "gearman_queue", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(sqlite_open, utf_16_would_change_job_data)
{
	struct queue *q = queue_new();

	queue_sql(q, "PRAGMA encoding='UTF-16'; CREATE TABLE t (x)");
	queue_expect_no_open(q, "UTF-16", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(sqlite_open, a_damaged_file_is_a_sentence_at_replay)
{
	struct queue *q = queue_opened();

	cr_assert_eq(queue_add_many(q, "k", 2000), GEARMAND_COMMIT_DONE);
	queue_close(q);
	file_scribble(q->db, 3 * 4096, 20 * 4096);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_not(queue_replay(q));
	EXPECT_SENTENCE(q, "reading table \"gearman_queue\" after ");
	EXPECT_SENTENCE(q, "damaged");
	EXPECT_SENTENCE(q, q->db);
	queue_free(&q);
}

Test(sqlite_open, a_truncated_file_is_a_sentence)
{
	struct queue *q = queue_opened();

	cr_assert_eq(queue_add_many(q, "k", 2000), GEARMAND_COMMIT_DONE);
	queue_close(q);
	cr_assert_eq(truncate(q->db, 8192), 0);
	cr_expect(!queue_open(q) || !queue_replay(q));
	EXPECT_SENTENCE(q, "damaged");
	queue_free(&q);
}

Test(sqlite_open, a_file_that_somebody_has_locked_can_be_opened_later)
{
	struct queue *q = queue_new();
	struct other o;

	queue_sql(q, "CREATE TABLE t (x)");
	o = other_start(q, "BEGIN EXCLUSIVE;");
	queue_expect_no_open(q, "locked by another process", GEARMAND_WHY_PASSING);
	other_end(&o);
	cr_expect(queue_open(q), "%s", q->err.text);
	queue_free(&q);
}

/* Root may write anything; so the test lets go of that. */
static void
be_nobody(struct queue *q)
{
	if (geteuid() != 0)
		return;
	cr_assert_eq(chown(q->dir, 65534, 65534), 0);
	if (access(q->db, F_OK) == 0)
		cr_assert_eq(chown(q->db, 65534, 65534), 0);
	cr_assert_eq(seteuid(65534), 0);
}

static void
be_root_again(void)
{
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
}

Test(sqlite_open, a_read_only_file_is_a_sentence_until_it_is_writable)
{
	struct queue *q = queue_new();

	queue_sql(q, "CREATE TABLE t (x)");
	be_nobody(q);
	cr_assert_eq(chmod(q->db, 0400), 0);
	queue_expect_no_open(q, "Permission denied", GEARMAND_WHY_PASSING);
	cr_assert_eq(chmod(q->db, 0600), 0);
	cr_expect(queue_open(q), "%s", q->err.text);
	queue_close(q);
	be_root_again();
	queue_free(&q);
}

Test(sqlite_open, a_read_only_folder_is_a_sentence_until_it_is_writable)
{
	struct queue *q = queue_new();

	be_nobody(q);
	cr_assert_eq(chmod(q->dir, 0500), 0);
	queue_expect_no_open(q, "Permission denied", GEARMAND_WHY_PASSING); /* there is no file yet */
	be_root_again();
	queue_sql(q, "CREATE TABLE t (x)");
	be_nobody(q);
	queue_expect_no_open(q, "folder", GEARMAND_WHY_PASSING); /* there is, but its log cannot be made */
	cr_assert_eq(chmod(q->dir, 0700), 0);
	cr_expect(queue_open(q), "%s", q->err.text);
	queue_close(q);
	be_root_again();
	queue_free(&q);
}

/* ---- One server -------------------------------------------------------------------------------- */

/* In a child: POSIX locks belong to the process. */
static const char *
open_elsewhere(const char *db)
{
	static char text[512];
	int fds[2];
	pid_t pid;
	ssize_t n;

	cr_assert_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct queue *q = queue_new();

		fake_host_set(&q->host, "libsqlite3-db", db);
		if (queue_open(q))
			snprintf(q->err.text, sizeof(q->err.text), "opened");
		else if (q->err.why != GEARMAND_WHY_IN_USE)
			snprintf(q->err.text, sizeof(q->err.text), "not opened for another reason");
		n = write(fds[1], q->err.text, strlen(q->err.text));
		queue_free(&q);
		_exit(n <= 0);
	}
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	cr_assert(n > 0);
	text[n] = '\0';
	close(fds[0]);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	return text;
}

Test(sqlite_lock, a_second_server_is_refused_also_by_another_name)
{
	struct queue *q = queue_new();
	char by_link[200], by_symlink[200];

	snprintf(by_link, sizeof(by_link), "%s/hard", q->dir);
	snprintf(by_symlink, sizeof(by_symlink), "%s/soft", q->dir);
	cr_expect_str_eq(open_elsewhere(q->db), "opened");
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert(link(q->db, by_link) == 0 && symlink("queue.db", by_symlink) == 0);
	cr_expect_not_null(strstr(open_elsewhere(q->db), "another gearmand is using it"));
	cr_expect_not_null(strstr(open_elsewhere(by_link), "another gearmand is using it"));
	cr_expect_not_null(strstr(open_elsewhere(by_symlink), "another gearmand is using it"));
	cr_expect_eq(queue_add(q, "f", "u", "1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_close(q);
	cr_expect_str_eq(open_elsewhere(q->db), "opened");
	queue_free(&q);
}

Test(sqlite_lock, sqlite3_can_look_and_change_while_it_runs)
{
	struct queue *q = queue_opened();

	queue_add(q, "f", "u", "1");
	cr_expect_str_eq(queue_sql(q, "SELECT unique_key, data FROM gearman_queue"), "u|1");
	queue_sql(q, "DELETE FROM gearman_queue");
	cr_expect_eq(queue_add(q, "f", "v", "2"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/v=2");
	queue_free(&q);
}
