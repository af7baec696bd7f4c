/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A batch of changes, down to the last change of each key.
 *
 * Runs on:  the store thread.
 * Owns:     lists of pointers into the batch.
 *
 * One statement must not touch a row twice, and only the last change of a key shows after a transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "queue_postgres.h"

static int
compare(struct gearmand_slice a, struct gearmand_slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n == 0 ? 0 : memcmp(a.data, b.data, n);

	return c != 0 ? c : (a.len > b.len) - (a.len < b.len);
}

static int
compare_keys(const struct gearmand_change *a, const struct gearmand_change *b)
{
	int c = compare(a->job.unique, b->job.unique);

	return c != 0 ? c : compare(a->job.function, b->job.function);
}

/* By key; those of one key in their order, which is that of their addresses. */
static int
by_key(const void *one, const void *two)
{
	const struct gearmand_change *a = *(struct gearmand_change *const *)one;
	const struct gearmand_change *b = *(struct gearmand_change *const *)two;
	int c = compare_keys(a, b);

	return c != 0 ? c : (a > b) - (a < b);
}

void
qp_batch_init(struct qp_batch *b, const struct gearmand_host *host, struct gearmand_change *changes, size_t count)
{
	struct gearmand_change **all = host->allocate((count + 1) * sizeof(struct gearmand_change *));
	size_t n = 0;
	bool removed = false;

	*b = (struct qp_batch){ .gone = all, .add = host->allocate((count + 1) * sizeof(*b->add)) };
	for (size_t i = 0; i < count; i++) {
		if (changes[i].outcome != GEARMAND_REFUSED) /* in an earlier try */
			all[n++] = &changes[i];
	}
	qsort(all, n, sizeof(*all), by_key);
	for (size_t i = 0; i < n; i++) {
		struct gearmand_change *c = all[i];

		if (i + 1 < n && compare_keys(c, all[i + 1]) == 0)
			removed = removed || c->op == GEARMAND_REMOVE;
		else if (c->op == GEARMAND_ADD) {
			b->add[b->add_count++] = (struct qp_add){ c, (size_t)(c - changes), removed };
			removed = false;
		} else {
			b->gone[b->gone_count++] = c; /* never ahead of i: it is the same list */
			removed = false;
		}
	}
}

void
qp_batch_fini(struct qp_batch *b, const struct gearmand_host *host)
{
	host->release(b->add);
	host->release(b->gone);
}
