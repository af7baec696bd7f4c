/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bytes to a socket: a list of messages in wire form, written from where they are.
 *
 * Runs on:  its I/O thread.
 * Owns:     the messages, until their last byte is sent.
 *
 * Each connection that has something is written once per pass.  Two bounds: past pause_output unsent bytes the peer's
 * requests are not read, since their answers would only wait too; past max_output the peer, which
 * then gets what others produce, is closed.  The message that is being sent may have any size.  When more than
 * max_unsent waits for all of them together, the connection that holds the most is closed: of those that take nothing
 * any more, and past twice the bound of all.
 * All are compared with the memory it takes: a packet of 12 bytes takes ten times that.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "cross/log.h"
#include "io/conn.h"

enum { IOV_COUNT = 256, CHUNK_BYTES = 512, SMALL_PIECE = 512, FLAT_BYTES = 16384 };

/* A text reply has no packet head, though the room for it is there. */
static struct slice
reply_head(const struct msg_reply *m)
{
	size_t skip = m->msg.type == PKT_TEXT ? PKT_HEAD : 0;

	return slice_of(m->head + skip, m->head_len - skip);
}

static struct msg_reply *
reply_at(struct list *node)
{
	return MSG_AS(msg_reply, MSG(node));
}

void
conn_put(struct conn *c, struct msg_reply *reply)
{
	struct msg *m = &reply->msg;

	if (c->broken) {
		msg_free(&m);
		return;
	}
	if (c->out_count == 0)
		c->moved_at = c->io->now;
	list_push(&c->out, &m->link);
	c->out_bytes += conn_message_size(reply);
	c->out_count++;
	io_count_message(c->io, reply, true);
	conn_mark_dirty(c);
}

/* Small writes of a module follow each other into one message. */
static struct msg_reply *
conn_last_chunk(struct conn *c, size_t room)
{
	struct msg_reply *last;

	if (list_is_empty(&c->out))
		return NULL;
	last = reply_at(c->out.prev);
	if (last->msg.type != PKT_TEXT || last->data.len > 0 || last->head_cap - last->head_len < room)
		return NULL;
	return last;
}

/* `room`: of a new message, which the next bytes may fill; 0 = only these bytes. */
static IO void
conn_put_bytes(struct conn *c, struct slice bytes, size_t room)
{
	struct msg_reply *chunk = room > 0 ? conn_last_chunk(c, bytes.len) : NULL;

	if (bytes.len == 0 || c->broken)
		return;
	if (chunk == NULL) {
		chunk = msg_reply_new(PKT_TEXT, conn_number(c), bytes.len > room ? bytes.len : room);
		conn_put(c, chunk);
	}
	msg_reply_arg(chunk, bytes, true);
	c->out_bytes += bytes.len;
	c->io->unsent += bytes.len;
	conn_mark_dirty(c);
}

void
conn_write(struct conn *c, struct slice bytes)
{
	if (!conn_has_transport(c)) {
		conn_put_bytes(c, bytes, CHUNK_BYTES);
	} else if (!c->broken && bytes.len > 0) {
		buf_add_slice(&c->extra->packet, bytes);
		conn_mark_dirty(c);
	}
}

void
conn_end_packet(struct conn *c)
{
	if (c->extra == NULL || c->extra->packet.len == 0)
		return;
	conn_put_bytes(c, buf_slice(&c->extra->packet), 0);
	buf_fini(&c->extra->packet);
}

/* ---- Sending ------------------------------------------------------------------------------- */

/* Small pieces are copied together: the system takes one faster than many. */
struct gather {
	struct iovec iov[IOV_COUNT];
	size_t count, bytes, skip; /* `skip`: bytes still to pass over */
	char *flat;                /* room for small pieces ... */
	size_t room;               /* ... so much */
};

static void
gather_add(struct gather *g, struct slice s)
{
	struct iovec *last = g->count > 0 ? &g->iov[g->count - 1] : NULL;
	size_t len = s.len - g->skip;
	char *at = (char *)(uintptr_t)s.data + g->skip;

	if (s.len <= g->skip) {
		g->skip -= s.len;
		return;
	}
	if (len <= SMALL_PIECE && len <= g->room) {
		at = memcpy(g->flat, at, len);
		g->flat += len;
		g->room -= len;
	}
	if (last != NULL && (char *)last->iov_base + last->iov_len == at)
		last->iov_len += len;
	else
		g->iov[g->count++] = (struct iovec){ .iov_base = at, .iov_len = len };
	g->bytes += len;
	g->skip = 0;
}

/* Nothing is read meanwhile, so the room is the read buffer's. */
static IO void
conn_gather(const struct conn *c, struct gather *g)
{
	g->count = g->bytes = 0;
	g->skip = c->out_sent;
	g->flat = c->io->read_buffer;
	g->room = FLAT_BYTES;
	for (struct list *node = c->out.next; node != &c->out && g->count < IOV_COUNT - 1; node = node->next) {
		gather_add(g, reply_head(reply_at(node)));
		gather_add(g, reply_at(node)->data);
		if (g->bytes >= WRITE_BYTES)
			return;
	}
}

