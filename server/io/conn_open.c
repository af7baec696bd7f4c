/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A new connection, and the events on its socket.
 *
 * Runs on:  its I/O thread.
 * Owns:     nothing: what it makes belongs to the table of connections.
 */
#include <sys/epoll.h>

#include "base/mem.h"
#include "cross/log.h"
#include "io/conn.h"

/* A socket that is of no more use shows as ready for all that is tried on it. */
void
conn_on_event(struct conn *c, uint32_t what)
{
	bool useless = (what & (EPOLLERR | EPOLLHUP)) != 0;

	if ((what & EPOLLOUT) != 0 || (useless && c->blocked)) {
		c->blocked = false;
		conn_mark_dirty(c);
	}
	if ((what & (EPOLLIN | EPOLLRDHUP)) != 0 || useless)
		conn_readable(c, (what & EPOLLRDHUP) != 0);
}

/* One after the other: a protocol's tick or a request's patience; then the two of the end. */
void
conn_on_timer(int fd, short what, void *arg)
{
	struct conn *c = arg;

	role_assume(&io_role);
	(void)fd;
	(void)what;
	if (c->life >= CONN_DRAINING) {
		if (conn_has_output(c))
			log_post(GEARMAND_LOG_INFO, "%s: closed with %zu bytes that it did not read", conn_address(c),
			    c->out_bytes);
		conn_free(&c);
	} else if (c->part_open && c->life >= CONN_GONE) {
		log_post(
		    GEARMAND_LOG_INFO, "%s: closed with %zu bytes that it did not read", conn_address(c), c->out_bytes);
		conn_break(c);
	} else if ((c->pauses & PAUSED_REQUEST) != 0) {
		c->impatient = c->again = true;
		c->pauses &= (uint8_t)~PAUSED_REQUEST;
		conn_mark_dirty(c);
	} else if (c->life != CONN_SHUT && c->service->protocol->tick != NULL) {
		c->service->protocol->tick(conn_protocol(c));
	}
}

static IO struct conn *
conn_new(struct io *io, const struct msg_conn *m)
{
	char *address = conn_address_new(m);
	size_t len = strlen(address);
	struct conn *c = mem_new(offsetof(struct conn, socket_address) + len + 1);

	c->io = io;
	c->service = m->service;
	c->fd = m->fd;
	list_init(&c->in_io);
	list_init(&c->out);
	memcpy(c->socket_address, address, len);
	mem_free(address);
	hash_add(&io->conns, &c->by_number, m->msg.peer);
	if (conn_has_transport(c) || !conn_speaks_gear(c)) {
		c->extra = mem_new(sizeof *c->extra);
		c->extra->listener = m->listener;
	}
	return c;
}

/* Its state, of the protocol and of the transport below. */
static IO bool
conn_open_modules(struct conn *c)
{
	struct gearmand_conn *handle = (struct gearmand_conn *)(void *)c;
	const struct service *s = c->service;

	if (conn_has_transport(c)) {
		c->extra->in_transport = true;
		c->extra->transport = s->transport->conn_new(s->transport_module, handle);
		c->extra->in_transport = false;
		if (c->extra->transport == NULL)
			return false;
	}
	if (c->extra == NULL)
		return true; /* gear on a bare socket */
	c->extra->protocol = s->protocol->conn_new(s->protocol_module, io_thread_state(c->io, s), handle);
	return c->extra->protocol != NULL;
}

/* What the core is told first is the message that brought the socket. */
void
conn_open(struct io *io, struct msg_conn **mp)
{
	struct msg *m = &(*mp)->msg;
	struct conn *c = conn_new(io, *mp);

	*mp = NULL;
	m->kind = MSG_PEER_NEW;
	if (conn_has_transport(c))
		c->extra->news = m;
	else
		io_post(io, &m);
	if (!conn_open_modules(c)) {
		log_post(GEARMAND_LOG_ERROR, "%s: refused by module %s", conn_address(c),
		    c->extra->transport == NULL && conn_has_transport(c) ? c->service->transport_name
									 : c->service->name);
		conn_break(c);
	}
	conn_watch(c);
}
