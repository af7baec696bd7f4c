/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Mailboxes: order, sleep and wake, bounds, and guests, who do the work of a reader that sleeps.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "base/mem.h"
#include "cross/loop.h"
#include "cross/msg.h"

static void
post_number(struct mbox *box, uint64_t n)
{
	struct msg *m = msg_new(MSG_IDLE, n);

	mbox_post(box, &m);
	cr_assert_null(m);
}

static void
expect_numbers(struct mbox *box, uint64_t first, uint64_t last)
{
	struct list got;

	list_init(&got);
	mbox_take(box, &got);
	LIST_EACH(node, &got)
		cr_assert_eq(MSG(node)->peer, first++);
	cr_assert_eq(first, last + 1);
	msg_free_all(&got);
}

Test(mbox, keeps_order_also_across_the_binding_of_its_reader)
{
	struct waker *w = waker_new(false);
	struct mbox *box = mbox_new(w);

	post_number(box, 1); /* from outside */
	post_number(box, 2);
	waker_bind(w);
	post_number(box, 3); /* from the reader */
	expect_numbers(box, 1, 3);
	expect_numbers(box, 4, 3);
	mbox_free(&box);
	waker_free(&w);
}

Test(mbox, frees_what_was_not_taken)
{
	struct waker *w = waker_new(false);
	struct mbox *box = mbox_new(w);

	post_number(box, 1);
	waker_bind(w);
	post_number(box, 2);
	mbox_free(&box);
	waker_free(&w);
}

Test(mbox, reader_does_not_fall_asleep_beside_a_message)
{
	struct waker *w = waker_new(true);
	struct mbox *box = mbox_new(w), *other = mbox_new(w);

	waker_bind(w);
	cr_assert(waker_try_sleep(w));
	waker_woken(w);
	post_number(other, 1);
	cr_assert_not(waker_try_sleep(w));
	expect_numbers(other, 1, 1);
	cr_assert(waker_try_sleep(w));
	waker_woken(w);
	mbox_free(&box);
	mbox_free(&other);
	waker_free(&w);
}

static void *
post_from_outside(void *box)
{
	post_number(box, 1);
	post_number(box, 2);
	return NULL;
}

Test(mbox, sleeper_is_woken_once_per_burst, .timeout = 60)
{
	struct waker *w = waker_new(true);
	struct mbox *box = mbox_new(w);
	uint64_t wakes = 0;
	pthread_t t;

	waker_bind(w);
	cr_assert(waker_try_sleep(w));
	pthread_create(&t, NULL, post_from_outside, box);
	pthread_join(t, NULL);
	cr_assert_eq(read(waker_fd(w), &wakes, sizeof wakes), (ssize_t)sizeof wakes);
	cr_assert_eq(wakes, 1);
	waker_woken(w);
	pthread_create(&t, NULL, post_from_outside, box);
	pthread_join(t, NULL);
	cr_assert_eq(read(waker_fd(w), &wakes, sizeof wakes), -1, "who is awake is not woken");
	mbox_free(&box);
	waker_free(&w);
}

/* ---- Guests: a reader that sleeps, and a poster with an event loop ---- */

static struct {
	struct waker *waker;
	struct mbox *box;
	nsec_t due; /* what a turn answers */
	pthread_t last;
	unsigned turns, messages;
	bool stops;
} host;

static nsec_t
host_turn(void *self)
{
	struct list got;

	cr_assert_eq(self, &host);
	list_init(&got);
	mbox_take(host.box, &got);
	LIST_EACH(node, &got)
		host.messages++;
	msg_free_all(&got);
	host.last = pthread_self();
	host.turns++;
	return host.due;
}

static void *
host_reads(void *unused)
{
	waker_bind(host.waker);
	while (!__atomic_load_n(&host.stops, __ATOMIC_RELAXED))
		waker_sleep(host.waker, host_turn(&host));
	waker_release(host.waker);
	return unused;
}

/* Returns when the reader sleeps: a turn that was run by this thread tells. */
static void
become_guest(void)
{
	for (unsigned n = 0; n == 0 || !pthread_equal(host.last, pthread_self()); n++) {
		post_number(host.box, n);
		sched_yield();
	}
}

Test(mbox, little_is_done_by_the_poster_while_the_reader_sleeps, .timeout = 60)
{
	struct waker *mine = waker_new(true);
	pthread_t reader;
	unsigned turns;

	waker_bind(mine);
	host.waker = waker_new(false);
	host.box = mbox_new(host.waker);
	host.due = NEVER;
	waker_let_guests(host.waker, host_turn, &host);
	pthread_create(&reader, NULL, host_reads, NULL);
	become_guest();
	turns = host.turns;
	post_number(host.box, 1);
	post_number(host.box, 2);
	cr_assert_eq(host.turns, turns + 2, "one for each, before post returned");
	host.due = 0; /* earlier than what the reader sleeps for: it is woken, and does not sleep again */
	__atomic_store_n(&host.stops, true, __ATOMIC_RELAXED);
	post_number(host.box, 3);
	pthread_join(reader, NULL);
	cr_assert_geq(host.turns, turns + 3);
	mbox_free(&host.box);
	waker_free(&host.waker);
	waker_free(&mine);
}

static struct mbox *guests_own;

