/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The talker; see talker.h.
 *
 * Runs on:  the test's thread.
 * Owns:     the one talker.
 */
#include "tests/unit/talker.h"

#include <criterion/criterion.h>
#include <string.h>

#include "io/conn.h"

struct talker talker;
struct gearmand_host talker_host;

void *
talker_new(void *module, void *thread, struct gearmand_conn *conn)
{
	(void)module;
	(void)thread;
	talker = (struct talker){ .conn = conn };
	return &talker;
}

static void
talker_free(void **state)
{
	talker_host.drop_kept(talker.conn, &talker.kept);
	*state = NULL;
}

static void
talk_by_parts(struct slice line)
{
	talker_host.body_begin(talker.conn, PKT_SUBMIT_JOB, 0, 0);
	talker_host.body_add(talker.conn, slice_str("function"));
	talker_host.body_add(talker.conn, slice_of("\0\0", 2));
	for (size_t i = 0; i < line.len; i++)
		talker.added = talker_host.body_add(talker.conn, slice_of(line.data + i, 1));
	talker_host.body_end(talker.conn);
}

static void
talk(struct slice line)
{
	struct gearmand_packet p = { .type = PKT_SUBMIT_JOB, .argc = 2, .data = line };

	p.arg[0] = slice_str("function");
	p.arg[1] = slice_is(line, "nul") ? slice_of("a\0b", 3) : slice_str("unique");
	if (slice_is(line, "parts")) {
		talk_by_parts(line);
	} else if (slice_is(line, "bye")) {
		talker_host.write(talker.conn, slice_str("good bye"));
		talker_host.close(talker.conn);
	} else if (slice_is(line, "tick")) {
		talker_host.tick_in(talker.conn, 1);
	} else if (slice_is(line, "who")) {
		talker_host.write(talker.conn, slice_str(talker_host.peer_address(talker.conn)));
	} else {
		talker_host.request(talker.conn, &p);
	}
}

static size_t
talker_receive(void *state, struct slice in)
{
	const char *lf = memchr(in.data, '\n', in.len);
	size_t len;

	cr_assert_eq(state, &talker);
	if (talker.claim > 0)
		return in.len + talker.claim;
	if (lf == NULL || talker.busy)
		return 0;
	len = (size_t)(lf - in.data);
	talker.busy = true;
	talk(slice_of(in.data, len));
	return len + 1;
}

static void
talker_send(void *state, const struct gearmand_packet *p)
{
	struct conn *c = state == &talker ? (struct conn *)(void *)talker.conn : NULL;

	if (talker.keeps && p->type == PKT_WORK_DATA) {
		talker.kept = talker_host.keep(talker.conn, p->data);
		return;
	}
	if (talker.kept != NULL)
		talker_host.write_kept(talker.conn, &talker.kept);
	talker_host.write(talker.conn, slice_str("<"));
	for (uint32_t i = 0; i < p->argc; i++) {
		talker_host.write(talker.conn, p->arg[i]);
		talker_host.write(talker.conn, slice_str(" "));
	}
	talker_host.write_data(talker.conn, p->data);
	talker_host.write(talker.conn, slice_str(">"));
	talker.refs = c->extra->sending->msg.blob == NULL ? 0 : c->extra->sending->msg.blob->refs;
	talker.busy = false;
}

static void
talker_tick(void *state)
{
	cr_assert_eq(state, &talker);
	talker_host.write(talker.conn, slice_str("tick"));
}

const struct gearmand_protocol_ops talker_ops = {
	.size = sizeof talker_ops,
	.conn_new = talker_new,
	.receive = talker_receive,
	.send = talker_send,
	.tick = talker_tick,
	.conn_free = talker_free,
};
