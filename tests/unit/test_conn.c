/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A connection's life and its bounds: order of output, half close, closing, pauses, slow readers.
 */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/conn.h"
#include "tests/unit/conn_rig.h"

TestSuite(conn, .init = conn_setup, .fini = conn_teardown, .timeout = 60);

static void
expect_bytes(const char *bytes, size_t len)
{
	struct buf got = rig_read(&rig, peer);

	cr_assert(
	    slice_eq(buf_slice(&got), slice_of(bytes, len)), "got %zu bytes: %.*s", got.len, (int)got.len, got.data);
	buf_fini(&got);
}

Test(conn, replies_go_out_in_order_and_in_wire_form)
{
	rig_text(&rig, 1, "OK 1\n");
	rig_reply(&rig, 1, PKT_WORK_COMPLETE, "H:x:1", "result");
	rig_reply(&rig, 1, PKT_JOB_CREATED, "H:x:2", NULL);
	rig_pass(&rig);
	expect_bytes("OK 1\n\0RES\0\0\0\r\0\0\0\014H:x:1\0result\0RES\0\0\0\b\0\0\0\5H:x:2", 5 + 12 + 12 + 12 + 5);
}

Test(conn, reply_larger_than_the_socket_takes_goes_out_in_parts)
{
	size_t len = rig.config.max_output - 7;
	char *text = malloc(len + 1);
	struct buf got;

	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + i % 23);
	text[len] = '\0';
	rig_text(&rig, 1, text);
	rig_text(&rig, 1, "the end");
	rig_pass(&rig);
	got = rig_read(&rig, peer);
	cr_assert_eq(got.len, len + 7);
	cr_assert(memcmp(got.data, text, len) == 0 && memcmp(got.data + len, "the end", 7) == 0);
	buf_fini(&got);
	free(text);
}

Test(conn, half_closed_peer_gets_what_it_is_owed)
{
	rig_write(&rig, peer, slice_str("status\n"));
	shutdown(peer, SHUT_WR);
	rig_pass(&rig);
	expect_kind(MSG_PACKET);
	expect_kind(MSG_PEER_GONE);
	expect_nothing();
	rig_text(&rig, 1, ".\n");
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	expect_bytes(".\n", 2);
	cr_assert(rig_at_end(&rig, peer));
	expect_freed();
	expect_nothing();
}

Test(conn, peer_that_vanishes_is_gone_once)
{
	close(peer);
	peer = -1;
	rig_text(&rig, 1, "to nobody");
	rig_pass(&rig);
	rig_pass(&rig);
	expect_kind(MSG_PEER_GONE);
	expect_nothing();
	rig_text(&rig, 1, "to nobody");
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	expect_freed();
	expect_nothing();
}

Test(conn, core_closes_behind_its_last_reply)
{
	rig_text(&rig, 1, "bye\n");
	rig_tell(&rig, MSG_CLOSE, 1);
	expect_kind(MSG_PEER_GONE);
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	expect_bytes("bye\n", 4);
	cr_assert(rig_at_end(&rig, peer));
	cr_assert_null(rig_management(&rig), "waits for the peer's end, a little");
	close(peer);
	peer = -1;
	rig_pass(&rig);
	expect_freed();
}

Test(conn, unread_bytes_do_not_turn_the_last_reply_into_a_reset)
{
	rig_write(&rig, peer, slice_of("\0BAD........", 12));
	expect_kind(MSG_CLOSE_ME);
	rig_write(&rig, peer, slice_str("more that nobody reads"));
	rig_text(&rig, 1, "last words\n");
	rig_tell(&rig, MSG_CLOSE, 1);
	expect_kind(MSG_PEER_GONE);
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	expect_bytes("last words\n", 11);
	cr_assert(rig_at_end(&rig, peer));
}

