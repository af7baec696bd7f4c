/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cases: what became of a job so far, and dead jobs.
 *
 * Runs on:  the process of a case.
 * Owns:     nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "other.h"
#include "rig.h"

enum { MANY = 1000, ROUNDS = 6, ERROR_BYTES = 1000 };

static struct gearmand_job
job_named(const char *unique, const char *handle, const char *data)
{
	struct gearmand_job j = job_of(gm_slice("f"), gm_slice(unique), gm_slice(data));

	j.handle = gm_slice(handle);
	return j;
}

static struct gearmand_job
dead_named(const char *unique, const char *handle, const char *data)
{
	struct gearmand_job j = job_named(unique, handle, data);

	j.flags = GEARMAND_JOB_DEAD;
	j.attempts = 3;
	j.changed_at = 1700000000;
	j.error = gm_slice("it did not work");
	return j;
}

static void
must_be_there(struct rig *r, int count, const struct gearmand_job *jobs)
{
	struct jobs expected = { 0 };

	for (int i = 0; i < count; i++)
		jobs_add(&expected, &jobs[i]);
	rig_must_have(r, &expected, IN_ORDER);
}

static void
store_this(struct rig *r, struct gearmand_job j)
{
	struct batch b = { 0 };

	if (j.flags & GEARMAND_JOB_DEAD)
		batch_bury(&b, j);
	else
		batch_add(&b, j);
	rig_store(r, &b);
}

static void
must_keep_dead(const struct rig *r)
{
	if (!r->ops->keeps_dead)
		skip("this store keeps no dead jobs: the server has them in memory");
}

/* ---- Attempts ----------------------------------------------------------------------- */

/* All of it or nothing. */
static bool
has_past(struct rig *r)
{
	struct jobs seen = rig_content(r);
	size_t kept = 0;

	for (size_t i = 0; i < seen.count; i++)
		kept += (seen.at[i].attempts != 0) + (seen.at[i].changed_at != 0) + (seen.at[i].expires_at != 0) +
			(seen.at[i].error.len != 0);
	MUST(kept == 0 || kept == 4 * seen.count, "something of the past of jobs came back, and something did not");
	return kept > 0;
}

void
past_comes_back(struct rig *r)
{
	const struct gearmand_slice errors[] = { gm_slice("x"), BYTES("'\"\\%\xff\xfe\r\n\t"), filled(ERROR_BYTES, 9) };
	static const uint32_t attempts[] = { 1, 2147483648u, UINT32_MAX };
	struct jobs jobs = { 0 };

	for (int i = 0; i < 3; i++) {
		struct gearmand_job j = job_named(printed("u%d", i).data, "H:kit:1", "x");

		j.attempts = attempts[i];
		j.changed_at = INT64_C(1700000000) + i;
		j.expires_at = INT64_C(4102444800) + i;
		j.error = errors[i];
		jobs_add(&jobs, &j);
	}
	rig_open(r);
	rig_store_jobs(r, &jobs);
	rig_must_have(r, &jobs, IN_ORDER);
	if (!has_past(r))
		skip("this store has no room for attempts and errors: they are counted anew after a restart");
}

void
add_replaces_the_past(struct rig *r)
{
	struct gearmand_job first = job_named("a", "H:kit:1", "x"), second = first;
	struct jobs seen;

	second.attempts = 2;
	second.run_at = 1900000000;
	second.changed_at = 1800000000;
	second.expires_at = 1900000100;
	second.error = gm_slice("no such cat");
	rig_open(r);
	store_this(r, first);
	store_this(r, second);
	must_be_there(r, 1, &second);
	if (!has_past(r))
		skip("this store has no room for attempts and errors");
	store_this(r, first);
	seen = rig_content(r);
	MUST(seen.count == 1 && seen.at[0].attempts == 0 && seen.at[0].error.len == 0 && seen.at[0].changed_at == 0 &&
		 seen.at[0].expires_at == 0 && seen.at[0].run_at == 0,
	    "what had become of a job stays when it is stored anew");
}

/* ---- The dead ----------------------------------------------------------------------- */

void
dead_job_comes_back_last(struct rig *r)
{
	struct gearmand_job first = dead_named("a", "H:kit:9", "1"), second = dead_named("b", "H:kit:2", "");
	struct gearmand_job last = job_named("c", "H:kit:3", "x");
	struct jobs seen;

	must_keep_dead(r);
	first.flags |= GEARMAND_JOB_NO_UNIQUE;
	first.priority = GEARMAND_HIGH;
	first.reducer = gm_slice("sum");
	second.data = filled(70000, 4);
	second.function = gm_slice("\xc3\xa4 'quoted' \\ % \xff");
	rig_open(r);
	store_this(r, first);
	store_this(r, second);
	store_this(r, last);
	must_be_there(r, 3, (struct gearmand_job[]){ last, first, second });
	seen = rig_content(r);
	for (size_t i = 1; i < seen.count; i++)
		MUST(seen.at[i].attempts == 3 && seen.at[i].changed_at == 1700000000 && seen.at[i].error.len > 0,
		    "a dead job came back without what became of it");
	MUST(seen.at[1].flags == first.flags, "a dead job came back with other flags");
}

static void
unbury_one(struct rig *r, const char *handle)
{
	struct batch b = { 0 };

	batch_unbury(&b, gm_slice(handle));
	rig_store(r, &b);
}

static void
remove_one_of_f(struct rig *r, const char *unique)
{
	struct batch b = { 0 };

	batch_remove(&b, gm_slice("f"), gm_slice(unique));
	rig_store(r, &b);
}

