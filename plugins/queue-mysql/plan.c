/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An ordered batch becomes removals first, then additions.
 *
 * Runs on:  the store thread.
 * Owns:     the array of removals.
 *
 * What the order in the batch means stays: an ADD before a REMOVE of its key is left out, one behind it finds
 * the key free, and takes its place at the end.  ADDs keep their order, and the database takes the latter of
 * two with one key.  Removals are in the order of the key, which is the order of the index.
 */
#include <stdlib.h>
#include <string.h>

#include "queue_mysql.h"

static int
compare_slices(struct gearmand_slice a, struct gearmand_slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len == 0 ? 0 : memcmp(a.data, b.data, len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int
compare_keys(const struct gearmand_job *a, const struct gearmand_job *b)
{
	int order = compare_slices(a->function, b->function);

	return order != 0 ? order : compare_slices(a->unique, b->unique);
}

static int
compare_removals(const void *x, const void *y)
{
	const struct my_removal *a = x, *b = y;
	int order = compare_keys(a->job, b->job);

	return order != 0 ? order : (a->at < b->at) - (a->at > b->at); /* the last one first */
}

static bool
make_room(struct my_plan *p, size_t count)
{
	struct my_removal *removals;

	if (count <= p->size)
		return true;
	removals = reallocarray(p->removals, count, sizeof(*removals));
	if (removals == NULL)
		return false;
	p->removals = removals;
	p->size = count;
	return true;
}

bool
my_plan_make(struct my_plan *p, const struct gearmand_change *changes, size_t count)
{
	size_t kept = 0;

	if (!make_room(p, count))
		return false;
	p->removal_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (changes[i].op == GEARMAND_REMOVE)
			p->removals[p->removal_count++] = (struct my_removal){ .job = &changes[i].job, .at = i };
	}
	if (p->removal_count > 1)
		qsort(p->removals, p->removal_count, sizeof(*p->removals), compare_removals);
	for (size_t i = 0; i < p->removal_count; i++) {
		if (kept == 0 || compare_keys(p->removals[kept - 1].job, p->removals[i].job) != 0)
			p->removals[kept++] = p->removals[i];
	}
	p->removal_count = kept;
	return true;
}

bool
my_plan_adds(const struct my_plan *p, const struct gearmand_change *changes, size_t at)
{
	size_t low = 0, high = p->removal_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_keys(p->removals[middle].job, &changes[at].job);

		if (order == 0)
			return p->removals[middle].at < at;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return true;
}

void
my_plan_free(struct my_plan *p)
{
	free(p->removals);
	*p = (struct my_plan){ .size = 0 };
}
