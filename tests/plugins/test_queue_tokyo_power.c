/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The Tokyo Cabinet queue after a sudden end: of a process inside a transaction, and of power.
 *
 * Runs on:  one process per test, and children that are killed.
 * Owns:     a folder per test.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include <tcbdb.h>
#include <tchdb.h>

#include "tests/plugins/tokyo_fixture.h"

static const char *const kinds[] = { "q.tch", "q.tcb", "q.tct", NULL };

#define EACH_KIND(name) for (const char *const *name = kinds; *name != NULL; name++)

/* ---- Killed inside a transaction -------------------------------------------------------------------------- */

static void
leave_half_done(struct queue *q)
{
	char key[32];

	if (strstr(q->db, ".tcb") != NULL) {
		TCBDB *db = tcbdbnew();

		if (!tcbdbopen(db, q->db, BDBOWRITER) || !tcbdbtranbegin(db))
			_exit(1);
		for (int i = 0; i < 500; i++)
			tcbdbput(db, key, snprintf(key, sizeof(key), "k%d", i), "no job", 6);
		tcbdbout(db, "f-u1", 4);
		tcbdbmemsync(db, false);
	} else {
		TCHDB *db = tchdbnew();

		if (!tchdbopen(db, q->db, HDBOWRITER) || !tchdbtranbegin(db))
			_exit(1);
		for (int i = 0; i < 500; i++)
			tchdbput(db, key, snprintf(key, sizeof(key), "k%d", i), "no job", 6);
		tchdbout(db, "f-u1", 4);
	}
}

/* The last region of the log is cut short, as when the process is killed while it writes it: Tokyo alone would go on
 * with the head of before and the rest of after. */
