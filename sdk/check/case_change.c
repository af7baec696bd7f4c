/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cases: what ADD and REMOVE do, alone, together and again.
 *
 * Runs on:  the process of a case.
 * Owns:     nothing.
 */
#include <stdlib.h>

#include "cases.h"
#include "rig.h"

static struct gearmand_job
job(const char *unique, const char *data)
{
	return job_of(gm_slice("f"), gm_slice(unique), gm_slice(data));
}

/* In this order. */
static void
content_must_be(struct rig *r, int count, const struct gearmand_job *jobs)
{
	struct jobs expected = { 0 };

	for (int i = 0; i < count; i++)
		jobs_add(&expected, &jobs[i]);
	rig_must_have(r, &expected, IN_ORDER);
}

static void
store_one(struct rig *r, struct gearmand_job j)
{
	struct batch b = { 0 };

	batch_add(&b, j);
	rig_store(r, &b);
}

static void
remove_one(struct rig *r, const char *unique)
{
	struct batch b = { 0 };

	batch_remove(&b, gm_slice("f"), gm_slice(unique));
	rig_store(r, &b);
}

void
add_of_a_stored_key_replaces(struct rig *r)
{
	struct gearmand_job second = job("a", "second, and longer");
	struct gearmand_job third = job("a", "3");

	second.priority = GEARMAND_HIGH;
	second.run_at = 1900000000;
	second.handle = gm_slice("H:kit:2");
	second.reducer = gm_slice("sum");
	rig_open(r);
	store_one(r, job("a", "first"));
	store_one(r, job("b", "other"));
	store_one(r, second);
	content_must_be(r, 2, (struct gearmand_job[]){ job("b", "other"), second });
	store_one(r, third);
	store_one(r, third);
	content_must_be(r, 2, (struct gearmand_job[]){ job("b", "other"), third });
	remove_one(r, "a");
	content_must_be(r, 1, (struct gearmand_job[]){ job("b", "other") });
}

void
remove_may_be_repeated(struct rig *r)
{
	struct batch b = { 0 };

	rig_open(r);
	remove_one(r, "never was");
	store_one(r, job("a", "x"));
	remove_one(r, "a");
	remove_one(r, "a");
	content_must_be(r, 0, NULL);
	batch_remove(&b, gm_slice("f"), gm_slice("never was"));
	batch_add(&b, job("b", "y"));
	batch_remove(&b, gm_slice("no such function"), gm_slice("b"));
	batch_remove(&b, gm_slice("f"), gm_slice("a"));
	batch_add(&b, job("c", "z"));
	rig_store(r, &b);
	content_must_be(r, 2, (struct gearmand_job[]){ job("b", "y"), job("c", "z") });
}

/* Slices that nobody may read, and numbers that mean nothing. */
void
remove_looks_at_the_key_alone(struct rig *r)
{
	const struct gearmand_slice nothing = { .data = (const char *)16, .len = 1 << 30 };
	struct batch b = { 0 };

	rig_open(r);
	store_one(r, job("a", "x"));
	store_one(r, job("b", "y"));
	batch_remove(&b, gm_slice("f"), gm_slice("a"));
	b.at[0].job.data = b.at[0].job.handle = b.at[0].job.reducer = nothing;
	b.at[0].job.run_at = INT64_MIN;
	b.at[0].job.priority = (enum gearmand_priority)99;
	b.at[0].job.flags = UINT32_MAX;
	rig_store(r, &b);
	content_must_be(r, 1, (struct gearmand_job[]){ job("b", "y") });
}

/* A batch of each kind of change, as the server repeats it when a connection broke before the answer came. */
static void
mixed_batch(struct batch *b)
{
	for (unsigned n = 0; n < 200; n++) {
		struct gearmand_job j = job_nth_kept(n);

		if (n % 2 == 0)
			batch_remove(b, j.function, j.unique);
		else
			batch_add(b, j);
	}
	batch_remove(b, gm_slice("f"), gm_slice("stored before"));
}

void
batch_may_be_repeated(struct rig *r)
{
	struct jobs expected = { 0 };
	struct batch b = { 0 };

	for (unsigned n = 1; n < 200; n += 2)
		jobs_add_nth(&expected, n, 1);
	rig_open(r);
	store_one(r, job("stored before", "x"));
	store_one(r, job_nth_kept(2));
	for (int times = 0; times < 3; times++) {
		mixed_batch(&b);
		rig_store(r, &b);
		if (times == 1)
			rig_reopen(r);
	}
	rig_must_have(r, &expected, IN_ANY_ORDER);
}

void
refusal_is_of_one_change_alone(struct rig *r)
{
	enum { HUGE_BYTES = 16 << 20, LONG = 8192 };
	struct jobs expected = { 0 };
	struct batch b = { 0 };
	char *name = keep(LONG);

	for (int i = 0; i < LONG; i++)
		name[i] = 'f';
	batch_add(&b, job("small 1", "x"));
	batch_add(&b, job_of(gm_slice("f"), gm_slice("huge"), filled(HUGE_BYTES, 5)));
	batch_add(&b, job("small 2", "y"));
	batch_add(&b, job_of((struct gearmand_slice){ name, LONG }, gm_slice("long"), gm_slice("z")));
	batch_add(&b, job("small 3", "z"));
	rig_open(r);
	rig_commit(r, &b);
	for (size_t i = 0; i < b.count; i++) {
		MUST(i % 2 != 0 || b.at[i].outcome == GEARMAND_STORED, "%s was refused beside one that is large: %s",
		    shown_key(&b.at[i].job), b.at[i].reason);
		if (b.at[i].outcome == GEARMAND_STORED)
			jobs_add(&expected, &b.at[i].job);
		else
			note("refused: %s", b.at[i].reason);
	}
	rig_must_have(r, &expected, IN_ORDER);
	batch_clear(&b);
}

/* rig_commit_once() overwrites all strings when commit is over; so whatever is still to be written is not right. */
void
strings_are_not_kept(struct rig *r)
{
	struct jobs expected = { 0 };

	rig_open(r);
	jobs_add_nth(&expected, 0, 64);
	for (size_t n = 0; n < expected.count; n++)
		store_one(r, expected.at[n]);
	rig_must_have(r, &expected, IN_ORDER);
}
