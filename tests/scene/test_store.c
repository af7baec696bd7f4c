/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A durable queue: acknowledged only after the commit, replies in order, removed when done.
 */
#include "tests/scene/scene.h"

Test(store, background_job_is_acknowledged_and_runnable_only_after_its_commit)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, worker, PRE_SLEEP);
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	expect_add(s, "f", "u");
	expect_silence(s, client);
	expect_silence(s, worker);
	tell(s, worker, GRAB_JOB);
	expect(s, worker, NO_JOB);
	tell(s, worker, PRE_SLEEP);
	store_commit(s);
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, worker, NOOP);
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "x");
	expect_no_change(s);
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	expect_remove(s, "f", "u");
	scene_free(&s);
}

Test(store, replies_keep_the_order_of_requests)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "fg", "y");
	expect(s, client, JOB_CREATED, "H:test:1");
	tell(s, client, SUBMIT_JOB_BG, "f", "bg1", "x");
	tell(s, client, ECHO_REQ, "one");
	tell(s, client, SUBMIT_JOB, "f", "fg", "y");
	tell(s, client, SUBMIT_JOB_BG, "f", "bg2", "z");
	tell(s, client, TEXT, "version");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "y");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "done");
	expect_silence(s, client);
	expect_add(s, "f", "bg1");
	expect_add(s, "f", "bg2");
	store_commit(s);
	expect(s, client, JOB_CREATED, "H:test:2");
	expect(s, client, ECHO_RES, "one");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:3");
	struct msg_reply *text = next_reply(s, client);
	cr_assert_eq(text->msg.type, PKT_TEXT);
	struct msg *m = &text->msg;
	msg_free(&m);
	expect(s, client, WORK_COMPLETE, "H:test:1", "done");
	expect(s, client, WORK_COMPLETE, "H:test:1", "done");
	expect_silence(s, client);
	scene_free(&s);
}

Test(store, foreground_jobs_are_never_stored)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect_no_change(s);
	scene_free(&s);
}

Test(store, refused_job_is_an_error_with_the_modules_reason_and_the_rest_goes_on)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	store_refuse(s, "too large for this table");
	expect(s, client, ERROR, "QUEUE_ERROR", "too large for this table");
	ask(s, client, "show jobs", ".\n");
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	store_commit(s);
	expect(s, client, JOB_CREATED, "H:test:2");
	scene_free(&s);
}

Test(store, submission_that_waits_too_long_is_an_error_and_is_removed_behind_its_add)
{
	struct scene *s = scene_new("--durable --queue-timeout=1000");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	expect_add(s, "f", "u");
	scene_wait(s, 999);
	expect_silence(s, client);
	scene_wait(s, 1);
	expect(s, client, ERROR, "QUEUE_ERROR", "The queue's store did not answer in time");
	expect_remove(s, "f", "u");
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "again");
	expect_add(s, "f", "u");
	store_commit(s);
	expect(s, client, JOB_CREATED, "H:test:2");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:2", "f", "again");
	expect_no_change(s);
	scene_free(&s);
}

Test(store, jobs_without_a_unique_are_stored_under_keys_of_their_own)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	tell(s, client, SUBMIT_JOB_BG, "f", "-", "y");
	store_commit(s);
	tell(s, worker, GRAB_JOB_UNIQ);
	expect(s, worker, JOB_ASSIGN_UNIQ, "H:test:1", "f", "", "x");
	tell(s, worker, GRAB_JOB_UNIQ);
	expect(s, worker, JOB_ASSIGN_UNIQ, "H:test:2", "f", "-", "y");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	expect_remove(s, "f", "*");
	scene_free(&s);
}

