/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bytes from a socket to the protocol on it.
 *
 * Runs on:  its I/O thread.
 * Owns:     `rest`: what the protocol has seen and not used.
 *
 * A connection is read once per pass, into the thread's one buffer.  What the protocol leaves unused is
 * kept, and stands in front of the next bytes.
 */
#include <errno.h>
#include <sys/socket.h>

#include "cross/log.h"
#include "io/conn.h"

/* The module is at fault when it is false. */
static IO bool
conn_receive(struct conn *c, struct slice in, size_t *used_r)
{
	*used_r = c->service->protocol->receive(c->protocol, in);
	if (*used_r <= in.len)
		return true;
	log_post(GEARMAND_LOG_ERROR, "%s: closed: module %s used %zu of %zu bytes", c->address, c->service->name,
	    *used_r, in.len);
	conn_break(c);
	return false;
}

/* A protocol may take one request of many at a time: it is asked again while the rest is too
 * large to wait for more. */
static IO struct slice
conn_feed(struct conn *c, struct slice in)
{
	size_t used = 0;

	do {
		if (c->deaf || in.len == 0 || !conn_receive(c, in, &used))
			return slice_of("", 0);
		in = slice_of(in.data + used, in.len - used);
	} while (used > 0 && in.len >= c->io->rest_max);
	return c->deaf ? slice_of("", 0) : in;
}

static IO void
conn_pause_rest(struct conn *c)
{
	bool full = c->rest.len >= c->io->rest_max;

	if (full && !c->paused_rest)
		io_count(c->io, STAT_reads_paused, 1);
	c->paused_rest = full;
	conn_watch(c);
}

/* `in` is not in `rest`. */
static IO void
conn_keep_rest(struct conn *c, struct slice in)
{
	if (in.len == 0) {
		buf_fini(&c->rest);
		return;
	}
	c->rest.len = 0;
	buf_add_slice(&c->rest, in);
	if (c->rest.len >= c->io->rest_max)
		conn_pause_rest(c);
}

void
conn_present_rest(struct conn *c)
{
	size_t left;

	if (c->rest.len == 0)
		return;
	left = conn_feed(c, buf_slice(&c->rest)).len;
	if (c->deaf)
		return;
	buf_drop(&c->rest, c->rest.len - left);
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
	conn_keep_rest(c, conn_feed(c, in));
}

/* Text lines that wait for the reply to the one before them were sent before the end. */
static IO void
conn_end_input(struct conn *c)
{
	if (c->text_open && c->rest.len > 0)
		conn_watch(c);
	else
		conn_gone(c);
}

void
conn_release_rest(struct conn *c)
{
	if (!c->held_rest || c->paused_output || c->deaf)
		return;
	c->held_rest = false;
	conn_present_rest(c);
	if (c->at_end && !c->deaf)
		conn_end_input(c);
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
conn_through_transport(struct conn *c, struct slice in)
{
	bool good;

	c->in_transport = true;
	good = c->service->transport->receive(c->transport, in);
	c->in_transport = false;
	if (!good)
		conn_close(c);
}

void
conn_readable(struct conn *c)
{
	struct io *io = c->io;
	bool plain = c->transport == NULL;
	size_t kept = plain ? c->rest.len : 0;
	ssize_t n;

	if (c->lingering) {
		conn_linger_read(c);
		return;
	}
	if (c->deaf || c->at_end)
		return;
	CHECK(kept < io->rest_max);
	n = recv(c->fd, io->read_buffer + kept, READ_BYTES, 0);
	if (n <= 0) {
		c->at_end = n == 0;
		if (c->at_end)
			conn_end_input(c);
		else if (errno != EAGAIN && errno != EINTR)
			conn_break(c);
		return;
	}
	io_count(io, STAT_bytes_in, (uint64_t)n);
	if (!plain) {
		conn_through_transport(c, slice_of(io->read_buffer, (size_t)n));
		return;
	}
	if (kept > 0)
		memcpy(io->read_buffer, c->rest.data, kept);
	conn_keep_rest(c, conn_feed(c, slice_of(io->read_buffer, kept + (size_t)n)));
}
