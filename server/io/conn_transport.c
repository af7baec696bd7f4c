/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a connection calls its transport: bytes of the socket and of the protocol on their way through it.
 *
 * Runs on:  its I/O thread.
 * Owns:     `wire`: what the transport has written and the socket has not taken.
 *
 * Work that would hold up the thread is done by another (aside.c), which has the transport's state meanwhile: nothing
 * of the transport is called, the socket is not read, and the connection does not end before it is back.
 *
 * Output is given to the transport when there is room in `wire`, so what waits is bodies that others share, and has the
 * same bounds as without a transport.  A packet is one call, if it is not large.
 */
#include <event2/event.h>
#include <stdio.h>

#include "base/mem.h"
#include "io/conn.h"

enum { WIRE_ENOUGH = 1 << 17, PLAIN_MOST = 1 << 16, ASIDE_MS = 100 };

/* After a callback that may have let the peer in, or refused it. */
static IO void
conn_transport_judged(struct conn *c, bool good)
{
	c->extra->in_transport = false;
	if (c->extra->proved)
		conn_introduce(c);
	if (!good)
		conn_close(c);
}

void
conn_transport_receive(struct conn *c, struct slice in)
{
	c->extra->in_transport = true;
	conn_transport_judged(c, c->service->transport->receive(c->extra->transport, in));
}

void
conn_transport_aside(struct conn *c)
{
	struct msg_work *work = msg_new_sized(MSG_WORK, conn_number(c), sizeof *work);
	struct msg *m = &work->msg;

	work->work = c->service->transport->work;
	work->state = c->extra->transport;
	work->from = c->io->in;
	c->pauses |= PAUSED_ASIDE;
	conn_mark_dirty(c);
	if (c->io->config.aside != NULL) {
		mbox_post(c->io->config.aside, &m);
		return;
	}
	work->work(work->state);
	mbox_post(work->from, &m);
}

void
conn_transport_worked(struct conn *c)
{
	c->pauses &= (uint8_t)~PAUSED_ASIDE;
	conn_mark_dirty(c);
	if (c->life >= CONN_DRAINING || c->broken)
		return;
	c->extra->in_transport = true;
	conn_transport_judged(c, c->service->transport->worked(c->extra->transport));
}

void
conn_transport_wire(struct conn *c, struct slice bytes)
{
	if (c->broken || bytes.len == 0)
		return;
	buf_add_slice(&c->extra->wire, bytes);
	c->io->unsent += bytes.len;
	conn_mark_dirty(c);
}

/* Of the first message: what is left, or a large part of it.  `flat` is room for what is not in one piece. */
static IO struct slice
conn_next_plain(const struct conn *c, struct buf *flat)
{
	const struct msg_reply *m = MSG_AS(msg_reply, MSG(c->out.next));
	size_t skip = c->out_sent, all = conn_message_size(m) - skip, n = all > PLAIN_MOST ? PLAIN_MOST : all;
	size_t head_at = m->msg.type == PKT_TEXT ? PKT_HEAD : 0, head_len = m->head_len - head_at;

	if (skip >= head_len)
		return slice_of(m->data.data + (skip - head_len), n);
	if (skip + n <= head_len)
		return slice_of(m->head + head_at + skip, n);
	buf_add(flat, m->head + head_at + skip, head_len - skip);
	buf_add(flat, m->data.data, n - (head_len - skip));
	return buf_slice(flat);
}

void
conn_transport_send(struct conn *c)
{
	struct extra *e = c->extra;

	while (c->out_count > 0 && e->wire.len < WIRE_ENOUGH && !c->broken) {
		struct buf flat = { 0 };
		struct slice plain = conn_next_plain(c, &flat);
		bool good;

		e->in_transport = true;
		good = c->service->transport->send(e->transport, plain);
		e->in_transport = false;
		buf_fini(&flat);
		if (good)
			conn_sent(c, plain.len);
		else
			conn_break(c);
	}
}

void
conn_transport_finish(struct conn *c)
{
	struct extra *e = c->extra;

	if (e == NULL || e->transport == NULL || e->finished || c->out_count > 0)
		return;
	e->finished = true;
	if (c->service->transport->finish == NULL)
		return;
	e->in_transport = true;
	c->service->transport->finish(e->transport);
	e->in_transport = false;
}

static void
conn_on_transport_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	bool good;

	role_assume(&io_role);
	(void)fd;
	(void)what;
	if (c->life >= CONN_DRAINING || c->service->transport->tick == NULL)
		return;
	if (conn_is_aside(c)) {
		conn_transport_timer(c, ASIDE_MS);
		return;
	}
	c->extra->in_transport = true;
	good = c->service->transport->tick(c->extra->transport);
	c->extra->in_transport = false;
	if (!good)
		conn_close(c);
}

void
conn_transport_timer(struct conn *c, uint32_t ms)
{
	struct extra *e = c->extra;
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	if (e->timer == NULL)
		e->timer = evtimer_new(c->io->base, conn_on_transport_timer, c);
	CHECK(e->timer != NULL);
	if (ms == 0)
		evtimer_del(e->timer);
	else
		evtimer_add(e->timer, &tv);
}

void
conn_transport_proves(struct conn *c)
{
	struct extra *e = c->extra;

	e->proved = true;
	if (e->news == NULL || e->identity.len == 0)
		return;
	blob_unref(&e->news->blob);
	e->news->blob = blob_copy(buf_slice(&e->identity));
	CHECK(e->news->blob != NULL);
}

/* The core has not heard of the peer yet, unless it is too late. */
void
conn_transport_peer(struct conn *c, const char *address, const char *port)
{
	struct extra *e = c->extra;
	struct msg_conn *news = MSG_AS(msg_conn, e->news);

	if (news == NULL)
		return;
	news->has_user = false;
	snprintf(news->address, sizeof news->address, "%s", address);
	snprintf(news->port, sizeof news->port, "%s", port == NULL ? "" : port);
	mem_free(e->address);
	e->address = conn_address_new(news);
}
