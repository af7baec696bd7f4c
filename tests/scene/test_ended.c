/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs that have ended: how it is told, for how long, and what is kept of their results.
 */
#include <stdio.h>
#include <string.h>

#include "proc/ended.h"
#include "tests/scene/background.h"

static void
expect_status(struct scene *s, int peer, const char *handle, const char *numerator, const char *denominator)
{
	tell(s, peer, GET_STATUS, handle);
	expect(s, peer, STATUS_RES, handle, "0", "0", numerator, denominator);
}

static void
expect_unique_status(struct scene *s, int peer, const char *unique, const char *numerator, const char *denominator)
{
	tell(s, peer, GET_STATUS_UNIQUE, unique);
	expect(s, peer, STATUS_RES_UNIQUE, unique, "0", "0", numerator, denominator, "0");
}

static void
complete_job(struct scene *s, int worker, const char *handle, const char *data)
{
	expect_job(s, worker, handle);
	tell(s, worker, WORK_COMPLETE, handle, data);
}

static const struct ended *
find(struct scene *s, const char *handle)
{
	role_assume(&proc_role);
	return ended_find(scene_core(s), slice_str(handle));
}

static struct slice
result_of(struct scene *s, const char *handle)
{
	const struct ended *e = find(s, handle);

	return e == NULL || e->result == NULL ? slice_of("", 0) : blob_slice(e->result->bytes);
}

Test(ended, a_job_that_has_ended_is_not_known_without_a_policy)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	submit_background(s, client, "u", "H:test:1");
	complete_job(s, worker, "H:test:1", "done");
	expect_status(s, client, "H:test:1", "0", "0");
	expect_unique_status(s, client, "u", "0", "0");
	ask(s, client, "show job H:test:1", "ERR UNKNOWN_JOB\r\n");
	scene_free(&s);
}

Test(ended, how_it_ended_is_told_for_as_long_as_the_policy_says)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f keep-state=10s\n");
	submit_background(s, client, "a", "H:test:1");
	submit_background(s, client, "b", "H:test:2");
	complete_job(s, worker, "H:test:1", "done");
	fail_job(s, worker, "H:test:2");
	expect_status(s, client, "H:test:1", "1", "1");
	expect_status(s, client, "H:test:2", "0", "1");
	expect_unique_status(s, client, "a", "1", "1");
	expect_unique_status(s, client, "b", "0", "1");
	expect_status(s, client, "H:test:3", "0", "0");
	cr_expect_eq(scene_counter(s, client, "ended_jobs_now"), 2);
	scene_wait(s, 9999);
	expect_status(s, client, "H:test:1", "1", "1");
	scene_wait(s, 1);
	expect_status(s, client, "H:test:1", "0", "0");
	expect_unique_status(s, client, "b", "0", "0");
	cr_expect_eq(scene_counter(s, client, "ended_bytes_now"), 0);
	scene_free(&s);
}

Test(ended, show_job_says_how_and_when_and_by_whom)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f keep-state=10s retry-on=lost,fail attempts=2 dead=drop\n");
	tell(s, worker, SET_CLIENT_ID, "w1");
	submit_background(s, client, "u", "H:test:1");
	fail_job(s, worker, "H:test:1");
	scene_wait(s, 2000);
	expect_job(s, worker, "H:test:1");
	cr_expect(answer_has(s, client, "show job H:test:1", "\nstarted\t1700000002\nworker\tw1\n"));
	scene_wait(s, 3000);
	tell(s, worker, WORK_EXCEPTION, "H:test:1", "no route");
	ask(s, client, "show job H:test:1",
	    "handle\tH:test:1\nfunction\tf\nunique\tu\nstate\texception\nbackground\tyes\nattempts\t2\n"
	    "started\t1700000002\nended\t1700000005\nworker\tw1\nworker_address\t127.0.0.1\nerror\tno route\n.\n");
	scene_free(&s);
}

