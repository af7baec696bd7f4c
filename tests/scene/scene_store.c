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
take_removal(struct scene *s, struct msg **m)
{
	s->removed++;
	s->removed_bytes += remove_bytes(MSG_AS(msg_store, *m));
	msg_free(m);
}

void
expect_change_(
    struct scene *s, enum msg_kind kind, const char *function, const char *unique, const char *file, int line)
{
	struct list *node = list_pop(&s->changes);
	struct msg_store *change = node == NULL ? NULL : MSG_AS(msg_store, MSG(node));
	struct msg *m = change == NULL ? NULL : &change->msg;

	cr_assert(change != NULL && change->msg.kind == kind, "%s:%d: another change, or none", file, line);
	cr_assert(slice_is(change->function, function), "%s:%d: function %.*s", file, line, (int)change->function.len,
	    change->function.data);
	cr_assert(strcmp(unique, "*") == 0 || slice_is(change->unique, unique), "%s:%d: unique %.*s", file, line,
	    (int)change->unique.len, change->unique.data);
	if (kind == MSG_ADD)
		list_push(&s->adding, node);
	else
		take_removal(s, &m);
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

	LIST_EACH_SAFE(at, &s->changes) {
		struct msg *m = MSG(at);

		list_remove(at);
		if (m->kind == MSG_ADD)
			list_push(&s->adding, at);
		else
			take_removal(s, &m);
	}
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
	struct msg_store *m = msg_new_sized(MSG_REPLAYED, 0, sizeof *m + strlen(handle) + 1);
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
	m->priority = GEARMAND_NORMAL;
	buf_fini(&body);
	scene_post(s, &m->msg);
}
