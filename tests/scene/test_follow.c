/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Connections that follow jobs which they did not submit, or submitted in the background.
 */
#include <gearmand/packet.h>

#include "tests/scene/scene.h"

#define FULL "ERR QUEUE_ERROR As+many+clients+as+may+wait+for+this+job+already\r\n"

static void
submit(struct scene *s, int client, const char *function, const char *unique)
{
	tell(s, client, SUBMIT_JOB_BG, function, unique, "x");
	expect(s, client, JOB_CREATED, "*");
}

static void
take(struct scene *s, int worker, const char *handle)
{
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, handle, "f", "x");
}

Test(follow, a_follower_of_a_background_job_hears_what_its_client_would)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s), worker = scene_worker(s, "f");

	submit(s, client, "f", "");
	ask(s, other, "follow job H:test:1", "OK\r\n");
	expect_silence(s, other);
	take(s, worker, "H:test:1");
	tell(s, worker, WORK_STATUS, "H:test:1", "1", "2");
	tell(s, worker, WORK_DATA, "H:test:1", "some");
	tell(s, worker, WORK_WARNING, "H:test:1", "careful");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "all");
	expect(s, other, WORK_STATUS, "H:test:1", "1", "2");
	expect(s, other, WORK_DATA, "H:test:1", "some");
	expect(s, other, WORK_WARNING, "H:test:1", "careful");
	expect(s, other, WORK_COMPLETE, "H:test:1", "all");
	expect_silence(s, other);
	expect_silence(s, client);
	scene_free(&s);
}

Test(follow, who_comes_late_hears_how_far_the_job_is)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	take(s, worker, "H:test:1");
	tell(s, worker, WORK_STATUS, "H:test:1", "3", "4");
	ask(s, worker, "follow job H:test:1", "OK\r\n");
	expect(s, worker, WORK_STATUS, "H:test:1", "3", "4");
	tell(s, worker, WORK_FAIL, "H:test:1");
	expect(s, worker, WORK_FAIL, "H:test:1");
	scene_free(&s);
}

Test(follow, an_exception_comes_as_such_to_who_asked_for_it)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), plain = scene_peer(s), asking = scene_peer(s), worker = scene_worker(s, "f");

	submit(s, client, "f", "");
	tell(s, asking, OPTION_REQ, "exceptions");
	expect(s, asking, OPTION_RES, "exceptions");
	ask(s, plain, "follow job H:test:1", "OK\r\n");
	ask(s, asking, "follow job H:test:1", "OK\r\n");
	scene_set_tag(s, 7);
	ask(s, asking, "follow job H:test:1", "OK\r\n");
	scene_set_tag(s, 0);
	take(s, worker, "H:test:1");
	tell(s, worker, WORK_EXCEPTION, "H:test:1", "why");
	expect(s, plain, WORK_FAIL, "H:test:1");
	expect_tag(s, asking, 7);
	expect(s, asking, WORK_EXCEPTION, "H:test:1", "why");
	scene_free(&s);
}

Test(follow, a_foreground_job_does_not_live_for_its_followers)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s);

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	ask(s, other, "follow job H:test:1", "OK\r\n");
	scene_hangup(s, client);
	expect(s, other, WORK_FAIL, "H:test:1");
	ask(s, other, "show jobs", ".\n");
	scene_free(&s);
}

Test(follow, a_job_whose_clients_left_ends_with_its_attempt)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	take(s, worker, "H:test:1");
	ask(s, other, "follow job H:test:1", "OK\r\n");
	scene_hangup(s, client);
	expect_silence(s, other);
	scene_hangup(s, worker);
	expect(s, other, WORK_FAIL, "H:test:1");
	ask(s, other, "show jobs", ".\n");
	scene_free(&s);
}

Test(follow, a_background_job_outlives_its_followers)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s);

	submit(s, client, "f", "");
	ask(s, other, "follow job H:test:1", "OK\r\n");
	scene_hangup(s, other);
	ask(s, client, "show jobs", "H:test:1\t0\t0\t1\n.\n");
	scene_free(&s);
}

/* A client that waits hears of the failed attempt, and waits no more. */
Test(follow, a_follower_hears_the_end_of_the_job_and_not_of_an_attempt)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), plain = scene_peer(s), module = scene_module_peer(s), worker = scene_worker(s, "f");
	struct msg *is_void;

	scene_policies(s, "f attempts=2 retry-on=lost,timeout,fail,exception\n");
	submit(s, client, "f", "u");
	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	ask(s, plain, "follow job H:test:1", "OK\r\n");
	ask(s, module, "follow job H:test:1", "OK\r\n");
	take(s, worker, "H:test:1");
	tell(s, worker, WORK_FAIL, "H:test:1");
	expect(s, client, WORK_FAIL, "H:test:1");
	expect_silence(s, plain);
	is_void = &next_reply(s, module)->msg;
	cr_assert_eq(is_void->type, GEARMAND_ATTEMPT_VOID);
	msg_free(&is_void);
	expect_silence(s, module);
	take(s, worker, "H:test:1");
	tell(s, worker, WORK_EXCEPTION, "H:test:1", "why");
	expect(s, plain, WORK_FAIL, "H:test:1");
	expect(s, module, WORK_FAIL, "H:test:1");
	expect_silence(s, client);
	cr_assert(answer_has(s, client, "show job H:test:1", "state\tdead\n"));
	scene_free(&s);
}

