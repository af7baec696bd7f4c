/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The administrative text commands, byte for byte.
 */
#include <stdio.h>

#include "base/buf.h"
#include "tests/scene/scene.h"

Test(admin, simple_values)
{
	struct scene *s = scene_new("");
	int peer = scene_peer(s);

	ask(s, peer, "version", "OK 0.1.0\n");
	ask(s, peer, "VERSION and more\r", "OK 0.1.0\n");
	ask(s, peer, "getpid", "OK 4711\n");
	ask(s, peer, "verbose", "OK ERROR\n");
	scene_free(&s);
}

Test(admin, listings)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, worker, CAN_DO, "g\nh");
	tell(s, worker, SET_CLIENT_ID, "my\nid");
	tell(s, worker, CANT_DO, "f");
	tell(s, client, SUBMIT_JOB_HIGH, "f", "u1", "x");
	tell(s, client, SUBMIT_JOB_LOW, "f", "", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, JOB_CREATED, "H:test:2");
	tell(s, worker, CANT_DO, "g\nh");
	ask(s, client, "drop function G\\x0Ah", "ERR function not found\r\n");
	tell_bytes(s, worker, PKT_CAN_DO, slice_of("f", 1));
	ask(s, client, "workers", "101 127.0.0.1 - :\n102 127.0.0.1 my\\x0Aid : f\n.\n");
	scene_free(&s);
}

Test(admin, status_and_prioritystatus_count_what_they_say)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB_HIGH_BG, "f", "u1", "x");
	tell(s, client, SUBMIT_JOB_BG, "f", "u2", "x");
	tell(s, client, SUBMIT_JOB_EPOCH, "f", "u3", "99999999999", "x");
	for (int i = 0; i < 3; i++)
		expect(s, client, JOB_CREATED, "*");
	tell(s, worker, GRAB_JOB);
	ask(s, client, "status", "f\t3\t1\t1\n.\n");
	ask(s, client, "prioritystatus", "f\t0\t2\t0\t1\n.\n");
	scene_free(&s);
}

Test(admin, show)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	ask(s, client, "show jobs", ".\n");
	tell(s, client, SUBMIT_JOB, "f", "u1", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	ask(s, client, "show jobs", "H:test:1\t0\t0\t0\n.\n");
	ask(s, client, "show unique jobs", "u1\n.\n");
	ask(s, client, "show xyz", "ERR UNKNOWN_SHOW_ARGUMENTS\r\n");
	ask(s, client, "show jobs x", "ERR UNKNOWN_SHOW_ARGUMENTS\r\n");
	ask(s, client, "show", "ERR UNKNOWN_COMMAND Unknown+server+commandshow\r\n");
	scene_free(&s);
}

static int
lines_of_listing(struct scene *s, int client, int *turns_r)
{
	return read_listing(s, client, turns_r, NULL);
}

/* Submits jobs of "f". */
static void
fill(struct scene *s, int client, int jobs)
{
	for (int i = 0; i < jobs; i++) {
		tell(s, client, SUBMIT_JOB_BG, "f", "", "x");
		expect(s, client, JOB_CREATED, "*");
	}
}

Test(admin, long_listings_are_complete_and_later_replies_wait_for_them)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s), turns;
	char unique[16];

	for (int i = 0; i < 9000; i++) {
		snprintf(unique, sizeof unique, "u%d", i);
		tell(s, client, SUBMIT_JOB_BG, "f", unique, "x");
		expect(s, client, JOB_CREATED, "*");
	}
	tell(s, client, TEXT, "show jobs");
	tell(s, client, ECHO_REQ, "after");
	ask(s, other, "status", "f\t9000\t0\t0\n.\n"); /* does not wait */
	cr_assert_eq(lines_of_listing(s, client, &turns), 9001);
	cr_assert_gt(turns, 1);
	expect(s, client, ECHO_RES, "after");
	scene_free(&s);
}

