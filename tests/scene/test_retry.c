/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Attempts that come to nothing: tried again by the policy of the function, or given up.
 */
#include <stdio.h>
#include <string.h>

#include "tests/scene/background.h"
#include "wire/policy.h"

Test(retry, a_failed_job_ends_unless_the_policy_says_otherwise)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	submit_background(s, client, "u", "H:test:1");
	fail_job(s, worker, "H:test:1");
	expect_no_job(s, worker);
	cr_expect_eq(scene_counter(s, client, "jobs_failed"), 1);
	scene_free(&s);
}

Test(retry, a_failed_job_is_tried_again_after_its_delay)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f retry-on=fail delay=10s jitter=0\n");
	submit_background(s, client, "u", "H:test:1");
	fail_job(s, worker, "H:test:1");
	expect_no_job(s, worker);
	ask(s, client, "status", "f\t1\t0\t1\n.\n");
	tell(s, client, GET_STATUS, "H:test:1");
	expect(s, client, STATUS_RES, "H:test:1", "1", "0", "0", "0");
	scene_wait(s, 9999);
	expect_no_job(s, worker);
	scene_wait(s, 1);
	fail_job(s, worker, "H:test:1");
	scene_wait(s, 19999);
	expect_no_job(s, worker);
	scene_wait(s, 1);
	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "done");
	expect_no_job(s, worker);
	scene_free(&s);
}

Test(retry, a_sleeping_worker_is_woken_when_the_delay_is_over)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f"), other = scene_worker(s, "f");

	scene_policies(s, "f delay=500ms jitter=0\n");
	submit_background(s, client, "u", "H:test:1");
	expect_job(s, worker, "H:test:1");
	tell(s, other, PRE_SLEEP);
	scene_hangup(s, worker);
	expect_silence(s, other);
	scene_wait(s, 500);
	expect(s, other, NOOP);
	expect_job(s, other, "H:test:1");
	scene_free(&s);
}

Test(retry, submissions_join_a_job_that_waits_for_its_retry)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f retry-on=fail delay=10s\n");
	submit_background(s, client, "u", "H:test:1");
	fail_job(s, worker, "H:test:1");
	submit_background(s, client, "u", "H:test:1");
	scene_free(&s);
}

Test(retry, a_client_that_waits_hears_of_the_failure_and_waits_no_more)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), waits = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f retry-on=fail\n");
	submit_background(s, client, "u", "H:test:1");
	tell(s, waits, SUBMIT_JOB, "f", "u", "x");
	expect(s, waits, JOB_CREATED, "H:test:1");
	fail_job(s, worker, "H:test:1");
	expect(s, waits, WORK_FAIL, "H:test:1");
	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "done");
	expect_silence(s, waits);
	scene_free(&s);
}

Test(retry, a_foreground_job_that_failed_has_failed)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f retry-on=lost,fail delay=10s\n");
	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect_job(s, worker, "H:test:1");
	scene_hangup(s, worker);
	worker = scene_worker(s, "f");
	fail_job(s, worker, "H:test:1"); /* a lost attempt was made good at once */
	expect(s, client, WORK_FAIL, "H:test:1");
	expect_no_job(s, worker);
	scene_free(&s);
}

Test(retry, fail_and_exception_are_told_apart)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f retry-on=exception\n");
	submit_background(s, client, "a", "H:test:1");
	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_EXCEPTION, "H:test:1", "oops");
	tell(s, worker, WORK_FAIL, "H:test:1"); /* as libraries do: it belongs to the exception */
	expect_silence(s, worker);
	fail_job(s, worker, "H:test:1"); /* of the next attempt: final */
	expect_no_job(s, worker);
	expect_silence(s, worker);
	scene_free(&s);
}

Test(retry, what_is_not_listed_is_final)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f retry-on=fail dead=drop\n");
	submit_background(s, client, "u", "H:test:1");
	expect_job(s, worker, "H:test:1");
	scene_hangup(s, worker);
	expect_no_job(s, scene_worker(s, "f"));
	ask(s, client, "show dead", ".\n");
	cr_expect(scene_logged(s, "dropped job H:test:1 of f: attempts that came to nothing: 1"));
	scene_free(&s);
}

Test(retry, run_limit_is_a_time_limit_for_workers_that_have_none)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f run-limit=2s\n");
	submit_background(s, client, "u", "H:test:1");
	expect_job(s, worker, "H:test:1");
	scene_wait(s, 1999);
	cr_expect_eq(scene_counter(s, client, "jobs_timed_out"), 0);
	scene_wait(s, 1);
	cr_expect_eq(scene_counter(s, client, "jobs_timed_out"), 1);
	expect_job(s, worker, "H:test:1");
	scene_free(&s);
}

Test(retry, maxqueue_of_the_policy_holds)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	scene_policies(s, "f maxqueue=1\n");
	submit_background(s, client, "a", "H:test:1");
	tell(s, client, SUBMIT_JOB_BG, "f", "b", "x");
	expect(s, client, ERROR, "*", "*");
	scene_free(&s);
}

