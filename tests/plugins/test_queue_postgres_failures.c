/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When the world is against it, the PostgreSQL queue says so in a sentence, stores nothing by halves, and goes on when
 * the cause is gone.
 *
 * Runs on:  one process per test.
 * Owns:     a table per test, or a server where a test disturbs it.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/plugins/postgres_fixture.h"

#define ANOTHER_SERVER "fedcba9876543210fedcba9876543210" /* its identity */

static struct gearmand_change batch[2]; /* "old" goes, "new" comes */

static struct queue *
queue_with_old(struct queue *q)
{
	batch[0] = a_remove(S("f"), S("old"));
	batch[1] = an_add(a_job(S("f"), S("new"), S("2")));
	if (q->store == NULL)
		cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert_eq(queue_add(q, "f", "old", "1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	return q;
}

static void
expect_batch_goes_through(struct queue *q)
{
	cr_assert_eq(queue_commit(q, batch, 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/new=2");
}

/* ---- The session stays ------------------------------------------------------------------------- */

Test(postgres_run, a_locked_table_means_again_and_nothing_by_halves)
{
	struct queue *q = queue_with_old(queue_new());
	PGconn *other = other_start(q, "BEGIN; LOCK TABLE %T");

	cr_expect_eq(queue_commit(q, batch, 2), GEARMAND_COMMIT_AGAIN);
	EXPECT_SENTENCE(q, "PostgreSQL database \"jobs\" at ");
	EXPECT_SENTENCE(q, " timeout");
	other_end(&other);
	expect_batch_goes_through(q);
	queue_free(&q);
}

Test(postgres_run, a_statement_that_takes_too_long_means_again)
{
	struct queue *q = queue_with_old(queue_new());

	queue_sql(q, "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
		     "$$ BEGIN PERFORM pg_sleep(60); RETURN new; END $$; "
		     "CREATE TRIGGER slow BEFORE INSERT ON %T FOR EACH ROW EXECUTE FUNCTION slow()");
	cr_expect_eq(queue_commit(q, batch, 2), GEARMAND_COMMIT_AGAIN);
	EXPECT_SENTENCE(q, "statement timeout");
	cr_expect_str_eq(queue_sql(q, "SELECT unique_key FROM %T"), "old");
	queue_sql(q, "DROP TRIGGER slow ON %T");
	expect_batch_goes_through(q);
	queue_free(&q);
}

Test(postgres_run, a_full_disk_means_full_and_nothing_by_halves)
{
	struct queue *q = queue_with_old(queue_new());

	queue_sql(q,
	    "CREATE OR REPLACE FUNCTION full() RETURNS trigger LANGUAGE plpgsql AS "
	    "$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; "
	    "END $$; CREATE TRIGGER full_t BEFORE INSERT ON %T FOR EACH ROW EXECUTE FUNCTION full()");
	cr_expect_eq(queue_commit(q, batch, 2), GEARMAND_COMMIT_FULL);
	EXPECT_SENTENCE(q, "No space left on device");
	queue_sql(q, "DROP TRIGGER full_t ON %T");
	expect_batch_goes_through(q);
	queue_free(&q);
}

Test(postgres_run, a_reader_and_a_vacuum_do_not_disturb)
{
	struct queue *q = queue_with_old(queue_new());
	PGconn *other = other_start(q, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM %T");

	queue_sql(q, "VACUUM ANALYZE %T");
	expect_batch_goes_through(q);
	other_end(&other);
	queue_free(&q);
}

/* ---- The session ends ---------------------------------------------------------------------------- */

#define END_SESSION \
	"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2" \
	" AND objid = '%T'::regclass::oid AND granted"

Test(postgres_run, a_session_that_was_ended_means_broken_and_opens_again)
{
	struct queue *q = queue_with_old(queue_new());

	cr_assert_str_eq(queue_sql(q, END_SESSION), "t");
	cr_expect_eq(queue_commit(q, batch, 2), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "terminating connection due to administrator command");
	cr_expect_null(strstr(q->err.text, "57P01"), "%s", q->err.text);
	cr_expect_eq(queue_commit(q, batch, 2), GEARMAND_COMMIT_BROKEN, "and stays so");
	queue_close(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	expect_batch_goes_through(q);
	queue_free(&q);
}

Test(postgres_run, a_session_that_is_ended_in_a_replay_is_a_sentence)
{
	struct queue *q = queue_opened();

	queue_add_many(q, "k", 2000);
	cr_assert_str_eq(queue_sql(q, END_SESSION), "t");
	cr_expect_not(queue_replay(q));
	EXPECT_SENTENCE(q, "reading table");
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, 2000);
	queue_free(&q);
}

Test(postgres_run, a_table_that_was_dropped_means_broken_and_is_made_again)
{
	struct queue *q = queue_with_old(queue_new());

	queue_sql(q, "DROP TABLE %T");
	cr_expect_eq(queue_commit(q, batch, 2), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "does not exist");
	queue_close(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	expect_batch_goes_through(q);
	queue_free(&q);
}

Test(postgres_run, a_column_that_was_dropped_means_broken_and_is_added_again)
{
	struct queue *q = queue_with_old(queue_new());

	queue_sql(q, "ALTER TABLE %T DROP COLUMN reducer");
	cr_expect_eq(queue_commit(q, batch, 2), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "reducer");
	queue_close(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	expect_batch_goes_through(q);
	queue_free(&q);
}

/* ---- The server ---------------------------------------------------------------------------------- */

Test(postgres_run, a_server_that_is_killed_loses_nothing_and_is_found_again)
{
	struct queue *q = queue_with_old(queue_new_alone());

	server_do(q, "kill");
	cr_expect_eq(queue_commit(q, batch, 2), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "server closed the connection unexpectedly");
	queue_close(q);
	queue_expect_no_open(q, "connecting: ", GEARMAND_WHY_PASSING);
	server_do(q, "again");
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/old=1");
	expect_batch_goes_through(q);
	queue_free(&q);
}

/* A stopped process does not even say that it is late. */
Test(postgres_run, a_server_that_is_stopped_is_given_up_in_a_commit_and_in_a_replay)
{
	struct queue *q = queue_with_old(queue_new_alone());

	server_do(q, "freeze");
	cr_expect_eq(queue_commit(q, batch, 2), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "storing jobs: the server does not answer");
	queue_close(q);
	server_do(q, "thaw");
	cr_assert(queue_open(q), "%s", q->err.text);
	server_do(q, "freeze");
	cr_expect_not(queue_replay(q));
	EXPECT_SENTENCE(q, "reading table");
	EXPECT_SENTENCE(q, "the server does not answer");
	cr_expect_eq(q->err.why, GEARMAND_WHY_PASSING);
	queue_close(q);
	server_do(q, "thaw");
	cr_assert(queue_open(q), "%s", q->err.text);
	expect_batch_goes_through(q);
	queue_free(&q);
}

static void
wait_for_replica(struct queue *q, const char *name)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "ALTER SYSTEM SET synchronous_standby_names TO '%s'", name);
	queue_sql(q, sql);
	queue_sql(q, "SELECT pg_reload_conf()");
	for (int i = 0; i < 500 && strcmp(queue_sql(q, "SHOW synchronous_standby_names"), name) != 0; i++)
		usleep(10000);
}

/* A commit waits for a replica that is not there: no answer comes, and the session stays, with the lock, after its
 * connection is closed.  It keeps others out, for the batch may still come to be stored; but not the server it was of.
 */
Test(postgres_run, a_session_that_outlives_its_connection_does_not_keep_its_own_server_out)
{
	struct queue *q = queue_with_old(queue_new_alone()), *other = queue_new();

	wait_for_replica(q, "nobody");
	cr_expect_eq(queue_commit(q, batch, 2), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "the server does not answer");
	other->host.table.identity = ANOTHER_SERVER;
	fake_host_set(&other->host, "libpq-conninfo", q->db);
	queue_expect_no_open(other, "is in use by another gearmand", GEARMAND_WHY_IN_USE);
	queue_close(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	wait_for_replica(q, "");
	expect_batch_goes_through(q);
	queue_free(&other);
	queue_free(&q);
}

/* ---- A former session of our own -------------------------------------------------------------- */

/* A session that waits for a disk, say, does not hear that it is to end. */
Test(postgres_run, a_former_session_that_does_not_end_is_no_other_server)
{
	struct queue *q = queue_opened();
	pid_t former = (pid_t)atol(queue_sql(q, "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
						" AND objid = '%T'::regclass::oid"));

	cr_assert_gt(former, 1);
	cr_assert_eq(kill(former, SIGSTOP), 0);
	queue_close(q);
	queue_expect_no_open(
	    q, "is in use by a former session of this server, which is being ended", GEARMAND_WHY_PASSING);
	kill(former, SIGCONT);
	while (!queue_open(q))
		cr_assert_eq(q->err.why, GEARMAND_WHY_PASSING, "%s", q->err.text);
	cr_expect_eq(queue_add(q, "f", "a", "1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_free(&q);
}

/* ---- Another server meanwhile ---------------------------------------------------------------- */

Test(postgres_run, a_table_that_another_server_has_had_meanwhile_is_not_gone_on_with)
{
	struct queue *q = queue_opened(), *other = queue_new();

	queue_add(q, "f", "a", "1");
	queue_close(q);
	q->host.opening.is_first = false;
	cr_assert(queue_open(q), "nobody had it meanwhile: %s", q->err.text);
	cr_expect_eq(queue_add(q, "f", "b", "2"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_close(q);
	other->host.table.identity = ANOTHER_SERVER;
	cr_expect_str_eq(queue_content(other), "f/a=1 f/b=2");
	queue_close(other);
	queue_expect_no_open(
	    q, "was another gearmand's meanwhile, which may have left jobs in it", GEARMAND_WHY_IN_USE);
	queue_expect_no_open(
	    q, "was another gearmand's meanwhile, which may have left jobs in it", GEARMAND_WHY_IN_USE);
	q->host.opening.is_first = true; /* a replay follows */
	cr_expect_str_eq(queue_content(q), "f/a=1 f/b=2");
	queue_free(&other);
	queue_free(&q);
}

/* The one that had it tries again every five seconds, so it finds the database later than a standby that looks often.
 */
Test(postgres_run, after_the_database_was_away_the_server_that_had_the_table_comes_first, .timeout = 60)
{
	struct queue *q = queue_opened(), *standby = queue_new();

	standby->host.table.identity = ANOTHER_SERVER;
	queue_expect_no_open(standby, "is in use by another gearmand", GEARMAND_WHY_IN_USE);
	queue_close(q); /* as when the database goes down */
	fake_host_set(&standby->host, "libpq-conninfo", "host=/no/such/folder dbname=jobs");
	queue_expect_no_open(standby, "connecting: ", GEARMAND_WHY_PASSING);
	fake_host_set(&standby->host, "libpq-conninfo", standby->db);
	queue_expect_no_open(standby, "may come back to it after the database was away", GEARMAND_WHY_IN_USE);
	queue_expect_no_open(standby, "may come back to it after the database was away", GEARMAND_WHY_IN_USE);
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
