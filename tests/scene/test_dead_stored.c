/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the store is told of attempts and dead jobs, and what comes back from it after a crash.
 */
#include "tests/scene/background.h"

#include <gearmand/plugin.h>

enum { START = 1700000000 }; /* of the wall clock */

/* Stored, and acknowledged. */
static void
submit_stored(struct scene *s, int client, const char *unique, const char *handle)
{
	tell(s, client, SUBMIT_JOB_BG, "f", unique, "x");
	expect_add(s, "f", unique);
	store_commit(s);
	expect(s, client, JOB_CREATED, handle);
}

static struct scene *
scene_with_stored_job(const char *options, const char *policies, int *client_r, int *worker_r)
{
	struct scene *s = scene_new(options);

	store_replayed_all(s);
	*client_r = scene_peer(s);
	*worker_r = scene_worker(s, "f");
	scene_policies(s, policies);
	submit_stored(s, *client_r, "u", "H:test:1");
	return s;
}

/* ---- Attempts ----------------------------------------------------------------------------- */

Test(dead_stored, an_attempt_that_failed_is_stored_with_its_error_and_the_time_of_the_next)
{
	int client, worker;
	struct scene *s = scene_with_stored_job(
	    "--durable", "f attempts=3 retry-on=exception delay=90s jitter=0\n", &client, &worker);
	const struct msg_store *change;

	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_EXCEPTION, "H:test:1", "no such cat");
	change = expect_add(s, "f", "u");
	cr_expect_eq(change->attempts, 1);
	cr_expect_eq(change->run_at, START + 90);
	cr_expect_eq(change->changed_at, START);
	cr_expect(slice_is(change->error, "no such cat"));
	cr_expect(slice_is(change->handle, "H:test:1"));
	cr_expect(slice_is(change->data, "x"));
	store_commit(s);
	scene_wait(s, 90000);
	expect_job(s, worker, "H:test:1");
	expect_no_change(s);
	scene_free(&s);
}

Test(dead_stored, the_next_attempt_waits_until_the_store_knows_of_the_one_before)
{
	int client, worker;
	struct scene *s = scene_with_stored_job("--durable", "f attempts=9 retry-on=fail\n", &client, &worker);

	fail_job(s, worker, "H:test:1");
	expect_add(s, "f", "u");
	expect_no_job(s, worker);
	cr_expect(answer_has(s, client, "show job H:test:1", "\nstate\tstoring\n"));
	store_commit(s);
	fail_job(s, worker, "H:test:1");
	cr_expect_eq(expect_add(s, "f", "u")->attempts, 2);
	store_refuse(s, "too odd");
	cr_expect(scene_logged(s, "job H:test:1: an attempt that failed is not stored: too odd"));
	expect_job(s, worker, "H:test:1");
	scene_free(&s);
}

Test(dead_stored, a_store_in_trouble_holds_up_no_attempt_and_hears_of_the_last_one)
{
	int client, worker;
	struct scene *s = scene_with_stored_job("--durable", "f attempts=9 retry-on=fail\n", &client, &worker);
	const struct msg_store *change;

	store_says(s, "gone");
	for (int i = 0; i < 3; i++)
		fail_job(s, worker, "H:test:1");
	change = expect_add(s, "f", "u");
	cr_expect_eq(change->attempts, 1);
	cr_expect_eq(change->changed_at, START);
	expect_no_change(s);
	store_commit(s);
	change = expect_add(s, "f", "u");
	cr_expect_eq(change->attempts, 3);
	cr_expect_eq(change->changed_at, START + 2); /* each is later than the one before */
	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	expect_remove(s, "f", "u");
	store_commit(s);
	expect_no_change(s);
	scene_free(&s);
}

