/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Peers that do not read: what waits for one, and for all together, is bounded.
 */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/conn.h"
#include "tests/unit/conn_rig.h"

TestSuite(conn_output, .init = conn_setup, .fini = conn_teardown, .timeout = 60);

Test(conn_output, peer_that_does_not_read_its_output_is_not_read)
{
	char *text = calloc(1, rig.config.pause_output * 3);
	struct buf got;

	memset(text, 't', rig.config.pause_output * 3 - 1);
	rig_text(&rig, 1, text);
	rig_pass(&rig);
	rig_write(&rig, peer, slice_str("status\n"));
	expect_nothing();
	got = rig_read(&rig, peer);
	cr_assert_eq(got.len, rig.config.pause_output * 3 - 1);
	expect_kind(MSG_PACKET);
	expect_nothing();
	cr_assert_eq(rig.counts[STAT_reads_paused], 1);
	buf_fini(&got);
	free(text);
}

Test(conn_output, slow_reader_is_closed_with_one_line)
{
	char *text = calloc(1, rig.config.max_output);
	struct msg *m;

	memset(text, 't', rig.config.max_output - 1);
	for (int i = 0; i < 4; i++)
		rig_text(&rig, 1, text);
	rig_pass(&rig);
	expect_kind(MSG_PEER_GONE);
	expect_nothing();
	cr_assert_eq(rig.counts[STAT_slow_readers], 1);
	m = rig_management(&rig);
	cr_assert(m != NULL && m->kind == MSG_LOG);
	cr_assert_not_null(strstr(MSG_AS(msg_log, m)->text, "does not read"));
	rig_tell(&rig, MSG_PEER_FORGOTTEN, 1);
	expect_freed();
	free(text);
}

