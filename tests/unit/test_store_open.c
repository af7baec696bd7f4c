/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store thread at its start: a queue that cannot be opened, waiting for it, standing by.
 */
#include <criterion/criterion.h>

#include "store_rig.h"

TestSuite(opening, .init = sr_init, .fini = sr_fini, .timeout = 120);
TestSuite(patient, .init = sr_init_patient, .fini = sr_fini, .timeout = 120);
TestSuite(standby, .init = sr_init_standby, .fini = sr_fini, .timeout = 120);

static void
fail_first(int opens, enum gearmand_why why)
{
	sr.fails_at_start = true;
	sr.fail_opens = opens;
	sr.why_not = why;
	store_start(sr.store);
}

static void
expect_failed_open(void)
{
	sr_expect_text(MSG_STORE_FAILED, "cannot open the queue test: no way in");
	store_join(sr.store);
	cr_assert_eq(sr.closes, 0);
}

Test(opening, that_cannot_be_opened_fails_at_once)
{
	fail_first(1, GEARMAND_WHY_PASSING);
	expect_failed_open();
	cr_assert_eq(sr.opens, 1);
}

Test(patient, waits_for_one_that_is_down_and_says_so_once)
{
	fail_first(3, GEARMAND_WHY_PASSING);
	sr_expect_log("queue test: waiting until it can be opened: no way in");
	sr_expect_text(MSG_STORE_WAITING, "no way in");
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_OPEN);
	cr_assert_eq(sr.opens, 4);
	sr_tell(MSG_REPLAY);
	cr_assert_eq(sr_to_core()->kind, MSG_REPLAY_END);
	sr_expect_log("queue test: open now");
	sr_stop();
}

/* A lock on the table that passes, say. */
static void
replay_fails_twice(void)
{
	sr.replays_that_fail = 2;
	sr.jobs_to_replay = 3;
	sr_start_replay();
	for (int attempt = 0; attempt < 3; attempt++) {
		if (attempt > 0)
			cr_assert_eq(sr_to_core()->kind, MSG_REPLAY_AGAIN);
		for (int i = 0; i < 3; i++)
			cr_assert_eq(sr_to_core()->kind, MSG_REPLAYED);
	}
	cr_assert_eq(sr_to_core()->kind, MSG_REPLAY_END);
	cr_assert_eq(MSG_AS(msg_text, sr.shown)->number, 3);
	sr_expect_log("queue test: waiting until it can be read: the table is gone");
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_WAITING);
	sr_expect_log("queue test: 3 jobs taken over");
	sr_expect_log("queue test: open now");
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_READY);
	cr_assert_eq(sr.opens, 3);
	sr_stop();
}

Test(patient, waits_for_a_replay_that_meets_trouble_that_passes)
{
	replay_fails_twice();
}

Test(standby, waits_for_a_replay_that_meets_trouble_that_passes)
{
	replay_fails_twice();
}

Test(patient, does_not_wait_for_a_replay_that_will_fail_for_ever)
{
	sr.replays_that_fail = 1;
	sr.replay_why = GEARMAND_WHY_LASTING;
	sr_start_replay();
	sr_expect_text(MSG_STORE_FAILED, "the table is gone");
}

Test(patient, hears_a_stop_while_it_waits_for_a_replay)
{
	sr.replays_that_fail = 1 << 30;
	sr_start_replay();
	sr_expect_log("waiting until it can be read");
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_WAITING);
	sr_stop();
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
}

Test(patient, does_not_wait_for_what_lasts)
{
	fail_first(1, GEARMAND_WHY_LASTING);
	expect_failed_open();
}

Test(patient, does_not_wait_for_another_server)
{
	fail_first(1, GEARMAND_WHY_IN_USE);
	expect_failed_open();
}

Test(patient, hears_a_stop_while_it_waits)
{
	fail_first(1 << 30, GEARMAND_WHY_PASSING);
	sr_expect_log("waiting");
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_WAITING);
	sr_stop();
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
	store_join(sr.store);
}

Test(patient, hears_a_stop_before_replay)
{
	store_start(sr.store);
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_OPEN);
	sr_stop();
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert(!mbox_take(sr.proc, &sr.core), "nothing was replayed");
	cr_assert_eq(sr.closes, 1);
}

Test(standby, takes_over_from_another_server)
{
	fail_first(2, GEARMAND_WHY_IN_USE);
	sr_expect_log("queue test: standing by: no way in");
	sr_expect_text(MSG_STORE_WAITING, "standing by");
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_OPEN);
	cr_assert_eq(sr.opens, 3);
	sr_tell(MSG_REPLAY);
	sr_expect_log("this server is active now");
	sr_stop();
}

Test(standby, waits_for_one_that_is_down_too)
{
	fail_first(1, GEARMAND_WHY_PASSING);
	sr_expect_log("waiting until it can be opened");
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_WAITING);
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_OPEN);
	sr_stop();
}
