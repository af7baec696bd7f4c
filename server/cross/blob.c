/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bodies of packets: filled by the one thread that made them, then only read, by any.
 *
 * Runs on:  any thread.
 * Owns:     nothing; a blob belongs to its references together.
 */
#include "cross/blob.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { BLOB_CAP_MIN = 64 };

/* The sum of large blobs' capacities.  Small ones come and go much more often than this word should travel. */
size_t blob_all_bytes;

static void
blob_count(size_t cap, bool more)
{
	if (cap >= BLOB_CAP_COUNTED)
		__atomic_add_fetch(&blob_all_bytes, more ? cap : -cap, __ATOMIC_RELAXED);
}

static struct blob *
blob_sized(struct blob *old, size_t cap)
{
	size_t old_cap = old == NULL ? 0 : old->cap;
	struct blob *b;

	if (cap > UINT32_MAX)
		return NULL;
	b = mem_try_grow(old, sizeof *b + cap);
	if (b == NULL)
		return NULL;
	blob_count(old_cap, false);
	blob_count(cap, true);
	b->cap = (uint32_t)cap;
	return b;
}

struct blob *
blob_new(size_t cap)
{
	struct blob *b = blob_sized(NULL, cap);

	if (b != NULL) {
		b->refs = 1;
		b->len = 0;
	}
	return b;
}

struct blob *
blob_copy(struct slice s)
{
	struct blob *b = blob_new(s.len);

	if (b != NULL && s.len > 0) {
		memcpy(b->data, s.data, s.len);
		b->len = (uint32_t)s.len;
	}
	return b;
}

bool
blob_reserve(struct blob **b, size_t cap)
{
	struct blob *grown;

	CHECK(__atomic_load_n(&(*b)->refs, __ATOMIC_RELAXED) == 1);
	if (cap <= (*b)->cap)
		return true;
	grown = blob_sized(*b, cap);
	if (grown == NULL)
		return false;
	*b = grown;
	return true;
}

/* Doubles, so that many small additions cost what one large one does. */
static bool
blob_grow(struct blob **b, size_t need)
{
	size_t cap = (size_t)(*b)->cap * 2;

	if (cap < BLOB_CAP_MIN)
		cap = BLOB_CAP_MIN;
	if (cap < need)
		cap = need;
	if (cap > UINT32_MAX)
		cap = UINT32_MAX;
	return cap >= need && blob_reserve(b, cap);
}

bool
blob_add(struct blob **b, struct slice s)
{
	size_t need = (size_t)(*b)->len + s.len;

	CHECK(__atomic_load_n(&(*b)->refs, __ATOMIC_RELAXED) == 1);
	if (s.len == 0)
		return true;
	if (need > (*b)->cap && !blob_grow(b, need))
		return false;
	memcpy((*b)->data + (*b)->len, s.data, s.len);
	(*b)->len = (uint32_t)need;
	return true;
}

struct blob *
blob_ref(struct blob *b)
{
	if (b != NULL)
		__atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
	return b;
}

void
blob_unref(struct blob **bp)
{
	struct blob *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	/* The last reference needs no locked instruction: nobody else can take another. */
	if (__atomic_load_n(&b->refs, __ATOMIC_ACQUIRE) != 1 && __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	blob_count(b->cap, false);
	mem_free(b);
}
