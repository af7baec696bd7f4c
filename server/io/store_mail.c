/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the store thread is told, and what it tells management.
 *
 * Runs on:  store thread.
 * Owns:     nothing; changes go to `pending`.
 */
#include "base/mem.h"
#include "io/store_priv.h"

void
store_take(struct store *s)
{
	struct list msgs, *node;

	list_init(&msgs);
	mbox_take(s->in, &msgs);
	while ((node = list_pop(&msgs)) != NULL) {
		struct msg *m = MSG(node);

		if (m->kind == MSG_STOP && !s->stopping) {
			s->stopping = true;
			s->give_up_at = clock_mono() + s->config.give_up_after;
		}
		if (m->kind == MSG_REPLAY)
			s->replay = true;
		if (m->kind == MSG_STOP || m->kind == MSG_REPLAY || s->stopping) {
			msg_free(&m);
			continue;
		}
		CHECK(m->kind == MSG_ADD || m->kind == MSG_REMOVE);
		list_push(&s->pending, &m->link);
	}
}

bool
store_rest(struct store *s, nsec_t how_long)
{
	nsec_t until = clock_mono() + how_long;

	for (store_take(s); !s->stopping && clock_mono() < until; store_take(s))
		waker_sleep(s->waker, until);
	return !s->stopping;
}

void
store_tell_mgmt(struct store *s, enum msg_kind kind, const char *text, uint64_t number)
{
	struct msg_text *t = msg_text_new(kind, slice_str(text));
	struct msg *m = &t->msg;

	t->number = number;
	mbox_post(s->mgmt, &m);
}