Test(store, background_submission_that_joins_a_foreground_job_stores_it)
{
	struct scene *s = scene_new("--durable");
	int fg = scene_peer(s), bg = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, fg, SUBMIT_JOB, "f", "u", "x");
	expect(s, fg, JOB_CREATED, "H:test:1");
	tell(s, worker, GRAB_JOB);
	tell(s, bg, SUBMIT_JOB_BG, "f", "u", "x");
	tell(s, bg, SUBMIT_JOB_BG, "f", "u", "x");
	expect_add(s, "f", "u");
	expect_no_change(s);
	expect_silence(s, bg);
	scene_hangup(s, fg);
	store_commit(s);
	expect(s, bg, JOB_CREATED, "H:test:1");
	expect(s, bg, JOB_CREATED, "H:test:1");
	scene_hangup(s, worker);
	ask(s, bg, "show jobs", "H:test:1\t1\t0\t1\n.\n");
	scene_free(&s);
}

Test(store, job_that_ends_while_it_is_being_stored_is_removed_behind_its_add)
{
	struct scene *s = scene_new("--durable");
	int fg = scene_peer(s), bg = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, fg, SUBMIT_JOB, "f", "u", "x");
	expect(s, fg, JOB_CREATED, "H:test:1");
	tell(s, worker, GRAB_JOB);
	tell(s, bg, SUBMIT_JOB_BG, "f", "u", "x");
	expect_add(s, "f", "u");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "r");
	expect(s, fg, WORK_COMPLETE, "H:test:1", "r");
	expect_remove(s, "f", "u");
	store_commit(s);
	expect(s, bg, JOB_CREATED, "H:test:1");
	ask(s, bg, "show jobs", ".\n");
	scene_free(&s);
}

Test(store, client_that_hangs_up_before_the_commit_has_submitted_all_the_same)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	scene_hangup(s, client);
	expect_silence(s, client);
	store_commit(s);
	expect(s, client, JOB_CREATED, "H:test:1");
	expect_kind(s, client, PEER_FORGOTTEN);
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "x");
	scene_free(&s);
}

Test(store, cancelled_while_storing_is_gone_at_once_and_a_new_job_is_a_new_job)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), admin = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	tell(s, admin, TEXT, "cancel job H:test:1");
	tell(s, admin, TEXT, "cancel job H:test:1");
	expect_silence(s, admin); /* the first answer waits for the store */
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "y");
	expect_add(s, "f", "u");
	expect_remove(s, "f", "u");
	expect_add(s, "f", "u");
	store_commit(s);
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:2");
	expect_text(s, admin, "OK\r\n");
	expect_text(s, admin, "ERR UNKNOWN_JOB\r\n");
	ask(s, admin, "show jobs", "H:test:2\t0\t0\t1\n.\n");
	scene_free(&s);
}

/* It was built when it began to stand by. */
Test(store, a_server_that_takes_over_goes_on_above_the_numbers_that_were_given_meanwhile)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s);
	struct msg_text *ours = msg_new_sized(MSG_STORE_OURS, 0, sizeof *ours);

	ours->number = 500;
	scene_post(s, &ours->msg);
	scene_post(s, msg_new_sized(MSG_REPLAY_END, 0, sizeof(struct msg_text)));
	tell(s, client, SUBMIT_JOB, "f", "", "x");
	expect(s, client, JOB_CREATED, "H:test:500");
	scene_free(&s);
}

Test(store, replayed_jobs_keep_their_handle_and_numbers_go_on_above)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	store_replay(s, "f", "u", "old", "H:test:41");
	store_replay(s, "f", "v", "elsewhere", "H:oldname:7");
	store_replay(s, "f", "w", "from 1.1", "");
	scene_post(s, msg_new_sized(MSG_REPLAY_END, 0, sizeof(struct msg_text)));
	expect_no_change(s);
	tell(s, client, GET_STATUS, "H:oldname:7");
	expect(s, client, STATUS_RES, "H:oldname:7", "1", "0", "0", "0");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:41", "f", "old");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:oldname:7", "f", "elsewhere");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:42", "f", "from 1.1");
	tell(s, worker, WORK_COMPLETE, "H:test:42", "");
	expect_remove(s, "f", "w");
	tell(s, client, SUBMIT_JOB, "f", "", "");
	expect(s, client, JOB_CREATED, "H:test:43");
	scene_free(&s);
}

