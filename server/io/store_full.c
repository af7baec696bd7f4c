/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A store without room: removals go first, in small pieces, and what does not fit is refused, or waits.
 *
 * Runs on:  store thread.
 * Owns:     nothing.
 *
 * Jobs that are done must leave the store, or it stays full for ever.  So no removal waits behind a job that does not
 * fit, and none is in one transaction with it.  But one: a job that is to be put among the dead is not removed before
 * it is there; where there is no room for it, it waits, and stays alive in the store.
 */
#include <string.h>

#include "base/mem.h"
#include "cross/log.h"
#include "io/store_priv.h"

void
store_drop_superfluous(struct store *s)
{
	struct list done;

	if (!s->removes_came)
		return;
	s->removes_came = false;
	list_init(&done);
	store_keep_last(s, &s->pending, &done, false);
	if (!list_is_empty(&done))
		store_tell_done(s, &done, false);
}

static STORE void
store_refuse_for_room(struct store *s, struct list *node, const char *why, struct list *done)
{
	struct msg_store *m = MSG_AS(msg_store, MSG(node));

	list_remove(node);
	m->outcome = GEARMAND_REFUSED;
	m->reason = mem_dup(why, strlen(why));
	if (s->stopping && s->adds_at_shutdown)
		s->unsaved++;
	list_push(done, node);
}

/* What is to be removed stays where it is, so a new job of that key cannot take its place.  The core counts the others
 * as done, since nobody waits for them; they are no more than the dead list may hold. */
static STORE void
store_settle_shut_out(struct store *s)
{
	uint64_t number = 0, bytes = 0;
	struct list done;

	list_init(&done);
	LIST_EACH_SAFE(node, &s->shut_out) {
		struct msg_store *m = MSG_AS(msg_store, MSG(node));

		if (m->msg.kind == MSG_ADD) {
			store_refuse_for_room(s, node, s->told.text, &done);
		} else if (!m->told) {
			m->told = true;
			number++;
			bytes += change_bytes(m);
		}
	}
	if (number > 0 || !list_is_empty(&done))
		store_tell_counted(s, &done, number, bytes);
}

/* A dead job is put among the dead before it is removed: these stay in their order. */
void
store_removes_first(struct store *s)
{
	struct list adds, dead;

	if (!s->removes_came)
		return;
	list_splice(s->pending.next, &s->shut_out);
	store_drop_superfluous(s);
	list_init(&adds);
	list_init(&dead);
	store_part_dead(s, &dead, &s->shut_out);
	LIST_EACH_SAFE(node, &s->pending) {
		if (MSG(node)->kind != MSG_ADD)
			continue;
		list_remove(node);
		list_push(&adds, node);
	}
	list_splice(&s->pending, &dead);
	list_splice(&s->pending, &adds);
	if (!list_is_empty(&s->shut_out))
		store_settle_shut_out(s);
}

/* Back in the order in which they came, for of a job that died the removal may be superfluous. */
void
store_take_apart(struct store *s)
{
	struct list whole;

	list_init(&whole);
	while (!list_is_empty(&s->batch) || !list_is_empty(&s->settled)) {
		const struct list *a = list_first(&s->batch), *b = list_first(&s->settled);
		bool a_first =
		    b == NULL || (a != NULL && MSG_AS(msg_store, MSG(a))->place < MSG_AS(msg_store, MSG(b))->place);
		struct list *node = list_pop(a_first ? &s->batch : &s->settled);

		MSG_AS(msg_store, MSG(node))->replaced = NULL;
		list_push(&whole, node);
	}
	list_splice(s->pending.next, &whole);
	s->piece = (s->count + 1) / 2;
	s->removes_came = true;
	store_removes_first(s);
}

/* The jobs stay alive in the store: after a crash they run again. */
void
store_shut_out(struct store *s)
{
	const struct msg_store *m = MSG_AS(msg_store, MSG(list_first(&s->batch)));

	store_say_full(s, m->data.len);
	s->shut_size = m->data.len;
	s->let_in_at = clock_mono() + s->config.full_for;
	list_splice(s->pending.next, &s->batch);
	s->count = s->alone = 0;
	s->removes_came = true;
}

void
store_let_in(struct store *s)
{
	if (s->shut_size == SIZE_MAX)
		return;
	s->shut_size = SIZE_MAX;
	s->let_in_at = NEVER;
	s->removes_came = true;
	list_splice(s->pending.next, &s->shut_out);
}

void
store_say_full(struct store *s, size_t size)
{
	s->full_size = size;
	s->full_at = clock_mono();
	if (s->is_full)
		return;
	s->is_full = true;
	log_post(GEARMAND_LOG_ERROR, "queue %s: full: new jobs are refused until there is room, removals go on: %s",
	    s->config.name, s->trouble.text);
	store_tell_state(s, s->trouble.text, true);
}

/* Those that wait and are no smaller would not fit either. */
void
store_refuse_larger(struct store *s)
{
	struct list done;

	list_init(&done);
	LIST_EACH_SAFE(node, &s->pending) {
		const struct msg_store *m = MSG_AS(msg_store, MSG(node));

		if (m->msg.kind == MSG_ADD && m->data.len >= s->full_size)
			store_refuse_for_room(s, node, s->trouble.text, &done);
	}
	if (!list_is_empty(&done))
		store_tell_done(s, &done, false);
}

/* After a while a small job that fits means that there is room. */
static STORE bool
store_has_room_again(const struct store *s)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct gearmand_change *c = &s->changes[i];

		if ((c->op == GEARMAND_ADD || c->op == GEARMAND_BURY) && c->outcome == GEARMAND_STORED &&
		    (c->job.data.len >= s->full_size || clock_mono() - s->full_at >= s->config.full_for))
			return true;
	}
	return false;
}

static STORE bool
store_made_room(const struct store *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->changes[i].op == GEARMAND_REMOVE || s->changes[i].op == GEARMAND_UNBURY)
			return true;
	return false;
}

void
store_had_room(struct store *s)
{
	if (s->piece > 0 && s->count >= s->piece)
		s->piece = s->piece * 2 < s->config.batch_max ? s->piece * 2 : 0;
	if (store_made_room(s))
		store_let_in(s);
	if (!s->is_full || s->shut_size != SIZE_MAX || !list_is_empty(&s->shut_out) || !store_has_room_again(s))
		return;
	s->is_full = false;
	s->piece = 0;
	log_post(GEARMAND_LOG_NOTICE, "queue %s: has room again", s->config.name);
	store_tell_state(s, "", false);
}
