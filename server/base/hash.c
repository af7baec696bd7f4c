/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A chained hash table that grows by one bucket at a time (linear hashing).
 *
 * Runs on:  the thread that owns the table; pure.
 * Owns:     the buckets; members are borrowed.
 *
 * With b buckets, half <= b < 2 half, a member is in bucket hash % (2 half), or, as long as there is none of that
 * number, in bucket hash % half.  A new bucket b takes from bucket b - half what belongs to it; the order in a chain,
 * youngest first, stays.  Buckets are in segments, so that they need not be copied.
 */
#include <sodium/crypto_shorthash.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"

/* Members lie anywhere in memory: those that are looked at soon, when buckets part, are asked for early. */
enum { SEGMENT = 1 << HASH_SEGMENT_BITS, FETCH_AHEAD = 4 };

void
hash_init(struct hash *h)
{
	*h = (struct hash){ 0 };
}

void
hash_init_numbers(struct hash *h, uint64_t secret)
{
	*h = (struct hash){ .secret = secret, .has_numbers = true };
}

void
hash_fini(struct hash *h)
{
	CHECK(h->count == 0);
	for (size_t b = 0; b < h->buckets; b += SEGMENT)
		mem_free(h->segments[b / SEGMENT]);
	mem_free(h->segments);
	*h = (struct hash){ .secret = h->secret, .has_numbers = h->has_numbers };
}

/* Number h->buckets: empty. */
static void
bucket_new(struct hash *h)
{
	size_t segment = h->buckets / SEGMENT;

	if (h->buckets % SEGMENT == 0) {
		if ((segment & (segment - 1)) == 0) /* a power of two, or 0: the directory is full */
			h->segments = mem_grow(h->segments, (segment == 0 ? 1 : segment * 2) * sizeof *h->segments);
		h->segments[segment] = mem_new(SEGMENT * sizeof(struct hash_node *));
	}
	if (h->buckets > h->mask)
		h->mask = h->mask * 2 + 1;
	h->buckets++;
}

static void
grow(struct hash *h)
{
	size_t half, fresh = h->buckets;
	struct hash_node **lower, **upper, *node;

	bucket_new(h);
	if (fresh == 0)
		return;
	half = (h->mask + 1) / 2;
	if (fresh - half + FETCH_AHEAD < half)
		__builtin_prefetch(*hash_bucket(h, fresh - half + FETCH_AHEAD));
	lower = hash_bucket(h, fresh - half);
	upper = hash_bucket(h, fresh);
	for (node = *lower; node != NULL; node = node->next) {
		struct hash_node ***end = (hash_spread(h, node->hash) & half) != 0 ? &upper : &lower;

		**end = node;
		*end = &node->next;
	}
	*lower = *upper = NULL;
}

void
hash_add(struct hash *h, struct hash_node *node, uint64_t hash)
{
	struct hash_node **chain;

	if (h->count >= h->buckets)
		grow(h);
	chain = hash_chain(h, hash);
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

	struct hash_node **link = hash_chain(h, node->hash);

	while (*link != node) {
		CHECK(*link != NULL);
		link = &(*link)->next;
	}
	return link;
}

void
hash_remove(struct hash *h, struct hash_node *node)
{
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

/* A walk goes by rows as they were when it began: a member changes its bucket, but not its row, and a table that grows
 * all the time has an end all the same. */
static bool
walk_is_valid(const struct hash *h, const struct hash_walk *w)
{
	const struct hash_node *node = *hash_bucket(h, w->bucket);

	while (node != NULL && node != w->node)
		node = node->next;
	return node != NULL;
}

/* The first member in the walk's bucket or behind it. */
static void
walk_seek(const struct hash *h, struct hash_walk *w, size_t *buckets)
{
	for (w->node = NULL; *buckets > 0 && w->row < w->rows; --*buckets) {
		if ((w->node = *hash_bucket(h, w->bucket)) != NULL)
			return;
		w->bucket += w->rows;
		if (w->bucket >= h->buckets)
			w->bucket = ++w->row;
	}
}

struct hash_node *
hash_next_within(const struct hash *h, struct hash_walk *w, size_t *buckets)
{
	struct hash_node *node;

	if (h->count == 0)
		return NULL;
	if (w->rows == 0)
		w->rows = h->buckets > 1 ? (h->mask + 1) / 2 : 1;
	if (w->node != NULL && !walk_is_valid(h, w)) {
		w->node = NULL;
		w->bucket = w->row;
	}
	if (w->node == NULL)
		walk_seek(h, w, buckets);
	node = w->node;
	if (node == NULL)
		return NULL;
	w->node = node->next;
	if (w->node == NULL) {
		w->bucket += w->rows;
		if (w->bucket >= h->buckets)
			w->bucket = ++w->row;
	}
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
