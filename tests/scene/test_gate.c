/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Functions whose jobs may not be given away now: paused, at their cap, out of tokens.
 */
#include <stdio.h>

#include "proc/func.h"
#include "proc/gate.h"
#include "tests/scene/scene.h"

/* Time does not stand still in the first moments of a machine. */
static struct scene *
scene(void)
{
	struct scene *s = scene_new("");

	scene_wait(s, 3600 * 1000);
	return s;
}

/* As a policy sets it; takes effect with the next turn. */
static void
limit(struct scene *s, const char *function, uint64_t cap, nsec_t token, uint64_t burst)
{
	struct proc *p = scene_core(s);
	enum wire_error why;
	struct func *func;

	role_assume(&proc_role);
	func = func_get(p, slice_str(function), &why);
	cr_assert_not_null(func);
	func_limit(p, func, cap, token, burst);
}

static const nsec_t ms = 1000000;

static void
submit(struct scene *s, int client, const char *function, int n)
{
	for (int i = 0; i < n; i++) {
		tell(s, client, SUBMIT_JOB_BG, function, "", "x");
		expect(s, client, JOB_CREATED, "*");
	}
}

static void
expect_job(struct scene *s, int worker, const char *function)
{
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "*", function, "*");
}

static void
expect_no_job(struct scene *s, int worker)
{
	tell(s, worker, GRAB_JOB);
	expect(s, worker, NO_JOB);
}

/* How many of the workers were told to wake up. */
static int
woken(struct scene *s, const int *workers, int n)
{
	int count = 0;

	for (int i = 0; i < n; i++) {
		struct msg_reply *reply;

		while ((reply = next_reply(s, workers[i])) != NULL) {
			struct msg *m = &reply->msg;

			cr_assert_eq(m->type, PKT_NOOP);
			count++;
			msg_free(&m);
		}
	}
	return count;
}

static void
sleepers(struct scene *s, const char *function, int *workers_r, int n)
{
	for (int i = 0; i < n; i++) {
		workers_r[i] = scene_worker(s, function);
		tell(s, workers_r[i], PRE_SLEEP);
	}
}

Test(gate, nobody_is_given_a_job_of_a_paused_function_or_woken_for_it)
{
	struct scene *s = scene();
	int client = scene_peer(s), worker = scene_worker(s, "f"), sleeper = scene_worker(s, "f");

	submit(s, client, "f", 1);
	ask(s, client, "pause f", "OK\r\n");
	expect_no_job(s, worker);
	tell(s, sleeper, PRE_SLEEP);
	submit(s, client, "f", 1);
	tell(s, sleeper, CAN_DO, "f");
	scene_wait(s, 1000);
	expect_silence(s, sleeper);
	ask(s, client, "resume f", "OK\r\n");
	expect(s, sleeper, NOOP);
	expect_job(s, worker, "f");
	expect_job(s, sleeper, "f");
	scene_free(&s);
}

Test(gate, a_worker_goes_on_with_its_other_functions_while_one_is_paused)
{
	struct scene *s = scene();
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, worker, CAN_DO, "g");
	ask(s, client, "pause g", "OK\r\n");
	tell(s, client, SUBMIT_JOB_HIGH_BG, "g", "", "x");
	expect(s, client, JOB_CREATED, "*");
	submit(s, client, "f", 2);
	expect_job(s, worker, "f");
	expect_job(s, worker, "f");
	expect_no_job(s, worker);
	ask(s, client, "resume g", "OK\r\n");
	expect_job(s, worker, "g");
	scene_free(&s);
}

Test(gate, a_worker_with_many_functions_does_not_see_those_that_are_paused)
{
	struct scene *s = scene();
	int client = scene_peer(s), worker = scene_worker(s, "f0");
	char name[16];

	for (int i = 1; i < 100; i++) {
		snprintf(name, sizeof name, "f%d", i);
		tell(s, worker, CAN_DO, name);
	}
	submit(s, client, "f3", 1);
	ask(s, client, "pause f3", "OK\r\n");
	expect_no_job(s, worker);
	submit(s, client, "f4", 1);
	expect_job(s, worker, "f4");
	ask(s, client, "resume f3", "OK\r\n");
	expect_job(s, worker, "f3");
	scene_free(&s);
}