Test(admin, a_table_that_was_large_is_walked_in_parts_too)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), turns;
	char handle[32];

	fill(s, client, 5000);
	for (int i = 1; i < 5000; i++) {
		snprintf(handle, sizeof handle, "cancel job H:test:%d", i);
		ask(s, client, handle, "OK\r\n");
	}
	tell(s, client, TEXT, "show jobs");
	cr_assert_eq(lines_of_listing(s, client, &turns), 2);
	cr_assert_gt(turns, 1);
	scene_free(&s);
}

Test(admin, workers_are_listed_in_parts_while_they_come_and_go)
{
	struct scene *s = scene_new("");
	int peers[5000], client, turns;

	for (int i = 0; i < 5000; i++)
		peers[i] = scene_peer(s);
	client = scene_peer(s);
	tell(s, client, TEXT, "workers");
	scene_hangup(s, peers[2048]); /* the one whose line is next */
	scene_hangup(s, peers[4097]); /* and again */
	cr_assert_eq(lines_of_listing(s, client, &turns), 5000 + 1 - 2 + 1);
	scene_free(&s);
}

Test(admin, those_who_ask_for_a_listing_and_leave_are_forgotten_when_it_is_made)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s), turns;

	fill(s, client, 2500);
	tell(s, client, TEXT, "show jobs");
	scene_hangup(s, client);
	tell(s, other, TEXT, "show jobs");
	cr_assert_eq(lines_of_listing(s, other, &turns), 2501);
	cr_assert_eq(lines_of_listing(s, client, &turns), 2501);
	expect_kind(s, client, PEER_FORGOTTEN);
	scene_free(&s);
}

Test(admin, a_listing_goes_on_when_its_reader_has_taken_what_was_sent_and_others_do_not_wait_for_it)
{
	struct scene *s = scene_new("");
	int slow = scene_peer(s), other = scene_peer(s), turns;

	fill(s, slow, 6000);
	tell(s, slow, TEXT, "show jobs");
	scene_wait(s, 10);
	scene_wait(s, 10);
	scene_wait(s, 10);
	expect_kind(s, slow, PART);
	expect_silence(s, slow);
	tell(s, other, TEXT, "show jobs");
	cr_assert_eq(lines_of_listing(s, other, &turns), 6001);
	expect_silence(s, slow);
	scene_post(s, msg_new(MSG_PART_TAKEN, (uint64_t)slow));
	lines_of_listing(s, slow, &turns);
	scene_wait(s, 10);
	tell(s, slow, ECHO_REQ, "next");
	expect(s, slow, ECHO_RES, "next");
	scene_free(&s);
}

Test(admin, a_job_that_waited_behind_a_listing_is_given_away_when_that_ends)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s), worker = scene_worker(s, "g"), turns;
	char name[80];

	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof name, "create function a-function-with-quite-a-long-name-%d", i);
		ask(s, client, name, "OK\r\n");
	}
	tell(s, worker, PRE_SLEEP);
	tell(s, client, TEXT, "status");
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	tell(s, client, SUBMIT_JOB, "g", "", "y"); /* not before the one before it is stored */
	store_commit(s);
	expect_silence(s, worker);
	lines_of_listing(s, client, &turns);
	expect(s, client, JOB_CREATED, "*");
	expect(s, client, JOB_CREATED, "*");
	expect(s, worker, NOOP);
	scene_free(&s);
}

Test(admin, a_listing_that_nobody_takes_any_more_ends)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), other = scene_peer(s), turns;
	struct msg *dropped = msg_new(MSG_PART_TAKEN, (uint64_t)client);

	dropped->type = 1;
	fill(s, other, 6000);
	tell(s, client, TEXT, "show jobs");
	for (int i = 0; i < 10; i++)
		scene_wait(s, 1);
	expect_kind(s, client, PART);
	scene_hangup(s, client);
	expect_silence(s, client);
	scene_post(s, dropped);
	expect_text(s, client, ".\n");
	expect_kind(s, client, PEER_FORGOTTEN);
	tell(s, other, TEXT, "show jobs");
	cr_assert_eq(lines_of_listing(s, other, &turns), 6001);
	scene_free(&s);
}

