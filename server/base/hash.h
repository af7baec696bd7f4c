/* SPDX-License-Identifier: BSD-3-Clause
 *
 * hash.h - hash tables whose links live in their members, growing by steps.
 *
 * Runs on:  the thread that owns the table; pure.
 * Owns:     the bucket arrays only.
 *
 * The caller brings the hash value.  Names that a peer chooses must be hashed with
 * hash_bytes(), which is keyed (SipHash-2-4, from libsodium), so chosen keys gain
 * nothing; numbers that we hand out ourselves go through hash_number().  A table of numbers
 * takes the numbers themselves, so that a member need not keep its number beside.
 *
 * A table grows by one bucket with each member, so none of them pays for a rehash.
 */
#ifndef GEARMAND_BASE_HASH_H
#define GEARMAND_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum { HASH_KEY_BYTES = 16, HASH_SEGMENT_BITS = 10, HASH_NEIGHBOURS = 256 };

struct hash_node {
	struct hash_node *next;
	uint64_t hash; /* in a table of numbers, the number */
};

struct hash {
	struct hash_node ***segments; /* of buckets */
	size_t buckets;               /* about as many as there were ever members at once */
	size_t mask;                  /* the smallest 2^n - 1 that has all their numbers */
	size_t count;                 /* members */
	uint64_t secret;              /* a table of numbers: what they are mixed with */
	bool has_numbers;
};

/* Is this member the one looked for?  Called only for equal hash values. */
typedef bool hash_match_f(const struct hash_node *, const void *key);

void hash_init(struct hash *);
/* A table of numbers: wherever a hash value is meant, the number is given.  Numbers of about the same size are in
 * neighbouring buckets, but nobody who does not know the secret can tell where such a row lies. */
void hash_init_numbers(struct hash *, uint64_t secret);
void hash_fini(struct hash *); /* must be empty */

void hash_add(struct hash *, struct hash_node *, uint64_t hash); /* not a member yet */
void hash_remove(struct hash *, struct hash_node *);             /* a member */
/* Puts `fresh` where `old` is; both have the same key. */
void hash_replace(struct hash *, struct hash_node *old, struct hash_node *fresh);

/* A walk in no particular order.  Start with {0}.  Adding and removing (also freeing) any
 * members between two calls is allowed: none that stays is left out, and none comes twice
 * unless a member other than the last one given left, or the table grew, meanwhile. */
struct hash_walk {
	size_t rows;            /* a row is all buckets with the same remainder by this power of two; 0 = not begun */
	size_t row, bucket;     /* where it is */
	struct hash_node *node; /* the next one; only compared until it is found to be a member still */
};
struct hash_node *hash_next(const struct hash *, struct hash_walk *);
/* The same, but it looks at no more than *buckets buckets, which it counts down: NULL with 0 left says
 * nothing of the end. */
struct hash_node *hash_next_within(const struct hash *, struct hash_walk *, size_t *buckets);

uint64_t hash_bytes(struct slice, const uint8_t key[HASH_KEY_BYTES]);
/* Each half is folded into the other twice, so low bits of the result depend on all of n. */
static inline uint64_t
hash_number(uint64_t n)
{
	const uint64_t golden = 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio, odd */

	n = (n ^ (n >> 32)) * golden;
	n = (n ^ (n >> 29)) * golden;
	return n ^ (n >> 32);
}

/* Its low bits say where a member is. */
static inline uint64_t
hash_spread(const struct hash *h, uint64_t hash)
{
	if (!h->has_numbers)
		return hash;
	return hash_number(hash / HASH_NEIGHBOURS ^ h->secret) * HASH_NEIGHBOURS + hash % HASH_NEIGHBOURS;
}

static inline struct hash_node **
hash_bucket(const struct hash *h, size_t bucket)
{
	return &h->segments[bucket >> HASH_SEGMENT_BITS][bucket & ((1 << HASH_SEGMENT_BITS) - 1)];
}

/* The chain that all members with this hash are in; there is a bucket. */
static inline struct hash_node **
hash_chain(const struct hash *h, uint64_t hash)
{
	size_t bucket = hash_spread(h, hash) & h->mask;

	return hash_bucket(h, bucket < h->buckets ? bucket : bucket & h->mask >> 1);
}

/* The most recently added member that matches, or NULL.  Inline, so that the match is.  Without one (NULL) the hash
 * value says it all: a table of numbers. */
static inline struct hash_node *
hash_find(const struct hash *h, uint64_t hash, hash_match_f *match, const void *key)
{
	if (h->count == 0)
		return NULL;
	for (struct hash_node *node = *hash_chain(h, hash); node != NULL; node = node->next)
		if (node->hash == hash && (match == NULL || match(node, key)))
			return node;
	return NULL;
}

#endif