Test(follow, a_follower_stays_when_the_time_of_an_attempt_is_up)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_peer(s);

	submit(s, client, "f", "u");
	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	ask(s, client, "follow job H:test:1", "OK\r\n");
	tell(s, worker, CAN_DO_TIMEOUT, "f", "1000");
	take(s, worker, "H:test:1");
	scene_wait(s, 1000);
	expect(s, client, WORK_FAIL, "H:test:1");
	expect_silence(s, client);
	take(s, worker, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "r");
	expect(s, client, WORK_COMPLETE, "H:test:1", "r");
	scene_free(&s);
}

Test(follow, a_job_that_is_cancelled_buried_or_dead_has_failed)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s);

	submit(s, client, "f", "");
	ask(s, other, "follow job H:test:1", "OK\r\n");
	ask(s, client, "cancel job H:test:1", "OK\r\n");
	expect(s, other, WORK_FAIL, "H:test:1");
	submit(s, client, "f", "");
	ask(s, other, "follow job H:test:2", "OK\r\n");
	ask(s, client, "bury job H:test:2", "OK\r\n");
	expect(s, other, WORK_FAIL, "H:test:2");
	ask(s, other, "follow job H:test:2", "OK\r\n");
	expect(s, other, WORK_FAIL, "H:test:2");
	ask(s, other, "kick job H:test:2", "OK\r\n");
	expect_silence(s, other);
	scene_free(&s);
}

Test(follow, a_job_that_the_store_refuses_has_failed)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), other = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	expect_add(s, "f", "u");
	ask(s, other, "follow job H:test:1", "OK\r\n");
	store_refuse(s, "no");
	expect(s, client, ERROR, "QUEUE_ERROR", "no");
	expect(s, other, WORK_FAIL, "H:test:1");
	scene_free(&s);
}

Test(follow, unfollow_ends_it_once)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s), worker = scene_worker(s, "f");

	submit(s, client, "f", "");
	ask(s, other, "follow job H:test:1", "OK\r\n");
	ask(s, other, "follow job H:test:1", "OK\r\n");
	ask(s, client, "follow job H:test:1", "OK\r\n");
	ask(s, other, "unfollow job H:test:1", "OK\r\n");
	take(s, worker, "H:test:1");
	tell(s, worker, WORK_DATA, "H:test:1", "d");
	expect(s, other, WORK_DATA, "H:test:1", "d");
	expect_silence(s, other);
	ask(s, other, "unfollow job H:test:1", "OK\r\n");
	ask(s, other, "unfollow job H:test:1", "OK\r\n");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "r");
	expect_silence(s, other);
	expect(s, client, WORK_DATA, "H:test:1", "d");
	expect(s, client, WORK_COMPLETE, "H:test:1", "r");
	scene_free(&s);
}

Test(follow, who_ends_a_job_is_answered_under_the_tag_of_that_request)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), other = scene_peer(s);

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	ask(s, other, "follow job H:test:1", "OK\r\n");
	scene_set_tag(s, 5);
	tell(s, other, TEXT, "cancel job H:test:1");
	expect(s, other, WORK_FAIL, "H:test:1");
	expect_tag(s, other, 5);
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	expect_add(s, "f", "u");
	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	tell(s, other, TEXT, "cancel job H:test:2");
	expect_remove(s, "f", "u");
	store_commit(s);
	expect_tag(s, other, 5);
	scene_free(&s);
}

/* ---- follow next ------------------------------------------------------------------------ */

Test(follow, what_is_submitted_next_in_the_background_is_followed_without_a_gap)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	ask(s, client, "follow next", "OK\r\n");
	scene_set_tag(s, 9);
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	scene_set_tag(s, 0);
	expect_add(s, "f", "u");
	store_commit(s);
	take(s, worker, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "r");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect_tag(s, client, 9); /* WORK_COMPLETE */
	expect_remove(s, "f", "u");
	tell(s, client, SUBMIT_JOB_BG, "f", "v", "x");
	expect_add(s, "f", "v");
	store_commit(s);
	expect(s, client, JOB_CREATED, "H:test:2");
	take(s, worker, "H:test:2");
	tell(s, worker, WORK_COMPLETE, "H:test:2", "r");
	expect_silence(s, client);
	scene_free(&s);
}