Test(dead_stored, a_function_without_a_policy_tells_the_store_nothing_of_lost_attempts)
{
	int client, worker;
	struct scene *s = scene_with_stored_job("--durable", "", &client, &worker);

	expect_job(s, worker, "H:test:1");
	scene_hangup(s, worker);
	expect_no_change(s);
	worker = scene_worker(s, "f");
	expect_job(s, worker, "H:test:1");
	scene_free(&s);
}

Test(dead_stored, attempts_go_on_where_they_were)
{
	struct scene *s = scene_new("--durable --keeps-dead");
	int client = scene_peer(s), worker = scene_worker(s, "f");
	const struct past past = { .error = "odd", .attempts = 2, .changed_at = START - 7, .run_at = START + 5 };

	scene_policies(s, "f attempts=3 retry-on=fail\n");
	store_replay_past(s, "f", "u", "x", "H:test:9", &past);
	store_replayed_all(s);
	cr_expect(answer_has(s, client, "show job H:test:9", "\nattempts\t2\n"));
	expect_no_job(s, worker);
	scene_wait(s, 5000);
	fail_job(s, worker, "H:test:9");
	expect_bury(s, "H:test:9");
	ask(s, client, "show dead", "H:test:9\tf\tu\t3\t1700000005\t1\todd\n.\n");
	scene_free(&s);
}

Test(dead_stored, a_graceful_shutdown_leaves_the_attempt_in_the_store)
{
	int client, worker;
	struct scene *s = scene_with_stored_job("--durable", "f attempts=3 retry-on=fail\n", &client, &worker);

	expect_job(s, worker, "H:test:1");
	scene_post(s, msg_new(MSG_GRACEFUL, 0));
	tell(s, worker, WORK_FAIL, "H:test:1");
	cr_expect_eq(expect_add(s, "f", "u")->attempts, 1);
	ask(s, client, "show job H:test:1", "ERR UNKNOWN_JOB\r\n");
	store_commit(s);
	expect_no_change(s);
	scene_free(&s);
}

/* ---- The dead ----------------------------------------------------------------------------- */

static struct scene *
scene_with_dead_stored_job(const char *options, int *client_r, int *worker_r)
{
	struct scene *s = scene_with_stored_job(options, "f attempts=1 retry-on=fail\n", client_r, worker_r);

	fail_job(s, *worker_r, "H:test:1");
	return s;
}

Test(dead_stored, it_is_put_among_the_dead_before_it_is_removed)
{
	int client, worker;
	struct scene *s = scene_with_dead_stored_job("--durable --keeps-dead", &client, &worker);
	const struct msg_store *change = expect_bury(s, "H:test:1");

	cr_expect(slice_is(change->function, "f") && slice_is(change->unique, "u") && slice_is(change->data, "x"));
	cr_expect_eq(change->attempts, 1);
	cr_expect_eq(change->changed_at, START);
	cr_expect_eq(change->flags, GEARMAND_JOB_DEAD);
	expect_remove(s, "f", "u");
	store_commit(s);
	expect_no_change(s);
	cr_expect(answer_has(s, client, "show job H:test:1", "\nstored\tyes\n"));
	scene_free(&s);
}

Test(dead_stored, a_store_without_a_place_for_the_dead_has_them_no_longer)
{
	int client, worker;
	struct scene *s = scene_with_dead_stored_job("--durable", &client, &worker);

	expect_remove(s, "f", "u");
	submit_stored(s, client, "u", "H:test:2");
	ask(s, client, "cancel job H:test:1", "OK\r\n");
	expect_no_change(s); /* that of the other one stays */
	scene_free(&s);
}

Test(dead_stored, one_that_is_cancelled_is_gone_from_a_store_without_a_place_for_it_before_that_is_said)
{
	int client, worker;
	struct scene *s = scene_with_dead_stored_job("--durable", &client, &worker);

	tell(s, client, TEXT, "cancel job H:test:1");
	expect_silence(s, client);
	expect_remove(s, "f", "u");
	store_commit(s);
	expect_text(s, client, "OK\r\n");
	expect_no_change(s);
	scene_free(&s);
}

