/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store thread and dead jobs: BURY, UNBURY and what belongs to them, in a store that is well, and in a full one.
 *
 * A name of the form KEY@HANDLE has both; the handle is the key of a dead job.
 */
#include <criterion/criterion.h>

#include "store_rig.h"

TestSuite(store_dead, .init = sr_init, .fini = sr_fini, .timeout = 120);

/* A job that died: what the core posts. */
static void
dies(struct list *burst, const char *key, const char *key_and_handle)
{
	sr_change(burst, MSG_BURY, key_and_handle);
	sr_change(burst, MSG_REMOVE, key);
}

static void
expect_end(const char *history)
{
	sr_stop();
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_eq(MSG_AS(msg_text, sr.shown)->number, 0);
	cr_assert_str_eq(sr.history, history);
}

/* The first store of a job that died, and the store has no room for it among the dead. */
static void
start_with_one_shut_out(int removals_until_it_fits)
{
	struct list burst;

	sr.full_until_removed = removals_until_it_fits;
	list_init(&burst);
	dies(&burst, "a", "a@1");
	sr_post_all(&burst);
	sr_start();
	sr_expect_state("no room");
	sr_expect_log("queue test: full: new jobs are refused until there is room, removals go on: no room");
	while (sr.removed < 2)
		sr_core_takes();
}

Test(store_dead, one_goes_among_the_dead_before_it_is_removed)
{
	struct list burst;

	list_init(&burst);
	dies(&burst, "a", "a@1");
	sr_change(&burst, MSG_UNBURY, "@2");
	sr_post_all(&burst);
	sr_start();
	while (sr.removed < 3)
		sr_core_takes();
	expect_end("*a@1 -a /@2 | ");
}

Test(store_dead, of_the_changes_of_one_handle_in_a_batch_the_last_one_counts)
{
	struct list burst;

	list_init(&burst);
	sr_change(&burst, MSG_UNBURY, "@1"); /* sent again, ... */
	dies(&burst, "a", "a@1");            /* ... and dead again */
	sr_change(&burst, MSG_ADD, "a");     /* another with its key */
	sr_post_all(&burst);
	sr_start();
	sr_expect_added("a", GEARMAND_STORED, NULL);
	while (sr.removed < 3)
		sr_core_takes();
	expect_end("*a@1 +a | ");
}

Test(store_dead, refused_ones_are_said_once_for_a_batch)
{
	struct list burst;

	list_init(&burst);
	sr_change(&burst, MSG_BURY, "bad 1@1");
	sr_change(&burst, MSG_UNBURY, "bad 2@2");
	sr_change(&burst, MSG_BURY, "bad 3@3");
	sr_post_all(&burst);
	sr_start();
	sr_expect_log("2 dead jobs are in memory alone, and gone after a restart: bad is bad");
	sr_expect_log("1 jobs stay dead in the store, and are that again after a restart: bad is bad");
	while (sr.removed < 3)
		sr_core_takes();
	sr_stop();
}

/* ---- Full ------------------------------------------------------------------------------------------ */

Test(store_dead, full_one_gets_removals_first_then_the_dead_and_then_new_jobs)
{
	struct list burst;

	sr.full_until_removed = 2;
	list_init(&burst);
	sr_change(&burst, MSG_ADD, "new");
	dies(&burst, "a", "a@1");
	sr_change(&burst, MSG_REMOVE, "x");
	sr_change(&burst, MSG_UNBURY, "@9");
	sr_post_all(&burst);
	sr_start();
	sr_expect_added("new", GEARMAND_STORED, NULL);
	while (sr.removed < 4)
		sr_core_takes();
	expect_end("-x /@9 | *a@1 -a +new | ");
}

Test(store_dead, one_that_does_not_fit_stays_alive_in_the_store_until_there_is_room)
{
	start_with_one_shut_out(1);
	cr_assert_str_eq(sr.history, "");
	sr_post(MSG_REMOVE, "x");
	sr_expect_state("");
	sr_expect_log("queue test: has room again");
	cr_assert_eq(sr.removed, 3, "what waited was counted before");
	expect_end("-x | *a@1 -a | ");
}