Test(store, a_replay_that_begins_again_leaves_nothing_of_the_first_attempt)
{
	struct scene *s = scene_new("--durable");
	int worker = scene_worker(s, "f");

	store_replay(s, "f", "u", "old", "H:test:41");
	store_replay(s, "f", "v", "old", "H:test:42");
	scene_post(s, msg_new(MSG_REPLAY_AGAIN, 0));
	expect_no_change(s);
	store_replay(s, "f", "v", "old", "H:test:42");
	scene_post(s, msg_new_sized(MSG_REPLAY_END, 0, sizeof(struct msg_text)));
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:42", "f", "old");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, NO_JOB);
	cr_assert_eq(scene_counter(s, worker, "jobs_replayed"), 1);
	scene_free(&s);
}

Test(store, replayed_rows_of_old_with_no_unique_are_removed_by_the_key_they_have)
{
	struct scene *s = scene_new("--durable");
	int worker = scene_worker(s, "f");

	store_replay(s, "f", "-", "x", "");
	store_replay(s, "f", "", "y", "");
	tell(s, worker, GRAB_JOB_UNIQ);
	expect(s, worker, JOB_ASSIGN_UNIQ, "H:test:1", "f", "-", "x");
	tell(s, worker, GRAB_JOB_UNIQ);
	expect(s, worker, JOB_ASSIGN_UNIQ, "H:test:2", "f", "", "y");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	expect_remove(s, "f", "-");
	tell(s, worker, WORK_COMPLETE, "H:test:2", "");
	expect_remove(s, "f", "");
	scene_free(&s);
}

Test(store, adds_at_shutdown_come_in_one_batch_in_order)
{
	struct scene *s = scene_new("--adds-at-shutdown");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_BG, "f", "c", "1");
	expect(s, client, JOB_CREATED, "H:test:1");
	tell(s, client, SUBMIT_JOB_BG, "f", "b", "2");
	tell(s, client, SUBMIT_JOB_BG, "f", "a", "3");
	tell(s, client, SUBMIT_JOB, "f", "fg", "4");
	tell(s, worker, GRAB_JOB);
	expect_no_change(s);
	scene_post(s, msg_new(MSG_SHUTDOWN, 0));
	expect_add(s, "f", "c");
	expect_add(s, "f", "b");
	expect_add(s, "f", "a");
	expect_no_change(s);
	cr_assert(scene_management_got(s, MSG_FLUSHED));
	scene_free(&s);
}

Test(store, a_question_whether_the_core_is_alive_is_answered)
{
	struct scene *s = scene_new("");

	cr_assert(!scene_management_got(s, MSG_ALIVE));
	scene_post(s, msg_new(MSG_ALIVE, 0));
	cr_assert(scene_management_got(s, MSG_ALIVE));
	scene_free(&s);
}

Test(store, graceful_end_leaves_stored_jobs_and_waits_for_the_others)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_BG, "f", "stored", "x");
	store_commit(s);
	tell(s, client, SUBMIT_JOB, "f", "fg", "y");
	scene_post(s, msg_new(MSG_GRACEFUL, 0));
	cr_assert(!scene_management_got(s, MSG_IDLE));
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:2");
	tell(s, client, SUBMIT_JOB, "f", "", "z");
	expect(s, client, ERROR, "SHUTDOWN_GRACEFUL", "The server is shutting down");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:2", "f", "y");
	tell(s, worker, WORK_COMPLETE, "H:test:2", "");
	cr_assert(scene_management_got(s, MSG_IDLE));
	expect_no_change(s);
	scene_free(&s);
}

