/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What all files about connections need: words for other classes, the life, the sums.
 *
 * Runs on:  its I/O thread.
 * Owns:     nothing; changes the connection that it is given.
 */
#include "base/mem.h"
#include "io/conn.h"

void
io_post(struct io *io, struct msg **mp)
{
	list_push(&io->to_proc, &(*mp)->link);
	io->to_proc_count++;
	*mp = NULL;
}

void
io_post_mgmt(struct io *io, struct msg **mp)
{
	mbox_post(io->mgmt, mp);
	io->told_mgmt = true;
}

void
io_count(struct io *io, enum statistic stat, uint64_t n)
{
	io->counts[stat] += n;
	io->counted = true;
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
conn_count_out(struct conn *c, ssize_t bytes, int messages)
{
	c->out_bytes += (size_t)bytes;
	c->out_count += (uint32_t)messages;
	c->io->unsent += (size_t)(bytes + messages * MESSAGE_COST);
}

size_t
conn_unsent(const struct conn *c)
{
	return c->out_bytes + (size_t)c->out_count * MESSAGE_COST;
}

void
conn_drop_output(struct conn *c)
{
	msg_free_all(&c->out);
	c->io->unsent -= conn_unsent(c);
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

bool
conn_speaks_gear(const struct conn *c)
{
	return c->service->protocol == &gear_protocol;
}
