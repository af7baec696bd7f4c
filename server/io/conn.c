/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A connection's life: opened, half closed, closed, forgotten, ended.
 *
 * Runs on:  its I/O thread.
 * Owns:     the connection, its socket and its events.
 *
 * A connection that we close is not simply closed: bytes of the peer that nobody has read would turn
 * our last packets into a reset.  So its output is sent, then our end of file, and then
 * the peer has LINGER_SECONDS to close too.  Nothing here waits.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "cross/log.h"
#include "io/conn.h"

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	role_assume(&io_role);
	(void)fd;
	if ((what & EV_WRITE) != 0) {
		c->blocked = c->yields = false;
		conn_mark_dirty(c);
	}
	if ((what & EV_READ) != 0)
		conn_readable(c);
}

static IO bool
conn_wants_read(const struct conn *c)
{
	return !c->deaf && !c->at_end && !c->paused && !c->paused_output && !c->paused_rest;
}

void
conn_watch(struct conn *c)
{
	short want = 0;

	if (!c->broken && (c->lingering || conn_wants_read(c)))
		want |= EV_READ;
	if (!c->broken && c->blocked)
		want |= EV_WRITE;
	if (want == c->watched)
		return;
	if (c->watched != 0)
		event_del(c->event);
	c->watched = want;
	if (want == 0)
		return;
	event_assign(c->event, c->io->base, c->fd, (short)(want | EV_PERSIST), on_ready, c);
	if (event_add(c->event, NULL) == 0)
		return;
	log_post(
	    GEARMAND_LOG_ERROR, "%s: connection lost: the socket cannot be watched: %s", c->address, strerror(errno));
	c->watched = 0;
	conn_break(c);
}

/* The timer has three uses, one after the other. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	role_assume(&io_role);
	(void)fd;
	(void)what;
	if (!c->forgotten) {
		if (!c->mute && c->service->protocol->tick != NULL)
			c->service->protocol->tick(c->protocol);
		return;
	}
	if (c->out_bytes > 0)
		log_post(GEARMAND_LOG_INFO, "%s: closed with %zu bytes that it did not read", c->address, c->out_bytes);
	conn_free(&c);
}

void
conn_timer(struct conn *c, uint32_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	if (ms == 0) {
		if (c->timer != NULL)
			evtimer_del(c->timer);
		return;
	}
	if (c->timer == NULL)
		c->timer = evtimer_new(c->io->base, on_timer, c);
	CHECK(c->timer != NULL);
	evtimer_add(c->timer, &tv);
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
	struct conn *c = mem_new(sizeof *c + len + 1);

	c->number = m->msg.peer;
	c->io = io;
	c->service = m->service;
	c->fd = m->fd;
	list_init(&c->dirty);
	list_init(&c->out);
	memcpy(c->address, address, len + 1);
	c->event = event_new(io->base, c->fd, EV_READ | EV_PERSIST, on_ready, c);
	CHECK(c->event != NULL);
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

static IO void
conn_tell_mgmt(struct conn *c)
{
	struct msg *m = msg_new(MSG_CONN_CLOSED, c->number);

	io_post_mgmt(c->io, &m);
}

void
conn_free(struct conn **cp)
{
	struct conn *c = *cp;

	*cp = NULL;
	CHECK(c->sending == NULL);
	hash_remove(&c->io->conns, &c->by_number);
	list_remove(&c->dirty);
	if (c->protocol != NULL)
		c->service->protocol->conn_free(&c->protocol);
	if (c->transport != NULL)
		c->service->transport->conn_free(&c->transport);
	event_free(c->event);
	if (c->timer != NULL)
		event_free(c->timer);
	close(c->fd);
	conn_drop_output(c);
	buf_fini(&c->rest);
	blob_unref(&c->body);
	conn_tell_mgmt(c);
	mem_free(c);
}

void
conn_gone(struct conn *c)
{
	struct msg *m;

	c->deaf = true;
	buf_fini(&c->rest);
	conn_watch(c);
	if (c->gone)
		return;
	c->gone = true;
	m = msg_new(MSG_PEER_GONE, c->number);
	io_post(c->io, &m);
}

void
conn_close(struct conn *c)
{
	c->mute = true;
	conn_timer(c, 0);
	conn_gone(c);
}

void
conn_break(struct conn *c)
{
	c->broken = true;
	c->mute = true;
	conn_drop_output(c);
	conn_gone(c);
}

/* Our end of file goes out behind the last byte; the peer's is waited for, but not long. */
static IO void
conn_linger(struct conn *c)
{
	c->lingering = true;
	shutdown(c->fd, SHUT_WR);
	conn_watch(c);
	conn_timer(c, LINGER_SECONDS * 1000);
}

/* However slowly it is read, it ends in time. */
static IO void
conn_drain(struct conn *c)
{
	if (c->draining)
		return;
	c->draining = true;
	conn_timer(c, DRAIN_SECONDS * 1000);
}

void
conn_end(struct conn *c)
{
	CHECK(c->forgotten);
	if (c->lingering)
		return;
	if (c->out_bytes > 0)
		conn_drain(c);
	else if (c->broken || c->at_end)
		conn_free(&c);
	else
		conn_linger(c);
}

void
conn_forgotten(struct conn *c)
{
	CHECK(c->gone && !c->forgotten);
	c->forgotten = true;
	c->mute = true;
	conn_timer(c, 0);
	conn_mark_dirty(c);
}
