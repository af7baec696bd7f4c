/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs that wait longer than their policy allows.
 */
#include <stdio.h>

#include "tests/scene/background.h"

Test(expire, a_job_that_nobody_takes_in_time_is_dead)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f expire=10s\n");
	submit_background(s, client, "u", "H:test:1");
	scene_wait(s, 9999);
	cr_expect(answer_has(s, client, "show job H:test:1", "\nready_since\t1700000000\nexpires\t1700000010\n.\n"));
	cr_expect_eq(scene_counter(s, client, "jobs_expired"), 0);
	scene_wait(s, 1);
	expect_no_job(s, worker);
	ask(s, client, "show dead", "H:test:1\tf\tu\t0\t1700000010\t1\texpired\n.\n");
	cr_expect_eq(scene_counter(s, client, "jobs_expired"), 1);
	cr_expect(scene_logged(s, "expired job H:test:1 of f"));
	ask(s, client, "kick job H:test:1", "OK\r\n");
	scene_wait(s, 9999);
	expect_job(s, worker, "H:test:1"); /* it waited anew */
	scene_free(&s);
}

Test(expire, it_is_dropped_where_the_dead_are_not_kept)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s);

	store_replayed_all(s);
	scene_policies(s, "f expire=10s dead=drop keep-state=1h\n");
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	expect_add(s, "f", "u");
	store_commit(s);
	expect(s, client, JOB_CREATED, "H:test:1");
	scene_wait(s, 10000);
	expect_remove(s, "f", "u");
	ask(s, client, "show dead", ".\n");
	cr_expect(answer_has(s, client, "show job H:test:1", "\nstate\texpired\n"));
	tell(s, client, GET_STATUS, "H:test:1");
	expect(s, client, STATUS_RES, "H:test:1", "0", "0", "0", "1");
	scene_free(&s);
}

Test(expire, who_waits_for_it_hears_that_it_failed)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	scene_policies(s, "f expire=10s\n");
	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	scene_wait(s, 10000);
	expect(s, client, WORK_FAIL, "H:test:1");
	ask(s, client, "show dead", ".\n"); /* it was nobody's in the background */
	scene_free(&s);
}

Test(expire, the_time_begins_when_a_job_is_ready)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f expire=10s retry-on=fail delay=20s jitter=0\n");
	tell(s, client, SUBMIT_JOB_EPOCH, "f", "u", "1700000100", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	scene_wait(s, 109999);
	fail_job(s, worker, "H:test:1"); /* when it was due long since */
	scene_wait(s, 29999);            /* when its retry was */
	expect_job(s, worker, "H:test:1");
	scene_wait(s, 100000); /* that it runs is no waiting */
	tell(s, worker, WORK_FAIL, "H:test:1");
	scene_wait(s, 40000);
	cr_expect_eq(scene_counter(s, client, "jobs_expired"), 0);
	scene_wait(s, 20000);
	cr_expect_eq(scene_counter(s, client, "jobs_expired"), 1);
	expect_no_job(s, worker);
	scene_free(&s);
}

Test(expire, each_priority_and_function_has_its_order)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f expire=10s\ng expire=5s\n");
	submit_background(s, client, "", "H:test:1");
	scene_wait(s, 3000);
	tell(s, client, SUBMIT_JOB_HIGH_BG, "f", "", "x");
	expect(s, client, JOB_CREATED, "H:test:2");
	tell(s, client, SUBMIT_JOB_LOW_BG, "g", "", "x");
	expect(s, client, JOB_CREATED, "H:test:3");
	submit_background(s, client, "", "H:test:4");
	scene_wait(s, 5000);
	ask(s, client, "show dead g", "H:test:3\tg\t\t0\t1700000008\t1\texpired\n.\n");
	scene_wait(s, 2000);
	ask(s, client, "show dead f", "H:test:1\tf\t\t0\t1700000010\t1\texpired\n.\n");
	expect_job(s, worker, "H:test:2");
	scene_wait(s, 3000);
	expect_no_job(s, worker);
	cr_expect_eq(scene_counter(s, client, "jobs_expired"), 3);
	scene_free(&s);
}

Test(expire, a_pause_does_not_stop_the_time)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	scene_policies(s, "f expire=10s\n");
	ask(s, client, "pause f", "OK\r\n");
	submit_background(s, client, "", "H:test:1");
	scene_wait(s, 10000);
	cr_expect_eq(scene_counter(s, client, "jobs_expired"), 1);
	scene_free(&s);
}

Test(expire, a_reload_holds_for_jobs_that_wait)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	submit_background(s, client, "", "H:test:1");
	scene_wait(s, 5000);
	submit_background(s, client, "", "H:test:2");
	scene_policies(s, "f expire=3s dead=drop\n");
	scene_turn(s);
	cr_expect_eq(scene_counter(s, client, "jobs_expired"), 1);
	scene_policies(s, "");
	scene_wait(s, 100000);
	cr_expect_eq(scene_counter(s, client, "jobs_expired"), 1);
	scene_free(&s);
}

Test(expire, many_expire_in_parts)
{
	enum { MANY = 3000 };
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	scene_policies(s, "f expire=10s dead=drop\n");
	for (int i = 0; i < MANY; i++) {
		tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
		expect(s, client, JOB_CREATED, "*");
	}
	scene_wait(s, 10000);
	cr_expect_lt(scene_counter(s, client, "jobs_expired"), MANY);
	for (int i = 0; i < 6; i++)
		scene_wait(s, 0);
	cr_expect_eq(scene_counter(s, client, "jobs_expired"), MANY);
	scene_free(&s);
}

Test(expire, a_store_that_is_behind_is_waited_for)
{
	struct scene *s = scene_new("--durable --max-storing=1000");
	int client = scene_peer(s);

	store_replayed_all(s);
	scene_policies(s, "f expire=10s dead=drop\n");
	for (int i = 1; i <= 2; i++) {
		char handle[32];

		snprintf(handle, sizeof handle, "H:test:%d", i);
		tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
		store_commit(s);
		expect(s, client, JOB_CREATED, handle);
	}
	for (int i = 0; i < 5; i++)
		tell(s, client, SUBMIT_JOB_BG, "g", "", "0123456789012345678901234567890123456789");
	scene_wait(s, 9999);
	scene_wait(s, 1);
	cr_expect_eq(scene_counter(s, scene_peer(s), "jobs_expired"), 0);
	store_commit(s);
	cr_expect_eq(scene_counter(s, scene_peer(s), "jobs_expired"), 2);
	scene_free(&s);
}

Test(expire, nobody_expires_before_what_came_in_time_is_read)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	scene_policies(s, "f expire=10s\n");
	submit_background(s, client, "", "H:test:1");
	scene_stand_still(s, 60000);
	expect_job(s, worker, "H:test:1");
	scene_free(&s);
}
