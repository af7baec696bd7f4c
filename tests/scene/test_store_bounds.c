/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What waits for the store is bounded, and so is what waits behind it.
 */
#include "base/buf.h"
#include "tests/scene/scene.h"

Test(store_bounds, submitters_that_outrun_the_store_are_not_read_until_it_has_caught_up)
{
	struct scene *s = scene_new("--durable --max-storing=100");
	int client = scene_peer(s), other = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	expect_kind(s, client, PAUSE);
	tell(s, other, ECHO_REQ, "still here");
	expect(s, other, ECHO_RES, "still here");
	store_commit(s);
	expect(s, client, JOB_CREATED, "H:test:1");
	expect_kind(s, client, RESUME);
	scene_free(&s);
}

Test(store_bounds, who_is_not_read_is_read_again_when_the_store_is_in_trouble_and_gets_an_error_at_once)
{
	struct scene *s = scene_new("--durable --max-storing=100 --queue-timeout=1000");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	expect_kind(s, client, PAUSE);
	store_says(s, "the disk is on fire");
	expect_kind(s, client, RESUME);
	tell(s, client, SUBMIT_JOB_BG, "f", "v", "x");
	expect_silence(s, client); /* its turn comes behind the first */
	scene_wait(s, 1000);
	expect(s, client, ERROR, "QUEUE_ERROR", "The queue's store did not answer in time: the disk is on fire");
	expect(s, client, ERROR, "QUEUE_ERROR", "Too much waits for the queue's store already: the disk is on fire");
	cr_assert(scene_logged(s, "--max-storing is reached"));
	store_commit(s);
	store_says(s, "");
	tell(s, client, SUBMIT_JOB_BG, "f", "v", "x");
	store_commit(s);
	expect_kind(s, client, PAUSE);
	expect(s, client, JOB_CREATED, "H:test:2");
	expect_kind(s, client, RESUME);
	scene_free(&s);
}

Test(store_bounds, a_worker_that_also_submits_is_read_whatever_waits_for_the_store)
{
	struct scene *s = scene_new("--durable --max-storing=100");
	int client = scene_peer(s), worker = scene_worker(s, "g");

	tell(s, client, SUBMIT_JOB, "g", "", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "g", "x");
	tell(s, worker, SUBMIT_JOB_BG, "f", "u", "x");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "done");
	expect_silence(s, worker);
	expect(s, client, WORK_COMPLETE, "H:test:1", "done");
	scene_free(&s);
}

Test(store_bounds, a_job_whose_submission_was_given_up_counts_until_the_store_has_let_it_go)
{
	struct scene *s = scene_new("--durable --queue-timeout=1000");
	int client = scene_peer(s), admin = scene_peer(s);
	char data[5001] = { 0 };

	memset(data, 'x', 5000);
	tell(s, client, SUBMIT_JOB_BG, "f", "u", data);
	scene_wait(s, 1000);
	expect(s, client, ERROR, "QUEUE_ERROR", "*");
	cr_assert_geq(scene_counter(s, admin, "job_bytes_now"), 5000);
	cr_assert_geq(scene_counter(s, admin, "storing_bytes_now"), 5000);
	store_commit(s);
	cr_assert_eq(scene_counter(s, admin, "job_bytes_now"), 0);
	cr_assert_eq(scene_counter(s, admin, "storing_bytes_now"), 0);
	scene_free(&s);
}

Test(store_bounds, removals_that_wait_count_and_with_too_many_of_them_new_jobs_get_an_error)
{
	struct scene *s = scene_new("--durable --max-storing=1000");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	for (int i = 0; i < 10; i++) {
		tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
		store_commit(s);
		expect(s, client, JOB_CREATED, "*");
	}
	store_says(s, "it is down");
	for (int i = 0; i < 10; i++) {
		tell(s, worker, GRAB_JOB);
		struct msg_reply *job = next_reply(s, worker);
		struct msg *m = &job->msg;
		char handle[32];

		cr_assert_eq(job->msg.type, PKT_JOB_ASSIGN);
		strcpy(handle, job->head + PKT_HEAD);
		msg_free(&m);
		tell(s, worker, WORK_COMPLETE, handle, "");
	}
	cr_assert_geq(scene_counter(s, client, "job_bytes_now"), 1000);
	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	expect(s, client, ERROR, "QUEUE_ERROR", "Too much waits for the queue's store already: it is down");
	tell(s, client, SUBMIT_JOB, "f", "", "x");
	expect(s, client, JOB_CREATED, "*");
	store_says(s, "");
	store_commit(s);
	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	store_commit(s);
	expect(s, client, JOB_CREATED, "*");
	scene_free(&s);
}

