/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The text commands with which people look at waiting jobs and end them.
 */
#include <stdio.h>

#include "tests/scene/scene.h"

#define INCOMPLETE "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+"
#define UNKNOWN    "ERR UNKNOWN_FUNCTION There+is+no+such+function\r\n"
#define NO_WORKER  "\t0\t0\t\t\n"

static void
submit(struct scene *s, int client, const char *function, const char *unique, const char *data)
{
	tell(s, client, SUBMIT_JOB_BG, function, unique, data);
	expect(s, client, JOB_CREATED, "*");
}

Test(manage, purge_ends_what_waits_and_leaves_what_runs)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "", "runs");
	tell(s, worker, GRAB_JOB);
	tell(s, client, SUBMIT_JOB_HIGH, "f", "", "waits");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:2");
	submit(s, client, "f", "u", "x");
	submit(s, client, "g", "u", "x");
	tell(s, client, SUBMIT_JOB_EPOCH, "f", "", "99999999999", "later");
	expect(s, client, JOB_CREATED, "H:test:5");
	tell(s, worker, TEXT, "purge f");
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "runs");
	expect_text(s, worker, "OK 3\n");
	expect(s, client, WORK_FAIL, "H:test:2");
	expect_silence(s, client);
	tell(s, worker, WORK_COMPLETE, "H:test:1", "done");
	expect(s, client, WORK_COMPLETE, "H:test:1", "done");
	ask(s, client, "status", "f\t0\t0\t1\ng\t1\t0\t0\n.\n");
	scene_free(&s);
}

Test(manage, purge_ends_ready_or_delayed_jobs_alone)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	submit(s, client, "f", "", "x");
	submit(s, client, "f", "", "x");
	tell(s, client, SUBMIT_JOB_EPOCH, "f", "", "99999999999", "later");
	expect(s, client, JOB_CREATED, "*");
	ask(s, client, "purge f delayed", "OK 1\n");
	ask(s, client, "status", "f\t2\t0\t0\n.\n");
	tell(s, client, SUBMIT_JOB_EPOCH, "f", "", "99999999999", "later");
	expect(s, client, JOB_CREATED, "*");
	ask(s, client, "PURGE f READY", "OK 2\n");
	ask(s, client, "status", "f\t1\t0\t0\n.\n");
	ask(s, client, "purge f ready", "OK 0\n");
	scene_free(&s);
}

Test(manage, purge_says_what_is_wrong)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	ask(s, client, "purge", INCOMPLETE "purge\r\n");
	ask(s, client, "purge f", UNKNOWN);
	ask(s, client, "purge f running", INCOMPLETE "purge\r\n");
	ask(s, client, "purge f ready delayed", INCOMPLETE "purge\r\n");
	scene_free(&s);
}

Test(manage, stored_jobs_are_purged_when_the_store_has_removed_them)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), other = scene_peer(s);

	for (int i = 0; i < 2; i++) {
		tell(s, client, SUBMIT_JOB_BG, "f", i == 0 ? "u0" : "u1", "x");
		expect_add(s, "f", i == 0 ? "u0" : "u1");
	}
	store_commit(s);
	expect(s, client, JOB_CREATED, "*");
	expect(s, client, JOB_CREATED, "*");
	tell(s, client, TEXT, "purge f");
	expect_remove(s, "f", "u0");
	expect_remove(s, "f", "u1");
	expect_silence(s, client);
	ask(s, other, "status", "f\t0\t0\t0\n.\n");
	store_commit(s);
	expect_text(s, client, "OK 2\n");
	scene_free(&s);
}

Test(manage, a_purge_says_when_the_store_has_not_removed_the_jobs_in_time)
{
	struct scene *s = scene_new("--durable --queue-timeout=1000");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	expect_add(s, "f", "u");
	store_commit(s);
	expect(s, client, JOB_CREATED, "*");
	tell(s, client, TEXT, "purge f");
	scene_wait(s, 999);
	expect_silence(s, client);
	scene_wait(s, 1);
	expect_text(s, client, "ERR QUEUE_ERROR The+jobs+are+cancelled+but+still+stored\r\n");
	scene_free(&s);
}

Test(manage, a_peer_that_left_is_forgotten_with_the_answer_to_its_purge)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	store_commit(s);
	expect(s, client, JOB_CREATED, "*");
	tell(s, client, TEXT, "purge f");
	scene_hangup(s, client);
	expect_silence(s, client);
	scene_gather(s);
	store_commit(s);
	scene_turn(s); /* and there may be no other for long */
	expect_text(s, client, "OK 1\n");
	expect_kind(s, client, PEER_FORGOTTEN);
	scene_free(&s);
}

