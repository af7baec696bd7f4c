/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store thread, in front of a queue whose behaviour each test scripts: group commit, order, outcomes,
 * a queue that is unwell, or another server's, replay, shutdown.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "store_rig.h"

TestSuite(store, .init = sr_init, .fini = sr_fini, .timeout = 120);

/* ---- Commits --------------------------------------------------------------------------------------- */

Test(store, what_gathered_is_one_batch_in_order_and_bounded)
{
	struct list burst;

	list_init(&burst);
	sr_change(&burst, MSG_ADD, "a");
	sr_change(&burst, MSG_ADD, "b");
	sr_change(&burst, MSG_REMOVE, "a");
	sr_change(&burst, MSG_ADD, "a");
	sr_change(&burst, MSG_REMOVE, "b");
	sr_post_all(&burst);
	sr_start();
	sr_expect_added("a", GEARMAND_STORED, NULL);
	sr_expect_added("b", GEARMAND_STORED, NULL);
	sr_expect_added("a", GEARMAND_STORED, NULL);
	sr_stop();
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_str_eq(sr.history, "+b +a | -b | ", "of the changes of one key in a batch the last one counts");
	while (sr.removed < 2)
		sr_core_takes();
}

Test(store, refused_change_comes_back_with_its_reason_alone)
{
	struct list burst;

	list_init(&burst);
	sr_change(&burst, MSG_ADD, "a");
	sr_change(&burst, MSG_ADD, "bad");
	sr_change(&burst, MSG_REMOVE, "c");
	sr_change(&burst, MSG_ADD, "b");
	sr_post_all(&burst);
	sr_start();
	sr_expect_added("a", GEARMAND_STORED, NULL);
	sr_expect_added("bad", GEARMAND_REFUSED, "bad is bad");
	sr_expect_added("b", GEARMAND_STORED, NULL);
	sr_stop();
}

Test(store, refused_removals_are_said_once_for_a_batch)
{
	struct list burst;

	list_init(&burst);
	sr_change(&burst, MSG_REMOVE, "bad 1");
	sr_change(&burst, MSG_REMOVE, "a");
	sr_change(&burst, MSG_REMOVE, "bad 2");
	sr_change(&burst, MSG_ADD, "bad");
	sr_post_all(&burst);
	sr_start();
	sr_expect_added("bad", GEARMAND_REFUSED, "bad is bad");
	sr_expect_log("2 finished jobs stay in the store, and run again after a restart: bad is bad");
	sr_stop();
	while (sr.removed < 3)
		sr_core_takes();
}

Test(store, unwell_queue_is_asked_again_with_the_whole_batch_and_says_so_once)
{
	struct list burst;

	sr.script[0] = sr.script[1] = GEARMAND_COMMIT_AGAIN;
	list_init(&burst);
	sr_change(&burst, MSG_ADD, "bad");
	sr_change(&burst, MSG_ADD, "a");
	sr_post_all(&burst);
	sr_start();
	sr_expect_state("disk on fire");
	sr_post(MSG_ADD, "b");
	sr_expect_added("bad", GEARMAND_REFUSED, "bad is bad");
	sr_expect_added("a", GEARMAND_STORED, NULL);
	sr_expect_state("");
	sr_expect_added("b", GEARMAND_STORED, NULL);
	sr_expect_log("disk on fire");
	sr_expect_log("well again");
	sr_stop();
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_str_eq(sr.history, "+bad +a | +b | ");
	cr_assert_eq(sr.opens, 1);
}

Test(store, broken_queue_is_closed_and_opened_again)
{
	sr.script[0] = GEARMAND_COMMIT_BROKEN;
	sr.fail_opens = 1;
	sr_post(MSG_ADD, "a");
	sr_start();
	sr_expect_state("disk on fire");
	sr_expect_state("no way in");
	sr_expect_added("a", GEARMAND_STORED, NULL);
	sr_expect_state("");
	sr_expect_log("disk on fire");
	sr_expect_log("well again");
	sr_stop();
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_eq(sr.opens, 3);
	cr_assert_eq(sr.closes, 2);
}

Test(store, one_that_another_server_has_taken_over_is_lost_and_not_written_to)
{
	sr.script[0] = GEARMAND_COMMIT_BROKEN;
	sr.fail_opens = 1 << 30;
	sr.why_not = GEARMAND_WHY_IN_USE;
	sr_post(MSG_ADD, "a");
	sr_start();
	sr_expect_log("disk on fire");
	sr_expect_text(MSG_STORE_FAILED, "another server has taken it over; this one stops");
	store_join(sr.store);
	cr_assert_eq(sr.commits, 1);
	cr_assert_eq(sr.closes, 1);
}