Test(admin, a_listing_waits_for_its_place_among_the_replies)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	tell(s, client, TEXT, "status");
	expect_silence(s, client);
	store_commit(s);
	expect(s, client, JOB_CREATED, "H:test:1");
	expect_text(s, client, "f\t1\t0\t0\n.\n");
	scene_free(&s);
}

Test(admin, a_module_gets_a_listing_in_one_piece)
{
	struct scene *s = scene_new("");
	int client = scene_module_peer(s);

	fill(s, client, 6000);
	tell(s, client, TEXT, "show jobs");
	for (int i = 0; i < 10; i++)
		scene_wait(s, 1);
	expect_kind(s, client, REPLY);
	expect_silence(s, client);
	scene_free(&s);
}

/* The line of a worker is as long as the worker likes; meanwhile jobs move its abilities, and workers leave. */
Test(admin, a_long_line_of_a_worker_is_made_in_parts_and_has_each_ability)
{
	enum { ABILITIES = 1500 };
	struct scene *s = scene_new("");
	int worker = scene_peer(s), leaving = scene_peer(s), last = scene_worker(s, "last"), turns;
	struct buf text = { 0 };
	char name[128];

	for (int i = 0; i < ABILITIES; i++) {
		snprintf(name, sizeof name, "f%0100d", i);
		tell(s, worker, CAN_DO, name);
		tell(s, leaving, CAN_DO, name);
	}
	tell(s, last, TEXT, "workers");
	while (scene_turn(s) != NEVER)
		;
	for (int i = ABILITIES - 1; i > 0; i -= 70) { /* the newest is the first in the list */
		snprintf(name, sizeof name, "f%0100d", i);
		tell(s, last, SUBMIT_JOB_BG, name, "", "x");
		tell(s, worker, GRAB_JOB);
		expect(s, worker, JOB_ASSIGN, "*", name, "x");
	}
	scene_hangup(s, leaving);
	read_listing(s, last, &turns, &text);
	buf_add_char(&text, '\0');
	for (int i = 0; i < ABILITIES; i++) {
		const char *at;

		snprintf(name, sizeof name, " f%0100d", i);
		at = strstr(text.data, name);
		cr_assert_not_null(at, "%s is missing", name);
		cr_assert_null(strstr(at + 1, name), "%s is there twice", name);
	}
	cr_assert_not_null(strstr(text.data, " : last\n.\n"));
	buf_fini(&text);
	scene_free(&s);
}

Test(admin, create_and_drop)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_peer(s);

	ask(s, client, "create function abc", "OK\r\n");
	ask(s, client, "create function abc", "OK\r\n");
	ask(s, client, "create function Abc", "OK\r\n");
	ask(s, client, "drop function ABC", "OK\r\nOK\r\n");
	ask(s, client, "drop function abc", "ERR function not found\r\n");
	tell(s, worker, CAN_DO, "abc");
	ask(s, client, "drop function abc", "ERR there are still connected workers or executing clients\r\n");
	tell(s, worker, RESET_ABILITIES);
	tell(s, client, SUBMIT_JOB_BG, "abc", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	ask(s, client, "drop function abc", "ERR there are still jobs in the queue of this function\r\n");
	ask(s, client, "cancel job H:test:1", "OK\r\n");
	ask(s, client, "drop function abc", "OK\r\n");
	scene_free(&s);
}

