/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The Tokyo Cabinet queue: names of databases, keys, order, files of gearmand 1.1 forward and back, and the size of
 * the file.  What every queue must do, the check kit asks (check.conf).
 *
 * Runs on:  one process per test.
 * Owns:     a folder per test.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/plugins/tokyo_fixture.h"

/* ---- The name ------------------------------------------------------------------------------------ */

static void
expect_refused(const char *name, const char *sentence)
{
	struct queue *q = queue_new("q.tch");

	fake_host_set(&q->host, "libtokyocabinet-file", name);
	queue_expect_no_open(q, sentence, GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(tokyo_name, what_cannot_be_a_queue_is_a_sentence)
{
	static const char *const names[] = { "/nowhere/queue", "/nowhere/queue.db", ".tch", "/nowhere/x.tcf",
		"/nowhere/x.tct#idx=f:lex", "*", "+#capnum=10" };

	expect_refused("", "needs --libtokyocabinet-file=NAME");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		expect_refused(names[i],
		    "a queue is a hash database, whose name ends in .tch, or a B+ tree, whose name ends in .tcb");
}

Test(tokyo_name, parameters_of_tokyo_are_taken)
{
	struct queue *q = queue_new("q.tch");
	char name[300];

	snprintf(name, sizeof(name), "%s#bnum=1000#apow=5#opts=d", q->db);
	fake_host_set(&q->host, "libtokyocabinet-file", name);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_str_eq(q->host.log, "");
	cr_expect_eq(queue_add(q, "f", "u", "x"), GEARMAND_COMMIT_DONE);
	cr_expect_str_eq(queue_content(q), "f/u=x");
	cr_expect_lt(file_size(q->db), 200000, "bnum counts");
	queue_free(&q);
}

Test(tokyo_name, parameters_that_do_not_shape_the_file_are_ignored_with_a_warning)
{
	static const char *const names[] = { "bmun", "mode" };
	struct queue *q = queue_opened("q.tch");

	queue_add(q, "f", "u", "x");
	for (int i = 0; i < 2; i++) {
		char name[300], sentence[100];

		queue_close(q);
		snprintf(name, sizeof(name), "%s#%s=wct", q->db, names[i]); /* "t" would throw all jobs away */
		snprintf(sentence, sizeof(sentence), "the parameter \"%s\" is ignored", names[i]);
		fake_host_set(&q->host, "libtokyocabinet-file", name);
		cr_expect_str_eq(queue_content(q), "f/u=x");
		cr_expect_not_null(strstr(q->host.log, sentence), "%s", q->host.log);
	}
	queue_free(&q);
}

/* ---- Both kinds ------------------------------------------------------------------------------------ */

#define EACH_KIND(name) for (const char *const *name = kinds; *name != NULL; name++)

static const char *const kinds[] = { "q.tch", "q.tcb", NULL };

Test(tokyo_keys, jobs_whose_names_make_the_same_key_are_two)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);

		cr_expect_eq(queue_add(q, "a", "b-c", "1"), GEARMAND_COMMIT_DONE);
		cr_expect_eq(queue_add(q, "a-b", "c", "2"), GEARMAND_COMMIT_DONE);
		cr_expect_str_eq(queue_content(q), "a/b-c=1 a-b/c=2");
		/* The first key is free now; the other job stays where it is, and is found there. */
		cr_expect_eq(queue_remove(q, "a", "b-c"), GEARMAND_COMMIT_DONE);
		cr_expect_eq(queue_add(q, "a-b", "c", "3"), GEARMAND_COMMIT_DONE);
		cr_expect_str_eq(queue_content(q), "a-b/c=3");
		cr_expect_eq(queue_add(q, "a", "b-c", "4"), GEARMAND_COMMIT_DONE);
		cr_expect_eq(queue_remove(q, "a-b", "c"), GEARMAND_COMMIT_DONE);
		cr_expect_str_eq(queue_content(q), "a/b-c=4");
		cr_expect_eq(queue_remove(q, "a-b", "c"), GEARMAND_COMMIT_DONE);
		cr_expect_str_eq(queue_content(q), "a/b-c=4", "not the other's");
		queue_close(q);
		cr_expect_eq(old_count(q), 1, "%s: nothing is left over", *kind);
		queue_free(&q);
	}
}

Test(tokyo_keys, hyphens_in_any_place_are_names_of_their_own)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);

		queue_add(q, "-", "--", "1");
		queue_add(q, "--", "-x", "2");
		queue_add(q, "---", "x", "3");
		queue_add(q, "-", "---", "4");
		queue_add(q, "-", "-x", "5");
		queue_add(q, "--", "x", "6");
		cr_expect_str_eq(queue_content(q), "-/--=1 --/-x=2 ---/x=3 -/---=4 -/-x=5 --/x=6");
		queue_free(&q);
	}
}