Test(dead_stored, what_leaves_the_list_leaves_the_store)
{
	int client, worker;
	struct scene *s = scene_with_dead_stored_job("--durable --keeps-dead --dead-max=1", &client, &worker);

	store_commit(s);
	submit_stored(s, client, "u", "H:test:2");
	fail_job(s, worker, "H:test:2");
	expect_bury(s, "H:test:2");
	expect_remove(s, "f", "u");
	expect_unbury(s, "H:test:1");
	tell(s, client, TEXT, "purge f dead");
	expect_unbury(s, "H:test:2");
	expect_silence(s, client);
	store_commit(s);
	expect_text(s, client, "OK 1\n");
	scene_free(&s);
}

Test(dead_stored, a_kicked_one_runs_when_it_is_stored)
{
	int client, worker;
	struct scene *s = scene_with_dead_stored_job("--durable --keeps-dead", &client, &worker);
	const struct msg_store *change;

	store_commit(s);
	tell(s, worker, PRE_SLEEP);
	ask(s, client, "kick job H:test:1", "OK\r\n");
	change = expect_add(s, "f", "u");
	cr_expect_eq(change->attempts, 0);
	cr_expect_eq(change->changed_at, START + 1); /* later than its death */
	cr_expect(slice_is(change->handle, "H:test:1"));
	expect_no_change(s);
	expect_silence(s, worker);
	store_commit(s);
	expect_unbury(s, "H:test:1");
	expect(s, worker, NOOP);
	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	expect_remove(s, "f", "u");
	expect_no_change(s);
	scene_free(&s);
}

Test(dead_stored, who_submits_a_kicked_one_waits_for_its_commit)
{
	int client, worker;
	struct scene *s = scene_with_dead_stored_job("--durable --keeps-dead", &client, &worker);

	store_commit(s);
	ask(s, client, "kick job H:test:1", "OK\r\n");
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	expect_silence(s, client);
	store_commit(s);
	expect(s, client, JOB_CREATED, "H:test:1");
	expect_job(s, worker, "H:test:1");
	scene_free(&s);
}

Test(dead_stored, a_kicked_one_that_the_store_refuses_is_dead_as_before)
{
	int client, worker;
	struct scene *s = scene_with_dead_stored_job("--durable --keeps-dead", &client, &worker);

	store_commit(s);
	ask(s, client, "kick job H:test:1", "OK\r\n");
	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	store_refuse(s, "full");
	expect(s, client, WORK_FAIL, "H:test:1");
	cr_expect(scene_logged(s, "job H:test:1 is still dead: it cannot be sent again: full"));
	ask(s, client, "show dead", "H:test:1\tf\tu\t1\t1700000000\t1\t\n.\n");
	expect_no_job(s, worker);
	tell(s, client, TEXT, "cancel job H:test:1");
	expect_unbury(s, "H:test:1");
	store_commit(s);
	expect_text(s, client, "OK\r\n");
	scene_free(&s);
}

Test(dead_stored, a_kicked_one_that_is_cancelled_leaves_the_store_altogether)
{
	int client, worker;
	struct scene *s = scene_with_dead_stored_job("--durable --keeps-dead", &client, &worker);

	store_commit(s);
	ask(s, client, "kick job H:test:1", "OK\r\n");
	expect_add(s, "f", "u");
	tell(s, client, TEXT, "cancel job H:test:1");
	expect_remove(s, "f", "u");
	expect_unbury(s, "H:test:1");
	store_commit(s);
	expect_text(s, client, "OK\r\n");
	expect_no_change(s);
	scene_free(&s);
}

