/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The MySQL queue in a cluster, where a named lock is known to one node only: the row that says whose the table is. The
 * other nodes' servers are played by who changes that row.
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

#define TAKE_IT "UPDATE gearmand_lock SET owner = 'somebody', node = 'elsewhere', beats = beats + 1"

static struct queue *
queue_in_cluster(void)
{
	struct queue *q = queue_new();

	fake_host_set(&q->host, "mysql-cluster", "1");
	fake_host_set(&q->host, "mysql-session-timeout", "1");
	cr_assert(queue_open(q), "%s", q->err.text);
	return q;
}

Test(mysql, in_a_cluster_a_row_tells_the_owner_and_lives)
{
	struct queue *q = queue_in_cluster();

	cr_expect_str_eq(queue_sql(q, "SELECT queue, beats, LENGTH(owner) FROM gearmand_lock"), "gearman_queue|1|39");
	cr_expect_eq(queue_add(q, "f", "a", "1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(q->host.ops->check(q->store, &q->err), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_sql(q, "SELECT beats FROM gearmand_lock"), "3");
	cr_expect_str_eq(queue_content(q), "f/a=1");
	queue_close(q);
	cr_expect_str_eq(queue_sql(q, "SELECT node FROM gearmand_lock"), "", "it lets go in the end");
	queue_free(&q);
}

Test(mysql, in_a_cluster_a_batch_is_still_one_round_trip)
{
	struct queue *q = queue_in_cluster();

	cr_assert_str_eq(queue_content(q), "");
	round_trips();
	cr_expect_eq(queue_add_many(q, "u", 1000), GEARMAND_COMMIT_DONE);
	cr_expect_eq(round_trips(), 1);
	queue_free(&q);
}

Test(mysql, who_finds_another_owner_in_the_row_stores_nothing)
{
	struct queue *q = queue_in_cluster();
	struct gearmand_change c[] = { a_remove(S("f"), S("a")), an_add(a_job(S("f"), S("b"), S("2"))) };

	queue_add(q, "f", "a", "1");
	queue_sql(q, TAKE_IT);
	cr_expect_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "another gearmand is using it, by the row in table gearmand_lock");
	cr_expect_eq(q->err.why, GEARMAND_WHY_IN_USE);
	queue_close(q);
	cr_expect_str_eq(queue_sql(q, "SELECT unique_key FROM gearman_queue"), "a");
	cr_expect_str_eq(queue_sql(q, "SELECT owner FROM gearmand_lock"), "somebody", "not its own to let go of");
	queue_free(&q);
}

Test(mysql, one_with_nothing_to_do_notices_another_owner_too)
{
	struct queue *q = queue_in_cluster();

	queue_sql(q, TAKE_IT);
	cr_expect_eq(q->host.ops->check(q->store, &q->err), GEARMAND_COMMIT_BROKEN);
	cr_expect_eq(q->err.why, GEARMAND_WHY_IN_USE);
	queue_free(&q);
}

Test(mysql, a_transaction_in_flight_cannot_follow_a_take_over)
{
	struct queue *q = queue_in_cluster();
	struct gearmand_job slow = a_job(S("f"), S("b"), S("2"));
	MYSQL *other;

	cr_assert_str_eq(queue_content(q), "");
	other = other_start(q, "BEGIN; " TAKE_IT); /* has not committed when ours begins */
	cr_expect_eq(
	    queue_commit(q, &(struct gearmand_change){ .op = GEARMAND_ADD, .job = slow }, 1), GEARMAND_COMMIT_AGAIN);
	EXPECT_SENTENCE(q, "a row is locked by another transaction");
	cr_assert_eq(mysql_query(other, "COMMIT"), 0);
	cr_expect_eq(
	    queue_commit(q, &(struct gearmand_change){ .op = GEARMAND_ADD, .job = slow }, 1), GEARMAND_COMMIT_BROKEN);
	cr_expect_eq(q->err.why, GEARMAND_WHY_IN_USE);
	mysql_close(other);
	queue_free(&q);
}

Test(mysql, an_owner_elsewhere_who_is_silent_is_gone)
{
	struct queue *q = queue_in_cluster();

	queue_add(q, "f", "a", "1");
	queue_close(q);
	queue_sql(q, TAKE_IT);
	cr_expect_str_eq(queue_content(q), "f/a=1");
	cr_expect_eq(queue_add(q, "f", "b", "2"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_free(&q);
}

Test(mysql, an_owner_elsewhere_who_lives_has_the_table)
{
	struct queue *q = queue_in_cluster();
	pid_t child;

	queue_close(q);
	queue_sql(q, TAKE_IT);
	fake_host_set(&q->host, "mysql-session-timeout", "3600");
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			queue_sql(q, "UPDATE gearmand_lock SET beats = beats + 1");
			usleep(10000);
		}
	}
	queue_expect_no_open(q, "another gearmand is using it, by the row", GEARMAND_WHY_IN_USE);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	queue_free(&q);
}

Test(mysql, an_owner_that_was_on_this_node_is_gone_when_the_named_lock_is_free)
{
	struct queue *q = queue_in_cluster();

	queue_close(q);
	queue_sql(q, "UPDATE gearmand_lock SET owner = 'somebody'");
	fake_host_set(&q->host, "mysql-session-timeout", "3600");
	cr_expect(queue_open(q), "%s", q->err.text);
	queue_free(&q);
}

Test(mysql, the_lock_table_needs_the_right_to_make_it_or_to_be_there)
{
	struct queue *q = queue_opened();
	char sql[1024];

	queue_close(q);
	snprintf(sql, sizeof(sql),
	    "CREATE USER c_%s@localhost; GRANT SELECT, INSERT, UPDATE, DELETE ON %s.* TO c_%s@localhost", q->db, q->db,
	    q->db);
	queue_sql(q, sql);
	snprintf(sql, sizeof(sql), "c_%s", q->db);
	fake_host_set(&q->host, "mysql-user", sql);
	for (int is_cluster = 0; is_cluster < 2; is_cluster++) {
		fake_host_set(&q->host, "mysql-cluster", is_cluster ? "1" : "");
		cr_expect(queue_open(q), "it is there: %s", q->err.text);
		queue_close(q);
	}
	queue_sql(q, "DROP TABLE gearmand_lock");
	queue_expect_no_open(q, "making its lock table gearmand_lock: CREATE command denied", GEARMAND_WHY_LASTING);
	queue_free(&q);
}
