/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What one peer's packets may cost the others: work, messages, memory.
 *
 * Runs on:  the test's thread.
 */
#include <stdio.h>

#include "base/mem.h"
#include "proc/fair.h"
#include "tests/scene/scene.h"

static void
forget(struct scene *s, int peer)
{
	struct msg_reply *reply;

	while ((reply = next_reply(s, peer)) != NULL) {
		struct msg *m = &reply->msg;

		msg_free(&m);
	}
}

static size_t
count_said(struct scene *s, int peer, enum msg_kind kind)
{
	struct msg_reply *reply;
	size_t n = 0;

	while ((reply = next_reply(s, peer)) != NULL) {
		struct msg *m = &reply->msg;

		n += m->kind == kind;
		msg_free(&m);
	}
	return n;
}

/* A job that `clients` submissions wait for, and its worker. */
static int
popular_job(struct scene *s, int client, int clients)
{
	int worker = scene_worker(s, "f");

	scene_gather(s);
	for (int i = 0; i < clients; i++)
		tell(s, client, SUBMIT_JOB, "f", "u", "x");
	while (scene_turn(s) != NEVER)
		;
	forget(s, client);
	tell(s, worker, GRAB_JOB);
	forget(s, worker);
	return worker;
}

Test(fair, reports_that_many_wait_for_are_paid_with_time_and_others_go_first)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s), worker = popular_job(s, client, 5000);
	size_t heard = 0;

	scene_gather(s);
	for (int i = 0; i < 20; i++)
		tell(s, worker, WORK_STATUS, "H:test:1", "1", "2");
	tell(s, worker, ECHO_REQ, "last");
	tell(s, other, ECHO_REQ, "me");
	cr_assert_neq(scene_turn(s), NEVER);
	expect(s, other, ECHO_RES, "me");
	heard = count_said(s, client, MSG_REPLY);
	cr_assert(heard >= 5000 && heard <= 10000, "%zu at once", heard);
	expect_kind(s, worker, PAUSE);
	expect_silence(s, worker);
	scene_wait(s, 20);
	heard += count_said(s, client, MSG_REPLY);
	cr_assert(heard <= 15000, "%zu after 20 ms", heard);
	for (int i = 0; i < 100; i++)
		scene_wait(s, 10);
	heard += count_said(s, client, MSG_REPLY);
	cr_assert_eq(heard, 100000);
	expect(s, worker, ECHO_RES, "last");
	expect_kind(s, worker, RESUME);
	scene_free(&s);
}

Test(fair, a_peer_that_owes_and_ends_is_heard_to_its_end)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = popular_job(s, client, 5000);

	scene_gather(s);
	tell(s, worker, WORK_STATUS, "H:test:1", "1", "2");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "done");
	scene_hangup(s, worker);
	scene_turn(s);
	for (int i = 0; i < 20; i++)
		scene_wait(s, 10);
	cr_assert_eq(count_said(s, client, MSG_REPLY), 10000);
	expect_kind(s, worker, PAUSE);
	expect_kind(s, worker, PEER_FORGOTTEN);
	ask(s, client, "show jobs", ".\n");
	scene_free(&s);
}

Test(fair, a_peer_that_owes_for_its_own_end_is_forgotten)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s), worker = popular_job(s, client, 5000);

	scene_gather(s);
	for (int i = 0; i < 100; i++) {
		tell(s, other, SUBMIT_JOB_BG, "f", "", "x");
		tell(s, worker, GRAB_JOB);
	}
	while (scene_turn(s) != NEVER)
		;
	forget(s, worker);
	scene_gather(s);
	tell(s, worker, WORK_STATUS, "H:test:1", "1", "2");
	tell(s, worker, ECHO_REQ, "last");
	scene_hangup(s, worker);
	scene_turn(s);
	for (int i = 0; i < 20; i++)
		scene_wait(s, 10);
	expect_kind(s, worker, PAUSE);
	expect(s, worker, ECHO_RES, "last");
	expect_kind(s, worker, PEER_FORGOTTEN);
	scene_free(&s);
}