Test(tokyo_order, a_job_that_is_replaced_goes_to_the_end)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);

		queue_add_many(q, "u", 3);
		queue_add(q, "f", "u0", "again, and longer than before");
		cr_expect_str_eq(queue_content(q), "f/u1=u1 f/u2=u2 f/u0=again, and longer than before");
		queue_free(&q);
	}
}

Test(tokyo_order, is_that_of_submission_though_holes_are_used_again)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);

		queue_add_many(q, "a", 20);
		for (int i = 0; i < 20; i += 2) {
			char unique[16];

			snprintf(unique, sizeof(unique), "a%d", i);
			queue_remove(q, "f", unique);
		}
		queue_add_many(q, "z", 5);
		queue_add_many(q, "b", 5);
		cr_expect_str_eq(queue_content(q),
		    "f/a1=a1 f/a3=a3 f/a5=a5 f/a7=a7 f/a9=a9 f/a11=a11 f/a13=a13 f/a15=a15 "
		    "f/a17=a17 f/a19=a19 f/z0=z0 f/z1=z1 f/z2=z2 f/z3=z3 f/z4=z4 f/b0=b0 "
		    "f/b1=b1 f/b2=b2 f/b3=b3 f/b4=b4");
		queue_free(&q);
	}
}

/* Long names: their keys alone are more than a replay keeps in memory, so it takes two passes. */
Test(tokyo_order, is_kept_when_the_keys_do_not_fit_into_memory)
{
	enum { JOBS = 4500, LEN = 8192, BATCH = 500 };
	static struct gearmand_change c[BATCH];
	struct queue *q = queue_opened("q.tch");
	bool in_order = true;

	for (int n = 0; n < JOBS; n++) {
		char *function = keep(LEN);

		memset(function, 'f', LEN);
		function[snprintf(function, 16, "%d", (n * 7919) % JOBS)] = 'f';
		c[n % BATCH] = an_add(a_job((struct gearmand_slice){ function, LEN }, S("u"), S("")));
		if (n % BATCH == BATCH - 1)
			cr_assert_eq(queue_commit(q, c, BATCH), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	}
	queue_reopen_and_replay(q);
	cr_assert_eq(q->seen_count, JOBS);
	for (int n = 0; n < JOBS; n++)
		in_order = in_order && atoi(q->seen[n].function.data) == (n * 7919) % JOBS;
	cr_expect(in_order);
	queue_free(&q);
}

Test(tokyo_job, all_of_it_comes_back)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);
		struct gearmand_job job = a_job(slice_filled(8192, 1), slice_filled(64, 2), slice_filled(100000, 3));
		struct gearmand_change c;

		for (size_t i = 0; i < job.function.len; i++)
			((char *)(uintptr_t)job.function.data)[i] |= 1; /* no NUL */
		for (size_t i = 0; i < job.unique.len; i++)
			((char *)(uintptr_t)job.unique.data)[i] |= 1;
		job.handle = slice_filled(100, 4); /* any bytes, 0xff too */
		job.reducer = slice_filled(3000, 5);
		job.error = slice_filled(1000, 6);
		job.attempts = UINT32_MAX;
		job.changed_at = INT64_MAX;
		job.expires_at = 4102444800;
		job.flags = UINT32_MAX & ~(uint32_t)GEARMAND_JOB_DEAD;
		job.run_at = INT64_MAX - 9;
		job.priority = GEARMAND_LOW;
		c = an_add(job);
		cr_expect_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE);
		queue_reopen_and_replay(q);
		cr_assert_eq(q->seen_count, 1);
		cr_expect(slice_same(q->seen[0].function, job.function) && slice_same(q->seen[0].unique, job.unique));
		cr_expect(slice_same(q->seen[0].data, job.data));
		cr_expect(slice_same(q->seen[0].handle, job.handle) && slice_same(q->seen[0].reducer, job.reducer));
		cr_expect(slice_same(q->seen[0].error, job.error) && q->seen[0].attempts == UINT32_MAX);
		cr_expect(q->seen[0].changed_at == INT64_MAX && q->seen[0].expires_at == 4102444800);
		cr_expect(q->seen[0].flags == job.flags && q->seen[0].priority == GEARMAND_LOW);
		cr_expect_eq(q->seen[0].run_at, INT64_MAX - 9);
		queue_free(&q);
	}
}

/* ---- gearmand 1.1 ------------------------------------------------------------------------------------- */

