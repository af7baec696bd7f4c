/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs to store, lists of them, and what differs.
 *
 * Runs on:  the process of a case.
 * Owns:     see job.h.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "kit.h"

enum { SHOWN_MOST = 48 };

/* ---- Bytes -------------------------------------------------------------------------- */

struct kept {
	struct kept *next;
	char bytes[] __attribute__((aligned(16)));
};

char *
keep(size_t size)
{
	static struct kept *all;
	struct kept *k = calloc(1, sizeof(*k) + size);

	MUST(k != NULL, "the kit is out of memory");
	k->next = all;
	all = k;
	return k->bytes;
}

struct gearmand_slice
printed(const char *format, ...)
{
	va_list args;
	char *s;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	s = keep((size_t)len + 1);
	va_start(args, format);
	vsnprintf(s, (size_t)len + 1, format, args);
	va_end(args);
	return (struct gearmand_slice){ .data = s, .len = (size_t)len };
}

static void
fill(char *to, size_t len, unsigned seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		to[i] = (char)(x >> 24);
	}
}

struct gearmand_slice
filled(size_t len, unsigned seed)
{
	char *s = keep(len);

	fill(s, len, seed);
	return (struct gearmand_slice){ .data = s, .len = len };
}

const char *
shown(struct gearmand_slice s)
{
	size_t most = s.len < SHOWN_MOST ? s.len : SHOWN_MOST;
	char *to = keep(4 * most + 48);
	size_t at = 0;

	to[at++] = '"';
	for (size_t i = 0; i < most; i++) {
		unsigned char c = (unsigned char)s.data[i];

		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			to[at++] = (char)c;
		else
			at += (size_t)sprintf(to + at, "\\x%02x", c);
	}
	strcpy(to + at, "\"");
	if (s.len > most)
		sprintf(to + at, "...\" (%zu bytes)", s.len);
	return to;
}

const char *
shown_key(const struct gearmand_job *j)
{
	return printed("job %s of function %s", shown(j->unique), shown(j->function)).data;
}

/* ---- Jobs --------------------------------------------------------------------------- */

struct gearmand_job
job_of(struct gearmand_slice function, struct gearmand_slice unique, struct gearmand_slice data)
{
	return (struct gearmand_job){
		.function = function,
		.unique = unique,
		.data = data,
		.handle = { .data = "H:kit:1", .len = 7 },
		.priority = GEARMAND_NORMAL,
	};
}

/* "PREFIX N" at `*at`, which moves. */
static struct gearmand_slice
name_nth(char **at, const char *prefix, unsigned n)
{
	char *begin = *at;

	*at += sprintf(begin, "%s%u", prefix, n);
	return (struct gearmand_slice){ .data = begin, .len = (size_t)(*at - begin) };
}

struct gearmand_job
job_nth(unsigned n, size_t size, char **room)
{
	enum { NAMES = 128 };
	struct gearmand_job j = { .priority = (enum gearmand_priority)(n % 3) };
	char *at = realloc(*room, NAMES + size);

	MUST(at != NULL, "the kit is out of memory");
	*room = at;
	fill(at, size, n);
	j.data = (struct gearmand_slice){ .data = at, .len = size };
	at += size;
	j.function = name_nth(&at, "check ", n % 4);
	j.unique = name_nth(&at, "job-", n);
	j.handle = name_nth(&at, "H:kit:", n + 1);
	if (n % 5 == 0)
		j.reducer = name_nth(&at, "sum-", n);
	j.run_at = n % 7 == 0 ? INT64_C(1900000000) + n : 0;
	j.flags = n % 11 == 0 ? GEARMAND_JOB_NO_UNIQUE : 0;
	return j;
}

struct gearmand_job
job_nth_kept(unsigned n)
{
	struct jobs copy = { 0 };
	struct gearmand_job j;
	char *room = NULL;

	j = job_nth(n, 10 + n % 20, &room);
	jobs_add_copy(&copy, &j);
	j = copy.at[0];
	free(room);
	return j;
}

/* ---- Lists -------------------------------------------------------------------------- */

/* Room for one more; what it grows out of is kept, too. */
static void *
grown(void *at, size_t count, size_t *cap, size_t size)
{
	char *more;

	if (count < *cap)
		return at;
	*cap = *cap == 0 ? 16 : *cap * 2;
	more = keep(*cap * size);
	if (count > 0)
		memcpy(more, at, count * size);
	return more;
}

void
jobs_add(struct jobs *list, const struct gearmand_job *j)
{
	list->at = grown(list->at, list->count, &list->cap, sizeof(*list->at));
	list->at[list->count++] = *j;
}

static struct gearmand_slice
copied(struct gearmand_slice s)
{
	char *to = keep(s.len);

	if (s.len > 0)
		memcpy(to, s.data, s.len);
	return (struct gearmand_slice){ .data = to, .len = s.len };
}

void
jobs_add_copy(struct jobs *list, const struct gearmand_job *j)
{
	struct gearmand_job *to;

	jobs_add(list, j);
	to = &list->at[list->count - 1];
	to->function = copied(j->function);
	to->unique = copied(j->unique);
	to->data = copied(j->data);
	to->handle = copied(j->handle);
	to->reducer = copied(j->reducer);
	to->error = copied(j->error);
}

void
jobs_add_nth(struct jobs *list, unsigned first, unsigned count)
{
	for (unsigned n = first; n < first + count; n++) {
		struct gearmand_job j = job_nth_kept(n);

		jobs_add(list, &j);
	}
}

