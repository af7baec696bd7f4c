/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What an I/O thread does for protocol modules; see talker.h for the one that is used here.
 */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/conn.h"
#include "tests/unit/io_rig.h"
#include "tests/unit/talker.h"

static struct rig rig;
static int peer;

static void
start(const struct gearmand_protocol_ops *protocol)
{
	rig.service.protocol = protocol;
	peer = rig_connect(&rig);
}

static void
setup(void)
{
	io_host_services(&talker_host);
	rig_init(&rig);
	rig.config.max_packet = 1000;
	peer = -1;
}

static void
teardown(void)
{
	if (peer >= 0)
		close(peer);
	rig_fini(&rig);
}

TestSuite(module, .init = setup, .fini = teardown, .timeout = 60);

static void
say(const char *text)
{
	rig_write(&rig, peer, slice_str(text));
}

static struct msg_packet *
expect_submit(const char *unique, const char *data)
{
	struct msg *m = rig_core(&rig);
	struct msg_packet *p = MSG_AS(msg_packet, m);

	cr_assert(m != NULL && m->kind == MSG_PACKET && m->type == PKT_SUBMIT_JOB);
	cr_assert_eq(p->pkt.argc, 2);
	cr_assert(
	    slice_is(p->pkt.arg[0], "function") && slice_is(p->pkt.arg[1], unique) && slice_is(p->pkt.data, data));
	return p;
}

static void
expect_kind(enum msg_kind kind, unsigned type)
{
	struct msg *m = rig_core(&rig);

	cr_assert(m != NULL);
	cr_assert(m->kind == kind && m->type == type);
}

static void
expect_bytes(const char *bytes)
{
	struct buf got = rig_read(&rig, peer);

	cr_assert(slice_is(buf_slice(&got), bytes), "got '%.*s'", (int)got.len, got.data);
	buf_fini(&got);
}

Test(module, requests_arrive_and_replies_are_taken_apart)
{
	start(&talker_ops);
	say("payload\n");
	expect_submit("unique", "payload");
	rig_reply(&rig, 1, PKT_WORK_COMPLETE, "H:x:1", "result");
	rig_pass(&rig);
	expect_bytes("<H:x:1 result>");
	rig_reply(&rig, 1, PKT_WORK_FAIL, "H:x:2", NULL);
	rig_pass(&rig);
	expect_bytes("<H:x:2 >");
	rig_text(&rig, 1, "OK\n");
	rig_pass(&rig);
	expect_bytes("<OK\n>");
}