Test(gate, a_pause_ends_after_its_seconds)
{
	struct scene *s = scene();
	int client = scene_peer(s), worker = scene_worker(s, "f");

	ask(s, client, "pause f 5", "OK\r\n");
	submit(s, client, "f", 1);
	tell(s, worker, PRE_SLEEP);
	scene_wait(s, 4999);
	expect_silence(s, worker);
	scene_wait(s, 1);
	expect(s, worker, NOOP);
	expect_job(s, worker, "f");
	scene_free(&s);
}

Test(gate, a_later_pause_counts_instead_of_the_earlier_one)
{
	struct scene *s = scene();
	int client = scene_peer(s), worker = scene_worker(s, "f");

	submit(s, client, "f", 2);
	ask(s, client, "pause f 5", "OK\r\n");
	ask(s, client, "pause f", "OK\r\n");
	scene_wait(s, 10000);
	expect_no_job(s, worker);
	ask(s, client, "pause f 1", "OK\r\n");
	scene_wait(s, 1000);
	expect_job(s, worker, "f");
	scene_free(&s);
}

Test(gate, running_jobs_of_a_paused_function_go_on_and_a_lost_one_waits)
{
	struct scene *s = scene();
	int client = scene_peer(s), a = scene_worker(s, "f"), b = scene_worker(s, "f");

	submit(s, client, "f", 2);
	expect_job(s, a, "f");
	expect_job(s, b, "f");
	ask(s, client, "pause f", "OK\r\n");
	tell(s, a, WORK_COMPLETE, "H:test:1", "done");
	ask(s, client, "status", "f\t1\t1\t2\n.\n");
	scene_hangup(s, b);
	expect_no_job(s, a);
	ask(s, client, "status", "f\t1\t0\t1\n.\n");
	ask(s, client, "resume f", "OK\r\n");
	expect_job(s, a, "f");
	scene_free(&s);
}

Test(gate, a_paused_function_is_kept_and_afterwards_makes_room)
{
	struct scene *s = scene_new("--max-functions=2");
	int client = scene_peer(s);

	ask(s, client, "pause a", "OK\r\n");
	ask(s, client, "pause b 3", "OK\r\n");
	ask(s, client, "pause c", "ERR TOO_MANY_FUNCTIONS\r\n");
	scene_wait(s, 3000);
	ask(s, client, "pause c", "OK\r\n");
	ask(s, client, "status", "c\t0\t0\t0\na\t0\t0\t0\n.\n");
	ask(s, client, "resume a", "OK\r\n");
	ask(s, client, "pause d", "OK\r\n");
	ask(s, client, "drop function c", "OK\r\n");
	ask(s, client, "status", "d\t0\t0\t0\n.\n");
	scene_free(&s);
}

Test(gate, pause_and_resume_say_what_is_wrong)
{
	struct scene *s = scene();
	int client = scene_peer(s);
	const char *seconds = "ERR INVALID_ARGUMENTS The+seconds+of+a+pause+are+1+to+1000000000\r\n";

	ask(s, client, "pause",
	    "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+pause\r\n");
	ask(s, client, "pause f 1 2",
	    "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+pause\r\n");
	ask(s, client, "pause f 0", seconds);
	ask(s, client, "pause f -1", seconds);
	ask(s, client, "pause f 1000000001", seconds);
	ask(s, client, "resume",
	    "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+resume\r\n");
	ask(s, client, "resume f", "ERR UNKNOWN_FUNCTION There+is+no+such+function\r\n");
	ask(s, client, "status", ".\n");
	ask(s, client, "pause f 1000000000", "OK\r\n");
	ask(s, client, "resume f", "OK\r\n");
	ask(s, client, "resume f", "OK\r\n");
	scene_free(&s);
}

