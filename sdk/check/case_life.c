/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cases: opening and closing, and who may have the store.
 *
 * Runs on:  the process of a case, a thread that one of them makes, and a second process.
 * Owns:     nothing.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "cases.h"
#include "other.h"
#include "rig.h"

enum { SOON = 10 }; /* seconds */

static struct jobs
some_jobs(unsigned count)
{
	struct jobs list = { 0 };

	jobs_add_nth(&list, 0, count);
	return list;
}

void
reopened_store_is_the_same(struct rig *r)
{
	struct jobs jobs = some_jobs(20);

	rig_open(r);
	rig_store_jobs(r, &jobs);
	for (int i = 0; i < 5; i++)
		rig_must_have(r, &jobs, IN_ORDER);
	rig_close(r);
	rig_close(r);
	rig_open(r);
}

void
commit_needs_no_replay_before(struct rig *r)
{
	struct jobs jobs = some_jobs(20), left = { 0 };
	struct batch b = { 0 };

	rig_open(r);
	rig_store_jobs(r, &jobs);
	rig_reopen(r);
	for (unsigned n = 0; n < 20; n++) {
		if (n % 2 == 0)
			batch_remove(&b, jobs.at[n].function, jobs.at[n].unique);
		else
			jobs_add(&left, &jobs.at[n]);
	}
	rig_store(r, &b);
	rig_reopen(r);
	jobs.at[1].data = gm_slice("replaced");
	left.at[0] = jobs.at[1];
	batch_add(&b, jobs.at[1]);
	rig_store(r, &b);
	rig_must_have(r, &left, IN_ANY_ORDER);
}

struct stop {
	unsigned calls, after;
};

static bool
on_job(void *sink, const struct gearmand_job *j)
{
	struct stop *s = sink;

	(void)j;
	MUST(s->calls < s->after, "replay went on after it was told to stop");
	return ++s->calls < s->after;
}

void
check_is_done_while_all_is_well(struct rig *r)
{
	struct jobs jobs = some_jobs(20);
	struct gearmand_error err;

	if (r->ops->check == NULL)
		skip("it has no check");
	rig_open(r);
	for (int i = 0; i < 3; i++) {
		MUST(rig_check_once(r, &err) == GEARMAND_COMMIT_DONE, "check: %s", err.text);
		rig_store_jobs(r, &jobs);
	}
	rig_must_have(r, &jobs, IN_ORDER);
	MUST(rig_check_once(r, &err) == GEARMAND_COMMIT_DONE, "check after replay: %s", err.text);
}

void
replay_stops_when_told(struct rig *r)
{
	struct jobs jobs = some_jobs(100);
	struct gearmand_error err = { .text = "" };

	rig_open(r);
	rig_store_jobs(r, &jobs);
	for (unsigned after = 1; after <= 100; after += 33) {
		struct stop s = { .after = after };

		rig_reopen(r);
		r->ops->replay(r->store, on_job, &s, &err);
		MUST(s.calls == after, "replay gave %u jobs, asked for were %u", s.calls, after);
	}
	rig_must_have(r, &jobs, IN_ORDER);
}

/* ---- Threads and what is left behind ------------------------------------------------ */

static void *
work(void *arg)
{
	struct rig *r = arg;
	struct jobs jobs = some_jobs(20);

	rig_store_jobs(r, &jobs);
	rig_close(r);
	return NULL;
}

void
store_may_change_threads(struct rig *r)
{
	struct jobs jobs = some_jobs(20);
	pthread_t thread;

	rig_open(r);
	MUST(pthread_create(&thread, NULL, work, r) == 0, "no thread can be made");
	pthread_join(thread, NULL);
	rig_must_have(r, &jobs, IN_ORDER);
}