Test(dead_stored, one_that_is_buried_and_kicked_while_an_attempt_is_stored)
{
	int client, worker;
	struct scene *s =
	    scene_with_stored_job("--durable --keeps-dead", "f attempts=2 retry-on=fail\n", &client, &worker);

	store_says(s, "gone");
	fail_job(s, worker, "H:test:1");
	expect_add(s, "f", "u");
	fail_job(s, worker, "H:test:1");
	expect_bury(s, "H:test:1");
	expect_remove(s, "f", "u");
	ask(s, client, "kick job H:test:1", "OK\r\n");
	expect_no_change(s);
	store_commit(s);
	cr_expect_eq(expect_add(s, "f", "u")->attempts, 0);
	store_commit(s);
	expect_unbury(s, "H:test:1");
	expect_job(s, worker, "H:test:1");
	scene_free(&s);
}

/* ---- After a crash ------------------------------------------------------------------------ */

static const struct past died = { .error = "odd", .attempts = 3, .changed_at = START - 100, .is_dead = true };

Test(dead_stored, the_dead_come_back)
{
	struct scene *s = scene_new("--durable --keeps-dead");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	store_replay(s, "f", "u", "x", "H:test:7");
	store_replay_past(s, "f", "u", "x", "H:test:5", &died);
	store_replayed_all(s);
	ask(s, client, "show dead", "H:test:5\tf\tu\t3\t1699999900\t1\todd\n.\n");
	ask(s, client, "kick job H:test:5", "ERR UNIQUE_IN_USE A+job+with+the+same+unique+is+alive\r\n");
	expect_job(s, worker, "H:test:7");
	tell(s, worker, WORK_COMPLETE, "H:test:7", "");
	expect_remove(s, "f", "u");
	ask(s, client, "kick job H:test:5", "OK\r\n");
	expect_add(s, "f", "u");
	store_commit(s);
	expect_unbury(s, "H:test:5");
	expect_job(s, worker, "H:test:5");
	scene_free(&s);
}

Test(dead_stored, those_that_are_too_old_leave)
{
	struct scene *s = scene_new("--durable --keeps-dead --dead-keep=50");
	int client = scene_peer(s);

	store_replay_past(s, "f", "u", "x", "H:test:5", &died);
	store_replayed_all(s);
	expect_unbury(s, "H:test:5");
	ask(s, client, "show dead", ".\n");
	scene_free(&s);
}

Test(dead_stored, of_two_records_of_one_job_the_later_one_counts)
{
	struct scene *s = scene_new("--durable --keeps-dead");
	int client = scene_peer(s), worker = scene_worker(s, "f");
	struct past before = { .error = "", .attempts = 2, .changed_at = died.changed_at - 1 };
	struct past after = { .error = "", .changed_at = died.changed_at + 1 };

	store_replay_past(s, "f", "dies", "x", "H:test:5", &before);
	store_replay_past(s, "f", "is kicked", "x", "H:test:6", &after);
	store_replay_past(s, "f", "dies", "x", "H:test:5", &died);
	store_replay_past(s, "f", "is kicked", "x", "H:test:6", &died);
	store_replayed_all(s);
	expect_remove(s, "f", "dies");
	expect_unbury(s, "H:test:6");
	ask(s, client, "show dead", "H:test:5\tf\tdies\t3\t1699999900\t1\todd\n.\n");
	expect_job(s, worker, "H:test:6");
	expect_no_job(s, worker);
	scene_free(&s);
}

Test(dead_stored, one_whose_handle_another_job_has_gets_another_in_the_store_too)
{
	struct scene *s = scene_new("--durable --keeps-dead");
	int client = scene_peer(s);

	store_replay(s, "g", "other", "x", "H:test:5");
	store_replay_past(s, "f", "u", "x", "H:test:5", &died);
	store_replayed_all(s);
	expect_bury(s, "H:test:6");
	expect_unbury(s, "H:test:5");
	ask(s, client, "show dead", "H:test:6\tf\tu\t3\t1699999900\t1\todd\n.\n");
	scene_free(&s);
}

