/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs from submission to result: the life of a foreground and a background job.
 */
#include "tests/scene/scene.h"

#include <gearmand/packet.h>

Test(lost, a_client_behind_a_module_hears_that_an_attempt_is_void)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), web = scene_module_peer(s), worker = scene_worker(s, "f");
	struct msg_reply *reply;
	struct msg *m;

	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	tell(s, web, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, web, JOB_CREATED, "H:test:1");
	tell(s, worker, GRAB_JOB);
	tell(s, worker, WORK_DATA, "H:test:1", "half of it");
	expect(s, web, WORK_DATA, "H:test:1", "half of it");
	scene_hangup(s, worker);
	reply = next_reply(s, web);
	cr_assert(reply != NULL && reply->msg.type == GEARMAND_ATTEMPT_VOID);
	cr_assert(slice_is(slice_of(reply->head + PKT_HEAD, reply->head_len - PKT_HEAD), "H:test:1"));
	m = &reply->msg;
	msg_free(&m);
	expect(s, client, WORK_DATA, "H:test:1", "half of it");
	expect_silence(s, client);
	scene_free(&s);
}

Test(jobs, a_job_goes_from_client_to_worker_and_its_result_back)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "reverse");

	tell(s, client, SUBMIT_JOB, "reverse", "", "abc");
	expect(s, client, JOB_CREATED, "H:test:1");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "reverse", "abc");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "cba");
	expect(s, client, WORK_COMPLETE, "H:test:1", "cba");
	expect_silence(s, worker);
	tell(s, client, GET_STATUS, "H:test:1");
	expect(s, client, STATUS_RES, "H:test:1", "0", "0", "0", "0");
	scene_free(&s);
}

Test(jobs, an_empty_workload_is_an_ordinary_job)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "", "");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "");
	scene_free(&s);
}

Test(jobs, progress_data_and_warnings_reach_every_client_in_order)
{
	struct scene *s = scene_new("");
	int a = scene_peer(s), b = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, a, SUBMIT_JOB, "f", "u", "x");
	tell(s, b, SUBMIT_JOB, "f", "u", "y");
	expect(s, b, JOB_CREATED, "H:test:1");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "x");
	tell(s, worker, WORK_DATA, "H:test:1", "part");
	tell(s, worker, WORK_STATUS, "H:test:1", "1", "2");
	tell(s, worker, WORK_WARNING, "H:test:1", "hm");
	tell(s, worker, WORK_FAIL, "H:test:1");
	expect(s, a, JOB_CREATED, "H:test:1");
	for (int i = 0; i < 2; i++) {
		int client = i == 0 ? a : b;

		expect(s, client, WORK_DATA, "H:test:1", "part");
		expect(s, client, WORK_STATUS, "H:test:1", "1", "2");
		expect(s, client, WORK_WARNING, "H:test:1", "hm");
		expect(s, client, WORK_FAIL, "H:test:1");
		expect_silence(s, client);
	}
	scene_free(&s);
}

Test(jobs, status_is_kept_modulo_two_to_the_32)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_BG, "f", "", "");
	expect(s, client, JOB_CREATED, "H:test:1");
	tell(s, worker, GRAB_JOB);
	tell(s, worker, WORK_STATUS, "H:test:1", "-5", "10x");
	tell(s, client, GET_STATUS, "H:test:1");
	expect(s, client, STATUS_RES, "H:test:1", "1", "1", "4294967291", "10");
	scene_free(&s);
}

Test(jobs, job_of_a_lost_worker_goes_to_the_next_one)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), first = scene_worker(s, "f"), second = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	tell(s, first, GRAB_JOB);
	scene_hangup(s, first);
	tell(s, second, GRAB_JOB);
	expect(s, second, JOB_ASSIGN, "H:test:1", "f", "x");
	expect_silence(s, client);
	scene_free(&s);
}

Test(jobs, job_is_given_up_with_work_fail_when_its_nth_attempt_is_lost)
{
	struct scene *s = scene_new("--job-retries=2");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	for (int i = 0; i < 2; i++) {
		expect_silence(s, client);
		tell(s, worker, CAN_DO, "f");
		tell(s, worker, GRAB_JOB);
		expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "x");
		tell(s, worker, CANT_DO, "f");
	}
	expect(s, client, WORK_FAIL, "H:test:1");
	ask(s, client, "show jobs", ".\n");
	scene_free(&s);
}

Test(jobs, late_result_of_the_previous_owner_is_refused)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "x");
	tell(s, worker, RESET_ABILITIES);
	tell(s, worker, WORK_COMPLETE, "H:test:1", "late");
	expect(s, worker, ERROR, "JOB_NOT_FOUND", "Job given in work result not found");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect_silence(s, client);
	scene_free(&s);
}

Test(jobs, queued_job_vanishes_with_its_last_client)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	scene_hangup(s, client);
	expect(s, client, JOB_CREATED, "H:test:1");
	expect_kind(s, client, PEER_FORGOTTEN);
	ask(s, other, "status", "f\t0\t0\t1\n.\n");
	tell(s, other, GRAB_JOB);
	expect(s, other, NO_JOB);
	scene_free(&s);
}

