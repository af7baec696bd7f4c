/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cases: batches small and large, and a replay of many jobs.
 *
 * Runs on:  the process of a case.
 * Owns:     nothing.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "rig.h"

enum { MANY = 100000, MANY_BYTES = 1024, MANY_BATCH = 4096 };
enum { MEMORY_MOST = 32 << 10 }; /* KiB; the payloads alone are three times that */

void
batch_of_1_is_stored(struct rig *r)
{
	struct jobs expected = { 0 };

	rig_open(r);
	for (unsigned n = 0; n < 50; n++) {
		struct gearmand_job j = job_nth_kept(n);
		struct batch b = { 0 };

		batch_add(&b, j);
		rig_store(r, &b);
		if (n % 2 == 0) {
			jobs_add(&expected, &j);
			continue;
		}
		batch_remove(&b, j.function, j.unique);
		rig_store(r, &b);
	}
	rig_must_have(r, &expected, IN_ORDER);
}

/* Stores that many, takes every second one out again, then the rest. */
static void
in_one_batch(struct rig *r, unsigned count)
{
	struct jobs all = { 0 }, half = { 0 };
	struct batch b = { 0 };

	jobs_add_nth(&all, 0, count);
	rig_open(r);
	rig_store_jobs(r, &all);
	rig_must_have(r, &all, IN_ORDER);
	for (unsigned n = 0; n < count; n++) {
		if (n % 2 == 0)
			batch_remove(&b, all.at[n].function, all.at[n].unique);
		else
			jobs_add(&half, &all.at[n]);
	}
	rig_store(r, &b);
	rig_must_have(r, &half, IN_ORDER);
	for (unsigned n = 0; n < count; n++)
		batch_remove(&b, all.at[n].function, all.at[n].unique);
	rig_store(r, &b);
	rig_must_have_nothing(r);
}

void
batch_of_1000_is_stored(struct rig *r)
{
	in_one_batch(r, 1000);
}

void
batch_of_50000_is_stored(struct rig *r)
{
	in_one_batch(r, 50000);
}

/* ---- Memory ------------------------------------------------------------------------- */

/* KiB that are this process's own. */
static long
memory(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long kib = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "RssAnon: %ld", &kib) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kib;
}

struct replayed {
	unsigned next;
	long before, most; /* memory */
	char *room;
};

static bool
measure_job(void *sink, const struct gearmand_job *got)
{
	struct replayed *s = sink;
	struct gearmand_job expected = job_nth(s->next, MANY_BYTES, &s->room);
	const char *what = job_difference(got, &expected);

	MUST(s->next < MANY, "more jobs came back than were stored");
	MUST(what == NULL, "number %u to come back is not what was stored as that: %s", s->next + 1, what);
	if (++s->next % 1000 == 0 && memory() > s->most)
		s->most = memory();
	return true;
}

static void
store_many(struct rig *r, void *unused)
{
	struct batch b = { 0 };
	char *rooms[MANY_BATCH] = { NULL };

	(void)unused;
	rig_open(r);
	for (unsigned n = 0; n < MANY; n++) {
		batch_add(&b, job_nth(n, MANY_BYTES, &rooms[b.count]));
		if (b.count == MANY_BATCH || n + 1 == MANY)
			rig_store(r, &b);
	}
	rig_close(r);
	for (unsigned i = 0; i < MANY_BATCH; i++)
		free(rooms[i]);
}

void
replay_takes_bounded_memory(struct rig *r)
{
	struct replayed s = { 0 };
	bool sanitized = dlsym(RTLD_DEFAULT, "__asan_init") != NULL || dlsym(RTLD_DEFAULT, "__tsan_init") != NULL;

	rig_must_last(r);
	apart(r, store_many, NULL);
	rig_open(r);
	malloc_trim(0);
	s.before = s.most = memory();
	rig_replay(r, measure_job, &s);
	MUST(s.next == MANY, "%u jobs were stored, %u came back", (unsigned)MANY, s.next);
	note("%u jobs with %u MiB of payload were replayed in %ld KiB of memory%s", (unsigned)MANY,
	    MANY * MANY_BYTES >> 20, s.most - s.before, sanitized ? ", a sanitizer's included" : "");
	MUST(sanitized || s.most - s.before <= MEMORY_MOST, "memory grew by %ld KiB during replay, at most %d are fine",
	    s.most - s.before, (int)MEMORY_MOST);
	free(s.room);
}
