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
 * the handle, with BURY and UNBURY.  What a dead job is to be removed from has the key (function, unique) of its BURY.
 */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "io/store_priv.h"

/* One change of each key; open addressing. */
struct keys {
	struct msg_store **slots;
	size_t mask;
	bool by_name; /* dead jobs, too: the key is function and unique */
};

static bool
is_of_dead(const struct msg_store *m)
{
	return m->msg.kind == MSG_BURY || m->msg.kind == MSG_UNBURY;
}

static bool
is_same_key(const struct keys *k, const struct msg_store *a, const struct msg_store *b)
{
	if (!k->by_name && (is_of_dead(a) || is_of_dead(b)))
		return is_of_dead(a) && is_of_dead(b) && slice_eq(a->handle, b->handle);
	return slice_eq(a->unique, b->unique) && slice_eq(a->function, b->function);
}

static STORE uint64_t
hash_of_key(const struct store *s, const struct keys *k, const struct msg_store *m)
{
	if (!k->by_name && is_of_dead(m))
		return hash_bytes(m->handle, s->hash_key);
	return hash_bytes(m->function, s->hash_key) ^ hash_bytes(m->unique, s->hash_key) * 3;
}

static STORE struct msg_store **
keys_find(const struct store *s, const struct keys *k, const struct msg_store *m)
{
	size_t at = hash_of_key(s, k, m) & k->mask;

	while (k->slots[at] != NULL && !is_same_key(k, k->slots[at], m))
		at = (at + 1) & k->mask;
	return &k->slots[at];
}

static struct keys
keys_for(size_t count, bool by_name)
{
	struct keys keys = { .mask = 15, .by_name = by_name };

	while (keys.mask < count * 2)
		keys.mask = keys.mask * 2 + 1;
	keys.slots = mem_new((keys.mask + 1) * sizeof *keys.slots);
	return keys;
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
	struct keys later; /* the next of each key, behind the one that is looked at */
	size_t count = 0;
	struct list *before;

	LIST_EACH(node, changes)
		count++;
	later = keys_for(count, false);
	for (struct list *node = changes->prev; node != changes; node = before) {
		struct msg_store *m = MSG_AS(msg_store, MSG(node));

		before = node->prev;
		if (!is_superfluous(m, keys_find(s, &later, m), in_batch))
			continue;
		list_remove(node);
		list_push_front(superfluous, node);
	}
	mem_free(later.slots);
}

/* The largest of each key. */
static STORE struct keys
keys_of_dead(const struct store *s, size_t count)
{
	struct keys keys = keys_for(count, true);

	LIST_EACH(node, &s->pending) {
		struct msg_store *m = MSG_AS(msg_store, MSG(node)), **slot;

		if (m->msg.kind != MSG_BURY)
			continue;
		slot = keys_find(s, &keys, m);
		if (*slot == NULL || (*slot)->data.len < m->data.len)
			*slot = m;
	}
	return keys;
}

void
store_part_dead(struct store *s, struct list *dead, struct list *shut)
{
	struct keys keys;
	size_t count = 0;

	LIST_EACH(node, &s->pending)
		count += MSG(node)->kind == MSG_BURY;
	if (count == 0)
		return;
	keys = keys_of_dead(s, count);
	LIST_EACH_SAFE(node, &s->pending) {
		const struct msg_store *m = MSG_AS(msg_store, MSG(node));
		const struct msg_store *largest = m->msg.kind == MSG_UNBURY ? NULL : *keys_find(s, &keys, m);
		bool is_shut = largest != NULL && largest->data.len >= s->shut_size;

		if (largest == NULL || (m->msg.kind == MSG_ADD && !is_shut))
			continue;
		list_remove(node);
		list_push(is_shut ? shut : dead, node);
	}
	mem_free(keys.slots);
}
