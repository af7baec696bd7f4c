/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs that come again and again.  The stage's clock begins at 22:13:20 UTC; the stage also plays management, which
 * says when a line is next.
 */
#include <stdlib.h>
#include <time.h>

#include "tests/scene/background.h"

static struct scene *
scene_with_cron(const char *options, const char *file)
{
	struct scene *s;

	setenv("TZ", "UTC0", 1);
	tzset();
	s = scene_new(options);
	scene_policies(s, file);
	return s;
}

Test(cron, a_job_comes_at_each_minute_that_is_named)
{
	struct scene *s = scene_with_cron("", "# nightly\nf cron=\"15,20 22 * * *\" payload=x\n");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	ask(s, client, "show cron", "2\tf\t15,20 22 * * *\t1700000100\t0\n.\n");
	scene_wait(s, 99999);
	expect_no_job(s, worker);
	scene_wait(s, 1);
	tell(s, worker, GRAB_JOB_UNIQ);
	expect(s, worker, JOB_ASSIGN_UNIQ, "H:test:1", "f", "cron:2", "x");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	ask(s, client, "show cron", "2\tf\t15,20 22 * * *\t1700000400\t1700000100\n.\n");
	scene_wait(s, 59000);
	expect_no_job(s, worker);
	scene_wait(s, 241000);
	expect_job(s, worker, "H:test:2");
	cr_expect_eq(scene_counter(s, client, "cron_runs"), 2);
	ask(s, client, "show cron", "2\tf\t15,20 22 * * *\t1700086500\t1700000400\n.\n");
	scene_free(&s);
}

Test(cron, a_sleeping_worker_is_woken)
{
	struct scene *s = scene_with_cron("", "f cron=\"* * * * *\" payload=x\n");
	int worker = scene_worker(s, "f");

	tell(s, worker, PRE_SLEEP);
	scene_wait(s, 40000);
	expect(s, worker, NOOP);
	expect_job(s, worker, "H:test:1");
	scene_free(&s);
}

Test(cron, the_next_does_not_come_while_the_one_before_lives)
{
	struct scene *s = scene_with_cron("", "f cron=\"* * * * *\" payload=x retry-on=fail delay=2m jitter=0\n");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_wait(s, 40000);
	scene_wait(s, 60000);
	ask(s, client, "status", "f\t1\t0\t1\n.\n");
	expect_job(s, worker, "H:test:1");
	scene_wait(s, 60000);
	ask(s, client, "status", "f\t1\t1\t1\n.\n");
	tell(s, worker, WORK_FAIL, "H:test:1");
	scene_wait(s, 60000); /* it waits for its retry */
	ask(s, client, "status", "f\t1\t0\t1\n.\n");
	scene_wait(s, 60000);
	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	scene_wait(s, 60000);
	expect_job(s, worker, "H:test:2");
	cr_expect_eq(scene_counter(s, client, "jobs_coalesced"), 4);
	scene_free(&s);
}

Test(cron, a_standstill_and_a_clock_that_is_set_bring_one_run)
{
	struct scene *s = scene_with_cron("", "f cron=\"* * * * *\" payload=x\n");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_wait(s, 100 * 60000);
	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	expect_no_job(s, worker);
	scene_set_clock(s, 1800000000);
	expect_job(s, worker, "H:test:2");
	tell(s, worker, WORK_COMPLETE, "H:test:2", "");
	scene_wait(s, 59999);
	expect_no_job(s, worker);
	cr_expect_eq(scene_counter(s, client, "cron_runs"), 2);
	scene_free(&s);
}

Test(cron, what_was_due_while_another_server_had_the_store_is_not_run_at_the_takeover)
{
	struct scene *s = scene_with_cron("--durable", "f cron=\"* * * * *\" payload=x\n");
	int client = scene_peer(s);

	scene_wait(s, 10 * 60000);
	scene_post(s, msg_new_sized(MSG_STORE_OURS, 0, sizeof(struct msg_text)));
	scene_post(s, msg_new_sized(MSG_REPLAY_END, 0, sizeof(struct msg_text)));
	cr_expect_eq(scene_counter(s, client, "cron_runs"), 0);
	scene_wait(s, 60000);
	cr_expect_eq(scene_counter(s, client, "cron_runs"), 1);
	scene_free(&s);
}

