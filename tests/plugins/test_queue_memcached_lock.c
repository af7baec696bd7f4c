/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The lock of the memcached queue: jobs under a prefix belong to one server, and go to another when that dies.
 *
 * Runs on:  one process per test, and some of a second server.
 * Owns:     a prefix per test.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/plugins/memcached_fixture.h"

/* A process that has the jobs until it is killed. */
static pid_t
start_holder(struct queue *q)
{
	int ready[2];
	char byte;
	pid_t pid;

	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		q->host.table.identity = "00000000000000000000000000000001";
		if (queue_open(q) && write(ready[1], "r", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

/* The lock expires while memcached is stopped.  The server that had it finds memcached later than a standby that looks
 * often. */
Test(memcached_lock, after_memcached_was_away_the_server_that_had_the_prefix_comes_first, .timeout = 60)
{
	struct queue *q = queue_new_alone("-M -m 200");
	pid_t holder;

	fake_host_set(&q->host, "libmemcached-timeout", "3");
	fake_host_set(&q->host, "libmemcached-lease", "2");
	holder = start_holder(q);
	queue_expect_no_open(q, "another gearmand is using it", GEARMAND_WHY_IN_USE);
	server_signal(q, SIGSTOP);
	queue_expect_no_open(q, "it does not answer", GEARMAND_WHY_PASSING);
	server_signal(q, SIGCONT);
	queue_expect_no_open(q, "it is left to the server that had it", GEARMAND_WHY_IN_USE);
	do
		cr_assert_not(queue_open(q), "the holder lives");
	while (strstr(q->err.text, "it is left to the server that had it") != NULL);
	EXPECT_SENTENCE(q, "another gearmand is using it");
	kill(holder, SIGKILL);
	cr_assert_eq(waitpid(holder, NULL, 0), holder);
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_free(&q);
}

Test(memcached_lock, a_prefix_that_another_server_has_is_in_use_until_that_one_dies)
{
	struct queue *q = queue_new();
	pid_t holder;
	char who[240];

	fake_host_set(&q->host, "libmemcached-lease", "2");
	holder = start_holder(q);
	queue_expect_no_open(q, "another gearmand is using it", GEARMAND_WHY_IN_USE);
	snprintf(who, sizeof(who), "prefix %s: another gearmand is using it (process %d on ", q->db, (int)holder);
	EXPECT_SENTENCE(q, who);
	kill(holder, SIGKILL);
	cr_assert_eq(waitpid(holder, NULL, 0), holder);
	cr_expect(queue_open(q), "%s", q->err.text);
	queue_free(&q);
}

static void
set_lock(struct queue *q, const char *holder, int seconds)
{
	char line[600];

	snprintf(line, sizeof(line), "set %slock 0 %d %zu\r\n%s", q->db, seconds, strlen(holder), holder);
	cr_assert_str_eq(memcached_says(q, line), "STORED\r\n");
}

Test(memcached_lock, a_lock_of_another_machine_is_waited_for_until_it_expires)
{
	struct queue *q = queue_new();

	set_lock(q, "fedcba9876543210fedcba9876543210 2 7 1 1 elsewhere host", 2);
	cr_expect(queue_open(q), "%s", q->err.text);
	queue_free(&q);
}

Test(memcached_lock, a_lock_that_does_not_expire_is_somebodys)
{
	struct queue *q = queue_new();

	set_lock(q, "fedcba9876543210fedcba9876543210 1 7 4711 1 elsewhere host", 0);
	queue_expect_no_open(q, "another gearmand is using it (process 4711 on host)", GEARMAND_WHY_IN_USE);
	queue_free(&q);
}

Test(memcached_lock, a_former_self_makes_room)
{
	struct queue *q = queue_opened(), *again = queue_beside(q);

	cr_expect(queue_open(again), "%s", again->err.text);
	cr_expect_eq(queue_add(again, "f", "a", "1"), GEARMAND_COMMIT_DONE);
	queue_free(&again);
	queue_free(&q);
}

Test(memcached_lock, closing_gives_it_back)
{
	struct queue *q = queue_opened();
	char get[200];

	snprintf(get, sizeof(get), "get %slock", q->db);
	cr_expect_str_neq(memcached_says(q, get), "END\r\n");
	queue_close(q);
	cr_expect_str_eq(memcached_says(q, get), "END\r\n");
	queue_free(&q);
}

Test(memcached_lock, who_lost_it_stores_nothing_and_is_told)
{
	struct queue *q = queue_opened();

	set_lock(q, "fedcba9876543210fedcba9876543210 1 7 4711 1 elsewhere host", 0);
	cr_expect_eq(q->host.ops->check(q->store, &q->err), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "another gearmand has taken the lock");
	cr_expect_eq(q->err.why, GEARMAND_WHY_IN_USE);
	cr_expect_eq(queue_add(q, "f", "a", "1"), GEARMAND_COMMIT_BROKEN);
	queue_close(q);
	set_lock(q, "somebody else's item", 0);
	queue_expect_no_open(q, "another gearmand is using it (process 0 on ?)", GEARMAND_WHY_IN_USE);
	queue_free(&q);
}

/* The other one stored jobs that we do not know, and ended; the lock is free again. */
Test(memcached_lock, who_missed_what_another_did_does_not_go_on)
{
	struct queue *q = queue_opened();
	char line[300];

	queue_add(q, "f", "a", "1");
	snprintf(line, sizeof(line), "set %sowner 0 0 32\r\nfedcba9876543210fedcba9876543210", q->db);
	memcached_says(q, line);
	cr_expect_eq(queue_add(q, "f", "b", "1"), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "another gearmand has had it meanwhile, and may have left jobs in it");
	cr_expect_eq(q->err.why, GEARMAND_WHY_IN_USE);
	queue_close(q);
	queue_expect_no_open(q, "another gearmand has had it meanwhile", GEARMAND_WHY_IN_USE);
	queue_expect_no_open(q, "another gearmand has had it meanwhile", GEARMAND_WHY_IN_USE);
	queue_free(&q);
}

Test(memcached_lock, one_that_expired_is_taken_again)
{
	struct queue *q = queue_opened();
	char line[200];

	snprintf(line, sizeof(line), "delete %slock", q->db);
	memcached_says(q, line);
	cr_expect_eq(queue_add(q, "f", "a", "1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	snprintf(line, sizeof(line), "get %slock", q->db);
	cr_expect_str_neq(memcached_says(q, line), "END\r\n");
	cr_expect_str_eq(queue_content(q), "f/a=1");
	queue_free(&q);
}

/* Jobs are of the size of the lock here, so that there is no room for another of it. */
Test(memcached_lock, a_full_memcached_has_room_for_it)
{
	enum { COUNT = 30000 };
	struct queue *q = queue_new_alone("-M -m 2"), *again = queue_beside(q);
	size_t refused = 0;
	pid_t holder;
	int64_t until;

	fake_host_set(&q->host, "libmemcached-lease", "2");
	holder = start_holder(q);
	cr_assert(queue_open(again) == false && again->err.why == GEARMAND_WHY_IN_USE);
	kill(holder, SIGKILL);
	cr_assert_eq(waitpid(holder, NULL, 0), holder);
	cr_assert(queue_open(q), "%s", q->err.text);
	for (size_t i = 0; i < COUNT; i++) {
		char *key = keep(20);
		struct gearmand_change c;
		enum gearmand_commit result;

		sprintf(key, "u%zu", i);
		c = an_add(a_job(S("f"), slice_of_text(key), slice_filled(10 * (i % 20), 1)));
		result = queue_commit(q, &c, 1);
		cr_assert(result == GEARMAND_COMMIT_DONE || result == GEARMAND_COMMIT_FULL, "%s", q->err.text);
		refused += result == GEARMAND_COMMIT_FULL;
	}
	cr_assert_gt(refused, 0);
	until = q->host.table.monotonic() + INT64_C(3000000000);
	while (q->host.table.monotonic() < until)
		cr_assert_eq(q->host.ops->check(q->store, &q->err), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_close(q);
	holder = start_holder(q);
	kill(holder, SIGKILL);
	cr_assert_eq(waitpid(holder, NULL, 0), holder);
	cr_assert(queue_open(q), "%s", q->err.text);
	strcpy(again->dir, "/nowhere");
	queue_free(&again);
	queue_free(&q);
}

/* The thread that renews has a connection of its own, which may break, too. */
Test(memcached_lock, it_is_renewed_whatever_happens_to_a_connection)
{
	struct queue *q = queue_new();
	pid_t holder;

	fake_host_set(&q->host, "libmemcached-lease", "4");
	queue_liar(q, "1*cas=>CLOSE|1*cas=>EXISTS\\r\\n");
	holder = start_holder(q);
	for (int i = 0; i < 2; i++)
		queue_expect_no_open(q, "another gearmand is using it", GEARMAND_WHY_IN_USE);
	kill(holder, SIGKILL);
	cr_assert_eq(waitpid(holder, NULL, 0), holder);
	queue_free(&q);
}