Test(store_bounds, who_connects_anew_for_each_submission_does_not_fill_the_memory)
{
	struct scene *s = scene_new("--durable --max-storing=100");
	struct buf body = { 0 };
	int refused = 0;

	buf_add(&body, "f\0", 3); /* function and an empty unique */
	memset(buf_room(&body, 1 << 20), 'x', 1 << 20);
	body.len += 1 << 20;
	for (int i = 0; i < 20; i++) {
		int client = scene_peer(s);
		struct msg_reply *reply;
		struct msg *m;

		tell_bytes(s, client, PKT_SUBMIT_JOB_BG, buf_slice(&body));
		reply = next_reply(s, client);
		if (reply == NULL)
			continue;
		m = &reply->msg;
		refused += m->kind == MSG_REPLY && m->type == PKT_ERROR;
		msg_free(&m);
	}
	cr_assert_geq(refused, 10);
	buf_fini(&body);
	scene_free(&s);
}

Test(store_bounds, a_commit_of_more_than_two_seconds_is_told_once_and_so_is_its_end)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), admin = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	scene_post(s, msg_new_sized(MSG_REPLAY_END, 0, sizeof(struct msg_text)));
	scene_wait(s, 1999);
	cr_assert(!scene_logged(s, "slow"));
	scene_wait(s, 1);
	cr_assert(scene_logged(s, "slow: a commit has been running for 2 seconds"));
	scene_wait(s, 3000);
	cr_assert(!scene_logged(s, "slow"));
	cr_assert(answer_has(s, admin, "queue", "state\tslow\n"));
	cr_assert(answer_has(s, admin, "queue", "commit_seconds\t5\n"));
	store_commit(s);
	cr_assert(scene_logged(s, "the slow commit is over; seconds that it took: 5"));
	cr_assert(answer_has(s, admin, "queue", "state\twell\n"));
	scene_free(&s);
}

Test(store_bounds, replies_behind_an_open_one_are_bounded)
{
	struct scene *s = scene_new("--durable --pause-held=1000");
	int client = scene_peer(s);
	char data[401] = { 0 };

	memset(data, 'x', 400);
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	tell(s, client, ECHO_REQ, data);
	expect_silence(s, client);
	tell(s, client, ECHO_REQ, data);
	expect_kind(s, client, PAUSE);
	tell(s, client, ECHO_REQ, data);
	expect_add(s, "f", "u");
	store_commit(s);
	expect(s, client, JOB_CREATED, "*");
	for (int i = 0; i < 3; i++)
		expect(s, client, ECHO_RES, data);
	expect_kind(s, client, RESUME);
	expect_silence(s, client);
	scene_free(&s);
}

Test(store_bounds, who_gets_too_much_behind_an_open_reply_is_closed)
{
	struct scene *s = scene_new("--durable --pause-held=1000 --max-held=2000");
	int client = scene_peer(s), worker = scene_worker(s, "g");
	char data[901] = { 0 };

	memset(data, 'x', 900);
	tell(s, client, SUBMIT_JOB, "g", "", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "g", "x");
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	tell(s, worker, WORK_DATA, "H:test:1", data);
	expect_kind(s, client, PAUSE);
	tell(s, worker, WORK_DATA, "H:test:1", data);
	expect_kind(s, client, CLOSE);
	tell(s, worker, WORK_DATA, "H:test:1", data);
	expect_silence(s, worker);
	scene_hangup(s, client);
	expect_add(s, "f", "u");
	store_commit(s);
	expect(s, client, JOB_CREATED, "*"); /* to a connection that says no more */
	expect_kind(s, client, PEER_FORGOTTEN);
	scene_free(&s);
}