/* Both: false when the socket takes no more for now, or is broken. */
static IO bool
conn_send_some(struct conn *c, size_t *sent)
{
	struct gather g;
	struct msghdr h = { .msg_iov = g.iov };
	ssize_t n;

	conn_gather(c, &g);
	h.msg_iovlen = g.count;
	do {
		n = g.count == 1 ? send(c->fd, g.iov[0].iov_base, g.bytes, MSG_NOSIGNAL | MSG_DONTWAIT)
				 : sendmsg(c->fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN) {
		conn_break(c);
		return false;
	}
	if (n > 0)
		conn_sent(c, (size_t)n);
	*sent += n > 0 ? (size_t)n : 0;
	return (size_t)n == g.bytes;
}

static IO bool
conn_send_wire(struct conn *c, size_t *sent)
{
	struct buf *wire = &c->extra->wire;
	size_t len;
	ssize_t n;

	conn_transport_send(c);
	len = wire->len;
	if (c->broken || len == 0)
		return !c->broken;
	do {
		n = send(c->fd, wire->data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN) {
		conn_break(c);
		return false;
	}
	if (n > 0) {
		buf_drop(wire, (size_t)n);
		c->io->unsent -= (size_t)n;
		*sent += (size_t)n;
	}
	return (size_t)n == len;
}

/* ---- Bounds -------------------------------------------------------------------------------- */

/* By a reset, so that the system does not keep what it has taken already. */
static IO void
conn_close_slow(struct conn *c)
{
	struct linger at_once = { .l_onoff = 1 };

	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	log_post(GEARMAND_LOG_WARNING, "%s: closed: it does not read, and %zu bytes wait for it", conn_address(c),
	    c->out_bytes);
	io_count(c->io, STAT_slow_readers, 1);
	conn_break(c);
}

static IO void
conn_bound_output(struct conn *c)
{
	size_t bound = c->io->config.pause_output, unsent = conn_unsent(c);

	if (c->blocked && c->out_count > 0 && unsent > c->io->config.max_output &&
	    unsent - (conn_message_size(reply_at(c->out.next)) - c->out_sent) > c->io->config.max_output) {
		conn_close_slow(c);
	} else if ((c->pauses & PAUSED_OUTPUT) == 0 && unsent > bound) {
		c->pauses |= PAUSED_OUTPUT;
		io_count(c->io, STAT_reads_paused, 1);
	} else if (unsent <= bound / 2) {
		c->pauses &= (uint8_t)~PAUSED_OUTPUT;
	}
}

void
conn_flush(struct conn *c)
{
	size_t sent = 0;

	conn_end_packet(c);
	if (conn_is_aside(c) || (c->gathers && c->life == CONN_OPEN && c->out_bytes < GATHER_BYTES))
		return;
	while (conn_has_output(c) && !c->blocked) {
		if (!(conn_has_transport(c) ? conn_send_wire(c, &sent) : conn_send_some(c, &sent)))
			c->blocked = !c->broken;
		else if (sent >= WRITE_BYTES)
			c->blocked = conn_has_output(c);
	}
	if (sent > 0) {
		io_count(c->io, STAT_bytes_out, sent);
		c->moved_at = c->io->now;
	}
	if (!conn_has_output(c))
		conn_part_taken(c, false);
	conn_bound_output(c);
	if (c->blocked && !c->dirty)
		list_push(&c->io->waiting, &c->in_io);
}

/* What counts against it: all that it holds, when it takes nothing any more.  Past twice the bound the others are
 * judged as well, but not for the body that they are being sent: bodies have a bound of their own. */
static IO size_t
conn_weight(const struct conn *c)
{
	const struct io *io = c->io;
	size_t left;

	if (io->now - c->moved_at >= STALL_SECONDS)
		return conn_unsent(c);
	if (io_unsent(io) <= 2 * io->config.max_unsent || c->out_count == 0)
		return 0;
	left = reply_at(c->out.next)->data.len;
	return conn_unsent(c) - (left < c->out_bytes ? left : c->out_bytes);
}

/* NULL: nobody holds much. */
static IO struct conn *
io_largest_waiting(struct io *io)
{
	size_t most = UNSENT_FEW;
	struct conn *found = NULL;

	LIST_EACH(node, &io->waiting) {
		struct conn *c = LIST_ENTRY(node, struct conn, in_io);
		size_t weight = conn_weight(c);

		if (weight > most) {
			most = weight;
			found = c;
		}
	}
	return found;
}

void
io_judge(struct io *io)
{
	struct conn *c = NULL;
	size_t bound = io->config.max_unsent;

	if (bound == 0 || io_unsent(io) <= bound || (io->judged_at == io->now && io_unsent(io) <= 2 * bound))
		return;
	io->judged_at = io->now;
	while (io_unsent(io) > bound && (c = io_largest_waiting(io)) != NULL)
		conn_close_slow(c);
}

/* ---- The end --------------------------------------------------------------------------------- */

/* Our end of file goes out behind the last byte; the peer's is waited for, but not long. */
static IO void
conn_linger(struct conn *c)
{
	conn_move(c, CONN_LINGERING);
	shutdown(c->fd, SHUT_WR);
	conn_watch(c);
	conn_timer(c, LINGER_SECONDS * 1000);
}

void
conn_end(struct conn *c)
{
	if (c->life == CONN_LINGERING || conn_is_aside(c))
		return;
	CHECK(c->life == CONN_DRAINING);
	if (!c->broken)
		conn_transport_finish(c);
	if (!conn_has_output(c)) {
		if (c->broken || c->at_end)
			conn_free(&c);
		else
			conn_linger(c);
	} else if (!conn_timer_runs(c)) {
		conn_timer(c, DRAIN_SECONDS * 1000); /* however slowly it is read, it ends in time */
	}
}