static unsigned
entries(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned count = 0;

	MUST(dir != NULL, "%s cannot be read", folder);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* A thread that was joined may be seen a moment longer. */
static unsigned
threads_left(unsigned expected)
{
	for (int i = 0; i < 100 && entries("/proc/self/task") > expected; i++)
		gm_pause(10);
	return entries("/proc/self/task");
}

void
open_and_close_leave_nothing(struct rig *r)
{
	struct jobs jobs = some_jobs(1);
	unsigned files, threads, now;

	rig_open(r);
	rig_store_jobs(r, &jobs);
	rig_close(r); /* what a library makes once and for all is there now */
	files = entries("/proc/self/fd");
	threads = entries("/proc/self/task");
	for (int i = 0; i < 20; i++) {
		rig_must_have(r, &jobs, IN_ORDER);
		rig_store_jobs(r, &jobs);
		rig_close(r);
	}
	now = entries("/proc/self/fd");
	MUST(now <= files, "after opening and closing 20 times %u more descriptors are open", now - files);
	now = threads_left(threads);
	MUST(now <= threads, "after opening and closing 20 times there are %u more threads", now - threads);
}

/* ---- Two servers -------------------------------------------------------------------- */

enum { OPENED = 1000 }; /* else enum gearmand_why */

/* For each number it hears it tries to open, closes again, and tells what came of it. */
static void
try_when_told(struct rig *r, int fd)
{
	struct gearmand_error err;
	unsigned n;

	while (hear_number(fd, &n)) {
		unsigned got = rig_try_open(r, &err) ? OPENED : err.why;

		rig_close(r);
		tell_number(fd, got);
	}
}

static unsigned
try_to_open(struct other *o)
{
	unsigned got;

	MUST(tell_number(o->fd, 0) && hear_number(o->fd, &got), "%s ended", o->name);
	return got;
}

static void
must_open_within(struct other *o, int seconds)
{
	int64_t give_up = now_ms() + seconds * 1000;
	unsigned got;

	while ((got = try_to_open(o)) != OPENED) {
		MUST(got != GEARMAND_WHY_LASTING,
		    "after close a second server is told that it will never open the store");
		MUST(now_ms() < give_up, "%d s after close a second server cannot open the store", seconds);
		gm_pause(20);
	}
}

void
second_server_is_refused(struct rig *r)
{
	struct jobs jobs = some_jobs(3);
	struct batch b = { 0 };
	struct other second;
	unsigned got;

	rig_must_last(r);
	other_start(&second, "the second server", r, try_when_told);
	rig_open(r);
	for (unsigned n = 0; n < 3; n++) {
		got = try_to_open(&second);
		MUST(got != OPENED, "two servers have the store open at the same time");
		MUST(got == GEARMAND_WHY_IN_USE, "a second server is refused, but why is not GEARMAND_WHY_IN_USE");
		batch_add(&b, jobs.at[n]);
		rig_store(r, &b);
	}
	rig_close(r);
	must_open_within(&second, SOON);
	r->opening.is_first = true; /* like a server that is started anew: the other one has had the store meanwhile */
	rig_must_have(r, &jobs, IN_ORDER);
	MUST(try_to_open(&second) != OPENED, "two servers have the store open at the same time, after it was reopened");
	rig_close(r);
	other_end(&second);
}

/* Opens, stores, tells, and waits for the kill. */
static void
hold(struct rig *r, int fd)
{
	struct jobs jobs = some_jobs(3);
	unsigned n;

	rig_open(r);
	rig_store_jobs(r, &jobs);
	tell_number(fd, 1);
	hear_number(fd, &n);
}

void
killed_server_frees_the_store(struct rig *r)
{
	struct jobs jobs = some_jobs(3);
	struct other first;
	int64_t killed;
	unsigned n;

	rig_must_last(r);
	other_start(&first, "the first server", r, hold);
	MUST(hear_number(first.fd, &n), "the first server did not get so far");
	other_kill(&first);
	killed = now_ms();
	rig_open(r);
	note("the store could be opened %lld ms after the kill", (long long)(now_ms() - killed));
	rig_must_have(r, &jobs, IN_ORDER);
}
