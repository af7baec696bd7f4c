/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cases: a store that has no room, and a disk that takes no more.
 *
 * Runs on:  the process of a case, whose files may not grow past a limit meanwhile.
 * Owns:     nothing.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "cases.h"
#include "rig.h"

enum { JOB_BYTES = 65536, LIMIT_BYTES = 8 << 20, JOBS_MOST = 3 * LIMIT_BYTES / JOB_BYTES, TRIES = 5, REMOVED = 20 };

/* As a full disk does it: writing past the limit fails. */
static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	MUST(setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit failed");
}

/* A few times, for there may be other trouble, and the module may make room. */
static enum gearmand_commit
commit_tried(struct rig *r, struct batch *b, enum gearmand_commit until, struct gearmand_error *err)
{
	enum gearmand_commit got = GEARMAND_COMMIT_AGAIN;

	for (int i = 0; i < TRIES && got != GEARMAND_COMMIT_DONE && got != until; i++) {
		if (r->store == NULL)
			rig_open(r);
		got = rig_commit_once(r, b, err);
		if (got == GEARMAND_COMMIT_BROKEN)
			rig_close(r);
	}
	return got;
}

/* Adds one after the other until the store has no room, or that is enough. */
static enum gearmand_commit
fill_store(struct rig *r, struct jobs *stored)
{
	struct batch b = { 0 };
	struct gearmand_error err = { .text = "" };
	enum gearmand_commit got = GEARMAND_COMMIT_DONE;
	bool refused = false;

	for (unsigned n = 0; n < JOBS_MOST && got == GEARMAND_COMMIT_DONE && !refused; n++) {
		struct gearmand_job j = job_of(gm_slice("full"), printed("job %u", n), filled(JOB_BYTES, n));

		batch_add(&b, j);
		got = commit_tried(r, &b, GEARMAND_COMMIT_FULL, &err);
		refused = b.at[0].outcome == GEARMAND_REFUSED;
		if (got == GEARMAND_COMMIT_DONE && !refused)
			jobs_add(stored, &j);
		batch_clear(&b);
	}
	if (got != GEARMAND_COMMIT_DONE)
		note("commit: %s", err.text);
	return refused ? GEARMAND_COMMIT_FULL : got;
}

static void
must_be_removed(struct rig *r, const struct gearmand_job *j)
{
	struct batch b = { 0 };
	struct gearmand_error err = { .text = "" };

	batch_remove(&b, j->function, j->unique);
	MUST(commit_tried(r, &b, GEARMAND_COMMIT_DONE, &err) == GEARMAND_COMMIT_DONE,
	    "the store is full, and a removal fails %d times: %s", (int)TRIES, err.text);
	batch_clear(&b);
}

void
full_store_keeps_its_word(struct rig *r)
{
	struct jobs stored = { 0 }, left = { 0 };
	enum gearmand_commit got;

	rig_open(r);
	limit_files(LIMIT_BYTES);
	got = fill_store(r, &stored);
	if (got == GEARMAND_COMMIT_DONE) { /* it says so; is it true? */
		limit_files(RLIM_INFINITY);
		rig_must_have(r, &stored, IN_ORDER);
		skip("its files grow in another process, or not at all");
	}
	MUST(got == GEARMAND_COMMIT_FULL, "there is no room, and commit says %s instead of FULL",
	    got == GEARMAND_COMMIT_AGAIN ? "AGAIN" : "BROKEN");
	note("%zu jobs of %d bytes were stored before files had reached %d", stored.count, (int)JOB_BYTES,
	    (int)LIMIT_BYTES);
	for (size_t i = 0; i < stored.count; i++) {
		if (i < REMOVED)
			must_be_removed(r, &stored.at[i]);
		else
			jobs_add(&left, &stored.at[i]);
	}
	limit_files(RLIM_INFINITY);
	rig_must_have(r, &left, IN_ORDER);
	rig_empty(r);
}