static void
pause_peer(enum pause_what what)
{
	struct msg *m = msg_new(MSG_PAUSE, 1);

	m->type = (uint16_t)what;
	mbox_post(rig.in, &m);
	rig_pass(&rig);
}

static void
send_packet(uint32_t type, const char *const *arg, struct slice data)
{
	struct buf b = { 0 };

	wire_packet(&b, false, type, arg, data);
	rig_write(&rig, peer, buf_slice(&b));
	buf_fini(&b);
}

static void
expect_packet(uint32_t type)
{
	struct msg *m = rig_core(&rig);

	cr_assert(m != NULL && m->kind == MSG_PACKET, "no packet came");
	cr_assert_eq(m->type, type);
}

static void
expect_refusal(enum wire_error error)
{
	struct msg *m;

	for (int i = 0; i < 1000 && (m = rig_core(&rig)) == NULL; i++)
		usleep(1000);
	cr_assert(m != NULL && m->kind == MSG_REFUSE);
	cr_assert_eq(m->type, error);
}

Test(conn, paused_peer_has_only_its_results_taken)
{
	pause_peer(PAUSE_REQUESTS);
	send_packet(PKT_WORK_COMPLETE, ARGS("H:x:1"), slice_str("result"));
	expect_packet(PKT_WORK_COMPLETE);
	send_packet(PKT_ECHO_REQ, NO_ARGS, slice_str("x"));
	send_packet(PKT_WORK_COMPLETE, ARGS("H:x:2"), slice_str("result"));
	expect_nothing();
	rig_tell(&rig, MSG_RESUME, 1);
	expect_packet(PKT_ECHO_REQ);
	expect_packet(PKT_WORK_COMPLETE);
	expect_nothing();
}

Test(conn, peer_whose_submissions_are_paused_may_do_all_else)
{
	pause_peer(PAUSE_SUBMISSIONS);
	send_packet(PKT_WORK_COMPLETE, ARGS("H:x:1"), slice_str("result"));
	expect_packet(PKT_WORK_COMPLETE);
	send_packet(PKT_SUBMIT_JOB, ARGS("f", "u"), slice_str("x"));
	expect_packet(PKT_SUBMIT_JOB);
	rig_write(&rig, peer, slice_str("status\n"));
	expect_packet(PKT_TEXT);
	rig_text(&rig, 1, ".\n");
	send_packet(PKT_SUBMIT_JOB_BG, ARGS("f", "u"), slice_str("x"));
	send_packet(PKT_ECHO_REQ, NO_ARGS, slice_str("x"));
	expect_nothing();
	rig_tell(&rig, MSG_RESUME, 1);
	expect_packet(PKT_SUBMIT_JOB_BG);
	expect_packet(PKT_ECHO_REQ);
	expect_nothing();
}

Test(conn, submissions_that_waited_for_the_store_too_long_are_refused_until_it_is_well)
{
	rig.io->config.queue_timeout = 1;
	pause_peer(PAUSE_SUBMISSIONS);
	send_packet(PKT_SUBMIT_JOB_BG, ARGS("f", "u"), slice_str("x"));
	expect_refusal(WIRE_QUEUE_TIMEOUT);
	send_packet(PKT_SUBMIT_JOB_LOW_BG, ARGS("f", "u"), slice_of(rig.io->read_buffer, 100000));
	expect_refusal(WIRE_QUEUE_TIMEOUT);
	send_packet(PKT_ECHO_REQ, NO_ARGS, slice_str("x"));
	expect_packet(PKT_ECHO_REQ);
	rig_tell(&rig, MSG_RESUME, 1);
	send_packet(PKT_SUBMIT_JOB_BG, ARGS("f", "u"), slice_str("x"));
	expect_packet(PKT_SUBMIT_JOB_BG);
	cr_assert_eq(rig.counts[STAT_store_timeouts], 2);
}

