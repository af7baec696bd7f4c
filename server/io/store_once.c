/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A key stands in a batch once: of several changes of one job, the last one counts.
 *
 * Runs on:  store thread, when a batch has gathered.
 * Owns:     nothing for longer than a call; what is superseded goes to `settled`.
 *
 * So no module has to think of a job that is added and removed in one batch, or removed and added again.  The last
 * change alone has the same effect: ADD replaces what is stored, and REMOVE of what is not stored is fine.
 */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "io/store_priv.h"

/* Batches are built by this process, and it is restarted with another layout of memory: the key need not be secret. */
static uint64_t
key_hash(const struct gearmand_job *job)
{
	static const uint8_t key[HASH_KEY_BYTES] = { 1 };

	return hash_bytes(job->function, key) ^ hash_bytes(job->unique, key) * UINT64_C(0x9e3779b97f4a7c15);
}

static bool
same_key(const struct gearmand_job *a, const struct gearmand_job *b)
{
	return slice_eq(a->unique, b->unique) && slice_eq(a->function, b->function);
}

/* `slots` holds indices + 1 of the last change of each key so far.  Changes that are superseded get op 0; returns how
 * many there are. */
static STORE size_t
mark_superseded(struct store *s, uint32_t *slots, size_t mask)
{
	size_t found = 0;

	for (size_t i = 0; i < s->count; i++) {
		size_t at = key_hash(&s->changes[i].job) & mask;

		while (slots[at] != 0 && !same_key(&s->changes[slots[at] - 1].job, &s->changes[i].job))
			at = (at + 1) & mask;
		if (slots[at] != 0) {
			s->changes[slots[at] - 1].op = 0;
			found++;
		}
		slots[at] = (uint32_t)i + 1;
	}
	return found;
}

static STORE void
settle_superseded(struct store *s)
{
	struct list *node = s->batch.next, *next;
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++, node = next) {
		next = node->next;
		if (s->changes[i].op != 0) {
			s->changes[kept++] = s->changes[i];
			continue;
		}
		list_remove(node);
		list_push(&s->settled, node);
	}
	s->count = kept;
}

void
store_keep_last(struct store *s)
{
	size_t size = 16;
	uint32_t *slots;

	while (size < s->count * 2)
		size *= 2;
	slots = mem_new(size * sizeof(*slots));
	if (mark_superseded(s, slots, size - 1) > 0)
		settle_superseded(s);
	mem_free(slots);
}
