/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The timer heap, against a plain search for the smallest key.
 */
#include <criterion/criterion.h>

#include "base/heap.h"
#include "dice.h"

enum { NODES = 500 };

static struct heap heap;
static struct heap_node nodes[NODES];
static unsigned set_at[NODES]; /* by node: when its key was set */

static void
setup(void)
{
	heap_init(&heap);
}

TestSuite(heap, .init = setup);

static bool
is_earlier(const struct heap_node *a, const struct heap_node *b)
{
	return a->key < b->key || (a->key == b->key && set_at[a - nodes] < set_at[b - nodes]);
}

static void
expect_sound(uint32_t count)
{
	const struct heap_node *least = NULL;

	cr_assert_eq(heap.count, count);
	for (int i = 0; i < NODES; i++) {
		if (nodes[i].place == 0)
			continue;
		cr_assert_leq(nodes[i].place, heap.count);
		cr_assert_eq(heap.at[nodes[i].place], &nodes[i]);
		if (least == NULL || is_earlier(&nodes[i], least))
			least = &nodes[i];
	}
	cr_assert_eq(heap_first(&heap), least);
}

Test(heap, gives_any_mix_of_changes_in_the_order_of_keys)
{
	uint64_t rolls = 4730;
	uint32_t count = 0;

	for (unsigned i = 0; i < 20000; i++) {
		struct heap_node *node = &nodes[dice_below(&rolls, NODES)];

		if (dice_below(&rolls, 3) == 0) {
			count -= node->place != 0;
			heap_remove(&heap, node);
			cr_assert_eq(node->place, 0);
		} else {
			count += node->place == 0;
			/* Few keys, so many are equal; some are before 1970. */
			heap_set(&heap, node, (int64_t)dice_below(&rolls, 300) - 100);
			set_at[node - nodes] = i;
		}
		expect_sound(count);
	}

	for (struct heap_node *node; (node = heap_first(&heap)) != NULL;) {
		heap_remove(&heap, node);
		expect_sound(--count);
	}
	cr_assert_eq(count, 0);
	heap_fini(&heap);
}

Test(heap, takes_the_ends_of_the_range_of_keys)
{
	heap_set(&heap, &nodes[0], INT64_MAX);
	heap_set(&heap, &nodes[1], INT64_MIN);
	heap_set(&heap, &nodes[2], 0);
	cr_assert_eq(heap_first(&heap), &nodes[1]);
	heap_set(&heap, &nodes[1], INT64_MAX);
	cr_assert_eq(heap_first(&heap), &nodes[2]);
	heap_set(&heap, &nodes[0], -1);
	cr_assert_eq(heap_first(&heap), &nodes[0]);
}

Test(heap, removing_what_is_in_no_heap_is_harmless)
{
	heap_remove(&heap, &nodes[0]);
	heap_set(&heap, &nodes[0], 1);
	heap_remove(&heap, &nodes[0]);
	heap_remove(&heap, &nodes[0]);
	expect_sound(0);
	heap_fini(&heap);
}

Test(heap, gives_memory_back_when_it_empties)
{
	for (int i = 0; i < NODES; i++)
		heap_set(&heap, &nodes[i], i);
	cr_assert_geq(heap.cap, (uint32_t)NODES);
	for (int i = 0; i < NODES; i++)
		heap_remove(&heap, &nodes[i]);
	cr_assert_leq(heap.cap, 32u);
	heap_fini(&heap);
	cr_assert_null(heap.at);
}
