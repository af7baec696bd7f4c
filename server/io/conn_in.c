/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bytes from a socket to the protocol on it, and the end of the peer.
 *
 * Runs on:  its I/O thread.
 * Owns:     `rest`: what the protocol has seen and not used.
 *
 * A connection is read once per pass, into the thread's one buffer; the more of them are ready, the less of each.
 * What the protocol leaves unused is kept, and stands in front of the next bytes.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "cross/log.h"
#include "io/conn.h"

/* A protocol may take one request of many at a time: it is asked again while what it leaves is too
 * large to wait for more.  Returns that. */
static IO struct slice
conn_feed(struct conn *c, struct slice in)
{
	size_t used = 0;

	do {
		if (c->life != CONN_OPEN || in.len == 0)
			return slice_of("", 0);
		used = c->service->protocol->receive(conn_protocol(c), in);
		if (used > in.len) {
			log_post(GEARMAND_LOG_ERROR, "%s: closed: module %s used %zu of %zu bytes", conn_address(c),
			    c->service->name, used, in.len);
			conn_break(c);
			return slice_of("", 0);
		}
		in = slice_of(in.data + used, in.len - used);
	} while (used > 0 && in.len >= c->io->rest_max);
	return c->life == CONN_OPEN ? in : slice_of("", 0);
}

/* A module that neither uses what is there nor has a timer waits for the core: if that has nothing to say, it closes
 * the connection.  A reply that is on its way is told by the number of those that came. */
static IO void
conn_pause_rest(struct conn *c)
{
	bool was = (c->pauses & PAUSED_REST) != 0, full = c->rest.len >= c->io->rest_max;
	struct msg *m;

	c->pauses = (uint8_t)(full ? c->pauses | PAUSED_REST : c->pauses & ~PAUSED_REST);
	if (full != was)
		conn_watch(c);
	if (full && !was)
		io_count(c->io, STAT_reads_paused, 1);
	if (!full || conn_speaks_gear(c) || conn_timer_runs(c) || c->again)
		return;
	m = msg_new(MSG_CLOSE_IDLE, conn_number(c));
	m->type = c->replies;
	conn_post(c, &m);
}

/* What is presented may not change under the protocol, whatever that does with the connection. */
static IO void
conn_present_rest(struct conn *c)
{
	struct buf held = c->rest;
	size_t left;

	c->rest = (struct buf){ 0 };
	left = conn_feed(c, buf_slice(&held)).len;
	buf_drop(&held, held.len - left);
	c->rest = held;
	conn_pause_rest(c);
}

void
conn_present(struct conn *c, struct slice in)
{
	if (c->rest.len > 0) {
		buf_add_slice(&c->rest, in);
		conn_present_rest(c);
		return;
	}
	in = conn_feed(c, in);
	if (in.len == 0)
		return;
	buf_add_slice(&c->rest, in);
	conn_pause_rest(c);
}

/* The peer has ended; what stands in front of its end is still to come. */
static IO void
conn_tell_ended(struct conn *c)
{
	struct msg *m;

	if (c->end_told)
		return;
	c->end_told = true;
	m = msg_new(MSG_PEER_ENDED, conn_number(c));
	conn_post(c, &m);
	conn_watch(c);
}

/* Text lines that wait for the reply to the one before them, and requests that the core is not ready for, were sent
 * before the end. */
void
conn_end_of_file(struct conn *c)
{
	bool waits = c->text_open || (c->pauses & PAUSED_REQUEST) != 0;

	c->ended = true;
	if (waits && c->rest.len > 0)
		conn_tell_ended(c);
	else
		conn_gone(c);
}

void
conn_resume(struct conn *c)
{
	bool stopped = (c->pauses & (PAUSED_OUTPUT | PAUSED_REQUEST | PAUSED_ALL)) != 0 ||
		       conn_unsent(c) > c->io->config.pause_output ||
		       (!conn_speaks_gear(c) && (c->pauses & (PAUSED_CORE | PAUSED_SUBMISSIONS)) != 0);

	if (c->again && !stopped && c->life == CONN_OPEN) {
		c->again = false;
		if (c->rest.len > 0)
			conn_present_rest(c);
		if (c->ended && c->life == CONN_OPEN)
			conn_end_of_file(c);
	}
	c->gathers &= c->text_open;
}

void
conn_set_pauses(struct conn *c, unsigned pauses)
{
	if ((c->pauses & PAUSED_REQUEST) != 0)
		conn_timer(c, 0);
	c->pauses &= (uint8_t) ~(PAUSED_CORE | PAUSED_SUBMISSIONS | PAUSED_REQUEST | PAUSED_ALL);
	c->pauses |= (uint8_t)pauses;
	c->impatient &= (pauses & PAUSED_SUBMISSIONS) != 0;
	c->again = true;
	conn_mark_dirty(c);
}

/* Its end of file has come, though there may be something in front of it.  A module that does not take that now will
 * not be asked again. */
static IO void
conn_ending(struct conn *c)
{
	if (c->life != CONN_OPEN)
		return;
	if (conn_wants_read(c) || conn_speaks_gear(c) || (c->pauses & PAUSED_OUTPUT) != 0) {
		conn_tell_ended(c);
	} else {
		c->at_end = true;
		conn_gone(c);
	}
}

/* The connection is not to be read: is there still a peer? */
static IO void
conn_look(struct conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

	if (poll(&p, 1, 0) <= 0)
		return;
	if ((p.revents & (POLLERR | POLLNVAL)) != 0)
		conn_break(c);
	else
		conn_ending(c);
}

/* What the peer still sends is of no interest; its end is. */
static IO void
conn_linger_read(struct conn *c)
{
	ssize_t n = recv(c->fd, c->io->read_buffer, READ_BYTES, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		conn_free(&c);
}

static IO void
conn_received(struct conn *c, size_t n)
{
	struct io *io = c->io;
	size_t kept = c->rest.len;

	io_count(io, STAT_bytes_in, n);
	if (conn_has_transport(c)) {
		conn_transport_receive(c, slice_of(io->read_buffer, n));
		return;
	}
	if (kept > 0)
		memcpy(io->read_buffer, c->rest.data, kept);
	buf_fini(&c->rest);
	conn_present(c, slice_of(io->read_buffer, kept + n));
}

static IO void
conn_socket_ended(struct conn *c)
{
	c->at_end = true;
	if (conn_has_transport(c))
		conn_transport_receive(c, slice_of("", 0));
	if (c->life == CONN_OPEN && !c->ended)
		conn_end_of_file(c);
}

void
conn_readable(struct conn *c, bool ending)
{
	struct io *io = c->io;
	size_t kept = conn_has_transport(c) ? 0 : c->rest.len;
	ssize_t n;

	if (c->life == CONN_LINGERING) {
		conn_linger_read(c);
		return;
	}
	if (conn_is_aside(c))
		return; /* its end is seen when the work is done */
	if (!conn_wants_read(c)) {
		conn_look(c);
		return;
	}
	CHECK(kept < io->rest_max);
	n = recv(c->fd, io->read_buffer + kept, io->read_bytes, 0);
	if (n > 0) {
		if (ending)
			conn_ending(c);
		conn_received(c, (size_t)n);
	} else if (n == 0) {
		conn_socket_ended(c);
	} else if (errno != EAGAIN && errno != EINTR) {
		conn_break(c);
	}
}