Test(dead_stored, a_replay_that_begins_again_has_each_once)
{
	struct scene *s = scene_new("--durable --keeps-dead");
	int client = scene_peer(s);

	for (int i = 0; i < 2; i++) {
		store_replay(s, "f", "u", "x", "H:test:7");
		store_replay_past(s, "f", "u", "x", "H:test:5", &died);
		if (i == 0)
			scene_post(s, msg_new_sized(MSG_REPLAY_AGAIN, 0, sizeof(struct msg_text)));
	}
	store_replayed_all(s);
	expect_no_change(s);
	ask(s, client, "show dead", "H:test:5\tf\tu\t3\t1699999900\t1\todd\n.\n");
	ask(s, client, "status", "f\t1\t0\t0\n.\n");
	scene_free(&s);
}

/* ---- Stores that take jobs at shutdown only ----------------------------------------------- */

Test(dead_stored, at_shutdown_the_dead_and_the_attempts_are_stored_where_all_is)
{
	struct scene *s = scene_new("--adds-at-shutdown --keeps-dead");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f attempts=2 retry-on=fail\n");
	store_replay(s, "f", "was there", "x", "H:test:1");
	store_replayed_all(s);
	fail_job(s, worker, "H:test:1");
	submit_background(s, client, "dies", "H:test:2");
	expect_job(s, worker, "H:test:1"); /* runs on */
	fail_job(s, worker, "H:test:2");
	fail_job(s, worker, "H:test:2");
	expect_no_change(s);
	scene_post(s, msg_new(MSG_SHUTDOWN, 0));
	cr_expect_eq(expect_add(s, "f", "was there")->attempts, 1);
	expect_bury(s, "H:test:2");
	expect_no_change(s);
	scene_free(&s);
}

/* ---- How long a job may wait -------------------------------------------------------------- */

Test(dead_stored, a_job_may_not_wait_anew_after_a_restart)
{
	struct scene *s = scene_new("--durable --keeps-dead");
	int client = scene_peer(s), worker = scene_worker(s, "f");
	struct past over = { .error = "", .expires_at = START - 1 }, soon = { .error = "", .expires_at = START + 4 };

	scene_policies(s, "f expire=10s\n");
	store_replay_past(s, "f", "over", "x", "H:test:1", &over);
	store_replay_past(s, "f", "soon", "x", "H:test:2", &soon);
	cr_expect_eq(scene_counter(s, client, "jobs_expired"), 0); /* it may be read again */
	store_replayed_all(s);
	cr_expect_eq(scene_counter(s, client, "jobs_expired"), 1);
	cr_expect(slice_is(expect_bury(s, "H:test:1")->error, "expired"));
	expect_remove(s, "f", "over");
	scene_wait(s, 3999);
	cr_expect_eq(scene_counter(s, client, "jobs_expired"), 1);
	scene_wait(s, 1);
	cr_expect_eq(scene_counter(s, client, "jobs_expired"), 2);
	expect_bury(s, "H:test:2");
	expect_remove(s, "f", "soon");
	submit_stored(s, client, "v", "H:test:3");
	expect_job(s, worker, "H:test:3");
	scene_free(&s);
}

Test(dead_stored, the_store_knows_until_when_a_job_may_wait)
{
	int client, worker;
	struct scene *s = scene_with_stored_job("--durable", "f expire=10s delay=1m jitter=0\n", &client, &worker);
	const struct msg_store *change;

	tell(s, client, SUBMIT_JOB_EPOCH, "f", "v", "1700000100", "x");
	cr_expect_eq(expect_add(s, "f", "v")->expires_at, START + 110);
	expect_job(s, worker, "H:test:1");
	scene_wait(s, 5000);
	scene_hangup(s, worker);
	change = expect_add(s, "f", "u");
	cr_expect_eq(change->run_at, START + 65);
	cr_expect_eq(change->expires_at, START + 75);
	scene_free(&s);
}
