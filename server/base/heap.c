/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A heap with four children to a node: half as deep as a binary one, and the keys that
 * are compared together are mostly fetched together.
 *
 * Runs on:  the thread that owns the heap; pure.
 * Owns:     the array; nodes are borrowed and know their place in it.
 */
#include <stddef.h>

#include "base/check.h"
#include "base/heap.h"
#include "base/mem.h"

enum { CAP_MIN = 16, CHILDREN = 4 };

void
heap_init(struct heap *h)
{
	*h = (struct heap){ 0 };
}

void
heap_fini(struct heap *h)
{
	CHECK(h->count == 0);
	mem_free(h->at);
	heap_init(h);
}

struct heap_node *
heap_first(const struct heap *h)
{
	return h->count == 0 ? NULL : h->at[1];
}

static bool
is_before(const struct heap_node *a, const struct heap_node *b)
{
	return a->key < b->key || (a->key == b->key && (int32_t)(a->order - b->order) < 0);
}

static uint32_t
parent_of(uint32_t place)
{
	return (place - 2) / CHILDREN + 1;
}

/* 64 bits, since the last places of a huge heap have children beyond 32. */
static uint64_t
first_child_of(uint32_t place)
{
	return ((uint64_t)place - 1) * CHILDREN + 2;
}

static void
put(struct heap *h, uint32_t place, struct heap_node *node)
{
	h->at[place] = node;
	node->place = place;
}

/* `place` is free; the node goes there or above. */
static void
sift_up(struct heap *h, uint32_t place, struct heap_node *node)
{
	while (place > 1) {
		uint32_t up = parent_of(place);

		if (!is_before(node, h->at[up]))
			break;
		put(h, place, h->at[up]);
		place = up;
	}
	put(h, place, node);
}

/* 0 when it has none. */
static uint32_t
smallest_child(const struct heap *h, uint32_t place)
{
	uint64_t child = first_child_of(place), end = child + CHILDREN;

	if (child > h->count)
		return 0;

	uint32_t best = (uint32_t)child;

	for (child++; child < end && child <= h->count; child++)
		if (is_before(h->at[child], h->at[best]))
			best = (uint32_t)child;
	return best;
}

/* `place` is free; the node goes there or below. */
static void
sift_down(struct heap *h, uint32_t place, struct heap_node *node)
{
	uint32_t child;

	while ((child = smallest_child(h, place)) != 0 && is_before(h->at[child], node)) {
		put(h, place, h->at[child]);
		place = child;
	}
	put(h, place, node);
}

static void
settle(struct heap *h, uint32_t place, struct heap_node *node)
{
	if (place > 1 && is_before(node, h->at[parent_of(place)]))
		sift_up(h, place, node);
	else
		sift_down(h, place, node);
}

static void
resize(struct heap *h, uint32_t cap)
{
	h->at = mem_grow(h->at, ((size_t)cap + 1) * sizeof(*h->at)); /* [0] is not used */
	h->cap = cap;
}

void
heap_set(struct heap *h, struct heap_node *node, int64_t key)
{
	node->key = key;
	node->order = ++h->last_order;
	if (node->place != 0) {
		CHECK(node->place <= h->count && h->at[node->place] == node);
		settle(h, node->place, node);
		return;
	}
	CHECK(h->count < UINT32_MAX / 2);
	if (h->count == h->cap)
		resize(h, h->cap == 0 ? CAP_MIN : h->cap * 2);
	h->count++;
	sift_up(h, h->count, node);
}

void
heap_remove(struct heap *h, struct heap_node *node)
{
	uint32_t place = node->place;

	if (place == 0)
		return;
	CHECK(place <= h->count && h->at[place] == node);

	struct heap_node *last = h->at[h->count--];

	if (last != node)
		settle(h, place, last);
	node->place = 0;
	/* A quarter full: far from growing again, so adding and removing does not swing. */
	if (h->cap > CAP_MIN && h->count <= h->cap / 4)
		resize(h, h->cap / 2);
}
