/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When the world is against it, the SQLite queue says so in a sentence, stores nothing by halves, and goes on
 * when the cause is gone.
 *
 * Runs on:  one process per test.
 * Owns:     a folder per test.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/plugins/sqlite_fixture.h"
#include "tests/plugins/sqlite_lever.h"

/* ---- While running --------------------------------------------------------------------------- */

Test(sqlite_run, a_locked_file_means_again_and_nothing_by_halves)
{
	struct queue *q = queue_opened();
	struct gearmand_change batch[] = {
		a_remove(S("f"), S("old")),
		an_add(a_job(S("f"), S("new"), S("2"))),
	};
	struct other o;

	queue_add(q, "f", "old", "1");
	o = other_start(q, "BEGIN EXCLUSIVE;");
	for (int i = 0; i < 3; i++) {
		cr_expect_eq(queue_commit(q, batch, 2), GEARMAND_COMMIT_AGAIN);
		EXPECT_SENTENCE(q, "locked by another process");
		EXPECT_SENTENCE(q, q->db);
	}
	other_end(&o);
	cr_expect_eq(queue_commit(q, batch, 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/new=2");
	queue_free(&q);
}

Test(sqlite_run, a_reader_does_not_disturb)
{
	struct queue *q = queue_opened();
	struct other o;

	queue_add(q, "f", "a", "1");
	o = other_start(q, "BEGIN; SELECT count(*) FROM gearman_queue;");
	cr_expect_eq(queue_add(q, "f", "b", "2"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(queue_remove(q, "f", "a"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	other_end(&o);
	cr_expect_str_eq(queue_content(q), "f/b=2");
	queue_free(&q);
}

static const char *
big_text(size_t len)
{
	char *text = keep(len);

	memset(text, 'x', len);
	text[len] = '\0';
	return text;
}

/* Fills until it stays full; what was called stored must be all there is. */
static size_t
fill(struct queue *q)
{
	const char *text = big_text(20000);
	size_t stored = 0;
	int full = 0;

	while (full < 5) {
		char unique[32];
		enum gearmand_commit c;

		snprintf(unique, sizeof(unique), "u%zu", stored);
		c = queue_add(q, "f", unique, text);
		cr_assert(c == GEARMAND_COMMIT_DONE || c == GEARMAND_COMMIT_FULL, "%s", q->err.text);
		full = c == GEARMAND_COMMIT_DONE ? 0 : full + 1;
		stored += c == GEARMAND_COMMIT_DONE;
		cr_assert_lt(stored, 10000);
	}
	return stored;
}

static void
expect_full_then_well(struct queue *q, const char *sentence, void (*make_room)(struct queue *))
{
	size_t stored = fill(q);

	EXPECT_SENTENCE(q, sentence);
	EXPECT_SENTENCE(q, q->db);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(queue_add(q, "f", "more", big_text(50000)), GEARMAND_COMMIT_FULL);
	make_room(q);
	cr_expect_eq(queue_add(q, "f", "more", "2"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, stored + 1);
}

static void
lift_limit(struct queue *q)
{
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

	(void)q;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
}

Test(sqlite_run, a_limit_on_the_size_of_files_is_no_room)
{
	const struct rlimit limit = { 1 << 20, RLIM_INFINITY };
	struct queue *q = queue_opened();

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	expect_full_then_well(q, "no room", lift_limit);
	queue_free(&q);
}

static void
remove_ballast(struct queue *q)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/ballast", q->dir);
	cr_assert_eq(unlink(path), 0);
}

Test(sqlite_run, a_full_disk_is_told)
{
	char mount_at[] = "/tmp/gearmand-full.XXXXXX", ballast[256];
	struct queue *q;

	cr_assert_not_null(mkdtemp(mount_at));
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", mount_at, "tmpfs", 0, "size=4m") != 0) {
		rmdir(mount_at);
		cr_skip_test("may not mount a small disk (not root)");
	}
	q = queue_new_in(mount_at);
	snprintf(ballast, sizeof(ballast), "%s/ballast", q->dir);
	cr_assert(queue_open(q), "%s", q->err.text);
	file_write(ballast, big_text(1 << 20));
	expect_full_then_well(q, "no room", remove_ballast);
	queue_free(&q);
	umount(mount_at);
	rmdir(mount_at);
}

/* A disk that the queue itself has filled: what is done can be removed to the last job, and then there is room again.
 */
static void
fill_and_empty(struct queue *q)
{
	size_t stored = fill(q);

	cr_assert_gt(stored, 3);
	for (size_t i = 0; i < stored; i++) {
		char unique[32];

		snprintf(unique, sizeof(unique), "u%zu", i);
		cr_assert_eq(
		    queue_remove(q, "f", unique), GEARMAND_COMMIT_DONE, "%zu of %zu: %s", i, stored, q->err.text);
	}
	cr_expect_eq(queue_add(q, "f", "again", big_text(20000)), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(queue_remove(q, "f", "again"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, 0);
}

Test(sqlite_run, a_disk_that_the_queue_filled_can_be_emptied)
{
	static const char *const sizes[] = { "size=2m", "size=8m", "size=40m" };

	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) != 0)
		cr_skip_test("may not mount a small disk (not root)");
	for (int i = 0; i < 3; i++) {
		char mount_at[] = "/tmp/gearmand-full.XXXXXX";
		struct queue *q;

		cr_assert_not_null(mkdtemp(mount_at));
		cr_assert_eq(mount("tmpfs", mount_at, "tmpfs", 0, sizes[i]), 0);
		q = queue_new_in(mount_at);
		cr_assert(queue_open(q), "%s", q->err.text);
		fill_and_empty(q);
		queue_free(&q);
		umount(mount_at);
		rmdir(mount_at);
	}
}

Test(sqlite_run, files_that_reached_their_limit_can_be_emptied)
{
	const struct rlimit limit = { 3 << 20, RLIM_INFINITY };
	struct queue *q = queue_opened();

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	fill_and_empty(q);
	queue_free(&q);
}

/* While the database has room inside, a full disk stops nothing for long: the log starts over. */
Test(sqlite_run, a_full_disk_is_no_trouble_while_the_database_has_room)
{
	struct rlimit limit = { 0, RLIM_INFINITY };
	struct queue *q = queue_opened();
	const char *text = big_text(40000);
	struct stat st;

	signal(SIGXFSZ, SIG_IGN);
	for (int i = 0; i < 20; i++)
		cr_assert_eq(queue_add(q, "f", "room", big_text(1 << 20)), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_assert_eq(queue_remove(q, "f", "room"), GEARMAND_COMMIT_DONE);
	queue_close(q);
	cr_assert_eq(stat(q->db, &st), 0);
	limit.rlim_cur = (rlim_t)st.st_size;
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (int i = 0; i < 200; i++) {
		char unique[32];
		enum gearmand_commit c;

		snprintf(unique, sizeof(unique), "u%d", i % 4);
		c = i % 8 < 4 ? queue_add(q, "f", unique, text) : queue_remove(q, "f", unique);
		if (c == GEARMAND_COMMIT_FULL)
			c = i % 8 < 4 ? queue_add(q, "f", unique, text) : queue_remove(q, "f", unique);
		cr_assert_eq(c, GEARMAND_COMMIT_DONE, "%d: %s", i, q->err.text);
	}
	cr_expect_str_eq(queue_content(q), "");
	queue_free(&q);
}

/* Whichever write or sync fails, nothing is called stored, nothing sticks, and the batch goes through later.
 * Returns false when `calls` are more than a commit makes. */
static bool
commit_with_failure(int error, int calls)
{
	struct queue *q = queue_opened();
	struct gearmand_change batch[] = {
		an_add(a_job(S("f"), S("b"), slice_filled(30000, 3))),
		a_remove(S("f"), S("a")),
		an_add(a_job(S("f"), S("c"), S("3"))),
	};
	enum gearmand_commit c;
	int failed;

	queue_add(q, "f", "a", "1");
	lever_set(error, calls);
	c = queue_commit(q, batch, 3);
	failed = lever_failed();
	lever_set(0, 0);
	if (failed > 0) {
		cr_expect_neq(c, GEARMAND_COMMIT_DONE, "%s in call %d", strerror(error), calls);
		EXPECT_SENTENCE(q, q->db);
		if (c == GEARMAND_COMMIT_BROKEN) {
			queue_close(q);
			cr_assert(queue_open(q), "%s", q->err.text);
		}
		c = queue_commit(q, batch, 3);
	}
	cr_expect_eq(c, GEARMAND_COMMIT_DONE, "%s after %s in call %d", q->err.text, strerror(error), calls);
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, 2);
	cr_expect(slice_same(q->seen[0].unique, S("b")) && slice_same(q->seen[0].data, batch[0].job.data));
	cr_expect(slice_same(q->seen[1].unique, S("c")));
	queue_free(&q);
	return failed > 0;
}

Test(sqlite_run, any_write_or_sync_may_fail)
{
	const int errors[] = { ENOSPC, EIO, EDQUOT, EROFS };

	for (int i = 0; i < 4; i++) {
		int calls = 0;

		while (commit_with_failure(errors[i], calls))
			calls++;
		cr_expect_geq(calls, 3, "a commit writes and syncs");
	}
}

/* Closing moves the log to the database, opening may have to read it: when that fails, it is tried again. */
Test(sqlite_run, any_write_or_sync_of_closing_and_opening_may_fail)
{
	const int errors[] = { ENOSPC, EIO };
	bool failed = true;
	int calls = 0;

	for (; failed || calls % 2 == 1; calls++) {
		struct queue *q = queue_opened();

		queue_add_many(q, "k", 300);
		lever_set(errors[calls % 2], calls / 2);
		queue_close(q);
		if (!queue_open(q))
			EXPECT_SENTENCE(q, q->db);
		failed = lever_failed() > 0;
		lever_set(0, 0);
		queue_reopen_and_replay(q);
		cr_expect_eq(q->seen_count, 300, "%s in call %d", strerror(errors[calls % 2]), calls / 2);
		queue_free(&q);
	}
	cr_expect_geq(calls, 6, "closing writes and syncs");
}

/* The same while the log is moved to the database, where failures are not the batch's. */
Test(sqlite_run, a_failing_checkpoint_loses_nothing)
{
	struct queue *q = queue_opened();
	size_t stored = 0;

	for (int i = 0; i < 400; i++) {
		char prefix[16];
		enum gearmand_commit c;

		snprintf(prefix, sizeof(prefix), "%d-", i);
		lever_set(EIO, 100 + i % 7 * 300);
		c = queue_add_many(q, prefix, 100);
		lever_set(0, 0);
		if (c == GEARMAND_COMMIT_BROKEN) {
			queue_close(q);
			cr_assert(queue_open(q), "%s", q->err.text);
		}
		if (c != GEARMAND_COMMIT_DONE)
			cr_assert_eq(queue_add_many(q, prefix, 100), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		stored += 100;
	}
	cr_expect_str_eq(queue_sql(q, "PRAGMA integrity_check"), "ok");
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, stored);
	queue_free(&q);
}

Test(sqlite_run, a_damaged_file_means_broken)
{
	struct queue *q = queue_new();

	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert_eq(queue_add_many(q, "k", 2000), GEARMAND_COMMIT_DONE);
	queue_close(q);
	cr_assert(queue_open(q), "%s", q->err.text); /* knows the schema, but no page of the table yet */
	file_scribble(q->db, 4096, 40 * 4096);
	cr_expect_eq(queue_add(q, "f", "k7", "1"), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "damaged");
	queue_free(&q);
}

static void
expect_gone_then_well(struct queue *q)
{
	cr_expect_eq(queue_add(q, "f", "a", "2"), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "was deleted or replaced");
	EXPECT_SENTENCE(q, q->db);
	queue_close(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_add(q, "f", "a", "2"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/a=2");
}

Test(sqlite_run, a_deleted_file_is_noticed_and_made_again)
{
	struct queue *q = queue_opened();
	char path[200];

	queue_add(q, "f", "old", "1");
	for (int i = 0; i < 3; i++) {
		static const char *const suffix[] = { "", "-wal", "-shm" };

		snprintf(path, sizeof(path), "%s%s", q->db, suffix[i]);
		cr_assert_eq(unlink(path), 0);
	}
	expect_gone_then_well(q);
	queue_free(&q);
}

Test(sqlite_run, a_replaced_file_is_noticed)
{
	struct queue *q = queue_opened(), *other = queue_opened();

	queue_close(other);
	cr_assert_eq(rename(other->db, q->db), 0);
	expect_gone_then_well(q);
	queue_free(&q);
	queue_free(&other);
}

Test(sqlite_run, a_moved_folder_is_noticed)
{
	struct queue *q = queue_opened();
	char away[200];

	snprintf(away, sizeof(away), "%s.away", q->dir);
	cr_assert_eq(rename(q->dir, away), 0);
	cr_expect_eq(queue_add(q, "f", "a", "1"), GEARMAND_COMMIT_BROKEN);
	queue_close(q);
	queue_expect_no_open(q, "No such file or directory", GEARMAND_WHY_PASSING);
	cr_assert_eq(rename(away, q->dir), 0);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_add(q, "f", "a", "1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_free(&q);
}

Test(sqlite_run, a_deleted_log_is_noticed)
{
	struct queue *q = queue_opened();
	char path[200];

	snprintf(path, sizeof(path), "%s-wal", q->db);
	cr_assert_eq(unlink(path), 0);
	expect_gone_then_well(q);
	queue_free(&q);
}

Test(sqlite_run, a_dropped_table_is_made_again)
{
	struct queue *q = queue_opened();

	queue_sql(q, "DROP TABLE gearman_queue");
	cr_expect_eq(queue_add(q, "f", "a", "1"), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "no such table");
	queue_close(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(queue_add(q, "f", "a", "1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_free(&q);
}

/* ---- Refused for good ---------------------------------------------------------------------- */

Test(sqlite_refuse, a_payload_over_the_limit_of_sqlite_is_refused_alone)
{
	struct queue *q = queue_opened();
	const size_t too_large = 1000000001;
	void *nothing = mmap(NULL, too_large, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct gearmand_change batch[] = {
		an_add(a_job(S("f"), S("a"), S("1"))),
		an_add(a_job(S("f"), S("huge"), (struct gearmand_slice){ nothing, too_large })),
		an_add(a_job(S("f"), S("b"), S("2"))),
	};

	cr_assert_neq(nothing, MAP_FAILED);
	cr_expect_eq(queue_commit(q, batch, 3), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(batch[0].outcome, GEARMAND_STORED);
	cr_expect_eq(batch[1].outcome, GEARMAND_REFUSED);
	cr_expect_eq(batch[2].outcome, GEARMAND_STORED);
	cr_expect_str_eq(batch[1].reason,
	    "a job of 1000000001 bytes is too large for the SQLite queue, which takes up to 1000000000");
	cr_expect_str_eq(queue_content(q), "f/a=1 f/b=2");
	fake_host_changes_clear(batch, 3);
	queue_free(&q);
}

Test(sqlite_refuse, what_a_trigger_forbids_is_refused_alone)
{
	struct queue *q = queue_opened();
	struct gearmand_change batch[] = {
		an_add(a_job(S("f"), S("a"), S("1"))),
		an_add(a_job(S("evil"), S("b"), S("2"))),
		an_add(a_job(S("f"), S("c"), S("3"))),
	};

	queue_sql(q, "CREATE TRIGGER t BEFORE INSERT ON gearman_queue WHEN new.function_name = 'evil' "
		     "BEGIN SELECT RAISE(ABORT, 'no evil here'); END");
	cr_expect_eq(queue_commit(q, batch, 3), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(batch[1].outcome, GEARMAND_REFUSED);
	cr_expect_not_null(strstr(batch[1].reason, "no evil here"));
	cr_expect_str_eq(queue_content(q), "f/a=1 f/c=3");
	fake_host_changes_clear(batch, 3);
	queue_free(&q);
}

Test(sqlite_refuse, a_trigger_that_ends_the_transaction_fails_the_batch)
{
	struct queue *q = queue_opened();
	struct gearmand_change batch[] = {
		an_add(a_job(S("f"), S("a"), S("1"))),
		an_add(a_job(S("evil"), S("b"), S("2"))),
		an_add(a_job(S("f"), S("c"), S("3"))),
	};

	queue_sql(q, "CREATE TRIGGER t BEFORE INSERT ON gearman_queue WHEN new.function_name = 'evil' "
		     "BEGIN SELECT RAISE(ROLLBACK, 'no evil here'); END");
	cr_expect_eq(queue_commit(q, batch, 3), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "no evil here");
	cr_expect_str_eq(queue_content(q), "");
	queue_free(&q);
}