Test(store_dead, one_that_does_not_fit_is_tried_again_in_time)
{
	sr.script[0] = sr.script[1] = sr.script[2] = GEARMAND_COMMIT_FULL;
	start_with_one_shut_out(0);
	sr_expect_state("");
	sr_expect_log("queue test: has room again");
	expect_end("*a@1 | -a | ");
}

Test(store_dead, one_that_waits_for_room_keeps_new_jobs_off_its_key_and_no_others)
{
	start_with_one_shut_out(2);
	sr_post(MSG_ADD, "a");
	sr_expect_added("a", GEARMAND_REFUSED, "no room");
	sr_post(MSG_REMOVE, "x");
	sr_post(MSG_REMOVE, "y");
	sr_expect_state("");
	sr_post(MSG_ADD, "a");
	sr_expect_added("a", GEARMAND_STORED, NULL);
	sr_expect_log("queue test: has room again");
	expect_end("-x | -y | *a@1 -a | +a | ");
}

Test(store_dead, smaller_ones_are_moved_while_a_larger_one_waits)
{
	struct list burst;

	list_init(&burst);
	dies(&burst, "big", "big@1");
	dies(&burst, "a", "a@2");
	sr_change(&burst, MSG_ADD, "b");
	sr_post_all(&burst);
	sr_start();
	sr_expect_state("no room");
	sr_expect_log("full");
	sr_expect_added("b", GEARMAND_STORED, NULL);
	sr_stop();
	sr_expect_log("queue test: given up at shutdown, 2 changes are not saved: no room");
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_eq(MSG_AS(msg_text, sr.shown)->number, 2);
	cr_assert_not_null(strstr(sr.history, "*a@2 "));
	cr_assert_null(strstr(sr.history, "-big"), "%s", sr.history);
}

Test(store_dead, one_that_leaves_the_list_while_it_waits_for_room_is_removed_and_was_never_among_the_dead)
{
	start_with_one_shut_out(1 << 20);
	sr_post(MSG_UNBURY, "@1");
	while (sr.removed < 3)
		sr_core_takes();
	sr_stop();
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_eq(MSG_AS(msg_text, sr.shown)->number, 0);
	cr_assert(strcmp(sr.history, "-a /@1 | ") == 0 || strcmp(sr.history, "-a | /@1 | ") == 0, "%s", sr.history);
	cr_assert_eq(sr.removed, 3);
}

Test(store_dead, one_is_not_removed_first_when_a_new_job_with_its_key_was_in_the_batch)
{
	struct list burst;

	sr.full_until_removed = 1 << 20;
	list_init(&burst);
	dies(&burst, "a", "a@1");
	sr_change(&burst, MSG_ADD, "a");
	sr_post_all(&burst);
	sr_start();
	sr_expect_state("no room");
	sr_expect_log("full");
	sr_expect_added("a", GEARMAND_REFUSED, "no room");
	sr_post(MSG_REMOVE, "x");
	while (sr.removed < 3)
		sr_core_takes();
	sr_stop();
	sr_expect_log("2 changes are not saved: no room");
	cr_assert_str_eq(sr.history, "-x | ");
}

Test(store_dead, one_that_waits_for_room_is_tried_again_when_a_store_that_was_unwell_is_well)
{
	sr.script[3] = GEARMAND_COMMIT_AGAIN;
	start_with_one_shut_out(1);
	sr_post(MSG_REMOVE, "x");
	sr_expect_state("disk on fire");
	sr_expect_state("");
	sr_expect_log("disk on fire");
	sr_expect_log("well again");
	expect_end("-x | *a@1 -a | ");
}

TestSuite(store_dead_for_long, .init = sr_init_full_for_long, .fini = sr_fini, .timeout = 60);

Test(store_dead_for_long, one_that_waits_for_room_is_tried_a_last_time_at_shutdown)
{
	sr.script[0] = sr.script[1] = sr.script[2] = GEARMAND_COMMIT_FULL;
	start_with_one_shut_out(0);
	sr_stop();
	sr_expect_log("queue test: has room again");
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_eq(MSG_AS(msg_text, sr.shown)->number, 0);
	cr_assert_str_eq(sr.history, "*a@1 | -a | ");
}