Test(fair, ordinary_work_is_never_held_back)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	for (int i = 1; i <= 500; i++) {
		char handle[32];

		snprintf(handle, sizeof handle, "H:test:%d", i);
		scene_gather(s);
		tell(s, client, SUBMIT_JOB, "f", "", "x");
		tell(s, worker, GRAB_JOB);
		tell(s, worker, WORK_STATUS, handle, "1", "2");
		tell(s, worker, WORK_COMPLETE, handle, "done");
		scene_turn(s);
		expect(s, client, JOB_CREATED, handle);
		expect(s, client, WORK_STATUS, handle, "1", "2");
		expect(s, client, WORK_COMPLETE, handle, "done");
		expect(s, worker, JOB_ASSIGN, handle, "f", "x");
	}
	expect_silence(s, worker);
	scene_free(&s);
}

Test(fair, looking_for_a_job_among_very_many_functions_is_charged)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_peer(s), other = scene_peer(s);
	char name[32];

	scene_gather(s);
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof name, "a%d", i);
		tell(s, worker, CAN_DO, name);
	}
	for (int i = 0; i < 2600; i++) {
		snprintf(name, sizeof name, "b%d", i);
		tell(s, client, SUBMIT_JOB_BG, name, "", "x");
	}
	while (scene_turn(s) != NEVER)
		;
	scene_gather(s);
	for (int i = 0; i < 1000; i++)
		tell(s, worker, GRAB_JOB);
	tell(s, other, ECHO_REQ, "me");
	scene_turn(s);
	expect(s, other, ECHO_RES, "me");
	cr_assert_lt(count_said(s, worker, MSG_REPLY), 20);
	scene_free(&s);
}

Test(fair, a_worker_with_long_names_is_listed_in_parts)
{
	struct scene *s = scene_new("");
	int worker = scene_peer(s), client = scene_peer(s);
	struct buf text = { 0 };
	char name[4001];
	int turns;

	memset(name, '\1', 4000);
	name[4000] = '\0';
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "%04d", i);
		name[4] = '\1';
		tell(s, worker, CAN_DO, name);
	}
	tell(s, client, SUBMIT_JOB_BG, name, "", "x");
	forget(s, client);
	tell(s, client, TEXT, "workers");
	tell(s, worker, GRAB_JOB); /* moves an ability while the line is made */
	read_listing(s, client, &turns, &text);
	cr_assert(turns > 5, "%d turns", turns);
	cr_assert_eq(text.len, strlen("101 127.0.0.1 - :\n102 127.0.0.1 - :\n.\n") + 100 * (5 + 3996 * 4));
	buf_fini(&text);
	scene_free(&s);
}

Test(fair, a_peer_with_very_many_jobs_lets_go_of_them_in_parts)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f"), other = scene_peer(s);

	scene_gather(s);
	for (int i = 0; i < 20000; i++) {
		tell(s, client, SUBMIT_JOB, "f", "", "x");
		tell(s, worker, GRAB_JOB);
	}
	while (scene_turn(s) != NEVER)
		;
	forget(s, worker);
	scene_gather(s);
	tell(s, worker, RESET_ABILITIES);
	cr_assert_neq(scene_turn(s), NEVER);
	while (scene_turn(s) != NEVER)
		;
	ask(s, other, "status", "f\t20000\t0\t0\n.\n");
	scene_hangup(s, client);
	expect_kind(s, client, REPLY);
	forget(s, client);
	while (scene_turn(s) != NEVER)
		;
	expect_kind(s, client, PEER_FORGOTTEN);
	ask(s, other, "status", "f\t0\t0\t0\n.\n");
	scene_free(&s);
}

