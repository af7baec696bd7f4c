/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An I/O class: takes what other classes say to it, and lets its connections gather and flush.
 *
 * Runs on:  its I/O thread.
 * Owns:     the table of its connections, the read buffer, what is gathered for the core.
 *
 * A pass: libevent calls conn.c for each socket that is ready, and requests gather in to_proc;
 * then io_turn() hands out what came by mail, posts, and writes once per connection.  What a module makes of a large
 * reply may take it long: those wait for their turns, so that others are served between them.
 */
#include "io/io.h"

#include <event2/event.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "cross/log.h"
#include "io/conn.h"

/* What is ready beyond this many waits for the next pass. */
/* POSTS_PER_STAMP: reading the clock costs too much for each of them. */
enum { EVENTS_MOST = 256, POSTS_PER_STAMP = 16 };

/* A reply for a module is dear from DEAR_BYTES on: up to them it takes a fraction of a millisecond.  DEAR_TIME: when no
 * more of them are begun in a turn. */
enum { DEAR_BYTES = 32 << 10, DEAR_TIME = 2000000 };

/* The more connections are ready, the less is read of each.  Where several were ready at once there are soon more: the
 * next look comes without the event base.  False: nothing was ready. */
static IO bool
io_look(struct io *io)
{
	struct epoll_event events[EVENTS_MOST];
	int count = epoll_wait(io->epoll, events, EVENTS_MOST, 0);

	io->busy = count > 1;
	io->read_bytes = count <= PASS_BYTES / READ_BYTES ? READ_BYTES : PASS_BYTES / (size_t)count;
	for (int i = 0; i < count; i++)
		conn_on_event(events[i].data.ptr, events[i].events);
	return count > 0;
}

static void
io_on_ready(evutil_socket_t fd, short what, void *arg)
{
	role_assume(&io_role);
	(void)fd;
	(void)what;
	io_look(arg);
}

struct io *
io_new(struct loop *loop, const struct io_config *config, struct mbox *in, struct mbox *proc, struct mbox *mgmt)
{
	struct io *io = mem_new(sizeof *io);

	io->loop = loop;
	io->base = loop_base(loop);
	io->config = *config;
	io->in = in;
	io->proc = proc;
	io->mgmt = mgmt;
	hash_init_numbers(&io->conns, 0);
	list_init(&io->dirty);
	list_init(&io->waiting);
	list_init(&io->bodies);
	list_init(&io->threads);
	io->on_timer = conn_on_timer;
	list_init(&io->to_proc);
	list_init(&io->dear);
	io->epoll = epoll_create1(EPOLL_CLOEXEC);
	CHECK(io->epoll >= 0);
	io->ready = event_new(io->base, io->epoll, EV_READ | EV_PERSIST, io_on_ready, io);
	CHECK(io->ready != NULL && event_add(io->ready, NULL) == 0);
	io->rest_max = config->max_line > READ_BYTES ? config->max_line : READ_BYTES;
	io->read_buffer = mem_grow(NULL, io->rest_max + READ_BYTES);
	return io;
}

static IO void
io_close_all(struct io *io)
{
	struct hash_walk walk = { 0 };
	struct hash_node *node;

	while ((node = hash_next(&io->conns, &walk)) != NULL) {
		struct conn *c = CONTAINER_OF(node, struct conn, by_number);

		conn_free(&c);
	}
}

void
io_free(struct io **iop)
{
	struct io *io = *iop;

	*iop = NULL;
	if (io == NULL)
		return;
	role_take(&io_role); /* its own thread has ended */
	role_assume(&io_role);
	io_close_all(io);
	io_threads_free(io);
	event_free(io->ready);
	close(io->epoll);
	hash_fini(&io->conns);
	msg_free_all(&io->to_proc);
	msg_free_all(&io->dear);
	mem_free(io->read_buffer);
	mem_free(io);
}

static IO void
io_gather_counts(struct io *io)
{
	struct msg_counts *counts;
	struct msg *m;
	uint64_t lost = log_lost();

	if (lost > 0)
		io_count(io, STAT_log_lost, lost);
	if (!io->counted)
		return;
	counts = msg_new_sized(MSG_COUNTS, 0, sizeof *counts);
	counts->msg.type = (uint16_t)io->config.number;
	if (io->posts++ % POSTS_PER_STAMP == 0)
		counts->posted = clock_mono();
	memcpy(counts->by, io->counts, sizeof counts->by);
	memset(io->counts, 0, sizeof io->counts);
	io->counted = false;
	m = &counts->msg;
	io_post(io, &m);
}

/* Counts travel only when something else does. */
static IO bool
io_post_gathered(struct io *io)
{
	if (io->to_proc_count == 0)
		return false;
	io_gather_counts(io);
	mbox_post_all_bounded(io->proc, &io->to_proc, io->to_proc_count, io->config.max_waiting);
	io->to_proc_count = 0;
	return true;
}

