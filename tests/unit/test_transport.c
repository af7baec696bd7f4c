/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What an I/O thread does for transport modules: a transport that turns bytes over.
 */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/conn.h"
#include "tests/unit/io_rig.h"
#include "tests/unit/turner.h"

static struct rig rig;
static int peer;

/* ---- A protocol that writes in pieces --------------------------------------------------------- */

static void *
piece_new(void *module, void *thread, struct gearmand_conn *conn)
{
	(void)module;
	(void)thread;
	return conn;
}

static size_t
piece_receive(void *state, struct slice in)
{
	(void)state;
	return in.len;
}

static void
piece_send(void *state, const struct gearmand_packet *p)
{
	turner_host.write(state, slice_str("<"));
	turner_host.write(state, p->arg[0]);
	turner_host.write(state, slice_str(" "));
	turner_host.write_data(state, p->data);
	turner_host.write(state, slice_str(">"));
}

static void
piece_free(void **state)
{
	*state = NULL;
}

static const struct gearmand_protocol_ops piece_ops = {
	.size = sizeof piece_ops,
	.conn_new = piece_new,
	.receive = piece_receive,
	.send = piece_send,
	.conn_free = piece_free,
};

/* ---- The tests ---------------------------------------------------------------------------- */

static void
start(const struct gearmand_protocol_ops *protocol)
{
	rig.service.protocol = protocol;
	rig.service.transport = &turner_ops;
	rig.service.transport_module = rig.service.tag = &turner;
	rig.service.tag_module = &turner;
	rig.service.transport_counters = STAT_COUNT;
	memset(&turner, 0, sizeof turner);
	peer = rig_connect(&rig);
}

static void
setup(void)
{
	io_host_services(&turner_host);
	rig_init(&rig);
	peer = -1;
}

static void
teardown(void)
{
	if (peer >= 0)
		close(peer);
	rig_fini(&rig);
}

TestSuite(transport, .init = setup, .fini = teardown, .timeout = 60);

static void
say(const char *text)
{
	rig_write(&rig, peer, slice_str(text));
}

static void
expect_kind(enum msg_kind kind, unsigned type)
{
	struct msg *m = rig_core(&rig);

	cr_assert(m != NULL);
	cr_assert(m->kind == kind && m->type == type);
}

static void
say_turned(struct slice s)
{
	struct buf b = turn_over(s);

	rig_write(&rig, peer, buf_slice(&b));
	buf_fini(&b);
}

static void
expect_turned(struct slice want)
{
	struct buf got = rig_read(&rig, peer), plain = turn_over(buf_slice(&got));

	cr_assert(slice_eq(buf_slice(&plain), want), "got %zu bytes", plain.len);
	buf_fini(&got);
	buf_fini(&plain);
}

Test(transport, gear_over_a_transport)
{
	struct buf b = { 0 };
	struct msg *m;

	start(&gear_protocol);
	wire_packet(&b, false, PKT_ECHO_REQ, NO_ARGS, slice_str("hello"));
	say_turned(buf_slice(&b));
	expect_kind(MSG_PEER_NEW, 0);
	m = rig_core(&rig);
	cr_assert(m != NULL && m->kind == MSG_PACKET && m->type == PKT_ECHO_REQ);
	cr_assert(slice_is(MSG_AS(msg_packet, m)->pkt.data, "hello"));
	rig_reply(&rig, 1, PKT_WORK_COMPLETE, "H:x:1", "result");
	rig_text(&rig, 1, "OK\n");
	rig_pass(&rig);
	expect_turned(slice_of("\0RES\0\0\0\r\0\0\0\014H:x:1\0resultOK\n", 12 + 12 + 3));
	buf_fini(&b);
}

Test(transport, packet_that_a_protocol_writes_in_pieces_is_one_call)
{
	start(&piece_ops);
	rig_reply(&rig, 1, PKT_WORK_COMPLETE, "H", "1");
	rig_reply(&rig, 1, PKT_WORK_COMPLETE, "H", "2");
	rig_pass(&rig);
	expect_turned(slice_str("<H 1><H 2>"));
	cr_assert_eq(turner.sends, 2);
}