Test(follow, next_is_the_next_packet_whatever_becomes_of_it)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	ask(s, client, "follow next", "OK\r\n");
	ask(s, client, "getpid", "OK 4711\n");
	tell(s, client, SUBMIT_JOB_EPOCH, "f", "", "99999999999999999999", "x");
	expect(s, client, ERROR, "*", "*");
	submit(s, client, "f", "");
	take(s, worker, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "r");
	expect_silence(s, client);
	scene_free(&s);
}

Test(follow, a_submission_that_joins_is_followed_too)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	take(s, worker, "H:test:1");
	ask(s, other, "follow next", "OK\r\n");
	submit(s, other, "f", "u");
	scene_hangup(s, client);
	tell(s, worker, WORK_COMPLETE, "H:test:1", "r");
	expect(s, other, WORK_COMPLETE, "H:test:1", "r");
	scene_free(&s);
}

/* ---- What has ended --------------------------------------------------------------------- */

Test(follow, what_is_kept_of_a_job_that_has_ended_is_said_again)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f keep-state=1h keep-result=10\n");
	submit(s, client, "f", "");
	take(s, worker, "H:test:1");
	tell(s, worker, WORK_DATA, "H:test:1", "some ");
	tell(s, worker, WORK_DATA, "H:test:1", "and ");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "!");
	for (int i = 0; i < 2; i++) {
		ask(s, client, "follow job H:test:1", "OK\r\n");
		expect(s, client, WORK_DATA, "H:test:1", "some and ");
		expect(s, client, WORK_COMPLETE, "H:test:1", "!");
	}
	submit(s, client, "f", "");
	take(s, worker, "H:test:2");
	tell(s, worker, WORK_COMPLETE, "H:test:2", "");
	ask(s, client, "follow job H:test:2", "OK\r\n");
	expect(s, client, WORK_COMPLETE, "H:test:2", "");
	ask(s, client, "unfollow job H:test:2", "ERR UNKNOWN_JOB\r\n");
	scene_free(&s);
}

Test(follow, a_result_that_is_not_kept_as_a_whole_is_not_said)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f keep-state=1h keep-result=10\n");
	submit(s, client, "f", "");
	take(s, worker, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "0123456789a");
	ask(s, client, "follow job H:test:1", "ERR NOT_KEPT The+job+is+completed+and+its+result+is+not+kept\r\n");
	tell(s, client, SUBMIT_JOB, "f", "", "x");
	take(s, worker, "H:test:2");
	tell(s, worker, WORK_COMPLETE, "H:test:2", "r");
	expect(s, client, JOB_CREATED, "H:test:2");
	expect(s, client, WORK_COMPLETE, "H:test:2", "r");
	ask(s, client, "follow job H:test:2", "ERR NOT_KEPT The+job+is+completed+and+its+result+is+not+kept\r\n");
	scene_free(&s);
}

Test(follow, a_job_that_has_failed_says_so_again)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), plain = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f keep-state=1h\n");
	tell(s, client, OPTION_REQ, "exceptions");
	expect(s, client, OPTION_RES, "exceptions");
	submit(s, client, "f", "");
	take(s, worker, "H:test:1");
	tell(s, worker, WORK_EXCEPTION, "H:test:1", "why");
	ask(s, client, "follow job H:test:1", "OK\r\n");
	expect(s, client, WORK_EXCEPTION, "H:test:1", "why");
	ask(s, plain, "follow job H:test:1", "OK\r\n");
	expect(s, plain, WORK_FAIL, "H:test:1");
	submit(s, client, "f", "");
	ask(s, client, "cancel job H:test:2", "OK\r\n");
	ask(s, client, "follow job H:test:2", "OK\r\n");
	expect(s, client, WORK_FAIL, "H:test:2");
	scene_free(&s);
}

/* ---- Bounds, and what is wrong ------------------------------------------------------------ */

Test(follow, followers_count_among_the_clients_of_a_job)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s);

	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	for (int i = 1; i < 10000; i++) {
		tell(s, other, TEXT, "follow job H:test:1");
		expect_text(s, other, "OK\r\n");
	}
	ask(s, client, "follow job H:test:1", FULL);
	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, ERROR, "QUEUE_ERROR", "*");
	ask(s, client, "follow next", "OK\r\n");
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	expect(s, client, ERROR, "QUEUE_ERROR", "*");
	tell(s, client, GET_STATUS_UNIQUE, "u");
	expect(s, client, STATUS_RES_UNIQUE, "u", "1", "0", "0", "0", "10000");
	scene_hangup(s, other);
	scene_turn(s);
	ask(s, client, "follow job H:test:1", "OK\r\n");
	scene_free(&s);
}

Test(follow, says_what_is_wrong)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	ask(s, client, "follow job H:test:1", "ERR UNKNOWN_JOB\r\n");
	ask(s, client, "unfollow job H:test:1", "ERR UNKNOWN_JOB\r\n");
	ask(s, client, "follow",
	    "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+follow\r\n");
	ask(s, client, "follow job H:test:1 more",
	    "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+follow\r\n");
	ask(s, client, "unfollow next",
	    "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+unfollow\r\n");
	scene_free(&s);
}
