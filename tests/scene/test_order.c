/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which job a worker is given, and who is woken for it.
 */
#include <stdio.h>

#include "tests/scene/scene.h"

static void
grab_expect(struct scene *s, int worker, const char *function, const char *data)
{
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "*", function, data);
}

Test(order, high_before_normal_before_low_over_all_functions_of_a_worker)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "a");

	tell(s, worker, CAN_DO, "b");
	tell(s, client, SUBMIT_JOB_LOW_BG, "b", "", "low");
	tell(s, client, SUBMIT_JOB_BG, "b", "", "normal");
	tell(s, client, SUBMIT_JOB_BG, "a", "", "normal");
	tell(s, client, SUBMIT_JOB_HIGH_BG, "a", "", "high");
	grab_expect(s, worker, "a", "high");
	grab_expect(s, worker, "b", "normal");
	grab_expect(s, worker, "a", "normal");
	grab_expect(s, worker, "b", "low");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, NO_JOB);
	scene_free(&s);
}

Test(order, functions_take_turns_the_last_registered_first)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "a");
	static const char *const want[] = { "1", "0", "3", "2", "5", "4", "7", "6", "9", "8" };

	tell(s, worker, CAN_DO, "b");
	for (char i = '0'; i <= '9'; i++)
		tell(s, client, SUBMIT_JOB_BG, i % 2 == 0 ? "a" : "b", "", (char[]){ i, '\0' });
	for (int i = 0; i < 10; i++)
		grab_expect(s, worker, "*", want[i]);
	scene_free(&s);
}

Test(order, strict_order_drains_functions_as_they_were_registered)
{
	struct scene *s = scene_new("--strict-order");
	int client = scene_peer(s), worker = scene_worker(s, "a");

	tell(s, worker, CAN_DO, "b");
	tell(s, client, SUBMIT_JOB_BG, "b", "", "3");
	tell(s, client, SUBMIT_JOB_BG, "a", "", "1");
	tell(s, client, SUBMIT_JOB_BG, "a", "", "2");
	grab_expect(s, worker, "a", "1");
	grab_expect(s, worker, "a", "2");
	grab_expect(s, worker, "b", "3");
	scene_free(&s);
}

Test(order, workers_with_many_functions_take_turns_all_the_same)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f0");
	char name[16];

	for (int i = 1; i < 100; i++) {
		snprintf(name, sizeof name, "f%d", i);
		tell(s, worker, CAN_DO, name);
	}
	for (int round = 0; round < 2; round++) {
		tell(s, client, SUBMIT_JOB_BG, "f7", "", "7");
		tell(s, client, SUBMIT_JOB_BG, "f90", "", "90");
	}
	grab_expect(s, worker, "f90", "90");
	grab_expect(s, worker, "f7", "7");
	grab_expect(s, worker, "f90", "90");
	grab_expect(s, worker, "f7", "7");
	scene_free(&s);
}

Test(order, can_do_twice_counts_once)
{
	struct scene *s = scene_new("");
	int worker = scene_worker(s, "f");

	tell(s, worker, CAN_DO, "f");
	tell_bytes(s, worker, PKT_CAN_DO, slice_of("f", 2));
	ask(s, worker, "status", "f\t0\t0\t1\n.\n");
	tell(s, worker, CANT_DO, "f");
	ask(s, worker, "status", "f\t0\t0\t0\n.\n");
	scene_free(&s);
}

Test(wake, one_sleeping_worker_is_woken_for_one_job)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), a = scene_worker(s, "f"), b = scene_worker(s, "f");

	tell(s, a, PRE_SLEEP);
	tell(s, b, PRE_SLEEP);
	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	expect(s, a, NOOP);
	expect_silence(s, b);
	tell(s, client, SUBMIT_JOB_BG, "f", "", "y");
	expect(s, b, NOOP);
	scene_free(&s);
}

Test(wake, n_workers_are_woken_when_the_operator_says_so)
{
	struct scene *s = scene_new("--wakeups=2");
	int client = scene_peer(s), workers[3];

	for (int i = 0; i < 3; i++) {
		workers[i] = scene_worker(s, "f");
		tell(s, workers[i], PRE_SLEEP);
	}
	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	expect(s, workers[0], NOOP);
	expect(s, workers[1], NOOP);
	expect_silence(s, workers[2]);
	scene_free(&s);
}

Test(wake, a_job_that_still_waits_wakes_twice_as_many_until_all_are_awake)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), workers[8], woken[8] = { 0 };

	for (int i = 0; i < 8; i++) {
		workers[i] = scene_worker(s, "f");
		tell(s, workers[i], PRE_SLEEP);
	}
	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 8; i++) {
			struct msg_reply *reply = next_reply(s, workers[i]);
			struct msg *m = reply == NULL ? NULL : &reply->msg;

			woken[round] += reply != NULL;
			msg_free(&m);
		}
		scene_wait(s, 10);
	}
	cr_assert_eq(woken[0], 1);
	cr_assert_eq(woken[1], 2);
	cr_assert_eq(woken[2], 4);
	cr_assert_eq(woken[3], 1);
	scene_free(&s);
}

