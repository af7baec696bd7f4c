/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One commit: what has gathered as an ordered batch, to the module and back.
 *
 * Runs on:  store thread.
 * Owns:     the messages of the batch until their outcome is known.
 *
 * A batch that could not be committed is kept as it is and repeated whole: the module may have stored
 * some or all of it, and repeating an ADD or a REMOVE is harmless.
 */
#include <string.h>

#include "base/mem.h"
#include "cross/log.h"
#include "io/store_priv.h"

enum { BATCH_BYTES = 64 << 20, CHANGES_FIRST = 64 };

bool
store_has_batch(const struct store *s)
{
	return s->count > 0;
}

static struct gearmand_change
change_of(const struct msg_store *m)
{
	return (struct gearmand_change){
		.op = m->msg.kind == MSG_ADD ? GEARMAND_ADD : GEARMAND_REMOVE,
		.outcome = GEARMAND_STORED,
		.job = {
			.function = m->function,
			.unique = m->unique,
			.data = m->data,
			.handle = m->handle,
			.reducer = m->reducer,
			.run_at = m->run_at,
			.priority = m->priority,
			.flags = m->flags,
		},
	};
}

static STORE void
store_add_change(struct store *s, struct msg *m)
{
	if (s->count == s->cap) {
		s->cap = s->cap == 0 ? CHANGES_FIRST : s->cap * 2;
		s->changes = mem_grow(s->changes, s->cap * sizeof *s->changes);
	}
	list_push(&s->batch, &m->link);
	s->changes[s->count++] = change_of(MSG_AS(msg_store, m));
}

void
store_gather(struct store *s)
{
	size_t bytes = 0;
	struct list *node;

	while (s->count < s->config.batch_max && bytes < BATCH_BYTES && (node = list_pop(&s->pending)) != NULL) {
		bytes += MSG_AS(msg_store, MSG(node))->data.len;
		store_add_change(s, MSG(node));
	}
	if (s->count > 1)
		store_keep_last(s);
}

/* The module may have refused changes before it failed; it is asked about them again. */
static STORE void
store_reset_outcomes(struct store *s)
{
	for (size_t i = 0; i < s->count; i++) {
		mem_free(s->changes[i].reason);
		s->changes[i].reason = NULL;
		s->changes[i].outcome = GEARMAND_STORED;
	}
}

/* The core keeps count of what waits. */
static struct msg *
committed(uint64_t removed, uint64_t bytes)
{
	struct msg_text *t = msg_text_new(MSG_COMMITTED, slice_of("", 0));

	t->number = removed;
	t->bytes = bytes;
	return &t->msg;
}

/* Nobody waits for the outcome of a REMOVE, so a refused one is said here, once for all of a batch.  It is done with:
 * the job is left to the store, which has it until somebody sees to that. */
static STORE void
store_say_unremoved(const struct store *s)
{
	const char *reason = NULL;
	size_t count = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (s->changes[i].op != GEARMAND_REMOVE || s->changes[i].outcome != GEARMAND_REFUSED)
			continue;
		if (count++ == 0)
			reason = s->changes[i].reason;
	}
	if (count > 0)
		log_post(GEARMAND_LOG_WARNING,
		    "queue %s: %zu finished jobs stay in the store, and run again after a restart: %s", s->config.name,
		    count, reason == NULL ? "it does not say why" : reason);
}

/* ADDs go back with their outcome, in order; REMOVEs are done. */
static STORE void
store_hand_back(struct store *s)
{
	struct list news, *node;
	uint64_t removed = 0, bytes = 0;

	list_init(&news);
	store_say_unremoved(s);
	while ((node = list_pop(&s->settled)) != NULL) {
		struct msg *m = MSG(node);

		if (m->kind == MSG_ADD) {
			list_push(&news, &m->link);
		} else {
			removed++;
			bytes += remove_bytes(MSG_AS(msg_store, m));
			msg_free(&m);
		}
	}
	for (size_t i = 0; (node = list_pop(&s->batch)) != NULL; i++) {
		struct msg *m = MSG(node);

		if (m->kind == MSG_ADD) {
			MSG_AS(msg_store, m)->outcome = (uint8_t)s->changes[i].outcome;
			MSG_AS(msg_store, m)->reason = s->changes[i].reason;
			list_push(&news, &m->link);
		} else {
			removed++;
			bytes += remove_bytes(MSG_AS(msg_store, m));
			mem_free(s->changes[i].reason);
			msg_free(&m);
		}
	}
	s->count = 0;
	list_push(&news, &committed(removed, bytes)->link);
	mbox_post_all(s->proc, &news);
}

static STORE bool
store_is_done(struct store *s, enum gearmand_commit result)
{
	if (result == GEARMAND_COMMIT_BROKEN) {
		s->was_taken = s->trouble.why == GEARMAND_WHY_IN_USE;
		store_close(s);
	}
	return result == GEARMAND_COMMIT_DONE;
}

bool
store_commit(struct store *s)
{
	s->trouble = (struct gearmand_error){ .text = "" };
	if (!store_is_done(s, s->config.ops->commit(s->module, s->changes, s->count, &s->trouble))) {
		store_reset_outcomes(s);
		return false;
	}
	store_hand_back(s);
	return true;
}

bool
store_check(struct store *s)
{
	s->trouble = (struct gearmand_error){ .text = "" };
	return s->config.ops->check == NULL || store_is_done(s, s->config.ops->check(s->module, &s->trouble));
}

void
store_drop_batch(struct store *s)
{
	store_reset_outcomes(s);
	msg_free_all(&s->batch);
	msg_free_all(&s->settled);
	s->count = 0;
}
