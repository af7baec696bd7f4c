/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hash tables: finding, order of age, growth by steps, and walks while the table changes.
 */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "base/check.h"
#include "base/hash.h"
#include "dice.h"

struct item {
	uint64_t key;
	uint32_t seen; /* how often a walk gave it */
	bool in, stays;
	struct hash_node node;
};

#define ITEM(n) CONTAINER_OF(n, struct item, node)

static struct hash table;
static struct item *items;

static struct item *
items_new(size_t n)
{
	hash_init(&table);
	items = calloc(n, sizeof(*items));
	cr_assert_not_null(items);
	for (size_t i = 0; i < n; i++)
		items[i].key = i;
	return items;
}

static void
items_fini(size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (items[i].in)
			hash_remove(&table, &items[i].node);
	hash_fini(&table);
	free(items);
}

static void
add(struct item *it)
{
	hash_add(&table, &it->node, hash_number(it->key));
	it->in = true;
}

static void
leave(struct item *it)
{
	hash_remove(&table, &it->node);
	it->in = false;
}

static bool
has_key(const struct hash_node *node, const void *key)
{
	return ITEM(node)->key == *(const uint64_t *)key;
}

static struct item *
find(uint64_t key)
{
	struct hash_node *node = hash_find(&table, hash_number(key), has_key, &key);

	return node == NULL ? NULL : ITEM(node);
}

Test(hash, an_empty_table_finds_nothing_and_has_no_memory)
{
	struct hash_walk walk = { 0 };

	items_new(0);
	cr_assert_null(find(1));
	cr_assert_null(hash_next(&table, &walk));
	cr_assert_null(table.segments);
	items_fini(0);
}

Test(hash, holds_a_million_members_and_grows_by_one_bucket_with_each)
{
	enum { MANY = 1000000 };
	uint64_t rolls = 1;

	items_new(MANY);
	for (size_t i = 0; i < MANY; i++) {
		add(&items[i]);
		cr_assert_eq(table.buckets, i + 1);
		cr_assert_eq(find(i), &items[i]);

		uint64_t some = dice_below(&rolls, MANY);

		cr_assert_eq(find(some), some <= i ? &items[some] : NULL);
	}
	cr_assert_eq(table.count, (size_t)MANY);
	for (size_t i = 0; i < MANY; i++) {
		leave(&items[i]);
		cr_assert_null(find(i));
	}
	items_fini(MANY);
}

Test(hash, does_what_a_plain_array_does)
{
	enum { KEYS = 3000 };
	uint64_t rolls = 2;

	items_new(KEYS);
	for (int i = 0; i < 200000; i++) {
		struct item *it = &items[dice_below(&rolls, KEYS)];

		if (dice_below(&rolls, 2) == 0)
			cr_assert_eq(find(it->key), it->in ? it : NULL);
		else if (it->in)
			leave(it);
		else
			add(it);
	}
	items_fini(KEYS);
}

Test(hash, the_youngest_of_equal_members_is_found_also_while_the_table_grows)
{
	enum { OTHERS = 5000, TWINS = 50 };
	struct item twin[TWINS] = { 0 };
	const uint64_t key = UINT64_MAX;

	items_new(OTHERS);
	for (size_t i = 0, young = 0; i < OTHERS; i++) {
		if (i % (OTHERS / TWINS) == 0) {
			twin[young].key = key;
			hash_add(&table, &twin[young++].node, hash_number(key));
		}
		add(&items[i]);
		cr_assert_eq(find(key), &twin[young - 1]);
	}
	for (size_t young = TWINS; young-- > 0;) {
		cr_assert_eq(find(key), &twin[young]);
		hash_remove(&table, &twin[young].node);
	}
	cr_assert_null(find(key));
	items_fini(OTHERS);
}

Test(hash, replace_puts_another_in_the_same_place)
{
	struct item young = { .key = 7 };

	items_new(100);
	for (size_t i = 0; i < 100; i++) {
		struct item fresh = { .key = items[i / 2].key };

		add(&items[i]);
		hash_replace(&table, &items[i / 2].node, &fresh.node);
		cr_assert_eq(find(i / 2), &fresh);
		hash_replace(&table, &fresh.node, &items[i / 2].node);
		cr_assert_eq(find(i / 2), &items[i / 2]);
	}
	hash_add(&table, &young.node, hash_number(7));
	hash_replace(&table, &items[7].node, &items[7].node);
	cr_assert_eq(find(7), &young, "the older one must stay behind");
	hash_remove(&table, &young.node);
	items_fini(100);
}

Test(hash, members_with_one_hash_are_told_apart)
{
	items_new(2000);
	for (size_t i = 0; i < 2000; i++) {
		hash_add(&table, &items[i].node, 42);
		items[i].in = true;
	}
	for (uint64_t key = 0; key < 2000; key += 99)
		cr_assert_eq(hash_find(&table, 42, has_key, &key), &items[key].node);
	items_fini(2000);
}

/* ---- Walks ------------------------------------------------------------------------- */

