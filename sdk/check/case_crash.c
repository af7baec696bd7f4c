/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cases: kill -9 of the server, inside a commit and between two.
 *
 * Runs on:  the process of a case, which never opens the store itself; one that is killed; one that looks at
 *           what is left.
 * Owns:     nothing.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cases.h"
#include "other.h"
#include "rig.h"

enum { FIRST = 200, SECOND = 3000, SECOND_BYTES = 500 }; /* jobs of the first and the second batch */
enum { ROUNDS = 12, ROUNDS_LEAST = 3, TIME_MOST = 60000 };
enum { COMMITTING = 1, COMMITTED = 2 };

static struct gearmand_job
nth(unsigned n)
{
	struct gearmand_job j = job_nth_kept(n);

	if (n >= FIRST)
		j.data = filled(SECOND_BYTES, n);
	return j;
}

/* The second batch also removes every second job of the first. */
static bool
is_removed(unsigned n)
{
	return n < FIRST && n % 2 == 0;
}

static void
commit_two(struct rig *r, int fd)
{
	struct batch b = { 0 };
	unsigned n;

	rig_open(r);
	for (n = 0; n < FIRST; n++)
		batch_add(&b, nth(n));
	rig_store(r, &b);
	for (n = 0; n < FIRST + SECOND; n++) {
		struct gearmand_job j = nth(n);

		if (is_removed(n))
			batch_remove(&b, j.function, j.unique);
		else if (n >= FIRST)
			batch_add(&b, j);
	}
	tell_number(fd, COMMITTING);
	rig_store(r, &b);
	tell_number(fd, COMMITTED);
	hear_number(fd, &n);
}

/* What may be there: before the second batch, or after it. */
static struct jobs
expected(bool second)
{
	struct jobs list = { 0 };

	for (unsigned n = 0; n < (second ? FIRST + SECOND : FIRST); n++) {
		struct gearmand_job j = nth(n);

		if (!second || !is_removed(n))
			jobs_add(&list, &j);
	}
	return list;
}

/* Without transactions: whatever is there must be whole, and what no change was about must be there. */
static void
part_must_be_sound(const struct jobs *seen)
{
	struct jobs sound = { 0 };
	size_t at = 0;

	for (unsigned n = 0; n < FIRST + SECOND; n++) {
		struct gearmand_job j = nth(n);

		if (at < seen->count && gm_same(seen->at[at].unique, j.unique) &&
		    gm_same(seen->at[at].function, j.function))
			at++;
		else if (n >= FIRST || is_removed(n))
			continue;
		jobs_add(&sound, &j);
	}
	jobs_must_be(seen, &sound, IN_ORDER);
}

/* `arg`: whether the second batch was DONE. */
static void
look(struct rig *r, void *arg)
{
	const bool *committed = arg;
	struct jobs seen = rig_content(r), before = expected(false), after = expected(true);

	if (!*committed && r->kit->in_part)
		part_must_be_sound(&seen);
	else if (*committed || seen.count == after.count)
		jobs_must_be(&seen, &after, IN_ORDER);
	else
		jobs_must_be(&seen, &before, IN_ORDER);
	rig_empty(r);
}

/* Kills `wait` ms after the second commit began (0 = not before it is over); returns how long it had run. */
static unsigned
kill_inside(struct rig *r, int wait, bool *committed)
{
	struct other victim;
	int64_t began;
	unsigned n, took;

	other_start(&victim, "the server to be killed", r, commit_two);
	MUST(hear_number(victim.fd, &n), "the server to be killed ended before");
	began = now_ms();
	*committed = heard_within(victim.fd, wait < 0 ? PATIENCE * 1000 : (unsigned)wait);
	took = (unsigned)(now_ms() - began);
	MUST(wait >= 0 || *committed, "a commit of %d changes took more than %d s", SECOND + FIRST / 2, PATIENCE);
	other_kill(&victim);
	return took;
}

void
commit_that_is_killed_is_all_or_nothing(struct rig *r)
{
	int64_t began = now_ms();
	unsigned took, inside = 0;
	bool committed;
	int round;

	rig_must_last(r);
	took = kill_inside(r, -1, &committed);
	apart(r, look, &committed);
	for (round = 0; round < ROUNDS; round++) {
		if (round >= ROUNDS_LEAST && now_ms() - began > TIME_MOST)
			break;
		kill_inside(r, (int)(took * (unsigned)round / ROUNDS), &committed);
		inside += !committed;
		apart(r, look, &committed);
	}
	note("a commit of %d changes takes %u ms; killed inside %u times of %d", SECOND + FIRST / 2, took, inside,
	    round);
}

/* ---- Between commits ---------------------------------------------------------------- */

enum { PER_BATCH = 7, KILLS = 5, LEAST = 3, MOST = 300 }; /* batches before the kill */

/* Stores batches of PER_BATCH jobs, and tells how many batches are DONE. */
static void
commit_on(struct rig *r, int fd)
{
	struct batch b = { 0 };

	rig_open(r);
	for (unsigned done = 0;; done++) {
		if (!tell_number(fd, done))
			return;
		for (unsigned i = 0; i < PER_BATCH; i++)
			batch_add(&b, job_nth_kept(done * PER_BATCH + i));
		rig_store(r, &b);
	}
}

static void
look_on(struct rig *r, void *arg)
{
	const unsigned *done = arg;
	struct jobs seen = rig_content(r), list = { 0 };
	size_t most = (size_t)(*done + 2) * PER_BATCH; /* one is DONE and untold, one under way */

	MUST(
	    seen.count >= (size_t)*done * PER_BATCH, "%u jobs were DONE, %zu came back", *done * PER_BATCH, seen.count);
	MUST(seen.count <= most, "%zu jobs came back, at most %zu were given to commit", seen.count, most);
	MUST(r->kit->in_part || seen.count % PER_BATCH == 0, "a batch of %d came back in part", PER_BATCH);
	jobs_add_nth(&list, 0, (unsigned)seen.count);
	jobs_must_be(&seen, &list, IN_ORDER);
	rig_empty(r);
}

void
committed_batches_survive_a_kill(struct rig *r)
{
	unsigned done = 0, n;

	rig_must_last(r);
	for (unsigned round = 0; round < KILLS; round++) {
		int64_t until = now_ms() + 50 + 37 * round;
		struct other victim;

		other_start(&victim, "the server to be killed", r, commit_on);
		do
			MUST(hear_number(victim.fd, &done), "the server to be killed ended before");
		while (done < LEAST || (done < MOST && now_ms() < until));
		kill(victim.pid, SIGKILL);
		while (hear_number(victim.fd, &n))
			done = n;
		other_kill(&victim);
		apart(r, look_on, &done);
	}
	note("killed %d times, the last time after %u batches", KILLS, done);
}