Test(admin, errors)
{
	struct scene *s = scene_new("");
	int peer = scene_peer(s);
	static const char incomplete[] =
	    "ERR INVALID_ARGUMENTS An+incomplete+set+of+arguments+was+sent+to+this+command+";
	char want[128];

	ask(s, peer, "", "ERR UNKNOWN_COMMAND Unknown+server+command\r\n");
	ask(s, peer, " status", "ERR UNKNOWN_COMMAND Unknown+server+command\r\n");
	ask(s, peer, "bogus", "ERR UNKNOWN_COMMAND Unknown+server+commandbogus\r\n");
	ask(s, peer, "shutdown", "ERR UNKNOWN_COMMAND Unknown+server+commandshutdown\r\n");
	ask(s, peer, "cancel", "ERR UNKNOWN_COMMAND Unknown+server+commandcancel\r\n");
	ask(s, peer, "cancel job", "ERR UNKNOWN_COMMAND Unknown+server+commandcancel\r\n");
	ask(s, peer, "cancel foo bar", "ERR UNKNOWN_ERROR\r\n");
	ask(s, peer, "cancel job a b", "ERR UNKNOWN_ERROR\r\n");
	ask(s, peer, "cancel job nosuch", "ERR UNKNOWN_JOB\r\n");
	ask(s, peer, "a b c d e f", "ERR INVALID_ARGUMENTS Too+many+arguments\r\n");
	snprintf(want, sizeof want, "%screate\r\n", incomplete);
	ask(s, peer, "create function", want);
	snprintf(want, sizeof want, "%sdrop\r\n", incomplete);
	ask(s, peer, "drop", want);
	snprintf(want, sizeof want, "%smaxqueue\r\n", incomplete);
	ask(s, peer, "maxqueue", want);
	scene_free(&s);
}

Test(admin, cancel_of_a_running_job_tells_the_clients_once)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s), worker = scene_worker(s, "f");

	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	tell(s, worker, GRAB_JOB);
	expect(s, worker, JOB_ASSIGN, "H:test:1", "f", "x");
	ask(s, worker, "cancel job H:test:1", "OK\r\n");
	tell(s, worker, WORK_COMPLETE, "H:test:1", "late");
	expect(s, worker, ERROR, "JOB_NOT_FOUND", "*");
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, WORK_FAIL, "H:test:1");
	expect_silence(s, client);
	tell(s, client, SUBMIT_JOB, "f", "u", "x");
	expect(s, client, JOB_CREATED, "H:test:2");
	scene_free(&s);
}

Test(admin, refusals_and_closing_keep_their_place)
{
	struct scene *s = scene_new("--durable");
	int client = scene_peer(s);
	struct msg *refuse = msg_new_sized(MSG_REFUSE, (uint64_t)client, sizeof(struct msg_refuse));

	refuse->type = WIRE_INVALID_MAGIC;
	tell(s, client, SUBMIT_JOB_BG, "f", "u", "x");
	scene_post(s, refuse);
	scene_post(s, msg_new(MSG_CLOSE_ME, (uint64_t)client));
	tell(s, client, ECHO_REQ, "not heard");
	expect_silence(s, client);
	store_commit(s);
	expect(s, client, JOB_CREATED, "H:test:1");
	expect(s, client, ERROR, "INVALID_MAGIC", "Request magic expected");
	expect_kind(s, client, CLOSE);
	expect_silence(s, client);
	scene_free(&s);
}

Test(admin, peer_whose_protocol_uses_nothing_is_closed_when_it_waits_for_nothing)
{
	struct scene *s = scene_new("");
	int client = scene_peer(s);

	tell(s, client, SUBMIT_JOB, "f", "", "x");
	expect(s, client, JOB_CREATED, "H:test:1");
	scene_post(s, msg_new(MSG_CLOSE_IDLE, (uint64_t)client));
	expect_silence(s, client);
	tell(s, client, SUBMIT_JOB, "f", "", "x");
	expect(s, client, JOB_CREATED, "H:test:2");
	scene_free(&s);

	s = scene_new("");
	client = scene_peer(s);
	scene_post(s, msg_new(MSG_CLOSE_IDLE, (uint64_t)client));
	expect_kind(s, client, CLOSE);
	scene_free(&s);

	s = scene_new("");
	client = scene_peer(s);
	tell(s, client, ECHO_REQ, "x");
	scene_post(s, msg_new(MSG_CLOSE_IDLE, (uint64_t)client)); /* said before the reply had come */
	expect(s, client, ECHO_RES, "x");
	expect_silence(s, client);
	scene_free(&s);
}
