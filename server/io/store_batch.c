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
	static const enum gearmand_op ops[] = { GEARMAND_ADD, GEARMAND_REMOVE, GEARMAND_BURY, GEARMAND_UNBURY };

	return (struct gearmand_change){
		.op = ops[m->msg.kind - MSG_ADD],
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
			.attempts = m->attempts,
			.changed_at = m->changed_at,
			.expires_at = m->expires_at,
			.error = m->error,
		},
	};
}

static STORE void
store_add_change(struct store *s, const struct msg_store *m)
{
	if (s->count == s->cap) {
		s->cap = s->cap == 0 ? CHANGES_FIRST : s->cap * 2;
		s->changes = mem_grow(s->changes, s->cap * sizeof *s->changes);
	}
	s->changes[s->count++] = change_of(m);
}

/* While room is short: few, and never ADDs in one batch with other changes. */
static STORE bool
store_may_gather(const struct store *s, size_t count, size_t bytes)
{
	const struct list *first = list_first(&s->batch), *next = list_first(&s->pending);

	if (next == NULL || bytes >= BATCH_BYTES)
		return false;
	if (s->piece == 0)
		return count < s->config.batch_max;
	return count < s->piece && (first == NULL || (MSG(first)->kind == MSG_ADD) == (MSG(next)->kind == MSG_ADD));
}

void
store_gather(struct store *s)
{
	size_t count = 0, bytes = 0;

	if (clock_mono() >= s->let_in_at)
		store_let_in(s);
	if (s->piece > 0 || s->shut_size != SIZE_MAX)
		store_removes_first(s);
	for (; store_may_gather(s, count, bytes); count++) {
		struct list *node = list_pop(&s->pending);

		bytes += MSG_AS(msg_store, MSG(node))->data.len;
		MSG_AS(msg_store, MSG(node))->place = (uint32_t)count;
		list_push(&s->batch, node);
	}
	if (count > 1)
		store_keep_last(s, &s->batch, &s->settled, true);
	LIST_EACH(node, &s->batch)
		store_add_change(s, MSG_AS(msg_store, MSG(node)));
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

/* Nobody waits for the outcome of these, so a refused one is said here, once for all of a batch.  It is done with: the
 * job is left to the store, which has it until somebody sees to that, or to the memory. */
static STORE void
store_say_undone(const struct store *s, enum gearmand_op op, const char *what)
{
	const char *reason = NULL;
	size_t count = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (s->changes[i].op != op || s->changes[i].outcome != GEARMAND_REFUSED)
			continue;
		if (count++ == 0)
			reason = s->changes[i].reason;
	}
	if (count > 0)
		log_post(GEARMAND_LOG_WARNING, "queue %s: %zu %s: %s", s->config.name, count, what,
		    reason == NULL ? "it does not say why" : reason);
}

/* What a refused ADD or BURY should have replaced is removed nevertheless. */
static STORE void
store_set_outcome(struct store *s, struct msg_store *m, const struct gearmand_change *c)
{
	m->outcome = (uint8_t)c->outcome;
	m->reason = c->reason;
	if (c->outcome == GEARMAND_REFUSED && m->replaced != NULL) {
		list_remove(&m->replaced->msg.link);
		list_push_front(&s->pending, &m->replaced->msg.link);
	}
	if (c->outcome == GEARMAND_REFUSED && c->op == GEARMAND_ADD && s->stopping && s->adds_at_shutdown)
		s->unsaved++;
}

static STORE void
store_hand_back(struct store *s)
{
	size_t i = 0;

	store_say_undone(s, GEARMAND_REMOVE, "finished jobs stay in the store, and run again after a restart");
	store_say_undone(s, GEARMAND_BURY, "dead jobs are in memory alone, and gone after a restart");
	store_say_undone(s, GEARMAND_UNBURY, "jobs stay dead in the store, and are that again after a restart");
	LIST_EACH(node, &s->batch)
		store_set_outcome(s, MSG_AS(msg_store, MSG(node)), &s->changes[i++]);
	list_splice(&s->settled, &s->batch);
	store_tell_done(s, &s->settled, true);
	s->count = s->alone = 0;
}

static STORE void
store_refuse_alone(struct store *s)
{
	struct gearmand_change *c = &s->changes[0];

	store_say_full(s, c->job.data.len);
	c->outcome = GEARMAND_REFUSED;
	c->reason = mem_dup(s->trouble.text, strlen(s->trouble.text));
	store_hand_back(s);
	store_refuse_larger(s);
}

/* Removals first, and all in smaller pieces.  A job that does not fit alone is tried once more, for the module may have
 * made room, and then refused; a dead one waits.  False: not even one removal fits. */
static STORE bool
store_meets_lack_of_room(struct store *s)
{
	if (s->count > 1 || !list_is_empty(&s->settled)) {
		store_take_apart(s);
		s->count = 0;
		return true;
	}
	if (s->changes[0].op == GEARMAND_REMOVE || s->changes[0].op == GEARMAND_UNBURY)
		return false;
	if (s->alone++ == 0)
		return true;
	if (s->changes[0].op == GEARMAND_BURY)
		store_shut_out(s);
	else
		store_refuse_alone(s);
	return true;
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
	enum gearmand_commit result;
	nsec_t begun = clock_mono();

	s->trouble = (struct gearmand_error){ .text = "" };
	result = s->config.ops->commit(s->module, s->changes, s->count, &s->trouble);
	s->commit_took = clock_mono() - begun;
	if (!store_is_done(s, result)) {
		store_reset_outcomes(s);
		return result == GEARMAND_COMMIT_FULL && store_meets_lack_of_room(s);
	}
	store_had_room(s);
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
