/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the store thread is told, and what it tells the core and management.
 *
 * Runs on:  store thread.
 * Owns:     nothing; changes go to `pending`.
 */
#include <string.h>

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
			s->let_in_at = s->let_in_at == NEVER ? NEVER : clock_mono(); /* a last time */
		}
		s->replay |= m->kind == MSG_REPLAY;
		s->reload |= m->kind == MSG_RELOAD;
		if (m->kind == MSG_STOP || m->kind == MSG_REPLAY || m->kind == MSG_RELOAD || s->stopping) {
			msg_free(&m);
			continue;
		}
		CHECK(m->kind >= MSG_ADD && m->kind <= MSG_UNBURY);
		s->removes_came |= store_is_removal(m) || !list_is_empty(&s->shut_out);
		list_push(&s->pending, &m->link);
	}
}

bool
store_sleep(struct store *s, nsec_t how_long)
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

/* Each is said once. */
void
store_tell_state(struct store *s, const char *trouble, bool is_full)
{
	struct msg_text *t;
	struct msg *m;

	if (strcmp(trouble, s->told.text) == 0)
		return;
	strcpy(s->told.text, trouble);
	t = msg_text_new(MSG_STORE_STATE, slice_str(trouble));
	t->number = is_full;
	m = &t->msg;
	mbox_post(s->proc, &m);
}

void
store_tell_counted(struct store *s, struct list *adds, uint64_t number, uint64_t bytes)
{
	struct msg_text *end = msg_text_new(MSG_COMMITTED, slice_of("", 0));

	end->number = number;
	end->bytes = bytes;
	list_push(adds, &end->msg.link);
	mbox_post_all(s->proc, adds);
}

/* The core keeps count of what waits. */
void
store_tell_done(struct store *s, struct list *done, bool is_commit)
{
	struct msg_text *end = msg_text_new(MSG_COMMITTED, slice_of("", 0));

	end->msg.type = is_commit;
	end->changes = is_commit ? s->count : 0;
	end->took = s->commit_took;
	LIST_EACH_SAFE(node, done) {
		struct msg *m = MSG(node);

		if (m->kind == MSG_ADD)
			continue;
		if (!MSG_AS(msg_store, m)->told) {
			end->number++;
			end->bytes += change_bytes(MSG_AS(msg_store, m));
		}
		list_remove(node);
		msg_free(&m);
	}
	list_push(done, &end->msg.link);
	mbox_post_all(s->proc, done);
}