Test(manage, a_purge_goes_on_while_others_are_served_and_when_its_peer_has_left)
{
	enum { MANY = 5000 };
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s);

	for (int i = 0; i < MANY; i++)
		submit(s, client, "f", "", "x");
	scene_gather(s);
	tell(s, client, TEXT, "purge f");
	tell(s, other, TEXT, "purge f");
	scene_turn(s);
	tell(s, other, ECHO_REQ, "hello");
	expect_silence(s, other); /* behind its purge */
	scene_hangup(s, client);
	cr_assert(!answer_has(s, scene_peer(s), "status", "f\t0\t0\t0"));
	for (int i = 0; i < 10; i++)
		scene_wait(s, 0);
	cr_assert(answer_has(s, scene_peer(s), "status", "f\t0\t0\t0"));
	expect_text(s, other, "OK 0\n");
	expect(s, other, ECHO_RES, "hello");
	scene_free(&s);
}

Test(manage, jobs_that_come_during_a_purge_are_not_ended)
{
	enum { MANY = 3000 };
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s);

	for (int i = 0; i < MANY; i++)
		submit(s, client, "f", "", "x");
	tell(s, other, TEXT, "purge f");
	submit(s, client, "f", "late", "x");
	for (int i = 0; i < 10; i++)
		scene_wait(s, 0);
	expect_text(s, other, "OK 3000\n");
	ask(s, client, "status", "f\t1\t0\t0\n.\n");
	scene_free(&s);
}

Test(manage, a_purge_waits_for_a_store_that_is_behind)
{
	enum { MANY = 2000 };
	struct scene *s = scene_new("--durable --max-storing=100000");
	int client = scene_peer(s);

	for (int i = 0; i < MANY; i++) {
		tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
		expect_add(s, "f", "*");
		store_commit(s);
		expect(s, client, JOB_CREATED, "*");
	}
	tell(s, client, TEXT, "purge f");
	scene_wait(s, 0);
	scene_wait(s, 0);
	cr_assert(!answer_has(s, scene_peer(s), "status", "f\t0\t0\t0"));
	for (int i = 0; i < 100; i++)
		store_commit(s);
	expect_text(s, client, "OK 2000\n");
	scene_free(&s);
}

Test(manage, cancel_unique_ends_the_job_of_that_function)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	submit(s, client, "g", "u", "x");
	ask(s, client, "cancel unique h u", UNKNOWN);
	ask(s, client, "cancel unique f v", "ERR UNKNOWN_JOB\r\n");
	ask(s, client, "cancel unique f -", "ERR UNKNOWN_JOB\r\n");
	tell(s, client, TEXT, "cancel unique f u");
	expect(s, client, WORK_FAIL, "H:test:1");
	expect_text(s, client, "OK\r\n");
	ask(s, client, "show unique jobs", "u\n.\n");
	ask(s, client, "cancel unique f u", "ERR UNKNOWN_JOB\r\n");
	ask(s, client, "cancel unique g u", "OK\r\n");
	ask(s, client, "cancel unique", "ERR UNKNOWN_COMMAND Unknown+server+commandcancel\r\n");
	ask(s, client, "cancel unique f", "ERR UNKNOWN_ERROR\r\n");
	scene_free(&s);
}

Test(manage, peek_shows_ready_jobs_in_the_order_in_which_workers_get_them)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	submit(s, client, "f", "u", "second\tline\n");
	submit(s, client, "f", "", "");
	submit(s, client, "g", "", "other");
	tell(s, client, SUBMIT_JOB_HIGH_BG, "f", "-", "first");
	expect(s, client, JOB_CREATED, "H:test:4");
	ask(s, client, "peek f",
	    "H:test:4\t-\thigh\t0\t0\t5\tfirst" NO_WORKER
	    "H:test:1\tu\tnormal\t0\t0\t12\tsecond\\x09line\\x0A" NO_WORKER "H:test:2\t\tnormal\t0\t0\t0\t" NO_WORKER
	    ".\n");
	ask(s, client, "peek f 1", "H:test:4\t-\thigh\t0\t0\t5\tfirst" NO_WORKER ".\n");
	ask(s, client, "peek f ready 1", "H:test:4\t-\thigh\t0\t0\t5\tfirst" NO_WORKER ".\n");
	scene_free(&s);
}

Test(manage, peek_shows_64_bytes_of_a_job_and_10_jobs)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);
	char data[101];

	snprintf(data, sizeof data, "%064d%036d", 1, 2);
	for (int i = 0; i < 11; i++)
		submit(s, client, "f", "", data);
	ask(s, client, "peek f 1",
	    "H:test:1\t\tnormal\t0\t0\t100\t0000000000000000000000000000000000000000000000000000000000000001" NO_WORKER
	    ".\n");
	cr_assert(answer_has(s, client, "peek f", "H:test:10\t"));
	cr_assert(!answer_has(s, client, "peek f", "H:test:11\t"));
	cr_assert(answer_has(s, client, "peek f 11", "H:test:11\t"));
	scene_free(&s);
}