Test(transport, transport_that_fails_closes)
{
	start(&gear_protocol);
	say("q");
	expect_kind(MSG_PEER_NEW, 0);
	expect_kind(MSG_PEER_GONE, 0);
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	cr_assert(rig_at_end(&rig, peer));
}

Test(transport, pipelined_requests_in_front_of_the_end_all_get_their_answers)
{
	enum { ECHOES = 500 };
	struct buf b = { 0 }, got;
	struct msg *m;
	int echoes = 0;

	start(&gear_protocol);
	for (int i = 0; i < ECHOES; i++)
		wire_packet(&b, false, PKT_ECHO_REQ, NO_ARGS, slice_str("echo"));
	say_turned(buf_slice(&b));
	say("e");
	expect_kind(MSG_PEER_NEW, 0);
	while ((m = rig_core(&rig)) != NULL && m->kind == MSG_PACKET)
		echoes++;
	cr_assert_eq(echoes, ECHOES);
	cr_assert(m != NULL && m->kind == MSG_PEER_GONE);
	for (int i = 0; i < ECHOES; i++)
		rig_reply(&rig, 1, PKT_WORK_COMPLETE, "H", "echo");
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	got = rig_read(&rig, peer);
	cr_assert_eq(got.len, ECHOES * (PKT_HEAD + 6) + 1);
	cr_assert_eq(got.data[got.len - 1], 1, "its farewell comes last");
	cr_assert_eq(turner.sends, ECHOES);
	cr_assert_eq(turner.ends, 1);
	cr_assert(rig_at_end(&rig, peer));
	buf_fini(&b);
	buf_fini(&got);
}

Test(transport, transport_says_who_the_peer_is_before_the_core_hears_of_it)
{
	const struct conn *c;
	struct msg *m;

	start(&gear_protocol);
	cr_assert_null(rig_core(&rig));
	say("w");
	m = rig_core(&rig);
	cr_assert(m != NULL && m->kind == MSG_PEER_NEW);
	cr_assert_str_eq(MSG_AS(msg_conn, m)->address, "2001:db8::7");
	cr_assert_str_eq(MSG_AS(msg_conn, m)->port, "99");
	c = CONTAINER_OF(hash_next(&rig.io->conns, &(struct hash_walk){ 0 }), struct conn, by_number);
	cr_assert_str_eq(conn_address(c), "[2001:db8::7]:99");
	cr_assert(slice_eq(turner_host.identity_of((const struct gearmand_conn *)(const void *)c),
	    slice_of("cn=worker\0dns=w.example\0", 25)));
	cr_assert_str_eq(turner_host.protocol_name((const struct gearmand_conn *)(const void *)c), "gear");
}

Test(transport, socket_that_ends_without_a_farewell_ends_the_peer_too)
{
	start(&gear_protocol);
	shutdown(peer, SHUT_WR);
	expect_kind(MSG_PEER_NEW, 0);
	expect_kind(MSG_PEER_GONE, 0);
}

static void
wait_for_a_tick(void)
{
	say("t");
	for (int i = 0; i < 1000 && turner.ticks == 0; i++) {
		usleep(1000);
		rig_pass(&rig);
	}
	cr_assert_eq(turner.ticks, 1);
}

Test(transport, transport_has_a_timer_of_its_own_and_may_close)
{
	start(&gear_protocol);
	turner.tick_says = true;
	wait_for_a_tick();
	cr_assert_null(rig_core(&rig));
	turner.ticks = 0;
	turner.tick_says = false;
	wait_for_a_tick();
	expect_kind(MSG_PEER_NEW, 0);
	expect_kind(MSG_PEER_GONE, 0);
}

