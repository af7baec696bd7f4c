/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A chained hash table that grows by steps.
 *
 * Runs on:  the thread that owns the table; pure.
 * Owns:     the bucket arrays; members are borrowed.
 *
 * While the table grows from n to 2n buckets there are two arrays.  Bucket b of the old one
 * parts into b and b + n of the new one, all of it at once, and a member is only added to
 * those two after that.  So each member is in exactly one chain that its hash tells, a
 * chain is in order of age (youngest first), and an empty old bucket needs no other mark to be
 * known as moved.
 */
#include <sodium/crypto_shorthash.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"

/* Four moves per call finish after n/4 calls; the next growth is n additions away.  Members lie anywhere in memory:
 * those that move soon are asked for early. */
enum { BUCKETS_MIN = 8, MOVES_PER_CALL = 4, FETCH_AHEAD = 8 };

void
hash_init(struct hash *h)
{
	*h = (struct hash){ 0 };
}

void
hash_fini(struct hash *h)
{
	CHECK(h->count == 0);
	mem_free(h->now.at);
	mem_free(h->old.at);
	hash_init(h);
}

static struct hash_buckets
buckets_new(size_t n)
{
	return (struct hash_buckets){ .at = mem_new(n * sizeof(struct hash_node *)), .mask = n - 1 };
}

/* Parts an old bucket; the order of its members stays. */
static void
move_bucket(struct hash *h, size_t bucket)
{
	struct hash_node **lower = &h->now.at[bucket], **upper = &h->now.at[bucket + h->old.mask + 1];
	struct hash_node *node = h->old.at[bucket];

	if (node == NULL)
		return;
	h->old.at[bucket] = NULL;
	for (; node != NULL; node = node->next) {
		struct hash_node ***end = (node->hash & (h->old.mask + 1)) != 0 ? &upper : &lower;

		**end = node;
		*end = &node->next;
	}
	*lower = *upper = NULL;
}

static void
grow_step(struct hash *h)
{
	for (int i = 0; i < MOVES_PER_CALL && h->moved <= h->old.mask; i++)
		move_bucket(h, h->moved++);
	for (size_t b = h->moved + FETCH_AHEAD; b < h->moved + FETCH_AHEAD + MOVES_PER_CALL && b <= h->old.mask; b++)
		__builtin_prefetch(h->old.at[b], 1);
	if (h->moved > h->old.mask) {
		mem_free(h->old.at);
		h->old = (struct hash_buckets){ 0 };
	}
}

static inline bool
is_growing(const struct hash *h)
{
	return h->old.at != NULL;
}

/* The chain that all members with this hash are in. */
static inline struct hash_node **
chain_of(const struct hash *h, uint64_t hash)
{
	if (is_growing(h) && h->old.at[hash & h->old.mask] != NULL)
		return &h->old.at[hash & h->old.mask];
	return &h->now.at[hash & h->now.mask];
}

struct hash_node *
hash_find(struct hash *h, uint64_t hash, hash_match_f *match, const void *key)
{
	if (h->count == 0)
		return NULL;
	if (is_growing(h))
		grow_step(h);
	for (struct hash_node *node = *chain_of(h, hash); node != NULL; node = node->next)
		if (node->hash == hash && match(node, key))
			return node;
	return NULL;
}

static void
make_room(struct hash *h)
{
	if (h->now.at == NULL)
		h->now = buckets_new(BUCKETS_MIN);
	if (is_growing(h))
		grow_step(h);
	else if (h->count > h->now.mask) {
		h->old = h->now;
		h->now = buckets_new((h->old.mask + 1) * 2);
		h->moved = 0;
	}
}

void
hash_add(struct hash *h, struct hash_node *node, uint64_t hash)
{
	make_room(h);
	if (is_growing(h))
		move_bucket(h, hash & h->old.mask);

	struct hash_node **chain = &h->now.at[hash & h->now.mask];

	node->hash = hash;
	node->next = *chain;
	*chain = node;
	h->count++;
}

/* Where the pointer to this member is. */
static struct hash_node **
link_to(const struct hash *h, const struct hash_node *node)
{
	CHECK(h->count > 0);

	struct hash_node **link = chain_of(h, node->hash);

	while (*link != node) {
		CHECK(*link != NULL);
		link = &(*link)->next;
	}
	return link;
}

void
hash_remove(struct hash *h, struct hash_node *node)
{
	if (is_growing(h))
		grow_step(h);
	*link_to(h, node) = node->next;
	node->next = NULL;
	h->count--;
}

void
hash_replace(struct hash *h, struct hash_node *old, struct hash_node *fresh)
{
	struct hash_node **link = link_to(h, old);

	fresh->hash = old->hash;
	fresh->next = old->next;
	*link = fresh;
	old->next = NULL;
}

/* A walk goes by the buckets of the smaller array; one that has been parted is two chains of
 * the larger.  Members of a bucket stay together whatever grows meanwhile, and what is in a
 * bucket below n is below or n above the same place when there are 2n. */
static struct hash_node *
walk_chain(const struct hash *h, size_t bucket, bool upper)
{
	bool parted = is_growing(h) && h->old.at[bucket] == NULL;

	if (upper)
		return parted ? h->now.at[bucket + h->old.mask + 1] : NULL;
	return is_growing(h) && !parted ? h->old.at[bucket] : h->now.at[bucket];
}

static bool
walk_is_valid(const struct hash *h, const struct hash_walk *w)
{
	const struct hash_node *node = walk_chain(h, w->bucket, w->upper);

	while (node != NULL && node != w->node)
		node = node->next;
	return node != NULL;
}

/* The first member at or after the walk's bucket. */
static void
walk_seek(const struct hash *h, struct hash_walk *w, size_t *buckets)
{
	size_t last = is_growing(h) ? h->old.mask : h->now.mask;

	for (w->node = NULL; w->bucket <= last && *buckets > 0; w->bucket++, --*buckets) {
		w->upper = false;
		w->node = walk_chain(h, w->bucket, false);
		if (w->node != NULL)
			return;
		w->upper = true;
		w->node = walk_chain(h, w->bucket, true);
		if (w->node != NULL)
			return;
	}
}

struct hash_node *
hash_next_within(const struct hash *h, struct hash_walk *w, size_t *buckets)
{
	if (h->count == 0)
		return NULL;
	if (w->node == NULL || !walk_is_valid(h, w))
		walk_seek(h, w, buckets);

	struct hash_node *node = w->node;

	if (node == NULL)
		return NULL;
	w->node = node->next;
	if (w->node == NULL && !w->upper) {
		w->upper = true;
		w->node = walk_chain(h, w->bucket, true);
	}
	if (w->node == NULL)
		w->bucket++;
	return node;
}

struct hash_node *
hash_next(const struct hash *h, struct hash_walk *w)
{
	size_t all = SIZE_MAX;

	return hash_next_within(h, w, &all);
}

uint64_t
hash_bytes(struct slice bytes, const uint8_t key[HASH_KEY_BYTES])
{
	uint64_t hash;

	_Static_assert(sizeof(hash) == crypto_shorthash_BYTES, "SipHash-2-4 gives 64 bits");
	_Static_assert((int)HASH_KEY_BYTES == (int)crypto_shorthash_KEYBYTES, "and takes a key of 128");
	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)bytes.data, bytes.len, key);
	return hash;
}

/* Each half is folded into the other twice, so low bits of the result depend on all of n. */
uint64_t
hash_number(uint64_t n)
{
	const uint64_t golden = 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio, odd */

	n = (n ^ (n >> 32)) * golden;
	n = (n ^ (n >> 29)) * golden;
	return n ^ (n >> 32);
}