Test(manage, peek_shows_delayed_and_running_jobs)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	submit(s, client, "f", "a", "x");
	submit(s, client, "f", "b", "x");
	tell(s, client, SUBMIT_JOB_EPOCH, "f", "c", "99999999999", "later");
	expect(s, client, JOB_CREATED, "*");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "*", "f", "x");
	scene_wait(s, 61000);
	tell(s, worker, WORK_STATUS, "H:test:1", "3", "8");
	ask(s, client, "peek f running", "H:test:1\ta\tnormal\t61\t0\t1\tx\t3\t8\t-\t\n.\n");
	ask(s, client, "peek f delayed 5", "H:test:3\tc\tnormal\t-\t0\t5\tlater" NO_WORKER ".\n");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "*", "f", "x");
	ask(s, client, "peek f running 1", "H:test:1\ta\tnormal\t61\t0\t1\tx\t3\t8\t-\t\n.\n");
	cr_assert(answer_has(s, client, "peek f running 2", "\nH:test:2\tb\t"));
	ask(s, client, "peek f ready", ".\n");
	cr_assert(answer_has(s, client, "show running", "H:test:1\tf\t"));
	cr_assert(answer_has(s, client, "show running", "\t61\t0\t3\t8\nH:test:2\tf\t"));
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	tell(s, worker, WORK_COMPLETE, "H:test:2", "");
	ask(s, client, "show running", ".\n");
	scene_free(&s);
}

Test(manage, peek_shows_dead_jobs_and_why)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f attempts=1 retry-on=exception\n");
	submit(s, client, "f", "a", "x");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "*", "f", "x");
	tell(s, worker, WORK_EXCEPTION, "H:test:1", "no\tspace");
	ask(s, client, "peek f dead", "H:test:1\ta\tnormal\t-\t1\t1\tx\t0\t0\t\tno\\x09space\n.\n");
	scene_free(&s);
}

Test(manage, peek_job_shows_a_kilobyte_without_loss)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);
	char data[1102];

	submit(s, client, "job", "", "a\\x41\n");
	ask(s, client, "peek job H:test:1", "handle\tH:test:1\nbytes\t6\ndata\ta\\x5Cx41\\x0A\n.\n");
	cr_assert(answer_has(s, client, "peek job ready", "H:test:1\t"), "a function may have that name");
	snprintf(data, sizeof data, "%01024d%076d", 1, 2);
	submit(s, client, "f", "", data);
	cr_assert(answer_has(s, client, "peek job H:test:2", "bytes\t1100\ndata\t00000"));
	cr_assert(answer_has(s, client, "peek job H:test:2", "0001\n.\n"));
	ask(s, client, "peek job H:test:3", "ERR UNKNOWN_JOB\r\n");
	ask(s, client, "peek job H:test:1 1", INCOMPLETE "peek\r\n");
	scene_free(&s);
}

Test(manage, peek_says_what_is_wrong)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	ask(s, client, "peek", INCOMPLETE "peek\r\n");
	ask(s, client, "peek f", UNKNOWN);
	ask(s, client, "peek f lost", INCOMPLETE "peek\r\n");
	ask(s, client, "peek f ready 0", INCOMPLETE "peek\r\n");
	ask(s, client, "peek f ready 1001", INCOMPLETE "peek\r\n");
	scene_free(&s);
}

Test(manage, show_functions_counts_jobs_by_state_and_says_how_the_gate_is)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f"), sleeper = scene_worker(s, "f");

	ask(s, client, "show functions", "f\t0\t0\t0\t0\t0\t0\t2\t0\t0\t0\topen\n.\n");
	submit(s, client, "f", "", "x");
	tell(s, worker, GRAB_JOB);
	ask(s, client, "pause f", "OK\r\n");
	tell(s, sleeper, PRE_SLEEP);
	submit(s, client, "f", "", "x");
	tell(s, client, SUBMIT_JOB_HIGH_BG, "f", "", "x");
	tell(s, client, SUBMIT_JOB_LOW_BG, "f", "", "x");
	tell(s, client, SUBMIT_JOB_LOW_BG, "f", "", "x");
	tell(s, client, SUBMIT_JOB_EPOCH, "f", "c", "99999999999", "later");
	for (int i = 0; i < 4; i++)
		expect(s, client, JOB_CREATED, "*");
	scene_wait(s, 7500);
	ask(s, client, "show functions", "f\t1\t1\t2\t1\t1\t0\t2\t1\t7\t7\tpaused\n.\n");
	scene_free(&s);
}
