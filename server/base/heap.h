/* SPDX-License-Identifier: BSD-3-Clause
 *
 * heap.h - a priority queue of timers; the smallest key is first, and of equal keys
 *          the one that was set first.
 *
 * Runs on:  the thread that owns the heap; pure.
 * Owns:     an array of borrowed pointers.
 */
#ifndef GEARMAND_BASE_HEAP_H
#define GEARMAND_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t key;    /* nanoseconds */
	uint32_t place; /* 1-based place in the heap; 0 = not in a heap */
	uint32_t order; /* among equal keys; wraps, so it is right while fewer than 2^31 were set since */
};

struct heap {
	struct heap_node **at; /* at[0] is not used */
	uint32_t count, cap;
	uint32_t last_order;
};

void heap_init(struct heap *);
void heap_fini(struct heap *);                                 /* must be empty */
struct heap_node *heap_first(const struct heap *);             /* NULL when empty */
void heap_set(struct heap *, struct heap_node *, int64_t key); /* adds, or moves to its new place */
void heap_remove(struct heap *, struct heap_node *);           /* no-op when it is in no heap */

#endif