Test(retry, a_reload_holds_for_functions_that_are_there)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	submit_background(s, client, "u", "H:test:1");
	scene_policies(s, "f retry-on=fail\n");
	fail_job(s, worker, "H:test:1");
	scene_policies(s, "");
	fail_job(s, worker, "H:test:1");
	expect_no_job(s, worker);
	scene_free(&s);
}

Test(retry, a_reload_comes_to_many_functions_in_parts)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);
	char name[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "create function g%d", i);
		ask(s, client, name, "OK\r\n");
	}
	scene_policies(s, "g* maxqueue=1\n");
	scene_policies(s, "g* maxqueue=2\n"); /* before the first is through */
	for (int i = 0; i < 40; i++)
		scene_turn(s);
	for (int i = 0; i < 3; i++) {
		tell(s, client, SUBMIT_JOB_BG, "g999", "", "x");
		if (i < 2)
			expect(s, client, JOB_CREATED, "*");
		else
			expect(s, client, ERROR, "*", "*");
	}
	scene_free(&s);
}

Test(policy, reloads_in_a_row_do_not_have_all_functions_renewed_in_one_turn)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s);
	char text[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "create function g%d", i);
		ask(s, client, text, "OK\r\n");
	}
	scene_policies(s, "g* maxqueue=5\n");
	scene_policies(s, "g* maxqueue=1\n");
	scene_policies(s, "g* maxqueue=3\n");
	scene_gather(s);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "g%d", i / 2);
		tell(s, other, SUBMIT_JOB_BG, text, "", "x");
	}
	scene_turn(s);
	cr_expect_lt(scene_counter(s, scene_peer(s), "refused_full"), 80);
	for (int i = 0; i < 80; i++)
		scene_turn(s);
	for (int i = 0; i < 3; i++) {
		tell(s, client, SUBMIT_JOB_BG, "g999", "", "x");
		expect(s, client, JOB_CREATED, "*");
	}
	tell(s, client, SUBMIT_JOB_BG, "g999", "", "x");
	expect(s, client, ERROR, "*", "*");
	scene_free(&s);
}

Test(policy, new_functions_cost_their_peer_what_they_are_compared_with)
{
	enum { FUNCTIONS = 40, LENGTH = 8000 };
	struct scene *s = scene_new("");
	int worker = scene_peer(s), other = scene_peer(s);
	char file[POLICY_LINES_MAX * 3 + 1] = "", name[LENGTH + 1];

	for (int i = 0; i < POLICY_LINES_MAX; i++)
		memcpy(file + i * 3, "x*\n", 4);
	scene_policies(s, file);
	memset(name, 'n', LENGTH);
	name[LENGTH] = '\0';
	scene_gather(s);
	for (int i = 0; i < FUNCTIONS; i++) {
		name[0] = (char)('A' + i);
		tell(s, worker, CAN_DO, name);
	}
	scene_turn(s);
	cr_expect_lt(scene_counter(s, other, "functions_now"), FUNCTIONS / 2);
	scene_free(&s);
}

Test(policy, caps_and_rates_of_a_function_are_those_of_its_policy)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f"), other = scene_worker(s, "g");

	scene_policies(s, "f running=1\ng rate=2/s\n");
	for (int i = 0; i < 2; i++) {
		submit_background(s, client, "", i == 0 ? "H:test:1" : "H:test:3");
		tell(s, client, SUBMIT_JOB_BG, "g", "", "x");
		expect(s, client, JOB_CREATED, "*");
	}
	expect_job(s, worker, "H:test:1");
	expect_no_job(s, worker);
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	expect_job(s, worker, "H:test:3");
	tell(s, other, GRAB_JOB);
	expect(s, other, JOB_ASSIGN, "H:test:2", "g", "x");
	expect_no_job(s, other);
	scene_wait(s, 500);
	tell(s, other, GRAB_JOB);
	expect(s, other, JOB_ASSIGN, "H:test:4", "g", "x");
	scene_policies(s, "");
	ask(s, client, "status", "f\t1\t1\t1\ng\t2\t2\t1\n.\n");
	scene_free(&s);
}

Test(retry, a_job_that_is_stored_is_so_though_an_attempt_that_failed_meanwhile_is_refused)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), other = scene_peer(s), worker = scene_worker(s, "f");

	store_replayed_all(s);
	scene_policies(s, "f attempts=9\n");
	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect_job(s, worker, "H:test:1");
	tell(s, other, SUBMIT_JOB_BG, "f", "u", "x");
	expect_add(s, "f", "u");
	scene_hangup(s, worker); /* while that is on its way */
	store_commit(s);
	cr_expect_eq(expect_add(s, "f", "u")->attempts, 1);
	expect(s, other, JOB_CREATED, "H:test:1");
	store_refuse(s, "too odd");
	worker = scene_worker(s, "f");
	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	expect(s, client, WORK_COMPLETE, "H:test:1", "");
	expect_remove(s, "f", "u");
	scene_free(&s);
}
