/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The MySQL queue in trouble: each failure is a sentence that says whether waiting may help; what passes heals, and
 * nothing is called stored that is not.
 *
 * Runs on:  one process per test.
 * Owns:     a database per test.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/plugins/mysql_fixture.h"
#include "tests/plugins/store_server.h"

#define ANOTHER_SERVER "fedcba9876543210fedcba9876543210" /* its identity */

/* ---- Opening ------------------------------------------------------------------------------- */

Test(mysql, a_wrong_user_or_password_is_told_without_the_password)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "mysql-user", "gearman");
	fake_host_set(&q->host, "mysql-password", "hunter2");
	queue_expect_no_open(q, "connecting: Access denied for user 'gearman'", GEARMAND_WHY_LASTING);
	cr_expect_null(strstr(q->err.text, "hunter2"));
	queue_free(&q);
}

Test(mysql, a_database_that_is_not_there_is_told)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "mysql-db", "nowhere");
	queue_expect_no_open(q, "Unknown database 'nowhere'", GEARMAND_WHY_LASTING);
	fake_host_set(&q->host, "mysql-db", "");
	queue_expect_no_open(q, "needs --mysql-db=NAME", GEARMAND_WHY_LASTING);
	fake_host_set(&q->host, "mysql-table", "");
	queue_expect_no_open(q, "--mysql-table needs a name", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(mysql, a_server_that_is_down_may_come_back)
{
	struct queue *q = queue_new();
	char path[200];

	fake_host_set(&q->host, "mysql-socket", "/no/such/socket");
	queue_expect_no_open(q, "mysql table t", GEARMAND_WHY_PASSING);
	EXPECT_SENTENCE(q, ".gearman_queue on /no/such/socket: connecting: Can't connect");
	fake_host_set(&q->host, "mysql-socket", "");
	fake_host_set(&q->host, "mysql-host", "127.0.0.1");
	fake_host_set(&q->host, "mysql-port", "1");
	queue_expect_no_open(q, "on 127.0.0.1: connecting: Can't connect", GEARMAND_WHY_PASSING);
	snprintf(path, sizeof(path), "%s/s", store_server_dir());
	fake_host_set(&q->host, "mysql-socket", path);
	queue_expect_no_open(q, "leave --mysql-host out", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(mysql, missing_rights_are_told_at_start)
{
	struct queue *q = queue_opened();
	char sql[1024];

	queue_close(q);
	snprintf(sql, sizeof(sql), "CREATE USER reader_%s@localhost; GRANT SELECT ON %s.* TO reader_%s@localhost",
	    q->db, q->db, q->db);
	queue_sql(q, sql);
	snprintf(sql, sizeof(sql), "reader_%s", q->db);
	fake_host_set(&q->host, "mysql-user", sql);
	queue_expect_no_open(q, "command denied", GEARMAND_WHY_LASTING);
	fake_host_set(&q->host, "mysql-table", "another");
	queue_expect_no_open(q, "locking it: INSERT command denied", GEARMAND_WHY_LASTING);
	snprintf(sql, sizeof(sql), "GRANT INSERT, UPDATE ON %s.gearmand_lock TO reader_%s@localhost", q->db, q->db);
	queue_sql(q, sql);
	queue_expect_no_open(q, "making it: CREATE command denied", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(mysql, an_option_file_says_what_the_command_line_does_not)
{
	struct queue *q = queue_new();
	const char *dir = store_server_dir();
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%ld.cnf", dir, (long)getpid());
	f = fopen(path, "w");
	fprintf(f, "[gearmand]\nsocket=%s/s\nuser=gearman\npassword=secret\ndatabase=jobs\n", dir);
	fclose(f);
	for (const char *const *o = (const char *const[]){ "mysql-socket", "mysql-user", "mysql-db", NULL }; *o != NULL;
	     o++)
		fake_host_set(&q->host, *o, "");
	fake_host_set(&q->host, "mysql-defaults-file", path);
	cr_expect(queue_open(q), "%s", q->err.text);
	queue_close(q);
	unlink(path);
	queue_expect_no_open(q, "option file cannot be read: ", GEARMAND_WHY_LASTING);
	snprintf(path, sizeof(path), "%s/s", dir);
	fake_host_set(&q->host, "mysql-defaults-file", "");
	fake_host_set(&q->host, "mysql-socket", path);
	fake_host_set(&q->host, "mysql-user", "gearman");
	fake_host_set(&q->host, "mysql-db", "jobs");
	setenv("MYSQL_PWD", "secret", 1);
	cr_expect(queue_open(q), "%s", q->err.text);
	unsetenv("MYSQL_PWD");
	queue_free(&q);
}

/* ---- One server ---------------------------------------------------------------------------- */

/* A process that has the table until it is killed. */
static pid_t
start_holder(struct queue *q)
{
	int ready[2];
	char byte;
	pid_t pid;

	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		q->host.table.identity = ANOTHER_SERVER;
		if (queue_open(q) && write(ready[1], "r", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

Test(mysql, a_table_that_another_server_has_is_in_use_until_that_one_dies)
{
	struct queue *q = queue_new();
	pid_t holder = start_holder(q);

	queue_expect_no_open(q, "another gearmand is using it", GEARMAND_WHY_IN_USE);
	fake_host_set(&q->host, "mysql-table", "another");
	cr_expect(queue_open(q), "another table is free: %s", q->err.text);
	queue_close(q);
	fake_host_set(&q->host, "mysql-table", "gearman_queue");
	kill(holder, SIGKILL);
	cr_assert_eq(waitpid(holder, NULL, 0), holder);
	cr_expect(queue_open(q), "%s", q->err.text);
	queue_free(&q);
}

/* As after the network broke: the database does not know yet that our first session is gone. */
Test(mysql, a_former_session_of_this_process_is_ended)
{
	struct queue *q = queue_opened(), *again = queue_beside(q);

	cr_assert(queue_open(again), "%s", again->err.text);
	cr_expect_not_null(strstr(again->host.log, "a former one of this server"), "%s", again->host.log);
	cr_expect_eq(queue_add(q, "f", "a", "1"), GEARMAND_COMMIT_BROKEN);
	queue_close(q);
	cr_expect_eq(queue_add(again, "f", "b", "2"), GEARMAND_COMMIT_DONE, "%s", again->err.text);
	cr_expect_str_eq(queue_content(again), "f/b=2");
	queue_free(&again);
	queue_free(&q);
}

/* ---- While running ------------------------------------------------------------------------- */

Test(mysql, a_row_that_is_locked_is_waited_for_and_tried_again)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[] = { an_add(a_job(S("f"), S("b"), S("2"))), a_remove(S("f"), S("a")) };
	MYSQL *other;

	queue_add(q, "f", "a", "1");
	other = other_start(q, "BEGIN; UPDATE gearman_queue SET priority = 2");
	cr_expect_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_AGAIN);
	EXPECT_SENTENCE(q, "storing jobs: a row is locked by another transaction (error 1205)");
	mysql_close(other);
	cr_expect_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/b=2");
	queue_free(&q);
}

/* It has a row that we want, and comes for one that we have as soon as we wait. */
static pid_t
start_rival(struct queue *q, MYSQL **rival_r)
{
	pid_t pid;
	MYSQL *rival = *rival_r = other_start(q,
	    "BEGIN; INSERT INTO gearman_queue (unique_key, function_name) SELECT seq, 'much' FROM seq_1_to_1000;"
	    "INSERT INTO gearman_queue (unique_key, function_name) VALUES ('b', 'f')");

	pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (strcmp(queue_sql(q, "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()"
				   " AND info LIKE 'REPLACE INTO%'"),
		   "1") != 0)
		usleep(10000);
	if (mysql_query(rival, "DELETE FROM gearman_queue WHERE unique_key = 'a' AND function_name = 'f'") == 0)
		mysql_query(rival, "ROLLBACK");
	_exit(0);
}

Test(mysql, a_deadlock_undoes_all_and_is_tried_again)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[] = { a_remove(S("f"), S("a")), an_add(a_job(S("f"), S("b"), S("2"))) };
	MYSQL *session;
	pid_t rival;

	queue_add(q, "f", "a", "1");
	rival = start_rival(q, &session);
	cr_expect_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_AGAIN);
	EXPECT_SENTENCE(q, "storing jobs: deadlock with another transaction (error 1213)");
	cr_assert_eq(waitpid(rival, NULL, 0), rival);
	mysql_close(session);
	cr_expect_str_eq(queue_sql(q, "SELECT unique_key FROM gearman_queue"), "a");
	cr_expect_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/b=2");
	queue_free(&q);
}

Test(mysql, a_session_that_is_killed_is_broken_and_opens_again)
{
	struct queue *q = queue_opened();

	queue_add(q, "f", "a", "1");
	queue_sql(q, "SET @id = (SELECT id FROM information_schema.processlist WHERE db = DATABASE()"
		     " AND id <> CONNECTION_ID()); KILL @id");
	cr_expect_eq(queue_add(q, "f", "b", "2"), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "storing jobs: ");
	cr_expect_eq(queue_add(q, "f", "b", "2"), GEARMAND_COMMIT_BROKEN, "until it is opened again");
	cr_expect_str_eq(queue_content(q), "f/a=1");
	cr_expect_eq(queue_add(q, "f", "b", "2"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_free(&q);
}

Test(mysql, a_table_that_is_dropped_is_made_again)
{
	struct queue *q = queue_opened();

	queue_sql(q, "DROP TABLE gearman_queue");
	cr_expect_eq(queue_add(q, "f", "a", "1"), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "doesn't exist");
	cr_expect_str_eq(queue_content(q), "");
	cr_expect_eq(queue_add(q, "f", "a", "1"), GEARMAND_COMMIT_DONE);
	queue_free(&q);
}

Test(mysql, a_failure_in_the_middle_leaves_nothing)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[] = { an_add(a_job(S("f"), S("b"), S("2"))), a_remove(S("f"), S("a")) };

	queue_add(q, "f", "a", "1");
	queue_sql(q, "CREATE TRIGGER t BEFORE INSERT ON gearman_queue FOR EACH ROW INSERT INTO nowhere VALUES (1)");
	cr_expect_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_BROKEN);
	queue_close(q);
	cr_expect_str_eq(queue_sql(q, "SELECT unique_key FROM gearman_queue"), "a");
	queue_free(&q);
}

Test(mysql, a_server_that_stalls_dies_or_becomes_read_only, .timeout = 120)
{
	struct queue *q = queue_new_alone();
	int pid = server_pid(q);

	/* A server that has other things to do may take longer, too; so until it has not. */
	fake_host_set(&q->host, "mysql-timeout", "1");
	while (!queue_open(q) || queue_add(q, "f", "a", "1") != GEARMAND_COMMIT_DONE)
		queue_close(q);

	store_server_signal(pid, SIGSTOP);
	cr_expect_eq(queue_add(q, "f", "b", "2"), GEARMAND_COMMIT_BROKEN);
	queue_close(q);
	queue_expect_no_open(q, "connecting: ", GEARMAND_WHY_PASSING);
	store_server_signal(pid, SIGCONT);
	while (!queue_open(q))
		cr_assert_eq(q->err.why, GEARMAND_WHY_PASSING, "%s", q->err.text);
	store_server_signal(pid, SIGSTOP);
	cr_expect_not(queue_replay(q));
	EXPECT_SENTENCE(q, "reading it after 0 jobs");
	cr_expect_eq(q->err.why, GEARMAND_WHY_PASSING);
	queue_close(q);
	store_server_signal(pid, SIGCONT);
	fake_host_set(&q->host, "mysql-timeout", "20");
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_add(q, "f", "b", "2"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/a=1 f/b=2");

	server_do(q, "kill");
	cr_expect_eq(queue_add(q, "f", "c", "3"), GEARMAND_COMMIT_BROKEN);
	queue_close(q);
	queue_expect_no_open(q, "connecting: ", GEARMAND_WHY_PASSING);
	server_do(q, "again");
	cr_expect_str_eq(queue_content(q), "f/a=1 f/b=2");

	queue_close(q);
	queue_sql(q, "CREATE USER jobs@localhost; GRANT ALL ON *.* TO jobs@localhost;"
		     "REVOKE READ ONLY ADMIN, SUPER ON *.* FROM jobs@localhost");
	fake_host_set(&q->host, "mysql-user", "jobs");
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_sql(q, "SET GLOBAL read_only = 1");
	cr_expect_eq(queue_add(q, "f", "c", "3"), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "read-only");
	queue_close(q);
	queue_expect_no_open(q, "read-only", GEARMAND_WHY_PASSING);
	queue_sql(q, "SET GLOBAL read_only = 0");
	cr_expect_str_eq(queue_content(q), "f/a=1 f/b=2");
	queue_free(&q);
}

/* ---- Another server meanwhile ---------------------------------------------------------------- */

Test(mysql, a_table_that_another_server_has_had_meanwhile_is_not_gone_on_with)
{
	struct queue *q = queue_opened(), *other = queue_beside(q);

	queue_add(q, "f", "a", "1");
	queue_close(q);
	q->host.opening.is_first = false;
	cr_assert(queue_open(q), "nobody had it meanwhile: %s", q->err.text);
	cr_expect_eq(queue_add(q, "f", "b", "2"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_close(q);
	other->host.table.identity = ANOTHER_SERVER;
	cr_expect_str_eq(queue_content(other), "f/a=1 f/b=2");
	queue_close(other);
	queue_expect_no_open(q, "another gearmand has had the table meanwhile", GEARMAND_WHY_IN_USE);
	queue_expect_no_open(q, "another gearmand has had the table meanwhile", GEARMAND_WHY_IN_USE);
	q->host.opening.is_first = true; /* a replay follows */
	cr_expect_str_eq(queue_content(q), "f/a=1 f/b=2");
	queue_free(&other);
	queue_free(&q);
}

/* The one that had it tries again every five seconds, so it finds the database later than a standby that looks often.
 */
Test(mysql, after_the_database_was_away_the_server_that_had_the_table_comes_first, .timeout = 60)
{
	struct queue *q = queue_opened(), *standby = queue_beside(q);
	char socket_path[200];

	snprintf(socket_path, sizeof(socket_path), "%s/s", store_server_dir());
	standby->host.table.identity = ANOTHER_SERVER;
	queue_expect_no_open(standby, "another gearmand is using it", GEARMAND_WHY_IN_USE);
	queue_close(q); /* as when the database goes down */
	fake_host_set(&standby->host, "mysql-socket", "/no/such/socket");
	queue_expect_no_open(standby, "connecting: ", GEARMAND_WHY_PASSING);
	fake_host_set(&standby->host, "mysql-socket", socket_path);
	queue_expect_no_open(standby, "comes back to it after the database was away", GEARMAND_WHY_IN_USE);
	queue_expect_no_open(standby, "comes back to it after the database was away", GEARMAND_WHY_IN_USE);
	q->host.opening.is_first = false;
	cr_expect(queue_open(q), "%s", q->err.text);
	queue_close(q);
	while (!queue_open(standby)) {
		cr_assert_eq(standby->err.why, GEARMAND_WHY_IN_USE, "%s", standby->err.text);
		usleep(100000);
	}
	queue_free(&standby);
	queue_free(&q);
}
