/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Mailboxes, and the sleep and wake of the threads that read them.
 *
 * Runs on:  any thread.
 * Owns:     what is posted and not yet taken.
 *
 * What the reader's own thread posts goes to `local`, which nobody else touches.  What
 * others post goes to `remote` under the waker's mutex: one mutex for all mailboxes of a
 * thread, since going to sleep must look at all of them in one step.  A poster that
 * finds the reader asleep marks it awake and wakes it, so the posters behind it need not.
 *
 * To wake a thread on another processor may cost more than the few messages that it is woken for.  So a reader may
 * have guests: a poster that finds it asleep takes the reader's turn itself, if there is little to do.  `driven` says
 * that a guest is at it; the reader stays asleep meanwhile, and others only add to what waits.
 */
#include "cross/mbox.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "cross/msg.h"

struct waker {
	pthread_mutex_t lock;
	pthread_cond_t woken;   /* without an fd: the reader waits here */
	pthread_cond_t drained; /* posters that must not outrun the reader wait here */
	struct list boxes;      /* set up before the threads start */
	int fd;                 /* eventfd, or -1 */
	/* Under the lock. */
	unsigned waiting; /* posters at `drained` */
	bool asleep;
	bool driven;     /* a guest has the reader's turn */
	bool overdue;    /* the reader's deadline is over, and it waits for the guest to end */
	bool released;   /* nobody waits for the reader any more */
	nsec_t deadline; /* until when it sleeps */
	/* Set up before the threads start; NULL = it has no guests. */
	waker_turn_f *guest_turn;
	void *guest_self;
};

/* A wake-up costs as much as a few dozen messages; measured, see docs/benchmarks.md. */
enum { GUEST_MESSAGES = 64 };

struct mbox {
	struct waker *waker;
	struct list link; /* in waker->boxes */
	/* The reader's thread only. */
	struct list local;
	size_t local_count;
	/* Under the waker's lock; the count may be looked at without. */
	struct list remote;
	size_t remote_count;
};

static _Thread_local struct waker *my_waker, *my_host; /* the latter: whose turn this thread has as a guest */

static void
waker_lock(struct waker *w)
{
	int failed = pthread_mutex_lock(&w->lock);

	CHECK(failed == 0);
}

static void
waker_unlock(struct waker *w)
{
	int failed = pthread_mutex_unlock(&w->lock);

	CHECK(failed == 0);
}

static void
cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

struct waker *
waker_new(bool by_fd)
{
	struct waker *w = mem_new(sizeof *w);

	pthread_mutex_init(&w->lock, NULL);
	cond_init(&w->woken);
	cond_init(&w->drained);
	list_init(&w->boxes);
	w->fd = by_fd ? eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) : -1;
	if (by_fd && w->fd < 0) {
		mem_free(w);
		return NULL;
	}
	return w;
}

void
waker_free(struct waker **wp)
{
	struct waker *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	CHECK(list_is_empty(&w->boxes));
	if (my_waker == w)
		my_waker = NULL;
	pthread_cond_destroy(&w->woken);
	pthread_cond_destroy(&w->drained);
	pthread_mutex_destroy(&w->lock);
	if (w->fd >= 0)
		close(w->fd);
	mem_free(w);
}

void
waker_bind(struct waker *w)
{
	my_waker = w;
	waker_lock(w);
	w->released = false;
	waker_unlock(w);
}

void
waker_release(struct waker *w)
{
	waker_lock(w);
	w->released = true;
	pthread_cond_broadcast(&w->drained);
	waker_unlock(w);
	msg_free_spares();
}

int
waker_fd(const struct waker *w)
{
	return w->fd;
}

/* Under the lock, on the reader's thread. */
static bool
waker_has_work(const struct waker *w)
{
	LIST_EACH(node, &w->boxes) {
		const struct mbox *box = LIST_ENTRY(node, struct mbox, link);

		if (box->local_count > 0 || box->remote_count > 0)
			return true;
	}
	return false;
}

bool
waker_try_sleep(struct waker *w)
{
	bool asleep;

	CHECK(my_waker == w);
	waker_lock(w);
	w->asleep = asleep = !waker_has_work(w);
	waker_unlock(w);
	return asleep;
}

void
waker_woken(struct waker *w)
{
	CHECK(my_waker == w);
	waker_lock(w);
	w->asleep = false;
	waker_unlock(w);
}

void
waker_drain(struct waker *w)
{
	uint64_t count;

	while (read(w->fd, &count, sizeof count) < 0 && errno == EINTR)
		;
}

void
waker_sleep(struct waker *w, nsec_t deadline)
{
	struct timespec until = { .tv_sec = deadline / A_SECOND, .tv_nsec = deadline % A_SECOND };
	int failed = 0;

	CHECK(my_waker == w && w->fd < 0);
	waker_lock(w);
	w->asleep = !waker_has_work(w);
	w->deadline = deadline;
	while (w->asleep && failed == 0)
		failed = deadline == NEVER ? pthread_cond_wait(&w->woken, &w->lock)
					   : pthread_cond_timedwait(&w->woken, &w->lock, &until);
	CHECK(failed == 0 || failed == ETIMEDOUT);
	w->asleep = false;
	for (w->overdue = true; w->driven;)
		pthread_cond_wait(&w->woken, &w->lock);
	w->overdue = false;
	waker_unlock(w);
}

/* Under the lock.  True: the caller must waker_wake() after unlocking. */
static bool
waker_must_wake(struct waker *w)
{
	bool must = w->asleep;

	w->asleep = false;
	return must;
}