Test(store, graceful_end_does_not_wait_for_a_stored_job_whose_last_client_has_left)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), listener = scene_peer(s), late = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "stored", "x");
	store_commit(s);
	tell(s, listener, SUBMIT_JOB, "f", "stored", "x");
	tell(s, client, SUBMIT_JOB_BG, "f", "storing", "x");
	tell(s, late, SUBMIT_JOB, "f", "storing", "x");
	scene_post(s, msg_new(MSG_GRACEFUL, 0));
	scene_hangup(s, listener);
	cr_assert(!scene_management_got(s, MSG_IDLE));
	scene_hangup(s, late);
	store_commit(s);
	cr_assert(scene_management_got(s, MSG_IDLE));
	expect_no_change(s);
	scene_free(&s);
}

Test(store, a_cancelled_job_is_confirmed_when_the_store_has_removed_it)
{
	struct scene *s = scene_new("--durable --queue-timeout=1000");
	int client = scene_peer(s), admin = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "a", "x");
	store_commit(s);
	tell(s, client, SUBMIT_JOB_BG, "f", "b", "x");
	tell(s, admin, TEXT, "cancel job H:test:1");
	tell(s, client, TEXT, "cancel job H:test:2");
	expect_silence(s, admin);
	store_commit(s);
	expect_text(s, admin, "OK\r\n");
	tell(s, client, SUBMIT_JOB_BG, "f", "c", "x");
	store_commit(s);
	tell(s, admin, TEXT, "cancel job H:test:3");
	scene_wait(s, 1000);
	expect_text(s, admin, "ERR QUEUE_ERROR The+job+is+cancelled+but+still+stored\r\n");
	scene_free(&s);
}

Test(store, what_a_client_submits_behind_a_stored_job_runs_behind_it)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), other = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_HIGH_BG, "f", "", "first");
	tell(s, client, SUBMIT_JOB_LOW, "f", "", "second");
	tell(s, other, SUBMIT_JOB_LOW, "f", "", "of another");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:3", "f", "of another");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, NO_JOB);
	store_commit(s);
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "first");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:2", "f", "second");
	scene_free(&s);
}

Test(store, a_job_that_waits_for_an_earlier_one_may_be_cancelled_refused_or_left)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), admin = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_BG, "f", "", "1");
	tell(s, client, SUBMIT_JOB, "f", "", "2");
	tell(s, client, SUBMIT_JOB, "f", "u", "3");
	tell(s, client, SUBMIT_JOB, "f", "", "4");
	tell(s, admin, SUBMIT_JOB_BG, "f", "u", "3"); /* held, and on its way to the store */
	tell(s, worker, TEXT, "cancel job H:test:4");
	expect_text(s, worker, "OK\r\n");
	scene_hangup(s, client);
	store_refuse(s, "no");
	expect(s, admin, ERROR, "QUEUE_ERROR", "no");
	ask(s, worker, "show jobs", ".\n");
	scene_free(&s);
}

/* The last reply that the held job waits for comes behind the end of the submission that is to be stored. */
Test(store, a_job_that_waits_for_an_earlier_one_ends_with_the_submission_that_wanted_it)
{
	struct scene *s = scene_new("--durable --queue-timeout=1000");
	int client = scene_peer(s), other = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "stored", "x");
	store_commit(s);
	tell(s, client, SUBMIT_JOB_BG, "f", "storing", "x");
	tell(s, client, TEXT, "cancel job H:test:1");
	tell(s, client, SUBMIT_JOB, "f", "held", "x");
	tell(s, other, SUBMIT_JOB_BG, "f", "held", "x");
	scene_hangup(s, client);
	scene_wait(s, 1000); /* for all of them */
	expect(s, other, ERROR, "QUEUE_ERROR", "The queue's store did not answer in time");
	ask(s, other, "show jobs", ".\n");
	store_commit(s);
	expect_no_change(s);
	scene_free(&s);
}