/* What is read again since it was answered, or since output went out, may bring more output. */
static IO void
io_flush(struct io *io)
{
	struct list *node;

	while ((node = list_pop(&io->dirty)) != NULL) {
		struct conn *c = LIST_ENTRY(node, struct conn, in_io);

		c->dirty = false;
		conn_resume(c);
		conn_flush(c);
		conn_resume(c);
		conn_watch(c);
		if (c->life >= CONN_DRAINING)
			conn_end(c);
	}
}

/* A connection that a module has brought to a halt is worth a line. */
static IO void
io_close(struct conn *c)
{
	if ((c->pauses & PAUSED_REST) != 0 && !conn_speaks_gear(c) && c->life == CONN_OPEN)
		log_post(GEARMAND_LOG_WARNING, "%s: closed: protocol %s leaves %zu bytes unused and waits for nothing",
		    conn_address(c), c->service->name, c->rest.len);
	conn_close(c);
}

/* The core speaks of no connection that it has forgotten, and a connection is not freed before. */
static IO struct conn *
io_conn(const struct io *io, const struct msg *m)
{
	struct hash_node *node = hash_find(&io->conns, m->peer, NULL, NULL);

	CHECK(node != NULL);
	return CONTAINER_OF(node, struct conn, by_number);
}

static IO void
io_to_conn(struct conn *c, struct msg **mp)
{
	struct msg *m = *mp;

	switch (m->kind) {
	case MSG_REPLY:
		*mp = NULL;
		conn_reply(c, m);
		break;
	case MSG_PART:
		*mp = NULL;
		conn_reply_part(c, m);
		break;
	case MSG_CLOSE:
		io_close(c);
		break;
	case MSG_PAUSE:
		conn_set_pauses(c, m->type == PAUSE_ALL           ? PAUSED_ALL
				   : m->type == PAUSE_SUBMISSIONS ? PAUSED_SUBMISSIONS
								  : PAUSED_CORE);
		break;
	case MSG_RESUME:
		conn_set_pauses(c, 0);
		break;
	case MSG_PEER_FORGOTTEN:
		conn_forgotten(c);
		break;
	case MSG_WORK:
		conn_transport_worked(c);
		break;
	default:
		CHECK(!"a message that is not for an I/O thread");
	}
}

/* One of them at least. */
static IO void
io_take_dear(struct io *io, nsec_t until)
{
	struct list *node;

	while ((node = list_pop(&io->dear)) != NULL) {
		struct msg *m = MSG(node);
		struct conn *c = io_conn(io, m);

		c->extra->dear--;
		io_to_conn(c, &m);
		msg_free(&m);
		if (clock_mono() >= until)
			return;
	}
}

/* What comes for a connection keeps its order. */
static bool
is_dear(const struct conn *c, struct msg *m)
{
	if (c->extra == NULL || conn_speaks_gear(c))
		return false;
	return c->extra->dear > 0 || (m->kind == MSG_REPLY && MSG_AS(msg_reply, m)->data.len >= DEAR_BYTES);
}

static IO void
io_take_for_conn(struct io *io, struct msg *m)
{
	struct conn *c = io_conn(io, m);

	if (is_dear(c, m)) {
		c->extra->dear++;
		list_push(&io->dear, &m->link);
		return;
	}
	io_to_conn(c, &m);
	msg_free(&m);
}

static IO void
io_take(struct io *io, struct msg *m)
{
	if (m->kind == MSG_CONN) {
		struct msg_conn *conn = MSG_AS(msg_conn, m);

		conn_open(io, &conn);
		return;
	}
	if (m->kind != MSG_STOP) {
		io_take_for_conn(io, m);
		return;
	}
	io_take_dear(io, NEVER);
	loop_stop(io->loop);
	msg_free(&m);
}

static bool
io_turn(void *self, nsec_t *due_r)
{
	struct io *io = self;
	struct list msgs, *node;
	bool posted;

	role_assume(&io_role);
	io->now = (uint32_t)(clock_mono() / A_SECOND);
	list_init(&msgs);
	mbox_take(io->in, &msgs);
	while ((node = list_pop(&msgs)) != NULL)
		io_take(io, MSG(node));
	posted = io_post_gathered(io); /* first, so that the core works while this thread writes */
	io_flush(io);
	if (!list_is_empty(&io->dear))
		io_take_dear(io, clock_mono() + DEAR_TIME);
	io_judge(io);
	io_flush(io);
	posted |= io_post_gathered(io) || io->told_mgmt;
	io->told_mgmt = false;
	if (!list_is_empty(&io->dear)) { /* sockets first */
		*due_r = clock_mono();
		return false;
	}
	return posted || (io->busy && io_look(io));
}

struct rider
io_rider(struct io *io)
{
	return (struct rider){ .turn = io_turn, .self = io };
}