Test(conn, end_of_a_peer_whose_request_waits_is_told_and_what_it_sent_before_comes)
{
	pause_peer(PAUSE_REQUESTS);
	send_packet(PKT_ECHO_REQ, NO_ARGS, slice_str("x"));
	expect_nothing();
	close(peer);
	peer = -1;
	expect_kind(MSG_PEER_ENDED);
	expect_nothing();
	rig_tell(&rig, MSG_RESUME, 1);
	expect_packet(PKT_ECHO_REQ);
	expect_kind(MSG_PEER_GONE);
	expect_nothing();
}

Test(conn, reset_of_a_peer_whose_request_waits_ends_it)
{
	pause_peer(PAUSE_REQUESTS);
	send_packet(PKT_ECHO_REQ, NO_ARGS, slice_str("x"));
	rig_text(&rig, 1, "it does not read this");
	expect_nothing();
	close(peer); /* with something unread: a reset */
	peer = -1;
	expect_kind(MSG_PEER_GONE);
	expect_nothing();
}

Test(conn, end_of_a_peer_that_does_not_read_is_told_too)
{
	char *text = calloc(1, rig.config.pause_output * 3);

	memset(text, 't', rig.config.pause_output * 3 - 1);
	rig_text(&rig, 1, text);
	rig_pass(&rig);
	rig_write(&rig, peer, slice_str("status\n"));
	expect_nothing();
	shutdown(peer, SHUT_WR);
	expect_kind(MSG_PEER_ENDED);
	expect_nothing();
	close(peer);
	peer = -1;
	expect_kind(MSG_PEER_GONE);
	free(text);
}

Test(conn, paused_peers_cost_no_passes)
{
	pause_peer(PAUSE_REQUESTS);
	send_packet(PKT_ECHO_REQ, NO_ARGS, slice_str("x"));
	send_packet(PKT_ECHO_REQ, NO_ARGS, slice_str("more that stays unread"));
	shutdown(peer, SHUT_WR);
	expect_kind(MSG_PEER_ENDED);
	expect_nothing();
	cr_assert_eq(event_base_loop(loop_base(rig.loop), EVLOOP_ONCE | EVLOOP_NONBLOCK), 0);
	cr_assert_eq(event_base_get_num_events(loop_base(rig.loop), EVENT_BASE_COUNT_ACTIVE), 0);
}

Test(conn, what_a_worker_sent_last_comes_behind_the_word_that_it_has_ended)
{
	static const char grab[] = "\0REQ\0\0\0\t\0\0\0\0";

	cr_assert_eq(send(peer, grab, PKT_HEAD, MSG_NOSIGNAL), PKT_HEAD);
	shutdown(peer, SHUT_WR);
	expect_kind(MSG_PEER_ENDED);
	expect_packet(PKT_GRAB_JOB);
	expect_kind(MSG_PEER_GONE);
	expect_nothing();
}

Test(conn, other_peers_are_served_beside_one_that_floods)
{
	enum { GRABS = 50000 };
	static char flood[GRABS * PKT_HEAD];
	int other = rig_connect(&rig), seen_other = 0, seen_flood = 0;

	for (int i = 0; i < GRABS; i++)
		pkt_head_write(flood + i * PKT_HEAD, false, PKT_GRAB_JOB, 0);
	send(peer, flood, sizeof flood, MSG_NOSIGNAL);
	send(other, "status\n", 7, MSG_NOSIGNAL);
	rig_pass(&rig);
	LIST_EACH(node, &rig.core) {
		seen_other += MSG(node)->peer == 2;
		seen_flood += MSG(node)->peer == 1;
	}
	cr_assert_eq(seen_other, 1);
	cr_assert(seen_flood > 0 && seen_flood <= READ_BYTES / PKT_HEAD, "one read of each in a pass");
	close(other);
}

