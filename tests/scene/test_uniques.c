/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Equal submissions share a job; jobs are asked for by unique; what a packet may hold.
 */
#include <stdio.h>

#include "proc/state.h"
#include "tests/scene/scene.h"

Test(uniques, equal_function_and_unique_share_a_job)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	tell(s, client, SUBMIT_JOB_HIGH, "f", "u", "other data");
	tell(s, client, SUBMIT_JOB, "g", "u", "x");
	tell(s, client, SUBMIT_JOB, "f", "U", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:2");
	expect(s, client, JOB_CREATED, "H:test:3");
	scene_free(&s);
}

Test(uniques, empty_never_coalesces_and_minus_coalesces_on_equal_data)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	tell(s, client, SUBMIT_JOB, "f", "", "x");
	tell(s, client, SUBMIT_JOB, "f", "-", "x");
	tell(s, client, SUBMIT_JOB, "f", "-", "x");
	tell(s, client, SUBMIT_JOB, "f", "-", "y");
	tell(s, client, SUBMIT_JOB, "g", "-", "x");
	tell(s, client, SUBMIT_JOB, "f", "-", "");
	tell(s, client, SUBMIT_JOB, "f", "-", "");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:2");
	expect(s, client, JOB_CREATED, "H:test:3");
	expect(s, client, JOB_CREATED, "H:test:3");
	expect(s, client, JOB_CREATED, "H:test:4");
	expect(s, client, JOB_CREATED, "H:test:5");
	expect(s, client, JOB_CREATED, "H:test:6");
	expect(s, client, JOB_CREATED, "H:test:7");
	tell(s, client, GET_STATUS_UNIQUE, "-");
	expect(s, client, STATUS_RES_UNIQUE, "-", "0", "0", "0", "0", "0");
	scene_free(&s);
}

Test(uniques, hash_sign_is_ordinary_text)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB, "f", "#", "x");
	tell(s, client, SUBMIT_JOB, "f", "#", "y");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:1");
	scene_free(&s);
}

Test(uniques, sixty_four_bytes_work_and_more_are_refused)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");
	const char *u64 = "0123456789012345678901234567890123456789012345678901234567890123";
	const char *u65 = "01234567890123456789012345678901234567890123456789012345678901234";

	tell(s, client, SUBMIT_JOB, "f", u64, "x");
	tell(s, client, SUBMIT_JOB, "f", u64, "x");
	tell(s, client, SUBMIT_JOB, "f", u65, "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, ERROR, "ARGUMENT_TOO_LARGE", "Unique value too large");
	tell(s, worker, GRAB_JOB_UNIQ);
	expect(s, worker, JOB_ASSIGN_UNIQ, "H:test:1", "f", u64, "x");
	tell(s, client, GET_STATUS_UNIQUE, u64);
	expect(s, client, STATUS_RES_UNIQUE, u64, "1", "1", "0", "0", "2");
	tell(s, client, GET_STATUS_UNIQUE, u65);
	expect(s, client, ERROR, "ARGUMENT_TOO_LARGE", "*");
	scene_free(&s);
}

Test(uniques, by_unique_alone_the_newest_job_of_any_function_is_found)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "b");

	tell(s, client, SUBMIT_JOB, "a", "u", "x");
	tell(s, client, SUBMIT_JOB, "b", "u", "x");
	tell(s, client, SUBMIT_JOB, "c", "u", "x");
	ask(s, worker, "cancel job H:test:3", "OK\r\n");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:2", "b", "x");
	tell(s, worker, GET_STATUS_UNIQUE, "u");
	expect(s, worker, STATUS_RES_UNIQUE, "u", "1", "1", "0", "0", "1");
	tell(s, worker, WORK_COMPLETE, "H:test:2", "");
	tell(s, worker, GET_STATUS_UNIQUE, "u");
	expect(s, worker, STATUS_RES_UNIQUE, "u", "1", "0", "0", "0", "1");
	ask(s, worker, "cancel job H:test:1", "OK\r\n");
	tell(s, worker, GET_STATUS_UNIQUE, "u");
	expect(s, worker, STATUS_RES_UNIQUE, "u", "0", "0", "0", "0", "0");
	scene_free(&s);
}

Test(uniques, grab_all_shows_the_reducer_and_both_reduce_forms_work)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");
	static const char four[] = "f\0u1\0sum\0\0data", three[] = "f\0u2\0sum\0data", none[] = "f\0u3\0\0data";

	tell_bytes(s, client, PKT_SUBMIT_REDUCE_JOB, slice_of(four, sizeof four - 1));
	tell_bytes(s, client, PKT_SUBMIT_REDUCE_JOB_BACKGROUND, slice_of(three, sizeof three - 1));
	tell_bytes(s, client, PKT_SUBMIT_REDUCE_JOB, slice_of(none, sizeof none - 1));
	for (int i = 1; i <= 3; i++)
		expect(s, client, JOB_CREATED, "*");
	tell(s, worker, GRAB_JOB_ALL);
	expect(s, worker, JOB_ASSIGN_ALL, "H:test:1", "f", "u1", "sum", "data");
	tell(s, worker, GRAB_JOB_ALL);
	expect(s, worker, JOB_ASSIGN_ALL, "H:test:2", "f", "u2", "sum", "data");
	tell(s, worker, GRAB_JOB_ALL);
	expect(s, worker, JOB_ASSIGN_UNIQ, "H:test:3", "f", "u3", "data");
	scene_free(&s);
}