static void
waker_wake(struct waker *w)
{
	const uint64_t one = 1;

	if (w->fd < 0) {
		pthread_cond_signal(&w->woken);
		return;
	}
	while (write(w->fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

void
waker_let_guests(struct waker *w, waker_turn_f *turn, void *self)
{
	CHECK(w->fd < 0);
	w->guest_turn = turn;
	w->guest_self = self;
}

/* Under the lock, after `box` got something.  Threads with an event loop make guests: a store's thread has other things
 * to do.  True: the caller must waker_drive() after unlocking. */
static bool
waker_may_drive(struct waker *w, size_t waiting)
{
	if (w->guest_turn == NULL || !w->asleep || w->driven || w->released || waiting > GUEST_MESSAGES ||
	    my_waker == NULL || my_waker->fd < 0)
		return false;
	w->driven = true;
	return true;
}

/* One turn as a guest.  What comes meanwhile is the reader's: a guest has work of its own. */
static void
waker_drive(struct waker *w)
{
	nsec_t due;
	bool wake;

	my_host = w;
	due = w->guest_turn(w->guest_self);
	my_host = NULL;
	waker_lock(w);
	w->driven = false;
	wake = w->overdue;
	if (w->asleep && (waker_has_work(w) || due < w->deadline)) {
		w->asleep = false;
		wake = true;
	}
	waker_unlock(w);
	if (wake)
		waker_wake(w);
}

struct mbox *
mbox_new(struct waker *w)
{
	struct mbox *box = mem_new(sizeof *box);

	box->waker = w;
	list_init(&box->local);
	list_init(&box->remote);
	list_push(&w->boxes, &box->link);
	return box;
}

void
mbox_free(struct mbox **bp)
{
	struct mbox *box = *bp;

	*bp = NULL;
	if (box == NULL)
		return;
	list_remove(&box->link);
	msg_free_all(&box->local);
	msg_free_all(&box->remote);
	mem_free(box);
}

static bool
mbox_is_mine(const struct mbox *box)
{
	return box->waker == my_waker;
}

static void
mbox_count_remote(struct mbox *box, size_t count)
{
	__atomic_store_n(&box->remote_count, count, __ATOMIC_RELAXED);
}

static void
mbox_put(struct mbox *box, struct list *msgs, size_t count, size_t limit, bool may_drive)
{
	struct waker *w = box->waker;
	bool drive, wake;

	if (list_is_empty(msgs))
		return;
	/* What a guest posts to itself is the host's word, and must not pass what the host said to it before or after.
	 */
	if (mbox_is_mine(box) && w->guest_turn == NULL && my_host == NULL) {
		list_splice(&box->local, msgs);
		box->local_count += count;
		return;
	}
	waker_lock(w);
	while (box->remote_count > limit && !w->released) {
		w->waiting++;
		pthread_cond_wait(&w->drained, &w->lock);
		w->waiting--;
	}
	list_splice(&box->remote, msgs);
	mbox_count_remote(box, box->remote_count + count);
	drive = may_drive && waker_may_drive(w, box->remote_count);
	wake = !drive && !w->driven && waker_must_wake(w);
	waker_unlock(w);
	if (wake)
		waker_wake(w);
	if (drive)
		waker_drive(w);
}

void
mbox_post_all_bounded(struct mbox *box, struct list *msgs, size_t count, size_t limit)
{
	mbox_put(box, msgs, count, limit, true);
}

void
mbox_post_all(struct mbox *box, struct list *msgs)
{
	size_t count = 0;

	LIST_EACH(node, msgs)
		count++;
	mbox_post_all_bounded(box, msgs, count, SIZE_MAX);
}

void
mbox_post(struct mbox *box, struct msg **mp)
{
	struct list one;

	list_init(&one);
	list_push(&one, &(*mp)->link);
	*mp = NULL;
	mbox_post_all_bounded(box, &one, 1, SIZE_MAX);
}

void
mbox_post_to_reader(struct mbox *box, struct msg **mp)
{
	struct list one;

	list_init(&one);
	list_push(&one, &(*mp)->link);
	*mp = NULL;
	mbox_put(box, &one, 1, SIZE_MAX, false);
}

bool
mbox_try_post(struct mbox *box, struct msg **mp, size_t limit)
{
	struct waker *w = box->waker;
	size_t before;

	if (mbox_is_mine(box)) {
		before = box->local_count;
	} else {
		waker_lock(w);
		before = box->remote_count;
		waker_unlock(w);
	}
	if (before >= limit)
		return false;
	mbox_post(box, mp);
	return true;
}

bool
mbox_take(struct mbox *box, struct list *out)
{
	struct waker *w = box->waker;
	bool any = box->local_count > 0;

	CHECK(mbox_is_mine(box) || my_host == w);
	/* A count that is not seen yet is seen by waker_try_sleep(), under the lock. */
	if (__atomic_load_n(&box->remote_count, __ATOMIC_RELAXED) > 0) {
		waker_lock(w);
		list_splice(out, &box->remote);
		mbox_count_remote(box, 0);
		if (w->waiting > 0)
			pthread_cond_broadcast(&w->drained);
		waker_unlock(w);
		any = true;
	}
	list_splice(out, &box->local);
	box->local_count = 0;
	return any;
}

static nsec_t
clock_get(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (nsec_t)t.tv_sec * A_SECOND + t.tv_nsec;
}

nsec_t
clock_mono(void)
{
	return clock_get(CLOCK_MONOTONIC);
}

nsec_t
clock_wall(void)
{
	return clock_get(CLOCK_REALTIME);
}