Test(wake, noop_answered_with_pre_sleep_does_not_lose_the_worker)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f"), other = scene_worker(s, "f");

	tell(s, worker, PRE_SLEEP);
	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	expect(s, worker, NOOP);
	grab_expect(s, other, "f", "x");
	tell(s, worker, PRE_SLEEP);
	expect_silence(s, worker);
	tell(s, client, SUBMIT_JOB_BG, "f", "", "y");
	expect(s, worker, NOOP);
	scene_free(&s);
}

Test(wake, pre_sleep_beside_a_waiting_job_is_answered_at_once)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	tell(s, worker, PRE_SLEEP);
	expect(s, worker, NOOP);
	scene_free(&s);
}

Test(wake, can_do_while_asleep_finds_waiting_jobs)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "other");

	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	tell(s, worker, PRE_SLEEP);
	expect_silence(s, worker);
	tell(s, worker, CAN_DO, "f");
	expect(s, worker, NOOP);
	scene_free(&s);
}

Test(wake, ability_learnt_while_asleep_wakes_later)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "other");

	tell(s, worker, PRE_SLEEP);
	tell(s, worker, CAN_DO, "f");
	expect_silence(s, worker);
	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	expect(s, worker, NOOP);
	scene_free(&s);
}

Test(wake, requeued_job_wakes_somebody_else)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), a = scene_worker(s, "f"), b = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	grab_expect(s, a, "f", "x");
	tell(s, b, PRE_SLEEP);
	expect_silence(s, b);
	scene_hangup(s, a);
	expect(s, b, NOOP);
	scene_free(&s);
}

Test(time, delayed_job_waits_out_of_sight_and_wakes_a_worker_when_due)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_set_clock(s, 1700000000);
	tell(s, client, SUBMIT_JOB_EPOCH, "f", "", "1700000005", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, NO_JOB);
	tell(s, worker, PRE_SLEEP);
	ask(s, client, "status", "f\t1\t0\t1\n.\n");
	tell(s, client, GET_STATUS, "H:test:1");
	expect(s, client, STATUS_RES, "H:test:1", "1", "0", "0", "0");
	scene_wait(s, 4999);
	expect_silence(s, worker);
	scene_wait(s, 1);
	expect(s, worker, NOOP);
	grab_expect(s, worker, "f", "x");
	scene_free(&s);
}

Test(time, delayed_jobs_follow_the_wall_clock_and_go_beyond_2038)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_EPOCH, "f", "", "4000000000", "x");
	tell(s, client, SUBMIT_JOB_EPOCH, "f", "", "9223372036854775807", "never");
	tell(s, client, SUBMIT_JOB_EPOCH, "f", "", "9223372036854775808", "too late");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:2");
	expect(s, client, ERROR, "ARGUMENT_TOO_LARGE", "Number is out of range");
	scene_set_clock(s, 4000000000);
	grab_expect(s, worker, "f", "x");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, NO_JOB);
	scene_free(&s);
}

Test(time, epoch_that_is_no_number_or_past_runs_at_once)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");
	static const char *const epochs[] = { "abc", "12abc", "", "-7", "0" };

	for (int i = 0; i < 5; i++) {
		tell(s, client, SUBMIT_JOB_EPOCH, "f", "", epochs[i], "x");
		grab_expect(s, worker, "f", "x");
	}
	scene_free(&s);
}

Test(time, time_limit_is_milliseconds_per_job_and_tells_the_client)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_peer(s);

	tell(s, worker, CAN_DO_TIMEOUT, "f", "1500");
	tell(s, client, SUBMIT_JOB, "f", "", "1");
	tell(s, client, SUBMIT_JOB, "f", "", "2");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:2");
	grab_expect(s, worker, "f", "1");
	scene_wait(s, 100);
	grab_expect(s, worker, "f", "2");
	tell(s, worker, PRE_SLEEP);
	scene_wait(s, 1399);
	expect_silence(s, client);
	scene_wait(s, 1);
	expect(s, client, WORK_FAIL, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "late");
	expect(s, worker, ERROR, "JOB_NOT_FOUND", "*");
	scene_wait(s, 100);
	expect(s, client, WORK_FAIL, "H:test:2");
	scene_free(&s);
}

