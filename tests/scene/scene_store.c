/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store of a scene: changes, their outcomes, and a replay; see scene.h.
 *
 * Runs on:  the test's thread.
 * Owns:     nothing; changes are the scene's until they are looked at.
 */
#include "tests/scene/scene_priv.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#include <gearmand/plugin.h>

static void
take_change(struct scene *s, struct list *node)
{
	if (MSG(node)->kind == MSG_ADD) {
		list_push(&s->adding, node);
		return;
	}
	s->removed++;
	s->removed_bytes += change_bytes(MSG_AS(msg_store, MSG(node)));
	list_push(&s->done, node);
}

static struct msg_store *
next_change(struct scene *s, enum msg_kind kind, const char *file, int line)
{
	struct list *node = list_pop(&s->changes);

	cr_assert(node != NULL && MSG(node)->kind == kind, "%s:%d: another change, or none", file, line);
	take_change(s, node);
	return MSG_AS(msg_store, MSG(node));
}

struct msg_store *
expect_change_(
    struct scene *s, enum msg_kind kind, const char *function, const char *unique, const char *file, int line)
{
	struct msg_store *change = next_change(s, kind, file, line);

	cr_assert(slice_is(change->function, function), "%s:%d: function %.*s", file, line, (int)change->function.len,
	    change->function.data);
	cr_assert(strcmp(unique, "*") == 0 || slice_is(change->unique, unique), "%s:%d: unique %.*s", file, line,
	    (int)change->unique.len, change->unique.data);
	return change;
}

struct msg_store *
expect_dead_(struct scene *s, enum msg_kind kind, const char *handle, const char *file, int line)
{
	struct msg_store *change = next_change(s, kind, file, line);

	cr_assert(slice_is(change->handle, handle), "%s:%d: handle %.*s", file, line, (int)change->handle.len,
	    change->handle.data);
	return change;
}

void
expect_no_change(struct scene *s)
{
	cr_assert(list_is_empty(&s->changes), "a change was posted");
}

static void
answer_adds(struct scene *s, enum gearmand_outcome outcome, const char *reason)
{
	struct msg_text *end;
	struct list *node;

	while ((node = list_pop(&s->changes)) != NULL)
		take_change(s, node);
	msg_free_all(&s->done);
	while ((node = list_pop(&s->adding)) != NULL) {
		struct msg_store *m = MSG_AS(msg_store, MSG(node));

		m->outcome = (uint8_t)outcome;
		m->reason = reason == NULL ? NULL : mem_dup(reason, strlen(reason));
		scene_post(s, &m->msg);
	}
	end = msg_text_new(MSG_COMMITTED, slice_of("", 0));
	end->number = s->removed;
	end->bytes = s->removed_bytes;
	s->removed = s->removed_bytes = 0;
	scene_post(s, &end->msg);
}

void
store_commit(struct scene *s)
{
	answer_adds(s, GEARMAND_STORED, NULL);
}

void
store_refuse(struct scene *s, const char *reason)
{
	answer_adds(s, GEARMAND_REFUSED, reason);
}

void
store_says(struct scene *s, const char *trouble)
{
	scene_post(s, &msg_text_new(MSG_STORE_STATE, slice_str(trouble))->msg);
}

void
store_replay(struct scene *s, const char *function, const char *unique, const char *data, const char *handle)
{
	static const struct past none = { .error = "" };

	store_replay_past(s, function, unique, data, handle, &none);
}

void
store_replayed_all(struct scene *s)
{
	scene_post(s, &msg_text_new(MSG_REPLAY_END, slice_of("", 0))->msg);
}

void
store_replay_past(struct scene *s, const char *function, const char *unique, const char *data, const char *handle,
    const struct past *past)
{
	struct msg_store *m = msg_new_sized(MSG_REPLAYED, 0, sizeof *m + strlen(handle) + 1 + strlen(past->error) + 1);
	struct buf body = { 0 };

	buf_add(&body, function, strlen(function) + 1);
	buf_add(&body, unique, strlen(unique) + 1);
	buf_add_str(&body, data);
	m->msg.blob = blob_copy(buf_slice(&body));
	m->function = slice_of(m->msg.blob->data, strlen(function));
	m->unique = slice_of(m->function.data + m->function.len + 1, strlen(unique));
	m->data = slice_of(m->unique.data + m->unique.len + 1, strlen(data));
	strcpy(m->text, handle);
	m->handle = slice_str(m->text);
	strcpy(m->text + m->handle.len + 1, past->error);
	m->error = slice_str(m->text + m->handle.len + 1);
	m->flags = past->is_dead ? GEARMAND_JOB_DEAD : 0;
	m->attempts = past->attempts;
	m->run_at = past->run_at;
	m->changed_at = past->changed_at;
	m->expires_at = past->expires_at;
	m->priority = GEARMAND_NORMAL;
	buf_fini(&body);
	scene_post(s, &m->msg);
}