Test(store, one_that_another_server_has_had_meanwhile_is_lost_at_once)
{
	sr.script[0] = GEARMAND_COMMIT_BROKEN;
	sr.commit_why = GEARMAND_WHY_IN_USE;
	sr_post(MSG_ADD, "a");
	sr_start();
	sr_expect_log("disk on fire");
	sr_expect_text(MSG_STORE_FAILED, "another server has taken it over; this one stops");
	store_join(sr.store);
	cr_assert_eq(sr.commits, 1);
	cr_assert_eq(sr.opens, 1);
	cr_assert_eq(sr.closes, 1);
}

Test(store, one_that_looks_taken_for_a_moment_goes_on)
{
	sr.script[0] = GEARMAND_COMMIT_BROKEN;
	sr.fail_opens = 1; /* a session of its own that lingers */
	sr.why_not = GEARMAND_WHY_IN_USE;
	sr_post(MSG_ADD, "a");
	sr_start();
	sr_expect_state("disk on fire");
	sr_expect_state("no way in");
	sr_expect_added("a", GEARMAND_STORED, NULL);
	sr_stop();
}

Test(store, one_that_will_never_open_again_is_asked_again_nevertheless)
{
	sr.script[0] = GEARMAND_COMMIT_BROKEN;
	sr.fail_opens = 3;
	sr.why_not = GEARMAND_WHY_LASTING;
	sr_post(MSG_ADD, "a");
	sr_start();
	sr_expect_state("disk on fire");
	sr_expect_state("no way in");
	sr_expect_added("a", GEARMAND_STORED, NULL);
	cr_assert_eq(sr.opens, 5);
	sr_stop();
}

Test(store, one_with_nothing_to_do_is_looked_at_again_and_again)
{
	sr.has_check = true;
	sr.checks_that_fail = 1;
	sr_start();
	sr_expect_state("nobody there");
	sr_expect_state("");
	sr_expect_log("changes are not stored; the server tries again until they are: nobody there");
	sr_expect_log("well again");
	sr_post(MSG_ADD, "a");
	sr_expect_added("a", GEARMAND_STORED, NULL);
	sr_stop();
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_geq(sr.checks, 2);
	cr_assert_eq(sr.opens, 2);
	cr_assert_eq(sr.commits, 1);
}

Test(store, one_that_is_taken_while_it_has_nothing_to_do_is_lost)
{
	sr.has_check = true;
	sr.checks_that_fail = 1;
	sr.fail_opens = 1 << 30;
	sr.why_not = GEARMAND_WHY_IN_USE;
	sr_start();
	sr_expect_log("nobody there");
	sr_expect_text(MSG_STORE_FAILED, "another server has taken it over; this one stops");
	store_join(sr.store);
	cr_assert_eq(sr.commits, 0);
}

/* ---- Full ------------------------------------------------------------------------------------------ */

Test(store, full_one_gets_removals_first_and_then_the_rest)
{
	struct list burst;

	sr.full_until_removed = 2;
	list_init(&burst);
	sr_change(&burst, MSG_ADD, "a");
	sr_change(&burst, MSG_REMOVE, "x");
	sr_change(&burst, MSG_ADD, "b");
	sr_change(&burst, MSG_ADD, "c");
	sr_change(&burst, MSG_REMOVE, "y");
	sr_post_all(&burst);
	sr_start();
	sr_expect_added("a", GEARMAND_STORED, NULL);
	sr_expect_added("b", GEARMAND_STORED, NULL);
	sr_expect_added("c", GEARMAND_STORED, NULL);
	sr_stop();
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_str_eq(sr.history, "-x -y | +a +b +c | ");
}

Test(store, full_one_refuses_what_does_not_fit_alone_and_says_so_once)
{
	struct list burst;

	list_init(&burst);
	sr_change(&burst, MSG_ADD, "a");
	sr_change(&burst, MSG_ADD, "big");
	sr_change(&burst, MSG_ADD, "b");
	sr_change(&burst, MSG_REMOVE, "x");
	sr_change(&burst, MSG_ADD, "as big");
	sr_post_all(&burst);
	sr_start();
	sr_expect_added("a", GEARMAND_STORED, NULL);
	sr_expect_state("no room");
	sr_expect_added("big", GEARMAND_REFUSED, "no room");
	sr_expect_added("as big", GEARMAND_REFUSED, "no room");
	sr_expect_added("b", GEARMAND_STORED, NULL);
	sr_expect_log("queue test: full: new jobs are refused until there is room, removals go on: no room");
	sr_post(MSG_ADD, "as large");
	sr_expect_state("");
	sr_expect_added("as large", GEARMAND_STORED, NULL);
	sr_expect_log("queue test: has room again");
	sr_stop();
}

