/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The dead list, and what operators do with one job.
 */
#include <stdio.h>
#include <string.h>

#include "tests/scene/background.h"

/* ---- The dead list ------------------------------------------------------------------------ */

static struct scene *
scene_with_dead_job(const char *options)
{
	struct scene *s = scene_new(options);
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f attempts=2 retry-on=fail\n");
	submit_background(s, client, "u", "H:test:1");
	fail_job(s, worker, "H:test:1");
	fail_job(s, worker, "H:test:1");
	expect_no_job(s, worker);
	return s;
}

Test(dead, a_job_that_is_given_up_is_on_the_dead_list)
{
	struct scene *s = scene_with_dead_job("");
	int client = scene_peer(s);

	ask(s, client, "show dead", "H:test:1\tf\tu\t2\t1700000000\t1\t\n.\n");
	ask(s, client, "show dead f", "H:test:1\tf\tu\t2\t1700000000\t1\t\n.\n");
	ask(s, client, "show dead g", ".\n");
	cr_expect_eq(scene_counter(s, client, "jobs_now"), 0);
	cr_expect_eq(scene_counter(s, client, "dead_jobs_now"), 1);
	ask(s, client, "show jobs", ".\n");
	ask(s, client, "show unique jobs", ".\n");
	ask(s, client, "status", "f\t0\t0\t1\n.\n");
	tell(s, client, GET_STATUS, "H:test:1");
	expect(s, client, STATUS_RES, "H:test:1", "0", "0", "0", "1");
	cr_expect(scene_logged(s, "buried job H:test:1 of f: attempts that came to nothing: 2"));
	scene_free(&s);
}

Test(dead, a_kicked_job_starts_anew)
{
	struct scene *s = scene_with_dead_job("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, worker, PRE_SLEEP);
	ask(s, client, "kick job H:test:1", "OK\r\n");
	expect(s, worker, NOOP);
	fail_job(s, worker, "H:test:1");
	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "done");
	ask(s, client, "show dead", ".\n");
	ask(s, client, "kick job H:test:1", "ERR UNKNOWN_JOB\r\n");
	scene_free(&s);
}

Test(dead, its_unique_may_be_used_again_and_then_it_cannot_be_kicked)
{
	struct scene *s = scene_with_dead_job("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	submit_background(s, client, "u", "H:test:2");
	ask(s, client, "kick job H:test:1", "ERR UNIQUE_IN_USE A+job+with+the+same+unique+is+alive\r\n");
	ask(s, client, "kick job H:test:2", "ERR NOT_DEAD The+job+is+not+on+the+dead+list\r\n");
	expect_job(s, worker, "H:test:2");
	tell(s, worker, WORK_COMPLETE, "H:test:2", "done");
	ask(s, client, "kick job H:test:1", "OK\r\n");
	expect_job(s, worker, "H:test:1");
	scene_free(&s);
}

Test(dead, uniques_of_several_functions_stay_apart_when_one_is_buried_and_kicked)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	tell(s, client, SUBMIT_JOB_BG, "g", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:2");
	ask(s, client, "bury job H:test:1", "OK\r\n");
	tell(s, client, SUBMIT_JOB_BG, "g", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:2");
	ask(s, client, "kick job H:test:1", "OK\r\n");
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	tell(s, client, SUBMIT_JOB_BG, "g", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:2");
	scene_free(&s);
}

Test(dead, the_list_is_bounded_by_number_and_age)
{
	struct scene *s = scene_new("--dead-max=2 --dead-keep=100");
	int client = scene_peer(s);

	for (int i = 0; i < 3; i++) {
		char line[64], handle[32];

		snprintf(handle, sizeof handle, "H:test:%d", i + 1);
		submit_background(s, client, "", handle);
		snprintf(line, sizeof line, "bury job %s", handle);
		ask(s, client, line, "OK\r\n");
		scene_wait(s, 1000);
	}
	ask(s, client, "show job H:test:1", "ERR UNKNOWN_JOB\r\n");
	scene_wait(s, 98500);
	ask(s, client, "show dead", "H:test:3\tf\t\t0\t1700000002\t1\t\n.\n");
	scene_free(&s);
}

Test(dead, who_waits_for_a_job_that_is_buried_hears_that_it_failed)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), waits = scene_peer(s);

	submit_background(s, client, "u", "H:test:1");
	tell(s, waits, SUBMIT_JOB, "f", "u", "x");
	expect(s, waits, JOB_CREATED, "H:test:1");
	ask(s, client, "bury job H:test:1", "OK\r\n");
	expect(s, waits, WORK_FAIL, "H:test:1");
	scene_hangup(s, waits);
	ask(s, client, "show dead", "H:test:1\tf\tu\t0\t1700000000\t1\t\n.\n");
	scene_free(&s);
}

Test(dead, a_function_with_dead_jobs_is_not_dropped)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	submit_background(s, client, "u", "H:test:1");
	ask(s, client, "bury job H:test:1", "OK\r\n");
	ask(s, client, "drop function f", "ERR there are still jobs in the queue of this function\r\n");
	ask(s, client, "cancel job H:test:1", "OK\r\n");
	ask(s, client, "drop function f", "OK\r\n");
	scene_free(&s);
}

