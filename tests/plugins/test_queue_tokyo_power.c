/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The Tokyo Cabinet queue after a sudden end: of a process, and of power.
 *
 * Runs on:  one process per test, and children that are killed.
 * Owns:     a folder per test.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/plugins/tokyo_fixture.h"

static const char *const kinds[] = { "q.tch", "q.tcb", NULL };

#define EACH_KIND(name) for (const char *const *name = kinds; *name != NULL; name++)

/* ---- Loss of power --------------------------------------------------------------------------------------- */

enum { PAGE = 4096 };

/* What the disk has of the file while the journal is synced: the program's own fdatasync() comes before the C
 * library's. */
static struct {
	const char *file; /* NULL = nobody wants to know */
	struct gearmand_slice before;
	int syncs, changed;
} watched;

int
fdatasync(int fd)
{
	if (watched.file != NULL) {
		struct gearmand_slice now = file_read(watched.file);
		size_t len = watched.before.len;
		bool same = now.len >= len && memcmp(now.data, watched.before.data, len) == 0;

		for (size_t i = len; i < now.len && same; i++)
			same = now.data[i] == 0;
		watched.syncs++;
		watched.changed += !same;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

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

Test(tokyo_power, the_file_never_has_what_the_journal_has_not)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);

		watched.file = q->db;
		for (int i = 0; i < 40; i++) {
			char prefix[16];

			snprintf(prefix, sizeof(prefix), "w%d-", i % 10);
			watched.syncs = 0;
			watched.before = file_read(q->db);
			if (i % 3 == 2)
				queue_remove(q, "f", "w1-1");
			else
				queue_add_many(q, prefix, 50);
			cr_expect_eq(watched.syncs, 1, "%d", watched.syncs);
		}
		cr_expect_eq(watched.changed, 0, "%s: %d", *kind, watched.changed);
		watched.file = NULL;
		queue_free(&q);
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
		want = queue_content(q);
		want = strcpy(keep(strlen(want)), want);
		for (unsigned seed = 1; seed <= 12; seed++) {
			queue_close(q);
			tear(q->db, before, after, seed);
			file_put(queue_file(q, ".journal"), journal);
			cr_expect_str_eq(queue_content(q), want, "%s, %u", *kind, seed);
			cr_expect_not_null(strstr(q->host.log, "repeated its last commits"), "%s", q->host.log);
			cr_expect_eq(queue_add(q, "f", "more", "x"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
			cr_expect_eq(queue_remove(q, "f", "old1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		}
		queue_free(&q);
	}
}

/* A batch that did not get to the disk as a whole is none, nor is what is behind it. */
Test(tokyo_power, a_torn_journal_counts_up_to_the_tear)
{
	struct queue *q = queue_opened("q.tch");
	struct gearmand_slice before, journal;
	char *second;

	before = file_read(q->db);
	queue_add(q, "f", "a", "1");
	queue_add(q, "f", "b", "2");
	queue_add(q, "f", "c", "3");
	journal = file_read(queue_file(q, ".journal"));
	second = memmem(journal.data, journal.len, "f-b", 3);
	cr_assert_not_null(second);
	*second = 'g';
	queue_close(q);
	file_put(q->db, before);
	file_put(queue_file(q, ".journal"), journal);
	cr_expect_str_eq(queue_content(q), "f/a=1");
	queue_free(&q);
}

/* Whoever closed it may have changed it. */
Test(tokyo_power, a_journal_beside_a_file_that_was_closed_in_order_means_nothing)
{
	struct queue *q = queue_opened("q.tch");
	struct gearmand_slice journal;

	queue_add(q, "f", "a", "1");
	journal = file_read(queue_file(q, ".journal"));
	queue_add(q, "f", "b", "2");
	queue_close(q);
	cr_expect(old_remove(q, "f", "b"));
	file_put(queue_file(q, ".journal"), journal);
	cr_expect_str_eq(queue_content(q), "f/a=1");
	queue_close(q);
	cr_expect_eq(file_size(queue_file(q, ".journal")), -1);
	cr_expect_eq(file_size(queue_file(q, ".wal")), -1);
	queue_free(&q);
}

static void
work_and_stay(struct queue *q)
{
	if (!queue_open(q))
		_exit(1);
	work(q);
}

/* The kernel wrote each page of the file or did not, and the last batch got into the file in part. */
Test(tokyo_power, a_killed_server_leaves_what_it_committed)
{
	EACH_KIND(kind) {
		struct queue *q = queue_new(*kind);
		struct gearmand_slice after, journal;
		const char *want;

		kill_child(start_child(q, work_and_stay));
		after = file_read(q->db);
		journal = file_read(queue_file(q, ".journal"));
		want = queue_content(q);
		want = strcpy(keep(strlen(want)), want);
		cr_expect_eq(q->seen_count, 600 - 29);
		queue_close(q);
		file_put(q->db, after);
		file_put(queue_file(q, ".journal"), journal);
		file_put(
		    queue_file(q, ".wal"), S("\0\0\0\0\0\0\0\1half of a transaction of which the file has nothing"));
		cr_expect_str_eq(queue_content(q), want, "%s", *kind);
		queue_free(&q);
	}
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
			cr_expect_leq(file_size(queue_file(q, ".journal")), 8 << 20);
		}
		queue_reopen_and_replay(q);
		cr_expect_eq(q->seen_count, 24);
		for (size_t i = 0; i < q->seen_count; i += 2)
			cr_expect(slice_same(q->seen[i].data, data));
		queue_free(&q);
	}
}