Test(hash, a_walk_gives_each_member_once_at_any_size)
{
	enum { MOST = 300 };

	items_new(MOST);
	for (uint32_t n = 0; n < MOST; n++) {
		struct hash_walk walk = { 0 };

		for (struct hash_node *node; (node = hash_next(&table, &walk)) != NULL;)
			ITEM(node)->seen++;
		for (uint32_t i = 0; i < n; i++)
			cr_assert_eq(items[i].seen, n - i, "member %u of %u came %u times", i, n, items[i].seen);
		add(&items[n]);
	}
	items_fini(MOST);
}

Test(hash, a_walk_that_removes_what_it_is_given_gives_each_once)
{
	enum { MOST = 1000 };

	items_new(MOST);
	for (size_t n = 1; n <= MOST; n += 37) {
		struct hash_walk walk = { 0 };
		size_t given = 0;

		for (size_t i = 0; i < n; i++)
			add(&items[i]);
		for (struct hash_node *node; (node = hash_next(&table, &walk)) != NULL; given++)
			leave(ITEM(node));
		cr_assert_eq(given, n);
		cr_assert_eq(table.count, 0);
	}
	items_fini(MOST);
}

/* Any members but those that stay come and go between the steps; what has left is overwritten, so
 * a walk that looked at it would go astray. */
static void
disturb(uint64_t *rolls, size_t n)
{
	struct item *it = &items[dice_below(rolls, n)];

	if (it->stays)
		return;
	if (it->in) {
		leave(it);
		it->node = (struct hash_node){ (struct hash_node *)(uintptr_t)0x10, 0 };
	} else {
		add(it);
	}
}

Test(hash, a_walk_leaves_out_nothing_that_stays_whatever_else_comes_and_goes)
{
	enum { MOST = 2000 };

	for (uint64_t seed = 1; seed <= 60; seed++) {
		uint64_t rolls = seed;
		struct hash_walk walk = { 0 };
		size_t start = dice_below(&rolls, MOST);

		items_new(MOST);
		for (size_t i = 0; i < start; i++) {
			items[i].stays = dice_below(&rolls, 2) == 0;
			add(&items[i]);
		}
		for (struct hash_node *node; (node = hash_next(&table, &walk)) != NULL;) {
			ITEM(node)->seen++;
			for (uint64_t i = dice_below(&rolls, 4); i > 0; i--)
				disturb(&rolls, MOST);
		}
		for (size_t i = 0; i < MOST; i++)
			cr_assert(
			    !items[i].stays || items[i].seen > 0, "seed %lu: %zu left out", (unsigned long)seed, i);
		items_fini(MOST);
	}
}

/* ---- Hash functions ---------------------------------------------------------------- */

Test(hash, bytes_are_hashed_with_siphash_2_4)
{
	uint8_t key[HASH_KEY_BYTES];
	char input[15];

	for (int i = 0; i < HASH_KEY_BYTES; i++)
		key[i] = (uint8_t)i;
	for (int i = 0; i < 15; i++)
		input[i] = (char)i;
	/* The example at the end of the paper. */
	cr_assert_eq(hash_bytes(slice_of(input, 15), key), 0xa129ca6149be45e5u);
	cr_assert_eq(hash_bytes(slice_of(NULL, 0), key), hash_bytes(slice_of("", 0), key));
	key[3] ^= 1;
	cr_assert_neq(hash_bytes(slice_of(input, 15), key), 0xa129ca6149be45e5u);
}

Test(hash, numbers_with_a_pattern_spread_over_the_buckets)
{
	enum { BUCKETS = 1 << 14 };
	const uint64_t steps[] = { 1, 2, 3, 1024, 1 << 20, (uint64_t)1 << 32, (uint64_t)1 << 50 };

	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		static unsigned char fill[BUCKETS];
		unsigned fullest = 0;

		memset(fill, 0, sizeof(fill));
		for (uint64_t i = 0; i < BUCKETS; i++) {
			unsigned char *bucket = &fill[hash_number(i * steps[s]) & (BUCKETS - 1)];

			if (++*bucket > fullest)
				fullest = *bucket;
		}
		cr_assert_leq(fullest, 12u, "step %lu: %u in one bucket", (unsigned long)steps[s], fullest);
	}
}

static bool
is_any(const struct hash_node *node, const void *key)
{
	(void)node;
	(void)key;
	return true;
}

Test(hash, a_table_of_numbers_keeps_them_and_spreads_rows_by_a_secret)
{
	enum { N = 5000 };
	uint64_t first = UINT64_MAX - N / 2; /* the numbers wrap */

	items_new(N);
	hash_init_numbers(&table, 0x1234567);
	for (uint64_t i = 0; i < N; i++)
		hash_add(&table, &items[i].node, first + i);
	for (uint64_t i = 0; i < N; i++) {
		cr_assert_eq(hash_find(&table, first + i, is_any, NULL), &items[i].node);
		cr_assert_eq(items[i].node.hash, first + i);
	}
	cr_assert_null(hash_find(&table, first + N, is_any, NULL));
	for (uint64_t i = 0; i < N; i++)
		hash_remove(&table, &items[i].node);
	items_fini(N);
}