Test(tokyo_takeover, jobs_of_1_1_come_first_and_are_removed)
{
	EACH_KIND(kind) {
		struct queue *q = queue_new(*kind);

		old_put(q, "resize", "u-1", "00", S("cat"));
		old_put(q, "send-mail", "7", "24102444800", S("later"));
		cr_assert(queue_open(q), "%s", q->err.text);
		queue_add(q, "a", "new", "x");
		cr_assert(queue_replay(q), "%s", q->err.text);
		cr_expect_str_eq(queue_seen(q), "resize/u-1=cat send-mail/7=later a/new=x");
		cr_expect(q->seen[0].priority == GEARMAND_HIGH && q->seen[0].run_at == 0);
		cr_expect(q->seen[1].priority == GEARMAND_LOW && q->seen[1].run_at == 4102444800);
		cr_expect(q->seen[0].handle.len == 0 && q->seen[0].reducer.len == 0 && q->seen[0].flags == 0);
		queue_remove(q, "resize", "u-1");
		queue_remove(q, "send-mail", "7");
		cr_expect_str_eq(queue_content(q), "a/new=x");
		queue_free(&q);
	}
}

Test(tokyo_takeover, payloads_with_NULs_are_whole)
{
	struct queue *q = queue_new("q.tch");

	old_put(q, "f", "u", "10", S("a\0b\0\0c"));
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert(queue_replay(q));
	cr_expect(slice_same(q->seen[0].data, S("a\0b\0\0c")));
	queue_free(&q);
}

Test(tokyo_takeover, keys_that_cannot_be_handed_back_are_replaced)
{
	EACH_KIND(kind) {
		struct queue *q = queue_new(*kind);

		old_put(q, "f", "", "10", S("empty"));
		old_put(q, "f", "-", "10", S("dash"));
		old_put(
		    q, "f", "0123456789012345678901234567890123456789012345678901234567890123456789", "10", S("long"));
		old_put_raw(q, S("nobody's key"), S("f\0u\00010\0foreign"));
		cr_assert(queue_open(q), "%s", q->err.text);
		cr_assert(queue_replay(q), "%s", q->err.text);
		cr_assert_eq(q->seen_count, 4);
		for (size_t i = 0; i < 4; i++) {
			const struct gearmand_job *job = &q->seen[i];
			bool is_dash = slice_same(job->data, S("dash"));

			cr_expect_eq(job->unique.len, 32);
			cr_expect_eq(job->flags, is_dash ? GEARMAND_JOB_UNIQUE_IS_DATA : GEARMAND_JOB_NO_UNIQUE);
		}
		for (size_t i = 0; i < 4; i++) {
			struct gearmand_change c = a_remove(q->seen[i].function, q->seen[i].unique);

			cr_expect_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE);
		}
		queue_close(q);
		cr_expect_eq(old_count(q), 0, "%s", *kind);
		queue_free(&q);
	}
}

Test(tokyo_takeover, two_records_of_one_job_are_two_jobs)
{
	struct queue *q = queue_new("q.tch");

	old_put(q, "f", "u", "10", S("1"));
	old_put_raw(q, S("elsewhere"), S("f\0u\00010\0002"));
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert(queue_replay(q), "%s", q->err.text);
	cr_expect_eq(q->seen_count, 2);
	cr_expect(!slice_same(q->seen[0].unique, q->seen[1].unique));
	queue_free(&q);
}

Test(tokyo_takeover, what_is_no_job_is_left_alone_with_a_warning)
{
	struct queue *q = queue_new("q.tch");

	old_put_raw(q, S("x\ny"), S("no job"));
	old_put_raw(q, S("z"), S("f\0u\00010"));        /* no NUL behind the epoch */
	old_put_raw(q, S("f-w"), S("f\0w\0001\0data")); /* no epoch */
	old_put(q, "f", "u", "10", S("data"));
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert(queue_replay(q), "%s", q->err.text);
	cr_expect_str_eq(queue_seen(q), "f/u=data");
	cr_expect_not_null(strstr(q->host.log, "3 records are not jobs"), "%s", q->host.log);
	queue_close(q);
	cr_expect_eq(old_count(q), 4);
	queue_free(&q);
}

Test(tokyo_takeover, the_empty_function_is_a_function)
{
	struct queue *q = queue_new("q.tch");

	old_put(q, "", "u", "10", S("old"));
	cr_assert(queue_open(q), "%s", q->err.text);
	queue_add(q, "", "v-w", "new");
	queue_add(q, "-v", "w", "other");
	cr_expect_str_eq(queue_content(q), "/u=old /v-w=new -v/w=other");
	queue_remove(q, "", "u");
	queue_remove(q, "", "v-w");
	cr_expect_str_eq(queue_content(q), "-v/w=other");
	queue_free(&q);
}