Test(jobs, running_job_without_clients_ends_quietly_and_dies_with_its_worker)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "x");
	scene_hangup(s, client);
	tell(s, worker, RESET_ABILITIES);
	ask(s, worker, "show jobs", ".\n");
	scene_free(&s);
}

Test(jobs, client_that_joins_an_abandoned_running_job_gets_its_result)
{
	struct scene *s = scene_new("");
	int first = scene_peer(s), second = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, first, SUBMIT_JOB, "f", "u", "x");
	tell(s, worker, GRAB_JOB);
	scene_hangup(s, first);
	tell(s, second, SUBMIT_JOB, "f", "u", "x");
	expect(s, second, JOB_CREATED, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "done");
	expect(s, second, WORK_COMPLETE, "H:test:1", "done");
	scene_free(&s);
}

Test(jobs, background_job_survives_the_foreground_client_that_joined_it)
{
	struct scene *s = scene_new("");
	int bg = scene_peer(s), fg = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, bg, SUBMIT_JOB_BG, "f", "u", "x");
	tell(s, fg, SUBMIT_JOB, "f", "u", "x");
	expect(s, fg, JOB_CREATED, "H:test:1");
	scene_hangup(s, fg);
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "x");
	scene_free(&s);
}

Test(jobs, foreground_job_becomes_a_background_job_too_when_somebody_submits_it_so)
{
	struct scene *s = scene_new("");
	int fg = scene_peer(s), bg = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, fg, SUBMIT_JOB, "f", "u", "x");
	tell(s, bg, SUBMIT_JOB_BG, "f", "u", "x");
	expect(s, bg, JOB_CREATED, "H:test:1");
	scene_hangup(s, fg);
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "x");
	scene_free(&s);
}

Test(jobs, one_connection_that_submits_twice_gets_everything_twice)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:1");
	tell(s, client, GET_STATUS_UNIQUE, "u");
	expect(s, client, STATUS_RES_UNIQUE, "u", "1", "0", "0", "0", "2");
	tell(s, worker, GRAB_JOB);
	tell(s, worker, WORK_COMPLETE, "H:test:1", "r");
	expect(s, client, WORK_COMPLETE, "H:test:1", "r");
	expect(s, client, WORK_COMPLETE, "H:test:1", "r");
	expect_silence(s, client);
	scene_free(&s);
}

Test(jobs, worker_may_hold_many_jobs_and_lost_ones_come_back_in_order)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), first = scene_worker(s, "f"), second = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_BG, "f", "", "1");
	tell(s, client, SUBMIT_JOB_BG, "f", "", "2");
	tell(s, first, GRAB_JOB);
	tell(s, first, GRAB_JOB);
	scene_hangup(s, first);
	tell(s, second, GRAB_JOB);
	expect(s, second, JOB_ASSIGN, "H:test:1", "f", "1");
	tell(s, second, GRAB_JOB);
	expect(s, second, JOB_ASSIGN, "H:test:2", "f", "2");
	scene_free(&s);
}

Test(jobs, exception_reaches_who_asked_for_it_and_is_a_failure_for_others)
{
	struct scene *s = scene_new("");
	int plain = scene_peer(s), asking = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, asking, OPTION_REQ, "Exceptions");
	expect(s, asking, OPTION_RES, "Exceptions");
	tell(s, plain, SUBMIT_JOB, "f", "u", "x");
	tell(s, asking, SUBMIT_JOB, "f", "u", "x");
	expect(s, plain, JOB_CREATED, "H:test:1");
	expect(s, asking, JOB_CREATED, "H:test:1");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "x");
	tell(s, worker, WORK_EXCEPTION, "H:test:1", "boom");
	expect(s, plain, WORK_FAIL, "H:test:1");
	expect(s, asking, WORK_EXCEPTION, "H:test:1", "boom");
	tell(s, worker, WORK_FAIL, "H:test:1");
	expect_silence(s, worker);
	tell(s, worker, WORK_FAIL, "H:test:1");
	expect(s, worker, ERROR, "JOB_NOT_FOUND", "Job given in work result not found");
	scene_free(&s);
}

Test(jobs, unknown_options_are_refused)
{
	struct scene *s = scene_new("");
	int peer = scene_peer(s);

	tell(s, peer, OPTION_REQ, "colour");
	expect(s, peer, ERROR, "UNKNOWN_OPTION", "Server does not recognize given option");
	scene_free(&s);
}

Test(jobs, each_kind_of_report_on_a_foreign_job_has_its_error)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f"), thief = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	tell(s, worker, GRAB_JOB);
	tell(s, thief, WORK_DATA, "H:test:1", "x");
	expect(s, thief, ERROR, "JOB_NOT_FOUND", "Job does not exist on server");
	tell(s, thief, WORK_COMPLETE, "H:test:1", "x");
	expect(s, thief, ERROR, "JOB_NOT_FOUND", "Job given in work result not found");
	tell(s, thief, WORK_EXCEPTION, "H:test:99", "x");
	expect(s, thief, ERROR, "JOB_NOT_FOUND", "An exception was received for a job that does not exist");
	tell(s, thief, WORK_FAIL, "H:test:1234567890123456789012345678901234567890123456789012345678901234567890");
	expect(s, thief, ERROR, "ARGUMENT_TOO_LARGE", "*");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect_silence(s, client);
	scene_free(&s);
}