Test(time, a_result_that_came_while_the_server_stood_still_is_in_time)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_peer(s);

	tell(s, worker, CAN_DO_TIMEOUT, "f", "1000");
	tell(s, client, SUBMIT_JOB, "f", "", "1");
	tell(s, client, SUBMIT_JOB, "f", "", "2");
	expect(s, client, JOB_CREATED, "*");
	expect(s, client, JOB_CREATED, "*");
	grab_expect(s, worker, "f", "1");
	grab_expect(s, worker, "f", "2");
	scene_stand_still(s, 60000);
	tell(s, worker, WORK_COMPLETE, "H:test:1", "done");
	expect(s, client, WORK_COMPLETE, "H:test:1", "done");
	expect(s, client, WORK_FAIL, "H:test:2");
	scene_free(&s);
}

Test(time, time_limit_ends_with_the_job)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_peer(s);

	tell(s, worker, CAN_DO_TIMEOUT, "f", "1500");
	tell(s, client, SUBMIT_JOB_BG, "f", "", "1");
	tell(s, client, SUBMIT_JOB_BG, "f", "", "2");
	grab_expect(s, worker, "f", "1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	scene_wait(s, 10000);
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:2");
	ask(s, client, "show jobs", "H:test:2\t0\t0\t1\n.\n");
	scene_free(&s);
}

Test(time, background_job_out_of_time_is_queued_again_until_the_retry_limit)
{
	struct scene *s = scene_new("--job-retries=2");
	int client = scene_peer(s), worker = scene_peer(s);

	tell(s, worker, CAN_DO_TIMEOUT, "f", "1500");
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	for (int i = 0; i < 2; i++) {
		grab_expect(s, worker, "f", "x");
		scene_wait(s, 1500);
	}
	tell(s, worker, GRAB_JOB);
	expect(s, worker, NO_JOB);
	ask(s, client, "show jobs", ".\n");
	scene_free(&s);
}

Test(time, timeout_requeues_gives_the_silent_requeue_of_old)
{
	struct scene *s = scene_new("--timeout-requeues");
	int client = scene_peer(s), worker = scene_peer(s);

	tell(s, worker, CAN_DO_TIMEOUT, "f", "1500");
	tell(s, client, SUBMIT_JOB, "f", "", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	grab_expect(s, worker, "f", "x");
	scene_wait(s, 1500);
	expect_silence(s, client);
	grab_expect(s, worker, "f", "x");
	scene_free(&s);
}

Test(time, time_limits_below_a_second_are_one_second_as_in_1_1)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_peer(s);

	tell(s, worker, CAN_DO_TIMEOUT, "f", "1");
	tell(s, worker, CAN_DO_TIMEOUT, "g", "999");
	tell(s, client, SUBMIT_JOB, "f", "", "1");
	tell(s, client, SUBMIT_JOB, "g", "", "2");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:2");
	tell(s, worker, GRAB_JOB);
	tell(s, worker, GRAB_JOB);
	scene_wait(s, 999);
	expect_silence(s, client);
	scene_wait(s, 1);
	expect(s, client, WORK_FAIL, "*");
	expect(s, client, WORK_FAIL, "*");
	scene_free(&s);
}

Test(time, timeouts_that_make_no_sense_are_none_and_too_large_ones_are_errors)
{
	struct scene *s = scene_new("");
	int worker = scene_peer(s);

	tell(s, worker, CAN_DO_TIMEOUT, "f", "-1");
	tell(s, worker, CAN_DO_TIMEOUT, "f", "soon");
	expect_silence(s, worker);
	tell(s, worker, CAN_DO_TIMEOUT, "f", "99999999999999999999");
	expect(s, worker, ERROR, "ARGUMENT_TOO_LARGE", "Number is out of range");
	scene_free(&s);
}

Test(order, tag_of_a_request_comes_back_with_its_answers_and_its_jobs_results)
{
	struct scene *s = scene_new("--durable");
	int module = scene_module_peer(s), worker = scene_worker(s, "f");

	scene_set_tag(s, 7);
	tell(s, module, SUBMIT_JOB, "f", "same", "x");
	scene_set_tag(s, 8);
	tell(s, module, SUBMIT_JOB, "f", "same", "x"); /* joins that job */
	tell(s, module, ECHO_REQ, "hello");
	scene_set_tag(s, 9);
	tell(s, module, SUBMIT_JOB_BG, "f", "bg", "x"); /* waits for the store */
	scene_set_tag(s, 0);
	tell(s, worker, GRAB_JOB);
	expect_tag(s, module, 7);
	expect_tag(s, module, 8);
	expect_tag(s, module, 8);
	tell(s, worker, WORK_COMPLETE, "H:test:1", "done");
	store_commit(s);
	expect_tag(s, module, 9); /* JOB_CREATED, in order before the results */
	expect_tag(s, module, 8);
	expect_tag(s, module, 7);
	scene_free(&s);
}
