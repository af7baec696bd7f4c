/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A new connection, and the events on its socket.
 *
 * Runs on:  its I/O thread.
 * Owns:     nothing: what it makes belongs to the table of connections.
 */
#include <event2/event.h>
#include <stdio.h>

#include "base/mem.h"
#include "cross/log.h"
#include "io/conn.h"

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	role_assume(&io_role);
	(void)fd;
	if ((what & EV_WRITE) != 0) {
		c->blocked = false;
		conn_mark_dirty(c);
	}
	if ((what & (EV_READ | EV_CLOSED)) != 0)
		conn_readable(c, (what & EV_CLOSED) != 0);
}

static size_t
conn_address(char *out, size_t size, const struct msg_conn *m)
{
	bool is_v6 = strchr(m->address, ':') != NULL;
	int n;

	if (m->port[0] == '\0')
		n = snprintf(out, size, "%.64s", m->address);
	else
		n = snprintf(out, size, is_v6 ? "[%.64s]:%.8s" : "%.64s:%.8s", m->address, m->port);
	return (size_t)n;
}

static IO struct conn *
conn_new(struct io *io, const struct msg_conn *m)
{
	char address[sizeof m->address + sizeof m->port + 4];
	size_t len = conn_address(address, sizeof address, m);
	size_t event_size = event_get_struct_event_size();
	struct conn *c = mem_new(sizeof *c + event_size + len + 1);

	c->number = m->msg.peer;
	c->io = io;
	c->service = m->service;
	c->fd = m->fd;
	list_init(&c->in_io);
	list_init(&c->out);
	c->address = memcpy((char *)(c + 1) + event_size, address, len + 1);
	event_assign(conn_event(c), io->base, c->fd, EV_READ | EV_PERSIST, on_socket, c);
	hash_add(&io->conns, &c->by_number, hash_number(c->number));
	return c;
}

/* What the core is told first is the message that brought the socket. */
void
conn_open(struct io *io, struct msg_conn **mp)
{
	struct msg *m = &(*mp)->msg;
	struct conn *c = conn_new(io, *mp);
	struct gearmand_conn *handle = (struct gearmand_conn *)(void *)c;

	*mp = NULL;
	m->kind = MSG_PEER_NEW;
	io_post(io, &m);
	if (c->service->transport != NULL) {
		c->in_transport = true;
		c->transport = c->service->transport->conn_new(c->service->transport_module, handle);
		c->in_transport = false;
	}
	c->protocol = c->service->protocol->conn_new(c->service->protocol_module, NULL, handle);
	if (c->protocol == NULL || (c->service->transport != NULL && c->transport == NULL)) {
		log_post(GEARMAND_LOG_ERROR, "%s: refused by module %s", c->address, c->service->name);
		conn_break(c);
	}
	conn_watch(c);
}