Test(ended, each_end_has_its_name)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), waits = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f keep-state=1h run-limit=5s attempts=1 dead=drop\n");
	submit_background(s, client, "", "H:test:1");
	ask(s, client, "cancel job H:test:1", "OK\r\n");
	cr_expect(answer_has(s, client, "show job H:test:1", "\nstate\tcancelled\n"));
	submit_background(s, client, "", "H:test:2");
	expect_job(s, worker, "H:test:2");
	scene_wait(s, 5000);
	cr_expect(answer_has(s, client, "show job H:test:2", "\nstate\ttimeout\n"));
	tell(s, waits, SUBMIT_JOB, "f", "", "x");
	expect(s, waits, JOB_CREATED, "H:test:3");
	scene_hangup(s, waits);
	cr_expect(answer_has(s, client, "show job H:test:3", "\nstate\tabandoned\n"));
	submit_background(s, client, "", "H:test:4");
	expect_job(s, worker, "H:test:4");
	scene_hangup(s, worker);
	cr_expect(answer_has(s, client, "show job H:test:4", "\nstate\tdropped\n"));
	scene_free(&s);
}

Test(ended, a_dead_job_has_failed_until_it_is_kicked)
{
	struct scene *s = scene_new("--dead-max=1");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f keep-state=1h attempts=1\n");
	submit_background(s, client, "u", "H:test:1");
	ask(s, client, "bury job H:test:1", "OK\r\n");
	expect_status(s, client, "H:test:1", "0", "1");
	expect_unique_status(s, client, "u", "0", "1");
	ask(s, client, "kick job H:test:1", "OK\r\n");
	tell(s, client, GET_STATUS_UNIQUE, "u");
	expect(s, client, STATUS_RES_UNIQUE, "u", "1", "0", "0", "0", "0");
	cr_expect_eq(scene_counter(s, client, "ended_jobs_now"), 0);
	ask(s, client, "bury job H:test:1", "OK\r\n");
	submit_background(s, client, "v", "H:test:2");
	ask(s, client, "bury job H:test:2", "OK\r\n");
	cr_expect(answer_has(s, client, "show job H:test:1", "\nstate\tdropped\n"));
	cr_expect_eq(scene_counter(s, client, "ended_jobs_now"), 2);
	complete_job(s, worker, (submit_background(s, client, "u", "H:test:3"), "H:test:3"), "");
	expect_unique_status(s, client, "u", "1", "1");
	scene_free(&s);
}

Test(ended, the_job_that_ended_last_is_asked_for_by_its_unique)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f keep-state=10s\ng keep-state=20s\n");
	submit_background(s, client, "u", "H:test:1");
	complete_job(s, worker, "H:test:1", "");
	tell(s, client, SUBMIT_JOB_BG, "g", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:2");
	ask(s, client, "cancel job H:test:2", "OK\r\n");
	expect_unique_status(s, client, "u", "0", "1");
	scene_wait(s, 10000);
	expect_unique_status(s, client, "u", "0", "1");
	expect_unique_status(s, client, "-", "0", "0");
	scene_free(&s);
}

Test(ended, the_oldest_is_forgotten_first_when_there_are_too_many)
{
	struct scene *s = scene_new("--status-max-bytes=1000");
	int client = scene_peer(s), worker = scene_worker(s, "f");
	char handle[32];

	scene_policies(s, "f keep-state=1h\n");
	for (int i = 1; i <= 20; i++) {
		snprintf(handle, sizeof handle, "H:test:%d", i);
		submit_background(s, client, "", handle);
		complete_job(s, worker, handle, "");
	}
	expect_status(s, client, "H:test:1", "0", "0");
	expect_status(s, client, "H:test:20", "1", "1");
	cr_expect_leq(scene_counter(s, client, "ended_bytes_now"), 1000);
	cr_expect_eq(scene_counter(s, client, "ended_forgotten") + scene_counter(s, client, "ended_jobs_now"), 20);
	scene_free(&s);
}