Test(tokyo_killed, what_is_half_done_is_taken_back)
{
	static const char *const two[] = { "q.tch", "q.tcb", NULL };

	for (int i = 0; two[i] != NULL; i++) {
		struct queue *q = queue_opened(two[i]);
		FILE *log;

		queue_add_many(q, "u", 4);
		queue_close(q);
		kill_child(start_child(q, leave_half_done));
		log = fopen(queue_file(q, ".wal"), "a");
		cr_assert_not_null(log);
		cr_assert_eq(fwrite("\0\0\0\0\0\0\1\0\0\0\1\0half", 1, 16, log), 16);
		fclose(log);
		cr_expect_str_eq(queue_content(q), "f/u0=u0 f/u1=u1 f/u2=u2 f/u3=u3", "%s", two[i]);
		cr_expect_not_null(strstr(q->host.log, "took back an unfinished transaction"), "%s", q->host.log);
		cr_expect_eq(queue_remove(q, "f", "u1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		cr_expect_str_eq(queue_content(q), "f/u0=u0 f/u2=u2 f/u3=u3", "%s", two[i]);
		queue_close(q);
		cr_expect_eq(file_size(queue_file(q, ".wal")), -1);
		queue_free(&q);
	}
}

Test(tokyo_killed, a_log_beside_a_file_that_was_closed_in_order_means_nothing)
{
	struct queue *q = queue_opened("q.tch");
	struct gearmand_slice log;

	queue_add_many(q, "u", 4);
	queue_close(q);
	kill_child(start_child(q, leave_half_done));
	log = file_read(queue_file(q, ".wal"));
	queue_content(q);
	queue_add(q, "f", "new", "x");
	queue_close(q);
	file_put(queue_file(q, ".wal"), log);
	cr_expect_str_eq(queue_content(q), "f/u0=u0 f/u1=u1 f/u2=u2 f/u3=u3 f/new=x");
	queue_free(&q);
}

/* ---- Loss of power --------------------------------------------------------------------------------------- */

enum { PAGE = 4096, BOOT_ID_AT = 16 };

/* Each page is the one of the last sync, or a later one, by chance. */
static void
tear(const char *path, struct gearmand_slice before, struct gearmand_slice after, unsigned seed)
{
	struct gearmand_slice torn = { keep(after.len), after.len };

	memcpy((char *)(uintptr_t)torn.data, after.data, after.len);
	for (size_t at = 0; at < before.len; at += PAGE) {
		seed = seed * 1103515245u + 12345u;
		if (seed >> 30 < 2)
			memcpy((char *)(uintptr_t)torn.data + at, before.data + at,
			    before.len - at < PAGE ? before.len - at : PAGE);
	}
	if (seed >> 29 < 2) /* its end had not been written at all */
		torn.len = before.len;
	file_put(path, torn);
}

static void
work(struct queue *q)
{
	char prefix[16];

	for (int i = 0; i < 30; i++) {
		snprintf(prefix, sizeof(prefix), "w%d-", i);
		cr_assert_eq(queue_add_many(q, prefix, 20), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		if (i > 0) {
			snprintf(prefix, sizeof(prefix), "w%d-%d", i - 1, i % 20);
			cr_assert_eq(queue_remove(q, "f", prefix), GEARMAND_COMMIT_DONE);
		}
	}
}

Test(tokyo_power, its_loss_takes_nothing_that_was_committed)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);
		struct gearmand_slice before, after, journal;
		const char *want;

		queue_add_many(q, "old", 100);
		queue_close(q);
		cr_assert(queue_open(q), "%s", q->err.text);
		before = file_read(q->db); /* all of it is synced now */
		work(q);
		after = file_read(q->db);
		journal = file_read(queue_file(q, ".journal"));
		((char *)(uintptr_t)journal.data)[BOOT_ID_AT] ^= 1; /* the machine was started again */
		want = queue_content(q);
		want = strcpy(keep(strlen(want)), want);
		for (unsigned seed = 1; seed <= 12; seed++) {
			queue_close(q);
			tear(q->db, before, after, seed);
			file_put(queue_file(q, ".journal"), journal);
			cr_expect_str_eq(queue_content(q), want, "%s, %u", *kind, seed);
			cr_expect_not_null(
			    strstr(q->host.log, "the machine went down while it was open"), "%s", q->host.log);
			cr_expect_eq(queue_add(q, "f", "more", "x"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
			cr_expect_eq(queue_remove(q, "f", "old1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		}
		queue_free(&q);
	}
}

static void
work_and_stay(struct queue *q)
{
	if (!queue_open(q))
		_exit(1);
	work(q);
}

/* The server is killed, and then the power fails in the middle of a transaction: what it changed is on the disk, here
 * and there, and so is its log. */
Test(tokyo_power, its_loss_inside_a_transaction_takes_that_one_only)
{
	static const char *const two[] = { "q.tch", "q.tcb", NULL };

	for (int i = 0; two[i] != NULL; i++) {
		struct queue *q = queue_opened(two[i]);
		struct gearmand_slice before, after, journal, log;
		const char *want;

		queue_add_many(q, "u", 50);
		queue_close(q);
		cr_assert(queue_open(q), "%s", q->err.text);
		before = file_read(q->db);
		queue_close(q);
		kill_child(start_child(q, work_and_stay));
		journal = file_read(queue_file(q, ".journal"));
		((char *)(uintptr_t)journal.data)[BOOT_ID_AT] ^= 1;
		unlink(queue_file(q, ".wal")); /* empty */
		kill_child(start_child(q, leave_half_done));
		after = file_read(q->db);
		log = file_read(queue_file(q, ".wal"));
		want = queue_content(q);
		want = strcpy(keep(strlen(want)), want);
		for (unsigned seed = 1; seed <= 12; seed++) {
			queue_close(q);
			tear(q->db, before, after, seed);
			file_put(queue_file(q, ".journal"), journal);
			file_put(queue_file(q, ".wal"), log);
			cr_expect_str_eq(queue_content(q), want, "%s, %u", two[i], seed);
		}
		queue_free(&q);
	}
}

/* A batch that did not get to the disk as a whole is none, nor is what is behind it. */
Test(tokyo_power, a_torn_journal_counts_up_to_the_tear)
{
	struct queue *q = queue_opened("q.tch");
	struct gearmand_slice before, journal;
	long end;

	before = file_read(q->db);
	queue_add(q, "f", "a", "1");
	end = file_size(queue_file(q, ".journal"));
	queue_add(q, "f", "b", "2");
	queue_add(q, "f", "c", "3");
	journal = file_read(queue_file(q, ".journal"));
	((char *)(uintptr_t)journal.data)[BOOT_ID_AT] ^= 1;
	((char *)(uintptr_t)journal.data)[end + 60] ^= 1;
	queue_close(q);
	file_put(q->db, before);
	file_put(queue_file(q, ".journal"), journal);
	cr_expect_str_eq(queue_content(q), "f/a=1");
	queue_free(&q);
}

Test(tokyo_power, the_journal_is_not_used_when_only_the_server_died_nor_beside_a_closed_file)
{
	struct queue *q = queue_opened("q.tch");
	struct gearmand_slice open_file, journal;

	queue_add(q, "f", "a", "1");
	journal = file_read(queue_file(q, ".journal"));
	queue_add(q, "f", "b", "2");
	open_file = file_read(q->db);
	queue_close(q);
	file_put(q->db, open_file); /* as kill -9 leaves it: the kernel has all pages */
	file_put(queue_file(q, ".journal"), journal);
	cr_expect_str_eq(queue_content(q), "f/a=1 f/b=2");
	queue_close(q);
	((char *)(uintptr_t)journal.data)[BOOT_ID_AT] ^= 1;
	file_put(queue_file(q, ".journal"), journal);
	cr_expect_str_eq(queue_content(q), "f/a=1 f/b=2");
	queue_free(&q);
}

Test(tokyo_power, commits_larger_than_the_journal_and_many_of_them_are_whole)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);
		struct gearmand_slice data = slice_filled(3 << 20, 1);

		for (int i = 0; i < 12; i++) {
			char *unique = keep(16);
			struct gearmand_change c[2];

			snprintf(unique, 16, "u%d", i);
			c[0] = an_add(a_job(S("f"), slice_of_text(unique), data));
			c[1] = an_add(
			    a_job(S("g"), slice_of_text(unique), i % 4 == 0 ? slice_filled(9 << 20, 2) : S("x")));
			cr_assert_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
			cr_expect_leq(file_size(queue_file(q, ".journal")), 16 << 20);
		}
		queue_reopen_and_replay(q);
		cr_expect_eq(q->seen_count, 24);
		for (size_t i = 0; i < q->seen_count; i += 2)
			cr_expect(slice_same(q->seen[i].data, data));
		queue_free(&q);
	}
}