Test(store, removal_that_a_refused_job_was_to_replace_is_done)
{
	struct list burst;

	list_init(&burst);
	sr_change(&burst, MSG_REMOVE, "big");
	sr_change(&burst, MSG_ADD, "big");
	sr_post_all(&burst);
	sr_start();
	sr_expect_state("no room");
	sr_expect_added("big", GEARMAND_REFUSED, "no room");
	sr_stop();
	while (sr_to_management()->kind != MSG_STORE_FLUSHED)
		;
	cr_assert_str_eq(sr.history, "-big | ");
}

Test(store, job_that_was_given_up_leaves_the_memory_before_the_store_is_back)
{
	struct list burst;

	sr.always_again = true;
	sr_post(MSG_ADD, "a");
	sr_start();
	sr_expect_state("disk on fire");
	list_init(&burst);
	sr_change(&burst, MSG_ADD, "b");
	sr_change(&burst, MSG_REMOVE, "b");
	sr_change(&burst, MSG_ADD, "c");
	sr_change(&burst, MSG_REMOVE, "c");
	sr_post_all(&burst);
	sr_expect_added("b", GEARMAND_STORED, NULL);
	sr_expect_added("c", GEARMAND_STORED, NULL);
	sr_stop();
}

/* ---- Shutdown -------------------------------------------------------------------------------------- */

Test(store, stop_commits_what_came_before_it)
{
	sr_start();
	sr_post(MSG_ADD, "a");
	sr_post(MSG_REMOVE, "b");
	sr_stop();
	sr_post(MSG_ADD, "too late");
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_eq(MSG_AS(msg_text, sr.shown)->number, 0);
	sr_expect_added("a", GEARMAND_STORED, NULL);
	while (sr.removed == 0)
		sr_core_takes();
	cr_assert(list_is_empty(&sr.core));
	cr_assert_null(strstr(sr.history, "too late"));
	cr_assert_eq(sr.closes, 1, "closed on its own thread");
}

Test(store, shutdown_of_an_unwell_queue_ends_and_says_what_is_lost)
{
	sr.always_again = true;
	sr_post(MSG_ADD, "a");
	sr_start();
	sr_expect_state("disk on fire");
	sr_expect_log("disk on fire");
	sr_post(MSG_REMOVE, "b");
	sr_stop();
	sr_expect_log("2 changes are not saved: disk on fire");
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_eq(MSG_AS(msg_text, sr.shown)->number, 2);
}

/* ---- Replay ------------------------------------------------------------------------------------------ */

Test(store, replay_hands_over_every_job_as_it_was)
{
	enum { JOBS = 20000 };
	char unique[16];

	sr.jobs_to_replay = JOBS;
	sr_start_replay();
	for (int i = 0; i < JOBS; i++) {
		struct msg *m = sr_to_core();
		struct msg_store *s = MSG_AS(msg_store, m);
		int len = snprintf(unique, sizeof unique, "u%d", i);

		cr_assert_eq(m->kind, MSG_REPLAYED);
		cr_assert(slice_is(s->function, "f") && slice_is(s->unique, unique) && slice_is(s->data, "data"));
		cr_assert(slice_is(s->handle, "H:x:1") && slice_is(s->reducer, "r"));
		cr_assert(s->run_at == i && s->priority == GEARMAND_LOW);
		cr_assert_eq(m->blob->len, 2 + (size_t)len + 1 + 4, "function NUL unique NUL data");
	}
	cr_assert_eq(sr_to_core()->kind, MSG_REPLAY_END);
	cr_assert_eq(MSG_AS(msg_text, sr.shown)->number, JOBS);
	sr_expect_log("20000 jobs");
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_READY);
	sr_stop();
}

Test(store, replay_that_fails_ends_the_start)
{
	sr.replays_that_fail = 1;
	sr.jobs_to_replay = 1;
	sr_start_replay();
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FAILED);
	cr_assert_str_eq(MSG_AS(msg_text, sr.shown)->text, "the table is gone");
}

Test(store, shutdown_ends_a_replay)
{
	sr.jobs_to_replay = 1 << 30;
	sr_start_replay();
	cr_assert_eq(sr_to_core()->kind, MSG_REPLAYED);
	sr_stop();
	while (sr_to_core()->kind != MSG_REPLAY_END)
		cr_assert_eq(sr.shown->kind, MSG_REPLAYED);
	while (sr_to_management()->kind != MSG_STORE_FLUSHED)
		;
}