Test(dead, a_dead_job_may_be_cancelled)
{
	struct scene *s = scene_with_dead_job("");
	int client = scene_peer(s);

	ask(s, client, "bury job H:test:1", "OK\r\n"); /* as it is */
	ask(s, client, "cancel job H:test:1", "OK\r\n");
	ask(s, client, "show dead", ".\n");
	ask(s, client, "drop function f", "ERR there are still connected workers or executing clients\r\n");
	scene_free(&s);
}

/* Buries jobs of f with these uniques; the handles begin with number `first`. */
static void
bury_jobs(struct scene *s, int client, const char *uniques, int first)
{
	for (int i = 0; uniques[i] != '\0'; i++) {
		char unique[2] = { uniques[i], '\0' }, handle[32], line[64];

		snprintf(handle, sizeof handle, "H:test:%d", first + i);
		snprintf(line, sizeof line, "bury job %s", handle);
		submit_background(s, client, unique, handle);
		ask(s, client, line, "OK\r\n");
	}
}

Test(dead, dead_jobs_of_a_function_are_kicked_those_first_that_are_dead_longest)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	bury_jobs(s, client, "abc", 1);
	submit_background(s, client, "b", "H:test:4");
	ask(s, client, "kick f 1", "OK 1\n");
	expect_job(s, worker, "H:test:4");
	expect_job(s, worker, "H:test:1");
	ask(s, client, "kick f", "OK 1\n"); /* the unique of the other one is in use */
	expect_job(s, worker, "H:test:3");
	ask(s, client, "show dead", "H:test:2\tf\tb\t0\t1700000000\t1\t\n.\n");
	ask(s, client, "kick f 0",
	    "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+kick\r\n");
	ask(s, client, "kick g", "ERR UNKNOWN_FUNCTION There+is+no+such+function\r\n");
	scene_free(&s);
}

Test(dead, dead_jobs_of_a_function_are_purged)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	bury_jobs(s, client, "abc", 1);
	submit_background(s, client, "d", "H:test:4");
	ask(s, client, "purge f dead", "OK 3\n");
	ask(s, client, "show dead", ".\n");
	ask(s, client, "status", "f\t1\t0\t0\n.\n");
	scene_free(&s);
}

Test(dead, kicking_many_goes_on_while_others_are_served)
{
	enum { MANY = 3000 };
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s);

	for (int i = 0; i < MANY; i++) {
		char line[64];

		tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
		expect(s, client, JOB_CREATED, "*");
		snprintf(line, sizeof line, "bury job H:test:%d", i + 1);
		ask(s, client, line, "OK\r\n");
	}
	scene_gather(s);
	tell(s, client, TEXT, "kick f");
	tell(s, other, TEXT, "version");
	scene_turn(s);
	expect_text(s, other, "OK 0.1.0\n");
	expect_silence(s, client);
	for (int i = 0; i < 10; i++)
		scene_wait(s, 0);
	expect_text(s, client, "OK 3000\n");
	scene_free(&s);
}

/* ---- What its worker said -------------------------------------------------------------------- */

static void
except(struct scene *s, int worker, const char *handle, const char *text)
{
	expect_job(s, worker, handle);
	tell(s, worker, WORK_EXCEPTION, handle, text);
}

Test(error, the_last_exception_of_a_job_is_kept_with_it)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f attempts=3 retry-on=exception,fail\n");
	submit_background(s, client, "u", "H:test:1");
	cr_expect_not(answer_has(s, client, "show job H:test:1", "error"));
	except(s, worker, "H:test:1", "no route\tto host");
	except(s, worker, "H:test:1", "time\nout");
	cr_expect(answer_has(s, client, "show job H:test:1", "\nerror\ttime\\x0Aout\n.\n"));
	fail_job(s, worker, "H:test:1");
	ask(s, client, "show dead", "H:test:1\tf\tu\t3\t1700000000\t1\ttime\\x0Aout\n.\n");
	cr_expect(answer_has(s, client, "show job H:test:1", "\nerror\ttime\\x0Aout\n.\n"));
	scene_free(&s);
}