Test(tokyo_takeover, blanks_that_are_not_ours_are_blanks)
{
	struct queue *q = queue_new("q.tch");

	old_put(q, "f", "u", "0  \t\n 77", S("data"));
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert(queue_replay(q), "%s", q->err.text);
	cr_expect_str_eq(queue_seen(q), "f/u=data");
	cr_expect(q->seen[0].run_at == 77 && q->seen[0].priority == GEARMAND_HIGH && q->seen[0].handle.len == 0);
	queue_free(&q);
}

/* Form 1, sequence 2, flag 1, handle "A" and reducer "B", each digit as three blanks, and nothing of attempts. */
Test(tokyo_takeover, records_of_before_there_were_attempts_are_read)
{
	struct queue *q = queue_new("q.tch");

	old_put(q, "f", "u", "1  \t  \n  \t  \t\t\f\r  \t\t\r 77", S("data"));
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert(queue_replay(q));
	cr_expect_str_eq(queue_seen(q), "f/u=data");
	cr_expect(slice_same(q->seen[0].handle, S("A")) && slice_same(q->seen[0].reducer, S("B")));
	cr_expect(q->seen[0].flags == 1 && q->seen[0].attempts == 0 && q->seen[0].error.len == 0);
	cr_expect(q->seen[0].run_at == 77 && q->seen[0].changed_at == 0 && q->seen[0].expires_at == 0);
	queue_free(&q);
}

Test(tokyo_takeover, gearmand_1_1_reads_what_we_wrote_and_removes_it)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);
		struct gearmand_job job = a_job(S("send-mail"), S("1b4e28ba-2fa1-11d2-883f-b9a761bde3fb"), S("a\0b"));
		struct gearmand_change c;

		job.handle = S("H:host:12");
		job.reducer = S("sum\n \t");
		job.priority = GEARMAND_LOW;
		job.run_at = 1900000000;
		job.flags = 3;
		job.attempts = 7;
		job.changed_at = 1800000000;
		job.expires_at = 1900000100;
		job.error = S("no \t1 \0 2");
		c = an_add(job);
		queue_commit(q, &c, 1);
		queue_add(q, "f", "u", "");
		queue_close(q);
		cr_expect_str_eq(
		    old_seen(q), "f/u/1/0= send-mail/1b4e28ba-2fa1-11d2-883f-b9a761bde3fb/2/1900000000=a\\00b");
		cr_expect(
		    old_remove(q, "send-mail", "1b4e28ba-2fa1-11d2-883f-b9a761bde3fb") && old_remove(q, "f", "u"));
		cr_expect_str_eq(queue_content(q), "");
		queue_free(&q);
	}
}

/* ---- Holes ----------------------------------------------------------------------------------------------- */

static void
fill_and_empty(struct queue *q, int rounds, const char *prefix)
{
	struct gearmand_change *c = calloc(1000, sizeof(*c));
	struct gearmand_slice data = slice_filled(3000, 1);

	for (int r = 0; r < rounds; r++) {
		for (int op = 0; op < 2; op++) {
			for (int i = 0; i < 1000; i++) {
				char *unique = keep(24);

				snprintf(unique, 24, "%s%d-%d", prefix, r, i);
				c[i] = op == 0 ? an_add(a_job(S("f"), slice_of_text(unique), data))
					       : a_remove(S("f"), slice_of_text(unique));
			}
			cr_assert_eq(queue_commit(q, c, 1000), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		}
	}
	free(c);
}

Test(tokyo_file, does_not_grow_when_jobs_come_and_go)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);
		long size;

		fill_and_empty(q, 2, "a");
		size = file_size(q->db);
		fill_and_empty(q, 8, "b");
		cr_expect_lt(file_size(q->db), 2 * size, "%s: %ld after %ld", *kind, file_size(q->db), size);
		queue_free(&q);
	}
}

Test(tokyo_file, is_small_again_after_all_jobs_are_done_and_keeps_jobs_otherwise)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);
		struct gearmand_slice data = slice_filled(20 << 20, 1);
		struct gearmand_change c = an_add(a_job(S("f"), S("large"), data));

		cr_assert_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		queue_add(q, "f", "small", "x");
		queue_remove(q, "f", "large");
		cr_expect_str_eq(queue_content(q), "f/small=x");
		cr_expect_gt(file_size(q->db), 16 << 20);
		queue_remove(q, "f", "small");
		cr_expect_str_eq(queue_content(q), "", "%s", *kind);
		cr_expect_lt(file_size(q->db), 4 << 20, "%s", *kind);
		queue_add(q, "f", "u", "x");
		cr_expect_str_eq(queue_content(q), "f/u=x");
		queue_free(&q);
	}
}