Test(cron, a_clock_that_is_set_is_noticed_within_a_second)
{
	struct scene *s = scene_with_cron("", "f cron=\"15 22 * * *\"\n");

	scene_gather(s);
	cr_expect_leq(scene_turn(s), 1000000000LL + 1000000000);
	scene_free(&s);
}

Test(cron, several_lines_of_a_function_have_jobs_of_their_own)
{
	struct scene *s =
	    scene_with_cron("", "f cron=\"14 * * * *\" payload=x\nf cron=\"14 22 * * *\" payload=x\ng attempts=1\n");
	int worker = scene_worker(s, "f");

	scene_wait(s, 40000);
	expect_job(s, worker, "H:test:1");
	expect_job(s, worker, "H:test:2");
	expect_no_job(s, worker);
	scene_free(&s);
}

Test(cron, with_a_store_the_job_is_given_away_when_it_is_stored)
{
	struct scene *s = scene_with_cron("--durable", "f cron=\"14 * * * *\" payload=x\n");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_wait(s, 40000); /* the stored jobs are not back yet: it may be one of them */
	expect_no_change(s);
	scene_post(s, &msg_text_new(MSG_REPLAY_END, slice_of("", 0))->msg);
	scene_wait(s, 0);
	expect_add(s, "f", "cron:1");
	expect_no_job(s, worker);
	tell(s, client, SUBMIT_JOB_BG, "f", "cron:1", "x"); /* joins it, and waits for the commit, too */
	expect_silence(s, client);
	store_commit(s);
	expect(s, client, JOB_CREATED, "H:test:1");
	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "");
	expect_remove(s, "f", "cron:1");
	scene_wait(s, 3600000);
	expect_add(s, "f", "cron:1");
	store_refuse(s, "no");
	expect_no_job(s, worker);
	ask(s, client, "status", "f\t0\t0\t1\n.\n");
	scene_free(&s);
}

Test(cron, what_is_full_is_told_in_the_log)
{
	struct scene *s = scene_with_cron("", "f cron=\"14 * * * *\" maxqueue=1\n");
	int client = scene_peer(s);

	submit_background(s, client, "", "H:test:1");
	scene_wait(s, 40000);
	cr_expect(scene_logged(s, "cron, line 1: no job of f: Job queue is full"));
	ask(s, client, "status", "f\t1\t0\t0\n.\n");
	scene_free(&s);
}

Test(cron, a_server_that_drains_submits_nothing)
{
	struct scene *s = scene_with_cron("", "f cron=\"14 * * * *\"\n");

	scene_post(s, msg_new(MSG_GRACEFUL, 0));
	scene_wait(s, 40000);
	cr_expect(scene_management_got(s, MSG_IDLE));
	cr_expect_eq(scene_counter(s, scene_peer(s), "cron_runs"), 0);
	scene_free(&s);
}

Test(cron, a_reload_takes_the_lines_anew_and_knows_when_each_ran)
{
	struct scene *s = scene_with_cron("", "f cron=\"* * * * *\"\n");
	int client = scene_peer(s);

	scene_wait(s, 40000);
	scene_policies(s, "g cron=\"0 0 * * *\"\nf cron=\"* * * * *\"\n");
	ask(s, client, "show cron", "1\tg\t0 0 * * *\t1700006400\t0\n2\tf\t* * * * *\t1700000100\t1700000040\n.\n");
	scene_policies(s, "");
	ask(s, client, "show cron", ".\n");
	scene_wait(s, 3600000);
	cr_expect_eq(scene_counter(s, client, "cron_runs"), 1);
	scene_free(&s);
}

Test(cron, an_answer_about_lines_that_are_gone_counts_for_nothing)
{
	struct scene *s = scene_with_cron("", "f cron=\"* * * * *\"\n");
	struct msg_cron *late = msg_new_sized(MSG_CRON, 0, sizeof *late);

	scene_policies(s, "");
	late->table = 2;
	late->next = 1700000020;
	scene_post(s, &late->msg);
	scene_wait(s, 100000);
	cr_expect_eq(scene_counter(s, scene_peer(s), "cron_runs"), 0);
	scene_free(&s);
}