/* A listing may be of any size, and the request for it is short. */
Test(conn, text_line_waits_for_the_reply_to_the_one_before_it_and_they_are_answered_together)
{
	rig_write(&rig, peer, slice_str("status\nworkers\nversion\n"));
	expect_kind(MSG_PACKET);
	expect_nothing();
	rig_text(&rig, 1, ".\n");
	rig_pass(&rig);
	expect_kind(MSG_PACKET);
	expect_nothing();
	expect_bytes("", 0);
	rig_text(&rig, 1, "..\n");
	rig_pass(&rig);
	expect_kind(MSG_PACKET);
	expect_bytes("", 0);
	rig_text(&rig, 1, "OK\n");
	rig_pass(&rig);
	expect_bytes(".\n..\nOK\n", 8);
}

Test(conn, large_answer_does_not_wait_for_the_answer_to_the_next_line)
{
	char *text = calloc(1, GATHER_BYTES + 1);
	struct buf got;

	memset(text, 't', GATHER_BYTES);
	rig_write(&rig, peer, slice_str("status\nworkers\n"));
	expect_kind(MSG_PACKET);
	rig_text(&rig, 1, text);
	rig_pass(&rig);
	expect_kind(MSG_PACKET);
	got = rig_read(&rig, peer);
	cr_assert_eq(got.len, GATHER_BYTES);
	buf_fini(&got);
	free(text);
}

Test(conn, lines_behind_one_that_is_answered_count_though_the_peer_has_ended)
{
	rig_write(&rig, peer, slice_str("status\nworkers\nvers"));
	shutdown(peer, SHUT_WR);
	rig_pass(&rig);
	expect_kind(MSG_PACKET);
	expect_kind(MSG_PEER_ENDED);
	expect_nothing();
	rig_text(&rig, 1, ".\n");
	rig_pass(&rig);
	expect_kind(MSG_PACKET);
	expect_nothing();
	rig_text(&rig, 1, "..\n");
	rig_pass(&rig);
	expect_kind(MSG_PEER_GONE);
	expect_nothing();
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	expect_bytes(".\n..\n", 5);
	cr_assert(rig_at_end(&rig, peer));
}

Test(conn, listings_that_are_not_read_stop_the_lines)
{
	char *text = calloc(1, rig.config.pause_output * 3);
	struct buf got;

	memset(text, 't', rig.config.pause_output * 3 - 1);
	rig_write(&rig, peer, slice_str("status\nstatus\n"));
	expect_kind(MSG_PACKET);
	rig_text(&rig, 1, text);
	rig_pass(&rig);
	expect_nothing();
	got = rig_read(&rig, peer);
	expect_kind(MSG_PACKET);
	buf_fini(&got);
	free(text);
}

Test(conn, idle_connection_holds_no_buffers)
{
	struct conn *c;

	rig_write(&rig, peer, slice_str("status"));
	c = CONTAINER_OF(hash_next(&rig.io->conns, &(struct hash_walk){ 0 }), struct conn, by_number);
	cr_assert_eq(c->rest.len, 6);
	rig_write(&rig, peer, slice_str("\n"));
	expect_kind(MSG_PACKET);
	rig_text(&rig, 1, ".\n");
	rig_pass(&rig);
	cr_assert_eq(c->rest.cap, 0);
	cr_assert(list_is_empty(&c->out));
	cr_assert_null(c->body);
	cr_assert_leq(sizeof *c, 240);
}

Test(conn, stop_writes_what_came_before_it)
{
	struct msg *m = msg_new(MSG_STOP, 0);

	rig_text(&rig, 1, "bye\n");
	mbox_post(rig.in, &m);
	loop_add_rider(rig.loop, io_rider(rig.io));
	loop_run(rig.loop); /* comes back */
	io_free(&rig.io);
	cr_assert(slice_is(slice_of("bye\n", 4), "bye\n"));
	char got[8];
	cr_assert_eq(recv(peer, got, sizeof got, 0), 4);
	cr_assert_eq(recv(peer, got, sizeof got, 0), 0, "the connection is closed");
}
