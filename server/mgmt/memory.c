/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Gives memory back to the system when a load has ended.  The C library keeps what was freed in the midst of what is in
 * use, so a server that once held a million jobs would hold their memory for good.
 *
 * Runs on:  management thread.  The processing thread makes no system call but to get more memory.
 * Owns:     nothing.
 */
#include "mgmt/memory.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#define MS INT64_C(1000000)

enum {
	LOOK_EVERY_S = 2,
	WORTH_IT = 8 << 20, /* bytes above what it started with */
	QUIET_PERCENT = 5,  /* of one processor */
	WORKED_MS = 10,     /* of processor time, without which there is nothing new to give back */
	REST_FACTOR = 100   /* giving back may take one part in so many of the time */
};

bool
memory_is_due(struct memory *m, const struct memory_sample *now)
{
	nsec_t elapsed = now->at - m->last.at, cpu = now->cpu - m->last.cpu;
	bool is_quiet = cpu * 100 < elapsed * QUIET_PERCENT, has_worked = now->cpu - m->cpu >= WORKED_MS * MS;

	m->last = *now;
	if (m->least == 0 || now->rss < m->least)
		m->least = now->rss;
	return has_worked && is_quiet && now->rss >= m->least + WORTH_IT && now->at >= m->rests;
}

#ifdef __GLIBC__

static nsec_t
cpu_used(void)
{
	struct timespec t = { 0 };

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * A_SECOND + t.tv_nsec;
}

static uint64_t
resident(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%*u %llu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void
memory_look(struct memory *m, nsec_t *due_r)
{
	nsec_t now = clock_mono();

	if (now >= m->next) {
		struct memory_sample sample = { now, cpu_used(), resident() };

		if (memory_is_due(m, &sample)) {
			malloc_trim(0);
			m->rests = now + REST_FACTOR * (clock_mono() - now);
			m->last.cpu = cpu_used();
			if (resident() + WORTH_IT > sample.rss) /* else it may have been in the midst of a load */
				m->cpu = m->last.cpu;
		}
		m->next = now + LOOK_EVERY_S * A_SECOND;
	}
	if (m->next < *due_r)
		*due_r = m->next;
}

#else

void
memory_look(struct memory *m, nsec_t *due_r)
{
	(void)m;
	(void)due_r;
}

#endif