Test(gate, no_more_jobs_run_than_the_cap_says)
{
	struct scene *s = scene();
	int client = scene_peer(s), workers[3];

	limit(s, "f", 2, 0, 1);
	for (int i = 0; i < 3; i++)
		workers[i] = scene_worker(s, "f");
	submit(s, client, "f", 4);
	expect_job(s, workers[0], "f");
	expect_job(s, workers[1], "f");
	expect_no_job(s, workers[2]);
	tell(s, workers[2], PRE_SLEEP);
	expect_silence(s, workers[2]);
	tell(s, workers[0], WORK_COMPLETE, "H:test:1", "done");
	expect_silence(s, workers[2]);
	scene_wait(s, 1);
	expect(s, workers[2], NOOP);
	expect_job(s, workers[2], "f");
	expect_no_job(s, workers[0]);
	scene_hangup(s, workers[1]); /* its job waits again, and there is a place */
	expect_job(s, workers[0], "f");
	scene_free(&s);
}

Test(gate, as_many_sleepers_are_woken_as_there_are_places)
{
	struct scene *s = scene();
	int client = scene_peer(s), workers[10];

	limit(s, "f", 4, 0, 1);
	sleepers(s, "f", workers, 10);
	scene_gather(s);
	for (int i = 0; i < 8; i++)
		tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
	scene_turn(s);
	cr_assert_eq(woken(s, workers, 10), 4);
	scene_free(&s);
}

Test(gate, nobody_is_woken_when_the_worker_that_ended_a_job_takes_the_next)
{
	struct scene *s = scene();
	int client = scene_peer(s), worker = scene_worker(s, "f"), sleeper = scene_worker(s, "f");

	limit(s, "f", 1, 0, 1);
	submit(s, client, "f", 3);
	expect_job(s, worker, "f");
	tell(s, sleeper, PRE_SLEEP);
	tell(s, worker, WORK_COMPLETE, "H:test:1", "done");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:2", "f", "x");
	scene_wait(s, 100);
	expect_silence(s, sleeper);
	tell(s, worker, WORK_COMPLETE, "H:test:2", "done");
	scene_wait(s, 1);
	expect(s, sleeper, NOOP);
	scene_free(&s);
}

Test(gate, a_sleeper_that_does_not_come_is_followed_by_others)
{
	struct scene *s = scene();
	int client = scene_peer(s), workers[8];

	limit(s, "f", 2, 0, 1);
	sleepers(s, "f", workers, 8);
	submit(s, client, "f", 2);
	cr_assert_eq(woken(s, workers, 8), 2);
	scene_wait(s, 11);
	cr_assert_eq(woken(s, workers, 8), 2);
	scene_free(&s);
}

Test(gate, a_rate_gives_one_job_away_in_each_token)
{
	struct scene *s = scene();
	int client = scene_peer(s), worker = scene_worker(s, "f"), sleeper = scene_worker(s, "f");

	limit(s, "f", UINT64_MAX, 100 * ms, 1);
	submit(s, client, "f", 4);
	expect_job(s, worker, "f");
	expect_no_job(s, worker);
	tell(s, sleeper, PRE_SLEEP);
	scene_wait(s, 99);
	expect_no_job(s, worker);
	expect_silence(s, sleeper);
	scene_wait(s, 1);
	expect(s, sleeper, NOOP);
	expect_job(s, worker, "f");
	expect_no_job(s, sleeper);
	scene_free(&s);
}