static nsec_t
host_answers(void *self)
{
	struct list got;

	(void)self;
	list_init(&got);
	mbox_take(host.box, &got);
	msg_free_all(&got);
	post_number(guests_own, ++host.messages);
	return NEVER;
}

/* The host's own thread, for once. */
static void *
host_answers_itself(void *unused)
{
	post_number(guests_own, ++host.messages);
	return unused;
}

Test(mbox, what_the_host_says_keeps_its_order_whoever_has_its_turn, .timeout = 60)
{
	struct waker *mine = waker_new(true);
	pthread_t reader;

	waker_bind(mine);
	host.waker = waker_new(false);
	host.box = mbox_new(host.waker);
	host.due = NEVER;
	guests_own = mbox_new(mine);
	waker_let_guests(host.waker, host_turn, &host);
	pthread_create(&reader, NULL, host_reads, NULL);
	become_guest();
	host.messages = 0;
	waker_let_guests(host.waker, host_answers, &host); /* the reader sleeps */
	post_number(host.box, 1);
	pthread_create(&host.last, NULL, host_answers_itself, NULL);
	pthread_join(host.last, NULL);
	post_number(host.box, 2);
	expect_numbers(guests_own, 1, 3);
	__atomic_store_n(&host.stops, true, __ATOMIC_RELAXED);
	host.due = 0;
	waker_let_guests(host.waker, host_turn, &host);
	post_number(host.box, 3);
	pthread_join(reader, NULL);
	mbox_free(&guests_own);
	mbox_free(&host.box);
	waker_free(&host.waker);
	waker_free(&mine);
}

Test(mbox, much_is_left_to_the_reader, .timeout = 60)
{
	struct waker *mine = waker_new(true);
	struct list many;
	pthread_t reader;
	unsigned before;

	waker_bind(mine);
	host.waker = waker_new(false);
	host.box = mbox_new(host.waker);
	host.due = NEVER;
	waker_let_guests(host.waker, host_turn, &host);
	pthread_create(&reader, NULL, host_reads, NULL);
	become_guest();
	before = host.messages;
	list_init(&many);
	for (int n = 0; n < 1000; n++)
		list_push(&many, &msg_new(MSG_IDLE, 1)->link);
	__atomic_store_n(&host.stops, true, __ATOMIC_RELAXED);
	mbox_post_all(host.box, &many);
	pthread_join(reader, NULL);
	cr_assert_eq(host.messages, before, "the reader ended without a turn, and nobody took what was posted");
	mbox_free(&host.box);
	waker_free(&host.waker);
	waker_free(&mine);
}

Test(mbox, sleep_ends_at_its_deadline, .timeout = 60)
{
	struct waker *w = waker_new(false);
	nsec_t deadline = clock_mono() + 2000000;

	waker_bind(w);
	waker_sleep(w, deadline);
	cr_assert_geq(clock_mono(), deadline);
	waker_free(&w);
}

Test(mbox, bound_refuses_one_message_and_keeps_it_with_its_poster)
{
	struct waker *w = waker_new(false);
	struct mbox *box = mbox_new(w);
	struct msg *m = msg_new(MSG_IDLE, 3);

	waker_bind(w);
	post_number(box, 1);
	post_number(box, 2);
	cr_assert_not(mbox_try_post(box, &m, 2));
	cr_assert_not_null(m);
	cr_assert(mbox_try_post(box, &m, 3));
	cr_assert_null(m);
	expect_numbers(box, 1, 3);
	mbox_free(&box);
	waker_free(&w);
}

struct blocked {
	struct mbox *box;
	struct waker *done;
	struct mbox *done_box;
};

static void *
post_bounded(void *arg)
{
	struct blocked *b = arg;
	struct list l;

	list_init(&l);
	for (uint64_t i = 1; i <= 3; i++) {
		list_push(&l, &msg_new(MSG_IDLE, i)->link);
		mbox_post_all_bounded(b->box, &l, 1, 0);
	}
	return NULL;
}

static void
take_one_by_one(struct waker *w)
{
	struct blocked b = { .box = mbox_new(w) };
	pthread_t t;

	pthread_create(&t, NULL, post_bounded, &b);
	for (uint64_t i = 1; i <= 3; i++) {
		waker_sleep(w, NEVER);
		expect_numbers(b.box, i, i); /* never two: the poster waits */
	}
	pthread_join(t, NULL);
	mbox_free(&b.box);
}

Test(mbox, bounded_poster_waits_for_the_reader, .timeout = 60)
{
	struct waker *w = waker_new(false);

	waker_bind(w);
	take_one_by_one(w);
	waker_free(&w);
}

/* The main thread's loop runs twice: while the store is opened, and for good. */
Test(mbox, a_reader_that_was_released_and_comes_back_is_waited_for_again, .timeout = 60)
{
	struct waker *w = waker_new(false);

	waker_bind(w);
	waker_release(w);
	waker_bind(w);
	take_one_by_one(w);
	waker_free(&w);
}

Test(mbox, nobody_waits_for_a_reader_that_was_released, .timeout = 60)
{
	struct waker *w = waker_new(false);
	struct blocked b = { .box = mbox_new(w) };
	pthread_t t;

	pthread_create(&t, NULL, post_bounded, &b);
	waker_release(w);
	pthread_join(t, NULL);
	mbox_free(&b.box);
	waker_free(&w);
}