Test(uniques, unique_and_reducer_of_a_reduce_job_are_checked_each)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);
	char body[256];
	int n = snprintf(body, sizeof body, "f%c%065d%cr%c%cdata", 0, 1, 0, 0, 0);

	tell_bytes(s, client, PKT_SUBMIT_REDUCE_JOB, slice_of(body, (size_t)n));
	expect(s, client, ERROR, "ARGUMENT_TOO_LARGE", "Unique value too large");
	n = snprintf(body, sizeof body, "f%cu%c%065d%c%cdata", 0, 0, 1, 0, 0);
	tell_bytes(s, client, PKT_SUBMIT_REDUCE_JOB, slice_of(body, (size_t)n));
	expect(s, client, ERROR, "ARGUMENT_TOO_LARGE", "Reducer value too large");
	scene_free(&s);
}

Test(limits, maxqueue_refuses_new_jobs_but_not_joining)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	ask(s, client, "maxqueue f 1", "OK\r\n");
	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	tell(s, client, SUBMIT_JOB, "f", "v", "x");
	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, ERROR, "QUEUE_ERROR", "Job queue is full");
	expect(s, client, JOB_CREATED, "H:test:1");
	ask(s, client, "maxqueue f", "OK\r\n");
	tell(s, client, SUBMIT_JOB, "f", "v", "x");
	expect(s, client, JOB_CREATED, "H:test:2");
	scene_free(&s);
}

Test(limits, maxqueue_by_priority)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	ask(s, client, "maxqueue f 2 1", "OK\r\n");
	tell(s, client, SUBMIT_JOB, "f", "", "x");
	tell(s, client, SUBMIT_JOB, "f", "", "x");
	tell(s, client, SUBMIT_JOB_HIGH, "f", "", "x");
	tell(s, client, SUBMIT_JOB_LOW, "f", "", "x");
	expect(s, client, JOB_CREATED, "*");
	expect(s, client, ERROR, "QUEUE_ERROR", "Job queue is full");
	expect(s, client, JOB_CREATED, "*");
	expect(s, client, JOB_CREATED, "*");
	scene_free(&s);
}

Test(limits, jobs_and_memory_are_bounded)
{
	struct scene *s = scene_new("--max-jobs=1");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	tell(s, client, SUBMIT_JOB, "f", "", "x");
	expect(s, client, JOB_CREATED, "*");
	expect(s, client, ERROR, "QUEUE_ERROR", "The server holds as many jobs as it may");
	scene_free(&s);
	s = scene_new("--max-memory=1");
	client = scene_peer(s);
	tell(s, client, SUBMIT_JOB, "f", "", "x");
	expect(s, client, ERROR, "QUEUE_ERROR", "The server holds as many jobs as it may");
	scene_free(&s);
}

Test(limits, those_who_wait_for_a_job_take_memory_too)
{
	struct scene *s = scene_new("--max-memory=2000");
	int client = scene_peer(s);
	struct msg_reply *reply;
	struct msg *m;
	int joined = -1;
	bool refused;

	do {
		tell(s, client, SUBMIT_JOB, "f", "u", "x");
		reply = next_reply(s, client);
		refused = reply->msg.type == PKT_ERROR;
		m = &reply->msg;
		msg_free(&m);
	} while (!refused && ++joined < 100);
	cr_assert(joined > 5 && joined < 100, "%d joined", joined);
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x"); /* takes none */
	expect(s, client, JOB_CREATED, "*");
	scene_free(&s);
}

static void
submit_hashed(struct scene *s, int client, uint64_t data_hash)
{
	struct msg_packet *m = msg_new_sized(MSG_PACKET, (uint64_t)client, sizeof *m);
	enum wire_error why;

	m->msg.type = PKT_SUBMIT_JOB;
	m->msg.blob = blob_copy(slice_of("f\0-\0same", 8));
	m->data_hash = data_hash;
	cr_assert(pkt_split(PKT_SUBMIT_JOB, blob_slice(m->msg.blob), &m->pkt, &why));
	scene_post(s, &m->msg);
}

Test(limits, data_that_is_the_unique_is_not_hashed_again_by_the_core)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	submit_hashed(s, client, 4711);
	submit_hashed(s, client, 4711);
	submit_hashed(s, client, 4712);
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:2");
	scene_free(&s);
}

Test(limits, idle_functions_make_room_and_used_ones_do_not)
{
	struct scene *s = scene_new("--max-functions=2");
	int worker = scene_worker(s, "a");

	tell(s, worker, CAN_DO, "b");
	tell(s, worker, CAN_DO, "c");
	expect(s, worker, ERROR, "QUEUE_ERROR", "The server holds as many functions as it may");
	tell(s, worker, CANT_DO, "a");
	tell(s, worker, CAN_DO, "c");
	expect_silence(s, worker);
	tell(s, worker, SUBMIT_JOB, "d", "", "x");
	expect(s, worker, ERROR, "QUEUE_ERROR", "The server holds as many functions as it may");
	ask(s, worker, "create function e", "ERR TOO_MANY_FUNCTIONS\r\n");
	scene_free(&s);
}

Test(limits, abilities_of_a_worker_are_bounded)
{
	struct scene *s = scene_new("--max-abilities=1");
	int worker = scene_worker(s, "a");

	tell(s, worker, CAN_DO, "b");
	expect(s, worker, ERROR, "QUEUE_ERROR", "The server holds as many functions as it may");
	cr_assert_eq(scene_core(s)->counts[STAT_refused_full], 1);
	scene_free(&s);
}