Test(conn_output, slow_reader_is_closed_also_when_its_output_grows_bit_by_bit)
{
	char text[10001];
	size_t posted = 0;

	memset(text, 't', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	while (list_is_empty(&rig.management) && posted < 4 * rig.config.max_output) {
		rig_text(&rig, 1, text);
		posted += sizeof text - 1;
		rig_pass(&rig);
	}
	cr_assert_geq(posted, rig.config.max_output);
	cr_assert_lt(posted, 2 * rig.config.max_output);
	expect_kind(MSG_PEER_GONE);
	expect_nothing();
	cr_assert_eq(rig.counts[STAT_slow_readers], 1);
}

static void
give_texts(uint64_t to, size_t len)
{
	char *text = calloc(1, len + 1);

	memset(text, 't', len);
	rig_text(&rig, to, text);
	rig_text(&rig, to, text);
	rig_pass(&rig);
	free(text);
}

/* Its three seconds are taken from the time at which the output began to wait. */
static void
let_stall(uint64_t number)
{
	struct hash_walk walk = { 0 };
	struct hash_node *node;

	while ((node = hash_next(&rig.io->conns, &walk)) != NULL) {
		struct conn *c = CONTAINER_OF(node, struct conn, by_number);

		if (conn_number(c) == number)
			c->moved_at -= STALL_SECONDS + 1;
	}
	rig.io->judged_at--;
}

Test(conn_output, when_much_waits_for_all_together_the_one_that_holds_most_and_takes_nothing_is_closed)
{
	int slow = rig_connect(&rig), hoarder = rig_connect(&rig);
	struct msg *m;

	rig.io->config.max_output = 64 << 20;
	give_texts(1, 2 << 20);
	give_texts(2, 1 << 20);
	expect_nothing();
	give_texts(3, 3 << 20);
	expect_nothing();
	let_stall(2);
	let_stall(3);
	m = rig_core(&rig);
	cr_assert(m != NULL && m->kind == MSG_PEER_GONE && m->peer == 3);
	expect_nothing();
	cr_assert_eq(rig.counts[STAT_slow_readers], 1);
	close(slow);
	close(hoarder);
}

Test(conn_output, past_twice_the_bound_of_all_whoever_holds_most_is_closed_at_once)
{
	int other = rig_connect(&rig);
	char *result = calloc(1, 20 << 20);
	struct msg *m;

	memset(result, 'r', (20 << 20) - 1);
	rig_reply(&rig, 1, PKT_WORK_COMPLETE, "H:x:1", result);
	rig_pass(&rig);
	expect_nothing(); /* it is one result */
	free(result);
	result = rig_read(&rig, peer).data;
	free(result);

	rig.io->config.max_output = 64 << 20;
	give_texts(1, 3 << 20);
	give_texts(2, 6 << 20);
	m = rig_core(&rig);
	cr_assert(m != NULL && m->kind == MSG_PEER_GONE && m->peer == 2);
	expect_nothing();
	cr_assert_leq(io_unsent(rig.io), rig.config.max_unsent);
	close(other);
}

Test(conn_output, a_body_that_many_wait_for_counts_once_until_the_last_has_it)
{
	enum { LISTENERS = 12, BYTES = 3 << 20 };
	char *result = calloc(1, BYTES);
	struct blob *body = blob_copy(slice_of(result, BYTES));
	int others[LISTENERS];

	rig.io->config.max_output = 64 << 20;
	for (int i = 0; i < LISTENERS; i++) {
		struct msg_reply *reply;
		struct msg *m;

		others[i] = rig_connect(&rig);
		reply = msg_reply_new(PKT_WORK_COMPLETE, (uint64_t)i + 2, 6);
		m = &reply->msg;
		msg_reply_arg(reply, slice_of("H:x:1", 5), false);
		msg_reply_data(reply, body, blob_slice(body));
		mbox_post(rig.in, &m);
	}
	rig_pass(&rig);
	for (int i = 0; i < LISTENERS; i++)
		let_stall((uint64_t)i + 2);
	expect_nothing();
	cr_assert_gt(rig.io->shared, (LISTENERS - 1) * BYTES, "each is owed all of it");
	cr_assert_lt(io_unsent(rig.io), 2 * BYTES, "it is there once");
	for (int i = 0; i < LISTENERS; i++)
		close(others[i]);
	rig_pass(&rig);
	blob_unref(&body);
	free(result);
}

Test(conn_output, little_output_is_never_at_fault)
{
	rig.io->config.max_unsent = 1000;
	give_texts(1, rig.config.pause_output);
	let_stall(1);
	expect_kind(MSG_PEER_GONE);
	peer = rig_connect(&rig);
	send(peer, "x", 1, MSG_NOSIGNAL);
	for (int i = 0; i < 100; i++)
		give_texts(2, 100);
	let_stall(2);
	expect_nothing();
}

Test(conn_output, packets_that_nobody_reads_count_with_the_memory_they_take)
{
	size_t replies = 0;

	while (list_is_empty(&rig.management) && replies < rig.config.max_output) {
		for (int i = 0; i < 1000; i++, replies++)
			rig_reply(&rig, 1, PKT_NO_JOB, "", "");
		rig_pass(&rig);
	}
	expect_kind(MSG_PEER_GONE);
	cr_assert_lt(replies * (PKT_HEAD + 60), 8 * rig.config.max_output); /* the socket holds some */
}

Test(conn_output, what_is_being_sent_does_not_count_against_what_waits)
{
	size_t len = rig.config.max_output * 3;
	char *text = calloc(1, len + 1);
	struct buf got;

	memset(text, 't', len);
	rig_text(&rig, 1, text);
	rig_pass(&rig);
	rig_text(&rig, 1, "more");
	rig_pass(&rig);
	got = rig_read(&rig, peer);
	cr_assert_eq(got.len, len + 4);
	buf_fini(&got);
	free(text);
}

Test(conn_output, one_reply_of_any_size_is_allowed)
{
	size_t len = rig.config.max_output * 4;
	char *text = calloc(1, len + 1);
	struct buf got;

	memset(text, 't', len);
	rig_text(&rig, 1, text);
	rig_pass(&rig);
	got = rig_read(&rig, peer);
	cr_assert_eq(got.len, len);
	buf_fini(&got);
	free(text);
}
