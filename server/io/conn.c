/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A connection's life: opened, half closed, closed, forgotten, ended; and what is wanted of its socket meanwhile.
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
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "cross/log.h"
#include "io/conn.h"

/* A module's protocol cannot be stopped in front of one request. */
bool
conn_wants_read(const struct conn *c)
{
	unsigned stops = PAUSED_REQUEST | PAUSED_OUTPUT | PAUSED_REST | PAUSED_ALL | PAUSED_ASIDE;

	if (!conn_speaks_gear(c))
		stops |= PAUSED_CORE | PAUSED_SUBMISSIONS;
	return c->life == CONN_OPEN && !c->at_end && !c->ended && (c->pauses & stops) == 0;
}

/* A socket that is not read is watched for edges: each time something comes, its state is looked at, which shows the
 * end of the peer behind bytes that nobody reads.  While it is to be written a reset shows by itself. */
static IO uint32_t
conn_wants(const struct conn *c)
{
	bool ahead = c->life == CONN_OPEN && !c->end_told;

	if (c->broken)
		return 0;
	if (c->life == CONN_LINGERING)
		return EPOLLIN;
	if (conn_wants_read(c))
		return EPOLLIN | EPOLLRDHUP | (c->blocked ? EPOLLOUT : 0u);
	if (c->blocked)
		return EPOLLOUT | (ahead ? EPOLLRDHUP : 0u);
	if (c->life <= CONN_DEAF)
		return EPOLLIN | EPOLLRDHUP | EPOLLET;
	return 0;
}

/* What is watched is kept in 16 bits: EPOLLET, the highest of 32, comes to lie where none is that we use. */
void
conn_watch(struct conn *c)
{
	struct epoll_event e = { .events = conn_wants(c), .data.ptr = c };
	uint16_t watched = (uint16_t)(e.events | e.events >> 16);
	int op = e.events == 0 ? EPOLL_CTL_DEL : c->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (watched == c->watched)
		return;
	c->watched = watched;
	if (epoll_ctl(c->io->epoll, op, c->fd, &e) == 0 || op == EPOLL_CTL_DEL)
		return;
	log_post(GEARMAND_LOG_ERROR, "%s: connection lost: the socket cannot be watched: %s", conn_address(c),
	    strerror(errno));
	conn_break(c);
}

bool
conn_timer_runs(const struct conn *c)
{
	return c->timer != NULL && evtimer_pending(c->timer, NULL);
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
		c->timer = evtimer_new(c->io->base, c->io->on_timer, c);
	CHECK(c->timer != NULL);
	evtimer_add(c->timer, &tv);
}

static IO void
extra_free(struct conn *c)
{
	struct extra *e = c->extra;

	if (e == NULL)
		return;
	if (e->transport != NULL)
		c->service->transport->conn_free(&e->transport);
	if (e->timer != NULL)
		event_free(e->timer);
	msg_free(&e->news);
	buf_fini(&e->identity);
	mem_free(e->address);
	mem_free(e);
	c->extra = NULL;
}

void
conn_free(struct conn **cp)
{
	struct conn *c = *cp;
	struct msg *m = msg_new(MSG_CONN_CLOSED, conn_number(c));

	*cp = NULL;
	CHECK(c->extra == NULL || c->extra->sending == NULL);
	hash_remove(&c->io->conns, &c->by_number);
	list_remove(&c->in_io);
	if (c->extra != NULL && c->extra->protocol != NULL)
		c->service->protocol->conn_free(&c->extra->protocol);
	if (c->timer != NULL)
		event_free(c->timer);
	close(c->fd);
	conn_drop_output(c);
	extra_free(c);
	conn_drop_body(c);
	buf_fini(&c->rest);
	io_post_mgmt(c->io, &m);
	mem_free(c);
}

static IO void
conn_end_input(struct conn *c, enum conn_life to)
{
	struct msg *m = c->life >= CONN_GONE ? NULL : msg_new(MSG_PEER_GONE, conn_number(c));

	conn_move(c, to);
	conn_drop_body(c);
	buf_fini(&c->rest);
	if (c->part_open)
		conn_timer(c, DRAIN_SECONDS * 1000);
	if (m != NULL)
		conn_post(c, &m);
	conn_watch(c);
}

void
conn_gone(struct conn *c)
{
	if (c->life == CONN_OPEN)
		conn_end_input(c, CONN_GONE);
}

void
conn_close(struct conn *c)
{
	if (c->life >= CONN_SHUT)
		return;
	conn_timer(c, 0);
	conn_end_input(c, CONN_SHUT);
}

void
conn_part_taken(struct conn *c, bool dropped)
{
	struct msg *m;

	if (!c->part_open)
		return;
	c->part_open = false;
	if (c->life == CONN_GONE || c->life == CONN_SHUT)
		conn_timer(c, 0);
	m = msg_new(MSG_PART_TAKEN, conn_number(c));
	m->type = dropped;
	conn_post(c, &m);
}

void
conn_break(struct conn *c)
{
	c->broken = true;
	c->blocked = false;
	conn_drop_output(c);
	conn_part_taken(c, true);
	conn_close(c);
	conn_watch(c);
	conn_mark_dirty(c);
}

void
conn_forgotten(struct conn *c)
{
	conn_timer(c, 0);
	conn_move(c, CONN_DRAINING);
	conn_mark_dirty(c);
}
