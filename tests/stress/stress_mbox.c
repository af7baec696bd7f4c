/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Mailboxes under load: two readers, one asleep in an event loop and one on its waker, take
 * what several posters post.  Nothing may be lost, doubled or reordered, a bounded
 * poster may not outrun its reader, and nobody may sleep beside a full mailbox.
 *
 * Runs on:  threads of its own.  A plain main(), so that it also runs under ThreadSanitizer.
 *
 *   stress_mbox [messages per poster and reader]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "cross/loop.h"
#include "cross/msg.h"

enum { POSTERS = 4, BURST = 7, LIMIT = 64, SEQUENCE_BITS = 32 };

static uint64_t per_poster = 20000;
static struct blob *shared; /* every message refers to it */

struct reader {
	struct mbox *box, *own; /* `own` is only posted to by the reader itself */
	struct waker *waker;
	struct loop *loop; /* NULL: sleeps on its waker */
	uint64_t next[POSTERS];
	uint64_t taken, own_posted, own_taken;
};

static struct reader readers[2];

static bool
reader_is_done(const struct reader *r)
{
	return r->taken == POSTERS * per_poster && r->own_posted == r->own_taken;
}

static void
reader_take(struct reader *r, struct list *msgs)
{
	struct list *node;

	while ((node = list_pop(msgs)) != NULL) {
		struct msg *m = MSG(node);
		unsigned poster = (unsigned)(m->peer >> SEQUENCE_BITS);

		CHECK(m->blob == shared);
		CHECK((m->peer & UINT32_MAX) == r->next[poster]);
		r->next[poster]++;
		r->taken++;
		msg_free(&m);
	}
}

static void
reader_take_own(struct reader *r, struct list *msgs)
{
	struct list *node;

	while ((node = list_pop(msgs)) != NULL) {
		struct msg *m = MSG(node);

		CHECK(m->peer == r->own_taken);
		r->own_taken++;
		msg_free(&m);
	}
}

static bool
reader_turn(void *self, nsec_t *due_r)
{
	struct reader *r = self;
	struct list msgs;
	bool any;

	(void)due_r;
	list_init(&msgs);
	if (mbox_take(r->own, &msgs))
		reader_take_own(r, &msgs);
	any = mbox_take(r->box, &msgs);
	CHECK(any == !list_is_empty(&msgs));
	if (any) {
		struct msg *m = msg_new(MSG_IDLE, r->own_posted++);

		reader_take(r, &msgs);
		mbox_post(r->own, &m);
	}
	if (reader_is_done(r) && r->loop != NULL)
		loop_stop(r->loop);
	return any;
}

static void *
reader_thread(void *arg)
{
	struct reader *r = arg;
	nsec_t never = NEVER;

	if (r->loop != NULL) {
		loop_run(r->loop);
		return NULL;
	}
	waker_bind(r->waker);
	while (!reader_is_done(r)) {
		while (reader_turn(r, &never))
			;
		if (!reader_is_done(r))
			waker_sleep(r->waker, r->taken % 3 == 0 ? clock_mono() + 1000000 : NEVER);
	}
	waker_release(r->waker);
	return NULL;
}

static struct msg *
numbered(unsigned poster, uint64_t i)
{
	struct msg *m = msg_new(MSG_IDLE, (uint64_t)poster << SEQUENCE_BITS | i);

	m->blob = blob_ref(shared);
	return m;
}

static void
post_burst(struct mbox *box, unsigned poster, uint64_t first, uint64_t count)
{
	struct list burst;

	list_init(&burst);
	for (uint64_t i = 0; i < count; i++)
		list_push(&burst, &numbered(poster, first + i)->link);
	if (first % 2 == 0)
		mbox_post_all_bounded(box, &burst, count, LIMIT);
	else
		mbox_post_all(box, &burst);
	CHECK(list_is_empty(&burst));
}

static void *
poster_thread(void *arg)
{
	unsigned poster = *(unsigned *)arg;

	for (uint64_t i = 0; i < per_poster;) {
		uint64_t count = 1 + (i + poster) % BURST;

		if (count > per_poster - i)
			count = per_poster - i;
		for (int r = 0; r < 2; r++)
			post_burst(readers[r].box, poster, i, count);
		i += count;
		if (i % 1000 < BURST)
			usleep(200); /* lets the readers fall asleep */
	}
	return NULL;
}

static void
reader_open(struct reader *r, bool in_loop)
{
	r->loop = in_loop ? loop_new() : NULL;
	r->waker = in_loop ? loop_waker(r->loop) : waker_new(false);
	r->box = mbox_new(r->waker);
	r->own = mbox_new(r->waker);
	if (in_loop)
		loop_add_rider(r->loop, (struct rider){ .turn = reader_turn, .self = r });
}

static void
reader_close(struct reader *r)
{
	mbox_free(&r->box);
	mbox_free(&r->own);
	if (r->loop != NULL)
		loop_free(&r->loop);
	else
		waker_free(&r->waker);
}

int
main(int argc, char **argv)
{
	pthread_t reader[2], poster[POSTERS];
	unsigned number[POSTERS];

	alarm(300);
	if (argc > 1)
		per_poster = strtoull(argv[1], NULL, 10);
	shared = blob_copy(slice_str("a body that all messages share"));
	CHECK(shared != NULL);
	for (int i = 0; i < 2; i++) {
		reader_open(&readers[i], i == 0);
		CHECK(pthread_create(&reader[i], NULL, reader_thread, &readers[i]) == 0);
	}
	for (unsigned i = 0; i < POSTERS; i++) {
		number[i] = i;
		CHECK(pthread_create(&poster[i], NULL, poster_thread, &number[i]) == 0);
	}
	for (int i = 0; i < POSTERS; i++)
		pthread_join(poster[i], NULL);
	for (int i = 0; i < 2; i++) {
		pthread_join(reader[i], NULL);
		reader_close(&readers[i]);
	}
	CHECK(shared->refs == 1);
	blob_unref(&shared);
	printf("ok: %llu messages\n", (unsigned long long)(2 * POSTERS * per_poster));
	return 0;
}