void
dead_job_does_not_hold_its_key(struct rig *r)
{
	struct gearmand_job alive = job_named("a", "H:kit:3", "new");
	struct gearmand_job first = dead_named("a", "H:kit:1", "1"), second = dead_named("a", "H:kit:2", "2");

	must_keep_dead(r);
	rig_open(r);
	store_this(r, first);
	store_this(r, alive);
	store_this(r, second);
	must_be_there(r, 3, (struct gearmand_job[]){ alive, first, second });
	remove_one_of_f(r, "a");
	must_be_there(r, 2, (struct gearmand_job[]){ first, second });
	store_this(r, alive);
	unbury_one(r, "H:kit:1");
	must_be_there(r, 2, (struct gearmand_job[]){ alive, second });
	unbury_one(r, "H:kit:3"); /* the handle of one that lives */
	must_be_there(r, 2, (struct gearmand_job[]){ alive, second });
}

void
bury_and_unbury_may_be_repeated(struct rig *r)
{
	const struct gearmand_slice nothing = { .data = (const char *)16, .len = 1 << 30 };
	struct gearmand_job again = dead_named("b", "H:kit:1", "anew");
	struct batch b = { 0 };

	must_keep_dead(r);
	rig_open(r);
	unbury_one(r, "H:never:1");
	store_this(r, dead_named("a", "H:kit:1", "x"));
	store_this(r, dead_named("a", "H:kit:2", "y"));
	again.attempts = 4;
	store_this(r, again);
	store_this(r, again);
	must_be_there(r, 2, (struct gearmand_job[]){ dead_named("a", "H:kit:2", "y"), again });
	batch_unbury(&b, gm_slice("H:kit:1"));
	b.at[0].job.function = b.at[0].job.unique = b.at[0].job.data = b.at[0].job.error = nothing;
	rig_store(r, &b);
	unbury_one(r, "H:kit:1");
	must_be_there(r, 1, (struct gearmand_job[]){ dead_named("a", "H:kit:2", "y") });
	unbury_one(r, "H:kit:2");
	rig_must_have_nothing(r);
}

void
mixed_batch_may_be_repeated(struct rig *r)
{
	struct gearmand_job dies = dead_named("dies", "H:kit:1", "x"), kicked = dead_named("kicked", "H:kit:2", "y");
	struct gearmand_job fresh = job_named("dies", "H:kit:3", "z"), gone = job_named("gone", "H:kit:4", "w");
	struct gearmand_job ended = dead_named("gone", "H:kit:4", "w");

	must_keep_dead(r);
	rig_open(r);
	store_this(r, job_named("dies", "H:kit:1", "x"));
	store_this(r, gone);
	store_this(r, kicked);
	for (int times = 0; times < 3; times++) {
		struct batch b = { 0 };

		batch_bury(&b, dies);
		batch_add(&b, fresh); /* of the same key; its REMOVE is superfluous */
		batch_bury(&b, ended);
		batch_remove(&b, gm_slice("f"), gm_slice("gone"));
		batch_unbury(&b, kicked.handle);
		batch_add(&b, job_named("kicked", "H:kit:2", "y"));
		rig_store(r, &b);
		if (times == 1)
			rig_reopen(r);
	}
	must_be_there(r, 4, (struct gearmand_job[]){ fresh, job_named("kicked", "H:kit:2", "y"), dies, ended });
}

/* ---- kill -9 ------------------------------------------------------------------------ */

static struct gearmand_job
nth_of_many(unsigned n)
{
	struct gearmand_job j = job_nth_kept(n);

	j.data = filled(300, n);
	return j;
}

static void
bury_many(struct rig *r, int fd)
{
	struct batch b = { 0 };
	unsigned n;

	rig_open(r);
	for (n = 0; n < MANY; n++)
		batch_add(&b, nth_of_many(n));
	rig_store(r, &b);
	for (n = 0; n < MANY; n++) {
		struct gearmand_job j = nth_of_many(n);

		batch_bury(&b, j);
		batch_remove(&b, j.function, j.unique);
	}
	tell_number(fd, 1);
	rig_store(r, &b);
	tell_number(fd, 2);
	hear_number(fd, &n);
}

static void
count_many(struct rig *r, void *arg)
{
	static int alive[MANY], dead[MANY];
	struct jobs seen = rig_content(r);
	int *buried = arg;

	for (size_t i = 0; i < seen.count; i++) {
		unsigned n = (unsigned)atoi(shown(seen.at[i].handle) + strlen("\"H:kit:")) - 1;

		MUST(n < MANY, "%s was never stored", shown_key(&seen.at[i]));
		(seen.at[i].flags & GEARMAND_JOB_DEAD ? dead : alive)[n]++;
	}
	for (int n = 0; n < MANY; n++) {
		MUST(alive[n] + dead[n] > 0, "job %d is neither alive nor dead", n);
		MUST(r->kit->in_part || r->kit->dead_apart || alive[n] + dead[n] == 1, "job %d is there twice", n);
		*buried += dead[n];
	}
	note("%d of %d were dead", *buried, MANY);
	rig_empty(r);
}

void
move_that_is_killed_loses_nothing(struct rig *r)
{
	unsigned took = PATIENCE * 1000;

	must_keep_dead(r);
	rig_must_last(r);
	for (unsigned round = ROUNDS; round > 0; round--) {
		struct other victim;
		int buried = 0;
		int64_t began;
		unsigned n;

		other_start(&victim, "the server to be killed", r, bury_many);
		MUST(hear_number(victim.fd, &n), "the server to be killed ended before");
		began = now_ms();
		heard_within(victim.fd, took * round / ROUNDS);
		if (round == ROUNDS) /* it was over then */
			took = (unsigned)(now_ms() - began);
		other_kill(&victim);
		apart(r, count_many, &buried);
	}
}
