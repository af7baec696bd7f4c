/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The Tokyo Cabinet queue after a sudden end: of a process, and of power.
 *
 * Runs on:  one process per test, and children that are killed.
 * Owns:     a folder per test.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
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

enum { FILES = 4, STATES_MOST = 64 };

/* What the disk has of the database, its journal, and the two of the dead: each as it was when it was last synced. */
static struct {
	bool is_on;
	const char *path[FILES];
	struct disk {
		struct gearmand_slice file[FILES]; /* data NULL = there is none */
	} at[STATES_MOST], now;                    /* after each sync */
	int states;
} disk;

static void
see_synced(int fd)
{
	struct stat synced, st;

	if (!disk.is_on || fstat(fd, &synced) != 0)
		return;
	for (int i = 0; i < FILES; i++) {
		if (stat(disk.path[i], &st) == 0 && st.st_ino == synced.st_ino)
			disk.now.file[i] = file_read(disk.path[i]);
	}
	cr_assert_lt(disk.states, STATES_MOST);
	disk.at[disk.states++] = disk.now;
}

int
fsync(int fd)
{
	int rc = (int)syscall(SYS_fsync, fd);

	see_synced(fd);
	return rc;
}

int
fdatasync(int fd)
{
	int rc;

	if (watched.file != NULL) {
		struct gearmand_slice now = file_read(watched.file);
		size_t len = watched.before.len;
		bool same = now.len >= len && memcmp(now.data, watched.before.data, len) == 0;

		for (size_t i = len; i < now.len && same; i++)
			same = now.data[i] == 0;
		watched.syncs++;
		watched.changed += !same;
	}
	rc = (int)syscall(SYS_fdatasync, fd);
	see_synced(fd);
	return rc;
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

/* ---- Between the files of the living and of the dead ----------------------------------------------------- */

enum { JOBS = 8, STEPS = 5, STORED_AT = 10 };

/* Commits one after the other; each has a later time than the one before. */
static const struct {
	const char *buried, *removed, *added, *unburied; /* numbers of jobs */
	const char *dead;                                /* who is that afterwards */
} steps[STEPS] = {
	{ "", "", "01234567", "", "" },
	{ "013", "013", "", "", "013" },
	{ "45", "45", "", "", "01345" },
	{ "", "", "01", "", "345" },
	{ "6", "6", "", "01", "3456" },
};

static enum gearmand_commit
take_step(struct queue *q, int step)
{
	static const char names[JOBS][2] = { "0", "1", "2", "3", "4", "5", "6", "7" };
	struct gearmand_change c[4 * JOBS];
	size_t n = 0;

	for (const char *at = steps[step].removed; *at != 0; at++)
		c[n++] = a_remove(S("f"), slice_of_text(names[*at - '0']));
	for (const char *at = steps[step].buried; *at != 0; at++)
		c[n++] =
		    a_bury(a_job(S("f"), slice_of_text(names[*at - '0']), S("x")), names[*at - '0'], STORED_AT + step);
	for (const char *at = steps[step].added; *at != 0; at++) {
		c[n] = an_add(a_job(S("f"), slice_of_text(names[*at - '0']), S("x")));
		c[n++].job.changed_at = STORED_AT + step;
	}
	for (const char *at = steps[step].unburied; *at != 0; at++)
		c[n++] = an_unbury(names[*at - '0']);
	return queue_commit(q, c, n);
}

/* Digits of those that are dead, going by the later record of each; NULL: one is lost. */
static const char *
who_is_dead(struct queue *q)
{
	int64_t changed[2][JOBS] = { 0 }; /* of the living, of the dead */
	char *who = keep(JOBS + 1), *end = who;

	for (size_t i = 0; i < q->seen_count; i++) {
		bool is_dead = (q->seen[i].flags & GEARMAND_JOB_DEAD) != 0;

		changed[is_dead][*q->seen[i].unique.data - '0'] = q->seen[i].changed_at;
	}
	for (int i = 0; i < JOBS; i++) {
		if (changed[false][i] == changed[true][i])
			return NULL;
		if (changed[true][i] > changed[false][i])
			*end++ = (char)('0' + i);
	}
	*end = 0;
	return who;
}

static void
lose_power(struct queue *q, const struct disk *d)
{
	unlink(queue_file(q, ".wal"));
	unlink(dead_file(q, ".wal"));
	for (int i = 0; i < FILES; i++) {
		unlink(disk.path[i]);
		if (d->file[i].data != NULL)
			file_put(disk.path[i], d->file[i]);
	}
}

Test(tokyo_power, its_loss_between_the_two_files_takes_no_job)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);
		int ends[STEPS], step = 1, open_ends = 0;

		memset(&disk, 0, sizeof(disk));
		disk.path[0] = q->db;
		disk.path[1] = queue_file(q, ".journal");
		disk.path[2] = dead_file(q, "");
		disk.path[3] = dead_file(q, ".journal");
		cr_assert_eq(take_step(q, 0), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		queue_close(q);
		disk.now.file[0] = file_read(q->db);
		disk.is_on = true;
		cr_assert(queue_open(q), "%s", q->err.text);
		open_ends = disk.states;
		for (int i = 1; i < STEPS; i++) {
			cr_assert_eq(take_step(q, i), GEARMAND_COMMIT_DONE, "%s", q->err.text);
			ends[i] = disk.states;
		}
		disk.is_on = false;
		cr_expect_eq(ends[4] - ends[3], 2, "one sync for each file");
		for (int i = open_ends - 1; i < disk.states; i++) {
			const char *who;

			queue_close(q);
			lose_power(q, &disk.at[i]);
			cr_assert(queue_open(q) && queue_replay(q), "%s, %d: %s", *kind, i, q->err.text);
			who = who_is_dead(q);
			cr_assert_not_null(who, "%s, %d: %s", *kind, i, queue_seen(q));
			if (i >= ends[step])
				step++;
			cr_expect(strcmp(who, steps[step].dead) == 0 ||
				      (i != ends[step] - 1 && strcmp(who, steps[step - 1].dead) == 0),
			    "%s, %d in step %d: %s are dead", *kind, i, step, who);
		}
		cr_expect_eq(step, STEPS - 1);
		queue_free(&q);
	}
}