Test(transport, large_answers_go_through_the_transport_as_the_peer_reads_them)
{
	enum { LARGE = 4 << 20 };
	char *text = calloc(1, LARGE + 1);
	struct conn *c;
	struct buf got;

	start(&gear_protocol);
	memset(text, 't', LARGE);
	rig_text(&rig, 1, text);
	rig_pass(&rig);
	c = CONTAINER_OF(hash_next(&rig.io->conns, &(struct hash_walk){ 0 }), struct conn, by_number);
	cr_assert_leq(c->extra->wire.len, 1 << 18);
	got = rig_read(&rig, peer);
	cr_assert_eq(got.len, LARGE);
	cr_assert_eq(rig.io->unsent, 0);
	buf_fini(&got);
	free(text);
}

/* ---- Work aside --------------------------------------------------------------------------- */

static struct mbox *aside;

static void
start_aside(void)
{
	aside = rig.config.aside = mbox_new(loop_waker(rig.loop));
	start(&gear_protocol);
	turner.worked_says = true;
	say("a");
}

/* The other thread is done. */
static void
finish_work(void)
{
	struct list got;
	struct msg *m;

	list_init(&got);
	cr_assert(mbox_take(aside, &got));
	m = MSG(list_pop(&got));
	cr_assert(m->kind == MSG_WORK && list_is_empty(&got));
	MSG_AS(msg_work, m)->work(MSG_AS(msg_work, m)->state);
	mbox_post(MSG_AS(msg_work, m)->from, &m);
	rig_pass(&rig);
	rig_pass(&rig);
}

static void
end_aside(void)
{
	rig_pass(&rig);
	io_free(&rig.io);
	mbox_free(&aside);
}

Test(transport, while_its_state_is_with_another_thread_nothing_of_it_is_called)
{
	start_aside();
	say("t");
	rig_text(&rig, 1, "OK\n");
	for (int i = 0; i < 3; i++)
		rig_pass(&rig);
	cr_assert_eq(turner.receives, 1);
	cr_assert_eq(turner.sends + turner.workeds + turner.ticks, 0);
	finish_work();
	cr_assert_eq(turner.works, 1);
	cr_assert_eq(turner.workeds, 1);
	cr_assert_eq(turner.receives, 2);
	cr_assert_eq(turner.sends, 1);
	end_aside();
}

Test(transport, work_is_done_at_once_where_there_is_no_other_thread)
{
	struct buf got;

	start(&gear_protocol);
	turner.worked_says = true;
	say("a");
	got = rig_read(&rig, peer);
	cr_assert(slice_is(buf_slice(&got), "\x03"));
	buf_fini(&got);
}

Test(transport, connection_that_breaks_meanwhile_stays_until_the_work_is_done)
{
	start_aside();
	rig_text(&rig, 1, "OK\n");
	close(peer);
	peer = -1;
	rig_pass(&rig);
	cr_assert_null(rig_core(&rig));
	finish_work();
	expect_kind(MSG_PEER_NEW, 0);
	expect_kind(MSG_PEER_GONE, 0);
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	cr_assert_null(hash_next(&rig.io->conns, &(struct hash_walk){ 0 }));
	end_aside();
}

Test(transport, work_that_refuses_the_peer_closes_after_its_last_word)
{
	struct buf got;

	start_aside();
	turner.worked_says = false;
	finish_work();
	expect_kind(MSG_PEER_NEW, 0);
	expect_kind(MSG_PEER_GONE, 0);
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	got = rig_read(&rig, peer);
	cr_assert(slice_is(buf_slice(&got), "\x03\x01"));
	cr_assert(rig_at_end(&rig, peer));
	buf_fini(&got);
	end_aside();
}

Test(transport, core_that_forgets_the_peer_meanwhile_waits_for_the_work)
{
	start_aside();
	role_assume(&io_role);
	conn_close(CONTAINER_OF(hash_next(&rig.io->conns, &(struct hash_walk){ 0 }), struct conn, by_number));
	expect_kind(MSG_PEER_NEW, 0);
	expect_kind(MSG_PEER_GONE, 0);
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	cr_assert_not_null(hash_next(&rig.io->conns, &(struct hash_walk){ 0 }));
	cr_assert_eq(turner.ends, 0);
	finish_work();
	cr_assert_eq(turner.workeds, 0);
	cr_assert_eq(turner.ends, 1);
	cr_assert(rig_at_end(&rig, peer));
	end_aside();
}
