/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An answer that comes in parts: the core hears when each has been sent, or never will be.
 */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/conn.h"
#include "tests/unit/conn_rig.h"

TestSuite(conn_part, .init = conn_setup, .fini = conn_teardown, .timeout = 60);

static void
tell_part(const char *text)
{
	struct msg_reply *part = msg_reply_new(PKT_TEXT, 1, strlen(text));
	struct msg *m = &part->msg;

	m->kind = MSG_PART;
	msg_reply_arg(part, slice_str(text), true);
	mbox_post(rig.in, &m);
	rig_pass(&rig);
}

static void
expect_taken(bool dropped)
{
	struct msg *m = rig_core(&rig);

	cr_assert(m != NULL && m->kind == MSG_PART_TAKEN && m->type == dropped);
}

Test(conn_part, the_core_hears_when_a_part_of_an_answer_is_sent_and_the_next_line_waits_for_the_end_of_it)
{
	char *text = calloc(1, rig.config.pause_output * 3);
	struct buf got;

	memset(text, 't', rig.config.pause_output * 3 - 1);
	rig_write(&rig, peer, slice_str("workers\nversion\n"));
	expect_kind(MSG_PACKET);
	tell_part(text);
	expect_nothing();
	got = rig_read(&rig, peer);
	expect_taken(false);
	expect_nothing();
	tell_part("more\n");
	expect_taken(false);
	rig_text(&rig, 1, ".\n");
	rig_pass(&rig);
	expect_kind(MSG_PACKET);
	rig_text(&rig, 1, "OK\n");
	rig_pass(&rig);
	buf_fini(&got);
	got = rig_read(&rig, peer);
	cr_assert(slice_is(buf_slice(&got), "more\n.\nOK\n"));
	buf_fini(&got);
	free(text);
}

Test(conn_part, the_core_hears_that_parts_are_dropped_when_the_peer_has_vanished)
{
	struct linger at_once = { .l_onoff = 1 };
	char *text = calloc(1, rig.config.pause_output * 3);

	memset(text, 't', rig.config.pause_output * 3 - 1);
	rig_write(&rig, peer, slice_str("workers\n"));
	expect_kind(MSG_PACKET);
	tell_part(text);
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(peer);
	expect_taken(true);
	expect_kind(MSG_PEER_GONE);
	tell_part("more\n");
	expect_taken(true);
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	expect_freed();
	peer = socket(AF_UNIX, SOCK_STREAM, 0);
	free(text);
}

Test(conn_part, a_peer_that_has_ended_and_takes_no_part_is_broken_off)
{
	char *text = calloc(1, rig.config.pause_output * 3);
	struct conn *c;

	role_assume(&io_role);
	memset(text, 't', rig.config.pause_output * 3 - 1);
	rig.io->config.pause_output = rig.config.max_output;
	rig_write(&rig, peer, slice_str("workers\n"));
	expect_kind(MSG_PACKET);
	tell_part(text);
	c = CONTAINER_OF(hash_next(&rig.io->conns, &(struct hash_walk){ 0 }), struct conn, by_number);
	cr_assert(!conn_timer_runs(c));
	shutdown(peer, SHUT_WR);
	expect_kind(MSG_PEER_GONE);
	cr_assert(conn_timer_runs(c));
	conn_on_timer(c->fd, 0, c);
	expect_taken(true);
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	expect_freed();
	free(text);
}