Test(error, a_kicked_job_has_none_and_its_memory_is_free)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");
	uint64_t before;

	scene_policies(s, "f attempts=1 retry-on=exception\n");
	submit_background(s, client, "u", "H:test:1");
	before = scene_counter(s, client, "job_bytes_now");
	except(s, worker, "H:test:1", "no route to host");
	cr_expect_gt(scene_counter(s, client, "job_bytes_now"), before);
	ask(s, client, "kick job H:test:1", "OK\r\n");
	cr_expect_not(answer_has(s, client, "show job H:test:1", "error"));
	cr_expect_eq(scene_counter(s, client, "job_bytes_now"), before);
	scene_free(&s);
}

Test(error, a_long_one_is_cut_at_a_whole_character)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");
	char text[1200], wanted[1100];

	scene_policies(s, "f retry-on=exception\n");
	submit_background(s, client, "u", "H:test:1");
	memset(text, 'e', sizeof text);
	strcpy(text + 998, "\u20ac and more");
	except(s, worker, "H:test:1", text);
	snprintf(wanted, sizeof wanted, "\nerror\t%.998s\n.\n", text);
	cr_expect(answer_has(s, client, "show job H:test:1", wanted));
	scene_free(&s);
}

/* ---- What is told of one job -------------------------------------------------------------- */

Test(manage_job, a_running_job_is_buried_or_tried_again_when_its_attempt_ends)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	submit_background(s, client, "u", "H:test:1");
	expect_job(s, worker, "H:test:1");
	ask(s, client, "retry job H:test:1 5", "OK\r\n");
	tell(s, worker, WORK_FAIL, "H:test:1");
	expect_no_job(s, worker);
	scene_wait(s, 5000);
	expect_job(s, worker, "H:test:1");
	cr_expect(answer_has(s, client, "show job H:test:1",
	    "handle\tH:test:1\nfunction\tf\nunique\tu\nstate\trunning\npriority\tnormal\nbackground\tyes\nstored\tno\n"
	    "bytes\t1\nattempts\t0\nclients\t0\nnumerator\t0\ndenominator\t0\nstarted\t1700000005\nworker\t-\nworker_"
	    "address\t"));
	ask(s, client, "bury job H:test:1", "OK\r\n");
	tell(s, worker, WORK_FAIL, "H:test:1");
	expect_no_job(s, worker);
	ask(s, client, "show dead", "H:test:1\tf\tu\t1\t1700000005\t1\t\n.\n");
	scene_free(&s);
}

Test(manage_job, what_ends_well_has_ended)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	submit_background(s, client, "u", "H:test:1");
	expect_job(s, worker, "H:test:1");
	ask(s, client, "bury job H:test:1", "OK\r\n");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "done");
	ask(s, client, "show dead", ".\n");
	scene_free(&s);
}

Test(manage_job, commands_that_do_not_fit_are_answered)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	ask(s, client, "bury job H:test:1", "ERR NOT_BACKGROUND The+job+is+a+foreground+job\r\n");
	submit_background(s, client, "u", "H:test:2");
	ask(s, client, "retry job H:test:2", "ERR NOT_RUNNING The+job+is+not+running\r\n");
	ask(s, client, "retry job H:test:2 x", "ERR INVALID_ARGUMENTS Seconds+are+a+whole+number,+at+most+a+year\r\n");
	ask(s, client, "kick job H:test:9", "ERR UNKNOWN_JOB\r\n");
	ask(s, client, "bury",
	    "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+bury\r\n");
	scene_free(&s);
}

Test(manage_job, the_policy_of_a_function_is_shown)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	scene_policies(s, "# ours\nmail.* attempts=3\n");
	ask(s, client, "show policy mail.x",
	    "OK line 2 mail.* attempts=3 retry-on=lost,timeout delay=0 max-delay=1d backoff=exponential jitter=10 "
	    "dead=keep "
	    "expire=0 run-limit=0 maxqueue=0,0,0 keep-state=0 keep-result=0\n");
	cr_expect(answer_has(s, client, "show policy other", "OK line 0 (none) attempts=0"));
	scene_free(&s);
}
