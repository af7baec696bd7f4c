/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keys of records, sorted by rank in bounded memory.
 *
 * Runs on:  the store thread.
 * Owns:     copies of the keys.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "order.h"

void
tk_order_init(struct tk_order *o, size_t most)
{
	*o = (struct tk_order){ .most = most };
}

void
tk_order_fini(struct tk_order *o)
{
	free(o->entry);
	free(o->keys.data);
	*o = (struct tk_order){ .most = o->most };
}

void
tk_order_again(struct tk_order *o)
{
	o->has_begun = false;
}

bool
tk_order_pass(struct tk_order *o)
{
	if (o->has_begun && !o->is_more)
		return false;
	/* Rank 0 is taken by nobody. */
	o->above = o->has_begun ? o->below : 0;
	o->below = UINT64_MAX;
	o->has_begun = true;
	o->is_more = false;
	o->count = o->keys.len = 0;
	return true;
}

static int
by_rank(const void *a, const void *b)
{
	const struct tk_ranked *x = a, *y = b;

	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

void
tk_order_sort(struct tk_order *o)
{
	if (o->count > 1)
		qsort(o->entry, o->count, sizeof(*o->entry), by_rank);
}

/* Equal ranks stay together, so that no pass takes half of them. */
static void
drop_upper_half(struct tk_order *o)
{
	size_t kept = 0, len = 0;
	char *keys;

	tk_order_sort(o);
	o->below = o->entry[o->count / 2].rank;
	while (kept < o->count && o->entry[kept].rank <= o->below)
		kept++;
	if (kept == o->count)
		return;
	o->is_more = true;
	o->count = kept;
	keys = malloc(o->keys.room);
	if (keys == NULL)
		return; /* their room is not free yet */
	for (size_t i = 0; i < kept; i++) {
		memcpy(keys + len, o->keys.data + o->entry[i].at, o->entry[i].len);
		o->entry[i].at = len;
		len += o->entry[i].len;
	}
	free(o->keys.data);
	o->keys.data = keys;
	o->keys.len = len;
}

static bool
has_entry_room(struct tk_order *o)
{
	size_t room = o->room == 0 ? 1024 : 2 * o->room;
	struct tk_ranked *entry;

	if (o->count < o->room)
		return true;
	entry = realloc(o->entry, room * sizeof(*entry));
	if (entry == NULL) {
		errno = ENOMEM;
		return false;
	}
	o->entry = entry;
	o->room = room;
	return true;
}

bool
tk_order_add(struct tk_order *o, uint64_t rank, struct gearmand_slice key)
{
	if (rank <= o->above)
		return true;
	if (rank > o->below) {
		o->is_more = true;
		return true;
	}
	if (!has_entry_room(o))
		return false;
	o->entry[o->count++] = (struct tk_ranked){ .rank = rank, .at = o->keys.len, .len = (uint32_t)key.len };
	if (!tk_buf_add(&o->keys, key.data, key.len))
		return false;
	if (o->keys.len + o->count * sizeof(*o->entry) > o->most && o->count > 1)
		drop_upper_half(o);
	return true;
}

struct gearmand_slice
tk_order_key(const struct tk_order *o, size_t n)
{
	return (struct gearmand_slice){ o->keys.data + o->entry[n].at, o->entry[n].len };
}