Test(module, large_data_is_referred_to_and_small_data_copied)
{
	char large[600];

	start(&talker_ops);
	memset(large, 'l', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	rig_reply(&rig, 1, PKT_WORK_DATA, "H:x:1", "small");
	rig_pass(&rig);
	cr_assert_eq(talker.refs, 1);
	expect_bytes("<H:x:1 small>");
	rig_reply(&rig, 1, PKT_WORK_DATA, "H", large);
	rig_pass(&rig);
	cr_assert_eq(talker.refs, 2);
	struct buf got = rig_read(&rig, peer);
	cr_assert_eq(got.len, 1 + 2 + 599 + 1);
	buf_fini(&got);
}

Test(module, data_that_is_kept_is_shared_and_written_later)
{
	struct io *io;
	char large[1101];
	size_t before;

	start(&talker_ops);
	io = ((struct conn *)(void *)talker.conn)->io;
	before = io_unsent(io);
	talker.keeps = true;
	memset(large, 'l', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	rig_reply(&rig, 1, PKT_WORK_DATA, "H", large);
	rig_pass(&rig);
	cr_assert_not_null(talker.kept);
	cr_assert_geq(io->shared, 1100);
	cr_assert_gt(io_unsent(io), before + 1100);
	expect_bytes("");
	rig_reply(&rig, 1, PKT_WORK_COMPLETE, "H", "end");
	rig_pass(&rig);
	cr_assert_null(talker.kept);
	cr_assert_eq(io_unsent(io), before);
	struct buf got = rig_read(&rig, peer);
	cr_assert_eq(got.len, 1100 + strlen("<H end>"));
	cr_assert_eq(memcmp(got.data, large, 1100), 0);
	buf_fini(&got);
}

Test(module, data_is_not_kept_when_too_much_waits)
{
	rig.config.max_unsent = 600;
	start(&talker_ops);
	talker.keeps = true;
	rig_reply(&rig, 1, PKT_WORK_DATA, "H", "small");
	rig_pass(&rig);
	cr_assert_not_null(talker.kept);
	talker_host.drop_kept(talker.conn, &talker.kept);
	((struct conn *)(void *)talker.conn)->io->unsent += 600;
	rig_reply(&rig, 1, PKT_WORK_DATA, "H", "small");
	rig_pass(&rig);
	cr_assert_null(talker.kept);
	((struct conn *)(void *)talker.conn)->io->unsent -= 600;
}

Test(module, what_it_leaves_is_presented_again_after_a_send)
{
	start(&talker_ops);
	say("one\ntwo\nthr");
	expect_submit("unique", "one");
	cr_assert_null(rig_core(&rig));
	rig_reply(&rig, 1, PKT_WORK_COMPLETE, "H", "1");
	rig_pass(&rig);
	expect_submit("unique", "two");
	say("ee\n");
	cr_assert_null(rig_core(&rig));
	rig_reply(&rig, 1, PKT_WORK_COMPLETE, "H", "2");
	rig_pass(&rig);
	expect_submit("unique", "three");
	expect_bytes("<H 1><H 2>");
}

Test(module, body_by_parts)
{
	start(&talker_ops);
	say("parts\n");
	cr_assert(talker.added);
	expect_submit("", "parts");
}

Test(module, body_over_the_limit_is_dropped)
{
	static char much[1001];

	start(&talker_ops);
	talker_host.body_begin(talker.conn, PKT_ECHO_REQ, 1 << 30, 0);
	cr_assert(talker_host.body_add(talker.conn, slice_of(much, 1000)));
	cr_assert_not(talker_host.body_add(talker.conn, slice_of(much, 1)));
	cr_assert_not(talker_host.body_add(talker.conn, slice_of(much, 1)), "and stays dropped");
	talker_host.body_drop(talker.conn);
	rig_pass(&rig);
	cr_assert_null(rig_core(&rig));
}

Test(module, body_that_outgrows_its_announcement_is_not_moved_at_each_part)
{
	struct conn *c;
	size_t moves = 0;

	start(&talker_ops);
	c = (struct conn *)(void *)talker.conn;
	talker_host.body_begin(talker.conn, PKT_ECHO_REQ, 10, 0);
	for (size_t i = 0, cap = 0; i < 1000; i++) {
		cr_assert(talker_host.body_add(talker.conn, slice_of("x", 1)));
		moves += c->body->blob->cap != cap;
		cap = c->body->blob->cap;
	}
	cr_expect_lt(moves, 20, "%zu", moves);
	talker_host.body_drop(talker.conn);
}

Test(module, request_over_the_limit_is_refused)
{
	static char much[1001];
	struct gearmand_packet p = { .type = PKT_ECHO_REQ, .data = { much, sizeof much } };

	start(&talker_ops);
	talker_host.request(talker.conn, &p);
	rig_pass(&rig);
	expect_kind(MSG_REFUSE, WIRE_PACKET_TOO_LARGE);
}

Test(module, request_that_is_no_request_is_refused)
{
	struct gearmand_packet p = { .type = PKT_NOOP };

	start(&talker_ops);
	say("nul\n");
	expect_kind(MSG_REFUSE, WIRE_INVALID_COMMAND);
	talker_host.request(talker.conn, &p);
	p.type = 77;
	talker_host.request(talker.conn, &p);
	p.type = PKT_CAN_DO;
	talker_host.request(talker.conn, &p);
	rig_pass(&rig);
	for (int i = 0; i < 3; i++)
		expect_kind(MSG_REFUSE, WIRE_INVALID_COMMAND);
}

Test(module, admin_line_through_a_module)
{
	struct gearmand_packet p = { .type = PKT_TEXT, .data = slice_str("status") };
	struct msg *m;

	start(&talker_ops);
	talker_host.request(talker.conn, &p);
	rig_pass(&rig);
	m = rig_core(&rig);
	cr_assert(m != NULL && m->kind == MSG_PACKET && m->type == PKT_TEXT);
	cr_assert(slice_is(MSG_AS(msg_packet, m)->pkt.data, "status"));
}

Test(module, close_comes_behind_what_was_written_and_before_all_else)
{
	start(&talker_ops);
	say("bye\n");
	expect_kind(MSG_PEER_GONE, 0);
	rig_reply(&rig, 1, PKT_WORK_COMPLETE, "H", "too late");
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	expect_bytes("good bye");
	cr_assert(rig_at_end(&rig, peer));
	cr_assert_null(rig_core(&rig));
}

Test(module, tick_comes_once)
{
	struct buf got;

	start(&talker_ops);
	say("tick\n");
	do {
		event_base_loop(loop_base(rig.loop), EVLOOP_ONCE);
		got = rig_read(&rig, peer);
	} while (got.len == 0);
	cr_assert(slice_is(buf_slice(&got), "tick"));
	buf_fini(&got);
}

Test(module, peer_address_has_the_port)
{
	start(&talker_ops);
	say("who\n");
	expect_bytes("192.0.2.7:5000");
}

Test(module, one_that_claims_too_much_loses_the_connection)
{
	struct msg *m;

	start(&talker_ops);
	talker.claim = 1;
	say("x");
	expect_kind(MSG_PEER_GONE, 0);
	m = rig_management(&rig);
	cr_assert(m != NULL && m->kind == MSG_LOG);
	cr_assert_not_null(strstr(MSG_AS(msg_log, m)->text, "used 2 of 1 bytes"));
}

Test(module, one_that_uses_nothing_stops_the_reading)
{
	static char much[400000];
	size_t sent = 0;
	ssize_t n;

	start(&talker_ops);
	memset(much, 'm', sizeof much);
	while ((n = write(peer, much, sizeof much)) > 0 && sent < 4 * sizeof much) {
		sent += (size_t)n;
		for (int i = 0; i < 10; i++)
			rig_pass(&rig);
	}
	cr_assert_lt(n, 0, "the socket is full");
	cr_assert_leq(((struct conn *)(void *)talker.conn)->rest.len, 2 * READ_BYTES);
}

static void
stick(void)
{
	static char much[100000];

	start(&talker_ops);
	memset(much, 'm', sizeof much);
	rig_write(&rig, peer, slice_of(much, sizeof much));
}

Test(module, one_that_uses_nothing_is_closed_when_the_core_has_nothing_for_it)
{
	struct msg *m;

	stick();
	m = rig_core(&rig);
	cr_assert(m != NULL && m->kind == MSG_CLOSE_IDLE);
	cr_assert_null(rig_core(&rig));
	rig_tell(&rig, MSG_CLOSE, 1);
	m = rig_core(&rig);
	cr_assert(m != NULL && m->kind == MSG_PEER_GONE);
	m = rig_management(&rig);
	cr_assert(m != NULL && m->kind == MSG_LOG);
	cr_assert_not_null(strstr(MSG_AS(msg_log, m)->text, "bytes unused"));
}

Test(module, end_of_a_peer_is_seen_behind_bytes_that_the_module_does_not_use)
{
	struct msg *m;

	stick();
	m = rig_core(&rig);
	cr_assert(m != NULL && m->kind == MSG_CLOSE_IDLE);
	shutdown(peer, SHUT_WR);
	m = rig_core(&rig);
	cr_assert(m != NULL && m->kind == MSG_PEER_GONE);
	cr_assert_null(rig_core(&rig));
}

Test(module, end_of_a_peer_whose_requests_the_core_does_not_want_is_seen)
{
	struct msg *m;

	start(&talker_ops);
	rig_tell(&rig, MSG_PAUSE, 1);
	rig_write(&rig, peer, slice_str("a request\n"));
	cr_assert_null(rig_core(&rig));
	shutdown(peer, SHUT_WR);
	m = rig_core(&rig);
	cr_assert(m != NULL && m->kind == MSG_PEER_GONE);
}

/* ---- State of a thread -------------------------------------------------------------------------- */

static int thread_ticks, threads;

static void *
talker_thread_new(void *module, struct gearmand_thread *thread)
{
	(void)module;
	threads++;
	talker_host.thread_tick_in(thread, 1);
	return &threads;
}

static void
talker_thread_tick(void *state)
{
	cr_assert_eq(state, &threads);
	thread_ticks++;
}

static void
talker_thread_free(void **state)
{
	threads--;
	*state = NULL;
}

static void *
talker_in_thread(void *module, void *thread, struct gearmand_conn *conn)
{
	cr_assert_eq(thread, &threads);
	return talker_new(module, thread, conn);
}

Test(module, protocol_has_one_state_and_timer_in_each_thread)
{
	static struct gearmand_protocol_ops ops;

	ops = talker_ops;
	ops.conn_new = talker_in_thread;
	ops.thread_new = talker_thread_new;
	ops.thread_tick = talker_thread_tick;
	ops.thread_free = talker_thread_free;
	thread_ticks = threads = 0;
	start(&ops);
	close(rig_connect(&rig));
	cr_assert_eq(threads, 1);
	for (int i = 0; i < 1000 && thread_ticks == 0; i++) {
		usleep(1000);
		rig_pass(&rig);
	}
	cr_assert_eq(thread_ticks, 1);
	io_free(&rig.io);
	cr_assert_eq(threads, 0);
}

/* Says in which order connections were called. */
static char order[16];

static void *
orderly_new(void *module, void *thread, struct gearmand_conn *conn)
{
	(void)module;
	(void)thread;
	return conn;
}

static void
orderly_send(void *conn, const struct gearmand_packet *p)
{
	(void)conn;
	strncat(order, p->arg[0].data, 1);
}

static void
orderly_free(void **conn)
{
	*conn = NULL;
}

Test(module, a_large_reply_lets_what_others_get_pass_and_nothing_of_its_own_connection)
{
	static struct gearmand_protocol_ops ops;
	static char large[100000];
	int other;

	ops = talker_ops;
	ops.conn_new = orderly_new;
	ops.send = orderly_send;
	ops.conn_free = orderly_free;
	start(&ops);
	other = rig_connect(&rig);
	memset(large, 'x', sizeof large - 1);
	rig_reply(&rig, 1, PKT_WORK_DATA, "a", large);
	rig_reply(&rig, 1, PKT_WORK_COMPLETE, "b", "small");
	rig_reply(&rig, 2, PKT_WORK_COMPLETE, "c", "small");
	for (int i = 0; i < 3; i++)
		rig_pass(&rig);
	cr_expect_str_eq(order, "cab");
	rig_reply(&rig, 1, PKT_WORK_DATA, "d", large);
	rig_tell(&rig, MSG_CLOSE, 1);
	rig_pass(&rig);
	cr_expect_str_eq(order, "cabd", "it is closed behind that");
	close(other);
}