Test(ended, many_are_forgotten_in_parts)
{
	enum { MANY = 1000 };
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	scene_policies(s, "f keep-state=10s\n");
	for (int i = 0; i < MANY; i++) {
		tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
		expect(s, client, JOB_CREATED, "*");
	}
	tell(s, client, TEXT, "purge f");
	for (int i = 0; i < 10; i++)
		scene_wait(s, 0);
	expect_text(s, client, "OK 1000\n");
	cr_expect_eq(scene_counter(s, client, "ended_jobs_now"), MANY);
	scene_wait(s, 10000);
	cr_expect_gt(scene_counter(s, client, "ended_jobs_now"), 0);
	scene_wait(s, 0);
	scene_wait(s, 0);
	cr_expect_eq(scene_counter(s, client, "ended_jobs_now"), 0);
	scene_free(&s);
}

/* ---- Results ------------------------------------------------------------------------------ */

Test(result, what_a_worker_sent_is_kept_in_order)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f keep-state=10s keep-result=1K\n");
	submit_background(s, client, "u", "H:test:1");
	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_DATA, "H:test:1", "one ");
	tell(s, worker, WORK_WARNING, "H:test:1", "not of the result");
	tell(s, worker, WORK_DATA, "H:test:1", "two ");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "three");
	cr_expect(slice_is(result_of(s, "H:test:1"), "one two three"));
	cr_expect_eq(find(s, "H:test:1")->result->pieces_len, 8);
	cr_expect(answer_has(s, client, "show job H:test:1", "\nresult_bytes\t13\nresult_is_cut\tno\n"));
	scene_free(&s);
}

Test(result, it_is_cut_when_it_is_longer_than_the_policy_says)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f keep-state=10s keep-result=6\n");
	submit_background(s, client, "u", "H:test:1");
	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_DATA, "H:test:1", "four");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "four");
	cr_expect(slice_is(result_of(s, "H:test:1"), "fourfo"));
	cr_expect(answer_has(s, client, "show job H:test:1", "\nresult_bytes\t6\nresult_is_cut\tyes\n"));
	scene_free(&s);
}

Test(result, an_attempt_that_comes_to_nothing_leaves_none)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f keep-state=10s keep-result=1K retry-on=fail\n");
	submit_background(s, client, "u", "H:test:1");
	expect_job(s, worker, "H:test:1");
	tell(s, worker, WORK_DATA, "H:test:1", "half of");
	tell(s, worker, WORK_FAIL, "H:test:1");
	complete_job(s, worker, "H:test:1", "whole");
	cr_expect(slice_is(result_of(s, "H:test:1"), "whole"));
	scene_free(&s);
}

Test(result, those_of_running_jobs_are_bounded_too)
{
	struct scene *s = scene_new("--status-max-bytes=2000");
	int client = scene_peer(s), worker = scene_worker(s, "f");
	char data[801];

	memset(data, 'd', sizeof data - 1);
	data[sizeof data - 1] = '\0';
	scene_policies(s, "f keep-state=10s keep-result=1M\n");
	submit_background(s, client, "a", "H:test:1");
	submit_background(s, client, "b", "H:test:2");
	complete_job(s, worker, "H:test:1", data);
	expect_job(s, worker, "H:test:2");
	tell(s, worker, WORK_DATA, "H:test:2", data);
	cr_expect_not_null(find(s, "H:test:1"));
	tell(s, worker, WORK_DATA, "H:test:2", data);
	cr_expect_null(find(s, "H:test:1"), "results that are gathered come first");
	tell(s, worker, WORK_DATA, "H:test:2", data);
	tell(s, worker, WORK_COMPLETE, "H:test:2", "");
	cr_expect(find(s, "H:test:2")->result->is_cut);
	cr_expect_eq(result_of(s, "H:test:2").len, 1600);
	cr_expect_leq(scene_counter(s, client, "ended_bytes_now"), 2000);
	scene_free(&s);
}

Test(result, nobody_but_a_background_job_has_one)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f keep-state=10s keep-result=1K\n");
	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	complete_job(s, worker, "H:test:1", "done");
	expect(s, client, WORK_COMPLETE, "H:test:1", "done");
	cr_expect_null(find(s, "H:test:1")->result);
	expect_status(s, client, "H:test:1", "1", "1");
	scene_free(&s);
}
