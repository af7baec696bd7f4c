/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Of several changes of one key the last one counts; those before it are superfluous.
 *
 * Runs on:  store thread.
 * Owns:     nothing for longer than a call.
 *
 * So a key stands in a batch once, and no module has to think of a job that is added and removed in one batch, or
 * removed and added again: ADD replaces what is stored, and REMOVE of what is not stored is fine.  And a job whose
 * submission was given up while the store was away leaves the memory before the store is back.  Of dead jobs the key is
 * the handle, with BURY and UNBURY.
 */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "io/store_priv.h"

/* The next change of each key, behind the one that is looked at; open addressing. */
struct later {
	struct msg_store **slots;
	size_t mask;
};

static bool
is_of_dead(const struct msg_store *m)
{
	return m->msg.kind == MSG_BURY || m->msg.kind == MSG_UNBURY;
}

static bool
is_same_key(const struct msg_store *a, const struct msg_store *b)
{
	if (is_of_dead(a) || is_of_dead(b))
		return is_of_dead(a) && is_of_dead(b) && slice_eq(a->handle, b->handle);
	return slice_eq(a->unique, b->unique) && slice_eq(a->function, b->function);
}

static STORE uint64_t
hash_of_key(const struct store *s, const struct msg_store *m)
{
	if (is_of_dead(m))
		return hash_bytes(m->handle, s->hash_key);
	return hash_bytes(m->function, s->hash_key) ^ hash_bytes(m->unique, s->hash_key) * 3;
}

static STORE struct msg_store **
later_find(const struct store *s, const struct later *l, const struct msg_store *m)
{
	size_t at = hash_of_key(s, m) & l->mask;

	while (l->slots[at] != NULL && !is_same_key(l->slots[at], m))
		at = (at + 1) & l->mask;
	return &l->slots[at];
}

/* A removal makes all before it superfluous.  An ADD or BURY replaces, but it may be refused: then what it replaced
 * must be removed nevertheless. */
static bool
is_superfluous(struct msg_store *m, struct msg_store **later, bool in_batch)
{
	if (*later != NULL && store_is_removal(&(*later)->msg))
		return true;
	if (*later == NULL || !in_batch) {
		*later = m;
		return false;
	}
	if (store_is_removal(&m->msg))
		(*later)->replaced = m;
	return true;
}

void
store_keep_last(struct store *s, struct list *changes, struct list *superfluous, bool in_batch)
{
	struct later later = { .mask = 15 };
	size_t count = 0;
	struct list *before;

	LIST_EACH(node, changes)
		count++;
	while (later.mask < count * 2)
		later.mask = later.mask * 2 + 1;
	later.slots = mem_new((later.mask + 1) * sizeof *later.slots);
	for (struct list *node = changes->prev; node != changes; node = before) {
		struct msg_store *m = MSG_AS(msg_store, MSG(node));

		before = node->prev;
		if (!is_superfluous(m, later_find(s, &later, m), in_batch))
			continue;
		list_remove(node);
		list_push_front(superfluous, node);
	}
	mem_free(later.slots);
}
