/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What all files about connections need: words for other classes, the life, the sums.
 *
 * Runs on:  its I/O thread.
 * Owns:     nothing; changes the connection that it is given.
 */
#include <stdio.h>

#include "base/mem.h"
#include "io/conn.h"

void
io_post_mgmt(struct io *io, struct msg **mp)
{
	mbox_post(io->mgmt, mp);
	io->told_mgmt = true;
}

void
conn_introduce(struct conn *c)
{
	if (c->extra != NULL && c->extra->news != NULL)
		io_post(c->io, &c->extra->news);
}

void
conn_post(struct conn *c, struct msg **mp)
{
	conn_introduce(c);
	io_post(c->io, mp);
}

void
conn_move(struct conn *c, enum conn_life to)
{
	bool lawful = false;

#define X(from, to_) lawful |= c->life == CONN_##from && to == CONN_##to_;
	CONN_MOVES(X)
#undef X
	CHECK(lawful);
	c->life = (uint8_t)to;
}

void
conn_mark_dirty(struct conn *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	list_remove(&c->in_io);
	list_push(&c->io->dirty, &c->in_io);
}

void
conn_drop_output(struct conn *c)
{
	LIST_EACH(node, &c->out)
		io_count_message(c->io, MSG_AS(msg_reply, MSG(node)), false);
	msg_free_all(&c->out);
	if (c->extra != NULL) {
		c->io->unsent -= c->extra->wire.len;
		buf_fini(&c->extra->packet);
		buf_fini(&c->extra->wire);
	}
	c->out_bytes = c->out_sent = c->out_count = 0;
}

void
conn_drop_body(struct conn *c)
{
	if (c->body == NULL)
		return;
	list_remove(&c->body->in_io);
	blob_unref(&c->body->blob);
	mem_free(c->body);
	c->body = NULL;
}

char *
conn_address_new(const struct msg_conn *m)
{
	char out[sizeof m->address + sizeof m->port + 4];
	bool is_v6 = strchr(m->address, ':') != NULL;
	int n;

	if (m->port[0] == '\0')
		n = snprintf(out, sizeof out, "%.63s", m->address);
	else
		n = snprintf(out, sizeof out, is_v6 ? "[%.63s]:%.7s" : "%.63s:%.7s", m->address, m->port);
	return mem_dup(out, (size_t)n);
}

void
io_count_message(struct io *io, const struct msg_reply *m, bool waits)
{
	bool shares = m->msg.blob != NULL && m->data.len >= BLOB_CAP_COUNTED;
	size_t shared = shares ? m->data.len : 0, own = conn_message_size(m) - shared + MESSAGE_COST;

	io->shared += waits ? shared : -shared;
	io->unsent += waits ? own : -own;
}

void
conn_sent(struct conn *c, size_t n)
{
	c->out_bytes -= n;
	c->out_sent += n;
	while (!list_is_empty(&c->out)) {
		struct msg_reply *first = MSG_AS(msg_reply, MSG(c->out.next));
		struct msg *m = &first->msg;
		size_t size = conn_message_size(first);

		if (c->out_sent < size)
			return;
		c->out_sent -= size;
		c->out_count--;
		io_count_message(c->io, first, false);
		list_remove(&m->link);
		msg_free(&m);
	}
}
