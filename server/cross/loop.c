/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A thread's event loop: events, then the riders' turns, then sleep.
 *
 * Runs on:  the thread that calls loop_run(); made and freed before and after.
 * Owns:     the libevent base, the waker, one timer for the riders' deadlines.
 */
#include "cross/loop.h"

#include <event2/event.h>
#include <sys/time.h>

#include "base/check.h"
#include "base/mem.h"
#include "cross/log.h"

enum { RIDERS_MAX = 4, ROUNDS_MAX = 16 };

struct loop {
	struct event_base *base;
	struct waker *waker;
	struct event *wake, *timer;
	nsec_t armed; /* when `timer` is set to go off; NEVER = it is not */
	struct rider rider[RIDERS_MAX];
	unsigned riders;
	bool by_edge; /* the eventfd is never read: each wake is an edge of its own */
	bool stopped;
};

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	if (!l->by_edge)
		waker_drain(l->waker);
}

/* The turns come after the events in any case. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	l->armed = NEVER;
}

struct loop *
loop_new(void)
{
	struct loop *l = mem_new(sizeof *l);
	short edge;

	l->armed = NEVER;
	l->waker = waker_new(true);
	l->base = event_base_new();
	if (l->waker == NULL || l->base == NULL) {
		loop_free(&l);
		return NULL;
	}
	l->by_edge = (event_base_get_features(l->base) & EV_FEATURE_ET) != 0;
	edge = l->by_edge ? EV_ET : 0;
	l->wake = event_new(l->base, waker_fd(l->waker), (short)(EV_READ | EV_PERSIST | edge), on_wake, l);
	l->timer = evtimer_new(l->base, on_timer, l);
	if (l->wake == NULL || l->timer == NULL || event_add(l->wake, NULL) != 0)
		loop_free(&l);
	return l;
}

void
loop_free(struct loop **lp)
{
	struct loop *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	if (l->wake != NULL)
		event_free(l->wake);
	if (l->timer != NULL)
		event_free(l->timer);
	if (l->base != NULL)
		event_base_free(l->base);
	waker_free(&l->waker);
	mem_free(l);
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

struct waker *
loop_waker(struct loop *l)
{
	return l->waker;
}

void
loop_add_rider(struct loop *l, struct rider r)
{
	CHECK(l->riders < RIDERS_MAX);
	l->rider[l->riders++] = r;
}

void
loop_stop(struct loop *l)
{
	l->stopped = true;
}

static void
loop_arm(struct loop *l, nsec_t due)
{
	nsec_t wait;
	struct timeval tv;

	if (due == l->armed)
		return;
	l->armed = due;
	if (due == NEVER) {
		event_del(l->timer);
		return;
	}
	wait = due - clock_mono();
	if (wait < 0)
		wait = 0;
	wait = (wait + 999) / 1000;
	tv.tv_sec = (time_t)(wait / 1000000);
	tv.tv_usec = (suseconds_t)(wait % 1000000);
	event_add(l->timer, &tv);
}

/* Turns go round until nobody did anything that another may have to look at: true.  False: other
 * threads keep them busy, so the events must be looked at now and then. */
static bool
loop_turns(struct loop *l, nsec_t *due_r)
{
	for (int round = 0; round < ROUNDS_MAX; round++) {
		bool more = false;

		*due_r = NEVER;
		for (unsigned i = 0; i < l->riders; i++)
			more |= l->rider[i].turn(l->rider[i].self, due_r);
		if (!more)
			return true;
	}
	return false;
}

static void
loop_events(struct loop *l, bool may_sleep, nsec_t due)
{
	bool asleep = may_sleep && waker_try_sleep(l->waker);
	int failed;

	if (asleep)
		loop_arm(l, due);
	failed = event_base_loop(l->base, asleep ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
	CHECK(failed >= 0);
	if (asleep)
		waker_woken(l->waker);
}

void
loop_run(struct loop *l)
{
	waker_bind(l->waker);
	l->stopped = false;
	for (;;) {
		nsec_t due = NEVER;
		bool idle = loop_turns(l, &due);

		if (l->stopped)
			break;
		loop_events(l, idle, due);
	}
	waker_release(l->waker);
}

static void
on_libevent(int severity, const char *text)
{
	static const enum gearmand_level levels[] = {
		[EVENT_LOG_DEBUG] = GEARMAND_LOG_DEBUG,
		[EVENT_LOG_MSG] = GEARMAND_LOG_INFO,
		[EVENT_LOG_WARN] = GEARMAND_LOG_WARNING,
		[EVENT_LOG_ERR] = GEARMAND_LOG_ERROR,
	};
	bool is_known = severity >= EVENT_LOG_DEBUG && severity <= EVENT_LOG_ERR;

	log_post(is_known ? levels[severity] : GEARMAND_LOG_ERROR, "libevent: %s", text);
}

void
loop_log_libevent(void)
{
	event_set_log_callback(on_libevent);
}