Test(gate, a_burst_is_given_away_at_once)
{
	struct scene *s = scene();
	int client = scene_peer(s), worker = scene_worker(s, "f");

	limit(s, "f", UINT64_MAX, 1000 * ms, 3);
	scene_wait(s, 10000);
	submit(s, client, "f", 9);
	for (int i = 0; i < 3; i++)
		expect_job(s, worker, "f");
	expect_no_job(s, worker);
	scene_wait(s, 2000);
	for (int i = 0; i < 2; i++)
		expect_job(s, worker, "f");
	expect_no_job(s, worker);
	scene_free(&s);
}

Test(gate, a_rate_is_kept_though_each_worker_comes_late)
{
	struct scene *s = scene();
	int client = scene_peer(s), worker = scene_worker(s, "f"), given = 0;

	limit(s, "f", UINT64_MAX, 10 * ms, 1);
	submit(s, client, "f", 200);
	for (int i = 0; i < 66; i++) { /* 990 ms: asks every 15 */
		bool more = true;

		while (more) {
			struct msg_reply *reply;
			struct msg *m;

			tell(s, worker, GRAB_JOB);
			reply = next_reply(s, worker);
			m = &reply->msg;
			more = m->type == PKT_JOB_ASSIGN;
			given += more;
			msg_free(&m);
		}
		scene_wait(s, 15);
	}
	cr_assert_geq(given, 97);
	cr_assert_leq(given, 100);
	scene_free(&s);
}

Test(gate, a_new_rate_counts_at_once)
{
	struct scene *s = scene();
	int client = scene_peer(s), worker = scene_worker(s, "f");

	limit(s, "f", UINT64_MAX, 86400 * 1000 * ms, 1);
	submit(s, client, "f", 3);
	expect_job(s, worker, "f");
	expect_no_job(s, worker);
	limit(s, "f", UINT64_MAX, 10 * ms, 1);
	scene_wait(s, 10);
	expect_job(s, worker, "f");
	limit(s, "f", UINT64_MAX, 0, 1);
	expect_job(s, worker, "f");
	scene_free(&s);
}

Test(gate, a_cap_of_none_is_a_pause_that_resume_does_not_end)
{
	struct scene *s = scene();
	int client = scene_peer(s), worker = scene_worker(s, "f");

	limit(s, "f", 0, 0, 1);
	submit(s, client, "f", 1);
	expect_no_job(s, worker);
	ask(s, client, "resume f", "OK\r\n");
	expect_no_job(s, worker);
	limit(s, "f", UINT64_MAX, 0, 1);
	expect_job(s, worker, "f");
	scene_free(&s);
}

Test(gate, a_great_many_sleepers_are_woken_in_parts)
{
	enum { MANY = 2500 };
	struct scene *s = scene();
	int client = scene_peer(s), workers[MANY], first;

	ask(s, client, "pause f", "OK\r\n");
	sleepers(s, "f", workers, MANY);
	submit(s, client, "f", MANY);
	ask(s, client, "resume f", "OK\r\n");
	first = woken(s, workers, MANY);
	cr_assert_gt(first, 0);
	cr_assert_lt(first, MANY);
	for (int i = 0; i < 10; i++)
		scene_wait(s, 0);
	cr_assert_eq(first + woken(s, workers, MANY), MANY);
	scene_free(&s);
}

Test(gate, a_worker_that_falls_asleep_leaves_a_place_to_the_one_that_comes_again)
{
	struct scene *s = scene();
	int client = scene_peer(s), a = scene_worker(s, "f"), b = scene_worker(s, "f"), c = scene_worker(s, "f");

	limit(s, "f", 1, 0, 1);
	submit(s, client, "f", 3);
	expect_job(s, a, "f");
	tell(s, b, PRE_SLEEP);
	tell(s, a, WORK_COMPLETE, "H:test:1", "done");
	tell(s, c, PRE_SLEEP);
	expect_silence(s, b);
	expect_silence(s, c);
	expect_job(s, a, "f");
	tell(s, a, WORK_COMPLETE, "H:test:2", "done");
	scene_wait(s, 1);
	expect(s, b, NOOP);
	expect_silence(s, c);
	scene_free(&s);
}
