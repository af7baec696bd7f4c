/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What protocol modules have of an I/O thread: a state and a timer each.
 *
 * Runs on:  that I/O thread.
 * Owns:     the list of them; the state is the module's.
 */
#include <event2/event.h>

#include "base/mem.h"
#include "io/conn.h"

/* What modules know as struct gearmand_thread. */
struct gearmand_thread {
	struct list in_io;
	struct io *io;
	const struct gearmand_protocol_ops *protocol;
	void *module;
	void *state;
	struct event *timer; /* NULL until used */
};

static void
thread_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct gearmand_thread *t = arg;

	role_assume(&io_role);
	(void)fd;
	(void)what;
	if (t->protocol->thread_tick != NULL)
		t->protocol->thread_tick(t->state);
}

void
io_thread_timer(struct gearmand_thread *t, uint32_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	if (t->timer == NULL)
		t->timer = evtimer_new(t->io->base, thread_on_timer, t);
	CHECK(t->timer != NULL);
	if (ms == 0)
		evtimer_del(t->timer);
	else
		evtimer_add(t->timer, &tv);
}

void *
io_thread_state(struct io *io, const struct service *s)
{
	struct gearmand_thread *t;

	if (s->protocol->thread_new == NULL)
		return NULL;
	LIST_EACH(node, &io->threads) {
		t = LIST_ENTRY(node, struct gearmand_thread, in_io);
		if (t->protocol == s->protocol && t->module == s->protocol_module)
			return t->state;
	}
	t = mem_new(sizeof *t);
	t->io = io;
	t->protocol = s->protocol;
	t->module = s->protocol_module;
	list_init(&t->in_io);
	list_push(&io->threads, &t->in_io);
	t->state = t->protocol->thread_new(t->module, t);
	return t->state;
}

void
io_threads_free(struct io *io)
{
	struct list *node;

	while ((node = list_pop(&io->threads)) != NULL) {
		struct gearmand_thread *t = LIST_ENTRY(node, struct gearmand_thread, in_io);

		if (t->protocol->thread_free != NULL)
			t->protocol->thread_free(&t->state);
		if (t->timer != NULL)
			event_free(t->timer);
		mem_free(t);
	}
}
