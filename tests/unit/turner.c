/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A transport that turns bytes over; see turner.h.
 *
 * Runs on:  the test's thread.
 * Owns:     what was counted.
 */
#include "tests/unit/turner.h"

#include <criterion/criterion.h>
#include <string.h>

struct turner turner;
struct gearmand_host turner_host;

static void *
turner_new(void *module, struct gearmand_conn *conn)
{
	(void)module;
	return conn;
}

struct buf
turn_over(struct slice s)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < s.len; i++)
		buf_add_char(&b, (char)~s.data[i]);
	return b;
}

static void
turner_says_who(void *state)
{
	turner_host.set_peer(state, "2001:db8::7", "99");
	turner_host.set_identity(state, slice_of("cn=worker\0dns=w.example\0", 25));
	turner_host.count(state, 1, 3);
	cr_assert_str_eq(turner_host.listener(state), "192.0.2.1:4730");
	cr_assert_eq(turner_host.listener_tag(state), &turner);
}

/* In two halves, as a cipher's blocks might be.  On the wire 'w' is who the peer is, 'e' its end, 't' a wish for a
 * tick, 'a' work to be done aside. */
static bool
turner_receive(void *state, struct slice in)
{
	struct buf plain = turn_over(in);
	size_t half = plain.len / 2;

	turner.receives++;
	if (in.len == 0)
		return true;
	if (in.len == 1 && strchr("weta", in.data[0]) != NULL) {
		buf_fini(&plain);
		if (in.data[0] == 'w')
			turner_says_who(state);
		else if (in.data[0] == 'a')
			turner_host.aside(state);
		else if (in.data[0] == 'e')
			turner_host.deliver_end(state);
		else
			turner_host.transport_tick_in(state, 1);
		return true;
	}
	if (memchr(in.data, 'q', in.len) != NULL) {
		buf_fini(&plain);
		return false;
	}
	turner_host.deliver(state, slice_of(plain.data, half));
	turner_host.deliver(state, slice_of(plain.data + half, plain.len - half));
	buf_fini(&plain);
	return true;
}

static bool
turner_send(void *state, struct slice plain)
{
	struct buf b = turn_over(plain);

	turner.sends++;
	turner_host.write(state, buf_slice(&b));
	buf_fini(&b);
	return true;
}

static void
turner_finish(void *state)
{
	turner.ends++;
	turner_host.write(state, slice_str("\x01"));
}

static bool
turner_tick(void *state)
{
	turner.ticks++;
	turner_host.write(state, slice_str("\x02"));
	return turner.tick_says;
}

static void
turner_work(void *state)
{
	(void)state;
	turner.works++;
}

static bool
turner_worked(void *state)
{
	turner.workeds++;
	turner_host.write(state, slice_str("\x03"));
	return turner.worked_says;
}

static void
turner_free(void **state)
{
	*state = NULL;
}

const struct gearmand_transport_ops turner_ops = {
	.size = sizeof turner_ops,
	.conn_new = turner_new,
	.receive = turner_receive,
	.send = turner_send,
	.finish = turner_finish,
	.tick = turner_tick,
	.conn_free = turner_free,
	.work = turner_work,
	.worked = turner_worked,
};
