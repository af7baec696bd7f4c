/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A store without room: removals go first, in small pieces, and what does not fit is refused.
 *
 * Runs on:  store thread.
 * Owns:     nothing.
 *
 * Jobs that are done must leave the store, or it stays full for ever.  So no removal waits behind a job that does not
 * fit, and none is in one transaction with it.
 */
#include <string.h>

#include "base/mem.h"
#include "cross/log.h"
#include "io/store_priv.h"

#define FULL_FOR (10000 * MS) /* after this a small job that fits means that there is room */

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

/* A dead job is put among the dead before it is removed, so these stay in their order. */
void
store_removes_first(struct store *s)
{
	struct list adds;

	if (!s->removes_came)
		return;
	store_drop_superfluous(s);
	list_init(&adds);
	LIST_EACH_SAFE(node, &s->pending) {
		if (MSG(node)->kind != MSG_ADD)
			continue;
		list_remove(node);
		list_push(&adds, node);
	}
	list_splice(&s->pending, &adds);
}

/* What a change of the batch was to replace comes before it again. */
void
store_take_apart(struct store *s)
{
	list_splice(&s->settled, &s->batch);
	LIST_EACH(node, &s->settled)
		MSG_AS(msg_store, MSG(node))->replaced = NULL;
	list_splice(s->pending.next, &s->settled);
	s->piece = (s->count + 1) / 2;
	s->removes_came = true;
	store_removes_first(s);
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
		struct msg_store *m = MSG_AS(msg_store, MSG(node));

		if (m->msg.kind != MSG_ADD || m->data.len < s->full_size)
			continue;
		list_remove(node);
		m->outcome = GEARMAND_REFUSED;
		m->reason = mem_dup(s->trouble.text, strlen(s->trouble.text));
		if (s->stopping && s->adds_at_shutdown)
			s->unsaved++;
		list_push(&done, node);
	}
	if (!list_is_empty(&done))
		store_tell_done(s, &done, false);
}

static STORE bool
store_has_room_again(const struct store *s)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct gearmand_change *c = &s->changes[i];

		if (c->op == GEARMAND_ADD && c->outcome == GEARMAND_STORED &&
		    (c->job.data.len >= s->full_size || clock_mono() - s->full_at >= FULL_FOR))
			return true;
	}
	return false;
}

void
store_had_room(struct store *s)
{
	if (s->piece > 0 && s->count >= s->piece)
		s->piece = s->piece * 2 < s->config.batch_max ? s->piece * 2 : 0;
	if (!s->is_full || !store_has_room_again(s))
		return;
	s->is_full = false;
	s->piece = 0;
	log_post(GEARMAND_LOG_NOTICE, "queue %s: has room again", s->config.name);
	store_tell_state(s, "", false);
}