Test(fair, functions_abilities_and_waiting_removals_count_as_memory)
{
	struct scene *s = scene_new("--max-memory=100000 --durable");
	int peer = scene_peer(s);
	char name[3001];
	int made = 0;
	uint64_t before;

	scene_post(s, msg_new_sized(MSG_REPLAY_END, 0, sizeof(struct msg_text)));
	tell(s, peer, SUBMIT_JOB_BG, "f", "u", "x");
	store_commit(s);
	forget(s, peer);
	before = scene_core(s)->memory;
	tell(s, peer, TEXT, "cancel job H:test:1");
	cr_assert_gt(scene_core(s)->memory, before - 300);
	store_commit(s);
	forget(s, peer);
	memset(name, 'x', 3000);
	name[3000] = '\0';
	for (; made < 100; made++) {
		struct msg_reply *reply;
		struct msg *m;

		snprintf(name, sizeof name, "%04d", made);
		name[4] = 'x';
		tell(s, peer, CAN_DO, name);
		if ((reply = next_reply(s, peer)) == NULL)
			continue;
		cr_assert_eq(reply->msg.type, PKT_ERROR);
		m = &reply->msg;
		msg_free(&m);
		break;
	}
	cr_assert(made > 20 && made < 35, "%d functions", made);
	tell(s, peer, RESET_ABILITIES);
	name[0] = 'n';
	tell(s, peer, CAN_DO, name); /* idle functions make room */
	expect_silence(s, peer);
	scene_free(&s);
}

/* The peer is refused something twice, which is told once; ten seconds later it is let in. */
static void
refused_twice_then_let_in(struct scene *s, int peer, const char *line, const char *const *words, enum pkt_type type)
{
	for (int i = 0; i < 2; i++) {
		tell_(s, peer, type, words);
		expect(s, peer, ERROR, "QUEUE_ERROR", "*");
		cr_assert_eq(scene_logged(s, line), i == 0, "%s", line);
	}
	tell(s, peer, TEXT, "cancel job H:test:1");
	tell(s, peer, RESET_ABILITIES);
	forget(s, peer);
	tell(s, peer, CAN_DO, "early");
	cr_assert(!scene_logged(s, ": there is room again"));
	tell(s, peer, RESET_ABILITIES);
	scene_wait(s, 11000);
	tell_(s, peer, type, words);
	cr_assert(scene_logged(s, ": there is room again"));
	scene_free(&s);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

Test(fair, a_bound_that_refuses_is_told_once_and_once_more_when_it_is_over)
{
	struct scene *s = scene_new("--max-jobs=1");
	const char *const *job = WORDS("f", "-", "data"), *const *other = WORDS("g", "", "x");
	int peer = scene_peer(s);

	tell(s, peer, SUBMIT_JOB_BG, "g", "", "x");
	expect(s, peer, JOB_CREATED, "H:test:1");
	refused_twice_then_let_in(s, peer, "--max-jobs is reached: submissions are refused", job, PKT_SUBMIT_JOB_BG);

	s = scene_new("");
	peer = scene_peer(s);
	ask(s, peer, "maxqueue f 1", "OK\r\n");
	tell(s, peer, SUBMIT_JOB_BG, "f", "", "x");
	expect(s, peer, JOB_CREATED, "H:test:1");
	refused_twice_then_let_in(s, peer, "the maxqueue of a function is reached: ", job, PKT_SUBMIT_JOB_BG);

	s = scene_new("--max-functions=1");
	peer = scene_peer(s);
	tell(s, peer, SUBMIT_JOB_BG, "f", "", "x");
	expect(s, peer, JOB_CREATED, "H:test:1");
	refused_twice_then_let_in(s, peer, "--max-functions is reached: new functions", other, PKT_SUBMIT_JOB_BG);

	s = scene_new("--max-abilities=1");
	peer = scene_worker(s, "f");
	refused_twice_then_let_in(s, peer, "--max-abilities is reached: further", WORDS("g"), PKT_CAN_DO);
}

Test(fair, a_worker_that_has_ended_its_sending_side_gets_no_job_and_no_word)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	scene_post(s, msg_new(MSG_PEER_ENDED, (uint64_t)worker));
	tell(s, worker, GRAB_JOB);
	tell(s, worker, PRE_SLEEP);
	expect_silence(s, worker);
	scene_post(s, msg_new(MSG_PEER_ENDED, (uint64_t)client));
	tell(s, client, ECHO_REQ, "owed");
	expect(s, client, ECHO_RES, "owed");
	ask(s, client, "status", "f\t1\t0\t1\n.\n");
	scene_free(&s);
}