static void
batch_change(struct batch *b, enum gearmand_op op, const struct gearmand_job *j)
{
	b->at = grown(b->at, b->count, &b->cap, sizeof(*b->at));
	b->at[b->count++] = (struct gearmand_change){ .op = op, .job = *j };
}

void
batch_add(struct batch *b, struct gearmand_job j)
{
	batch_change(b, GEARMAND_ADD, &j);
}

void
batch_remove(struct batch *b, struct gearmand_slice function, struct gearmand_slice unique)
{
	batch_change(b, GEARMAND_REMOVE, &(struct gearmand_job){ .function = function, .unique = unique });
}

void
batch_bury(struct batch *b, struct gearmand_job j)
{
	j.flags |= GEARMAND_JOB_DEAD;
	batch_change(b, GEARMAND_BURY, &j);
}

void
batch_unbury(struct batch *b, struct gearmand_slice handle)
{
	batch_change(b, GEARMAND_UNBURY, &(struct gearmand_job){ .handle = handle });
}

void
batch_clear(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		free(b->at[i].reason);
	*b = (struct batch){ 0 };
}

/* ---- Comparing ---------------------------------------------------------------------- */

static const char *
difference(const char *what, struct gearmand_slice got, struct gearmand_slice expected)
{
	return printed("its %s is %s, stored was %s", what, shown(got), shown(expected)).data;
}

static const char *
past_difference(const struct gearmand_job *got, const struct gearmand_job *expected)
{
	if (got->attempts != 0 && got->attempts != expected->attempts)
		return printed("its attempts are %u, stored were %u", got->attempts, expected->attempts).data;
	if (got->changed_at != 0 && got->changed_at != expected->changed_at)
		return printed("it changed at %" PRId64 ", stored was %" PRId64, got->changed_at, expected->changed_at)
		    .data;
	if (got->expires_at != 0 && got->expires_at != expected->expires_at)
		return printed("it expires at %" PRId64 ", stored was %" PRId64, got->expires_at, expected->expires_at)
		    .data;
	if (got->error.len != 0 && !gm_same(got->error, expected->error))
		return difference("error", got->error, expected->error);
	return NULL;
}

const char *
job_difference(const struct gearmand_job *got, const struct gearmand_job *expected)
{
	if (!gm_same(got->function, expected->function))
		return difference("function", got->function, expected->function);
	if (!gm_same(got->unique, expected->unique))
		return difference("unique", got->unique, expected->unique);
	if (!gm_same(got->data, expected->data))
		return difference("payload", got->data, expected->data);
	if (!gm_same(got->reducer, expected->reducer))
		return difference("reducer", got->reducer, expected->reducer);
	if (got->handle.len != 0 && !gm_same(got->handle, expected->handle))
		return difference("handle", got->handle, expected->handle);
	if (got->priority != expected->priority)
		return printed("its priority is %d, stored was %d", (int)got->priority, (int)expected->priority).data;
	if (got->run_at != expected->run_at)
		return printed("its time is %" PRId64 ", stored was %" PRId64, got->run_at, expected->run_at).data;
	if (got->flags != 0 && got->flags != expected->flags)
		return printed("its flags are %u, stored were %u", got->flags, expected->flags).data;
	return past_difference(got, expected);
}

/* Dead ones go by their handles. */
static int
by_key(const void *a, const void *b)
{
	const struct gearmand_job *x = a, *y = b;
	bool dead = (x->flags & GEARMAND_JOB_DEAD) != 0, other_dead = (y->flags & GEARMAND_JOB_DEAD) != 0;
	int c = (int)dead - (int)other_dead;

	if (c == 0 && dead)
		c = gm_compare(x->handle, y->handle);
	if (c == 0)
		c = gm_compare(x->function, y->function);
	return c != 0 ? c : gm_compare(x->unique, y->unique);
}

static struct jobs
sorted(const struct jobs *list)
{
	struct jobs copy = { 0 };

	for (size_t i = 0; i < list->count; i++)
		jobs_add(&copy, &list->at[i]);
	if (copy.count > 0)
		qsort(copy.at, copy.count, sizeof(*copy.at), by_key);
	return copy;
}

/* Both are sorted. */
static void
keys_must_be(const struct jobs *got, const struct jobs *expected)
{
	for (size_t i = 0; i < got->count || i < expected->count; i++) {
		const struct gearmand_job *g = i < got->count ? &got->at[i] : NULL;
		const struct gearmand_job *e = i < expected->count ? &expected->at[i] : NULL;
		int c = g == NULL ? 1 : e == NULL ? -1 : by_key(g, e);

		if (c == 0)
			continue;
		if (c > 0)
			fail("%s did not come back; %zu came, stored were %zu", shown_key(e), got->count,
			    expected->count);
		if (i > 0 && by_key(g, &got->at[i - 1]) == 0)
			fail("%s came back twice", shown_key(g));
		fail("%s came back, and should not be there", shown_key(g));
	}
}

void
jobs_must_be(const struct jobs *got, const struct jobs *expected, enum order order)
{
	struct jobs g = sorted(got), e = sorted(expected);
	const char *what;

	keys_must_be(&g, &e);
	for (size_t i = 0; i < e.count; i++)
		if ((what = job_difference(&g.at[i], &e.at[i])) != NULL)
			fail("%s came back changed: %s", shown_key(&e.at[i]), what);
	for (size_t i = 0; order == IN_ORDER && i < expected->count; i++)
		if (by_key(&got->at[i], &expected->at[i]) != 0)
			fail("the order has changed: number %zu is %s, stored as that was %s", i + 1,
			    shown_key(&got->at[i]), shown_key(&expected->at[i]));
}
