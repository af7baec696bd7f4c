/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The Tokyo Cabinet queue in trouble: files that cannot be opened, two servers, a full disk, damage, a process killed inside a
 * transaction, and loss of power.
 *
 * Runs on:  one process per test, and children that hold or spoil the file.
 * Owns:     a folder per test.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tcadb.h>
#include <tcbdb.h>
#include <tchdb.h>

#include "tests/plugins/tokyo_fixture.h"

static const char *const kinds[] = { "q.tch", "q.tcb", "q.tct", NULL };

#define EACH_KIND(name) \
	for (const char *const *name = kinds; *name != NULL; name++)

/* ---- Open --------------------------------------------------------------------------------------- */

Test(tokyo_open, a_missing_folder_is_named)
{
	struct queue *q = queue_new("q.tch");

	fake_host_set(&q->host, "libtokyocabinet-file", "/nowhere/at/all.tch");
	queue_expect_no_open(q, "queue file /nowhere/at/all.tch: No such file or directory", GEARMAND_WHY_PASSING);
	queue_free(&q);
}

Test(tokyo_open, what_is_no_file_is_a_sentence)
{
	struct queue *q = queue_new("q.tch");

	cr_assert_eq(mkdir(q->db, 0700), 0);
	queue_expect_no_open(q, "Is a directory", GEARMAND_WHY_LASTING);
	rmdir(q->db);
	cr_assert_eq(mkfifo(q->db, 0600), 0);
	queue_expect_no_open(q, "not a file", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(tokyo_open, a_file_without_permission_is_a_sentence)
{
	struct queue *q = queue_opened("q.tch");

	queue_close(q);
	chmod(q->db, 0400);
	chmod(q->dir, 0755);
	if (geteuid() == 0)
		cr_assert_eq(seteuid(65534), 0);
	queue_expect_no_open(q, "Permission denied", GEARMAND_WHY_LASTING);
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
	queue_free(&q);
}

Test(tokyo_open, what_is_not_a_database_is_left_as_it_is)
{
	struct queue *q = queue_new("q.tch");
	struct gearmand_slice text = slice_filled(5000, 7);

	file_put(q->db, text);
	queue_expect_no_open(q, "not a Tokyo Cabinet database", GEARMAND_WHY_LASTING);
	cr_expect(slice_same(file_read(q->db), text));
	file_put(q->db, S("short"));
	queue_expect_no_open(q, "not a Tokyo Cabinet database", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(tokyo_open, a_name_that_says_another_kind_is_a_sentence)
{
	struct queue *q = queue_opened("q.tch");
	char tree[200];

	queue_close(q);
	snprintf(tree, sizeof(tree), "%s/q.tcb", q->dir);
	cr_assert_eq(rename(q->db, tree), 0);
	fake_host_set(&q->host, "libtokyocabinet-file", tree);
	queue_expect_no_open(q, "it is a hash database (.tch), and its name says that it is a B+ tree", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(tokyo_open, an_empty_file_and_one_whose_making_was_broken_off_are_new)
{
	EACH_KIND(kind) {
		struct queue *q = queue_new(*kind);
		struct gearmand_slice whole;

		file_put(q->db, S(""));
		cr_expect_str_eq(queue_content(q), "");
		queue_close(q);
		whole = file_read(q->db);
		whole.len = strcmp(*kind, "q.tcb") == 0 ? 0 : 5000; /* a B+ tree has a record at once */
		file_put(q->db, whole);
		cr_expect_str_eq(queue_content(q), "", "%s", *kind);
		cr_expect_eq(queue_add(q, "f", "u", "x"), GEARMAND_COMMIT_DONE);
		queue_free(&q);
	}
}

Test(tokyo_open, a_cut_file_is_a_sentence)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);

		queue_add_many(q, "u", 500);
		queue_close(q);
		cr_assert_eq(truncate(q->db, file_size(q->db) - 100), 0);
		queue_expect_no_open(q, "the database is damaged: it ends at byte", GEARMAND_WHY_LASTING);
		queue_free(&q);
	}
}

/* Whatever is wrong with it: a sentence, or what can be read of it; no crash, and no end that does not come. */
Test(tokyo_open, noise_in_a_file_is_survived)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);
		struct gearmand_slice whole;
		int refused = 0;

		queue_add_many(q, "u", 200);
		queue_close(q);
		whole = file_read(q->db);
		for (unsigned seed = 0; seed < 100; seed++) {
			struct gearmand_slice bad = { keep(whole.len), whole.len }, noise = slice_filled(16, seed);
			size_t at = whole.len - 16 - (size_t)seed * 173 % 16000;

			memcpy((char *)(uintptr_t)bad.data, whole.data, whole.len);
			memcpy((char *)(uintptr_t)bad.data + at, seed % 3 == 0 ? "\xb0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" : noise.data, 16);
			file_put(q->db, bad);
			if (!queue_open(q) || !queue_replay(q)) {
				refused++;
				EXPECT_SENTENCE(q, "the database is damaged");
			}
			queue_close(q);
		}
		cr_expect_gt(refused, 20, "%s: %d", *kind, refused);
		queue_free(&q);
	}
}

/* ---- One server ------------------------------------------------------------------------------------- */

Test(tokyo_lock, a_second_one_in_the_same_process_is_refused)
{
	struct queue *q = queue_opened("q.tch"), second = *q;

	second.store = NULL;
	queue_expect_no_open(&second, "another gearmand, or a tool of Tokyo Cabinet, is using it", GEARMAND_WHY_IN_USE);
	cr_expect_eq(queue_add(q, "f", "u", "x"), GEARMAND_COMMIT_DONE);
	queue_close(q);
	cr_expect(queue_open(&second), "%s", second.err.text);
	queue_close(&second);
	queue_free(&q);
}

/* A child runs `f`, says so, and stays until it is killed. */
static pid_t
start_child(struct queue *q, void (*f)(struct queue *))
{
	int pipes[2];
	char c;
	pid_t pid;

	cr_assert_eq(pipe(pipes), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		f(q);
		if (write(pipes[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(pipes[1]);
	cr_assert_eq(read(pipes[0], &c, 1), 1, "the child failed");
	close(pipes[0]);
	return pid;
}

static void
kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

static void
hold_as_tokyo_does(struct queue *q)
{
	TCADB *db = tcadbnew();

	if (!tcadbopen(db, q->db))
		_exit(1);
}

static void
hold_as_gearmand(struct queue *q)
{
	if (!q->host.ops->open(&q->host.table, &q->store, &q->err))
		_exit(1);
}

Test(tokyo_lock, gearmand_1_1_and_another_gearmand_are_kept_away_and_keep_away)
{
	EACH_KIND(kind) {
		struct queue *q = queue_new(*kind);
		pid_t pid;

		for (int i = 0; i < 2; i++) {
			pid = start_child(q, i == 0 ? hold_as_gearmand : hold_as_tokyo_does);
			queue_expect_no_open(q, "is using it", GEARMAND_WHY_IN_USE);
			kill_child(pid);
			cr_expect_str_eq(queue_content(q), "", "%s", q->err.text);
			queue_close(q);
		}
		cr_assert(queue_open(q));
		if (strcmp(*kind, "q.tch") == 0) {
			TCHDB *db = tchdbnew();

			cr_expect_not(tchdbopen(db, q->db, HDBOWRITER | HDBOLCKNB));
			tchdbdel(db);
			cr_expect_eq(queue_add(q, "f", "u", "x"), GEARMAND_COMMIT_DONE);
		}
		queue_free(&q);
	}
}

/* Tokyo's ordinary lock ends when any descriptor of the file is closed; ours does not. */
Test(tokyo_lock, outlives_closed_descriptors_of_the_file)
{
	struct queue *q = queue_opened("q.tch"), second = *q;

	close(open(q->db, O_RDONLY));
	second.store = NULL;
	queue_expect_no_open(&second, "is using it", GEARMAND_WHY_IN_USE);
	queue_free(&q);
}

/* ---- Room ------------------------------------------------------------------------------------------- */

static void
limit_files(rlim_t most)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN); /* as the server does */
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = most;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(tokyo_room, at_a_limit_of_file_sizes_it_is_again_and_later_well)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);
		struct gearmand_slice data = slice_filled(5000, 1);
		enum gearmand_commit outcome = GEARMAND_COMMIT_DONE;
		int stored = 0;
		size_t count;

		limit_files((rlim_t)file_size(q->db) + (3 << 20));
		for (; outcome == GEARMAND_COMMIT_DONE && stored < 5000; stored++) {
			char *unique = keep(16);
			struct gearmand_change c;

			snprintf(unique, 16, "u%d", stored);
			c = an_add(a_job(S("f"), slice_of_text(unique), data));
			outcome = queue_commit(q, &c, 1);
		}
		cr_expect_eq(outcome, GEARMAND_COMMIT_AGAIN, "%s", q->err.text);
		EXPECT_SENTENCE(q, "storing jobs: no room: ");
		cr_expect_neq(queue_remove(q, "f", "u1"), GEARMAND_COMMIT_BROKEN, "%s", q->err.text);
		limit_files(RLIM_INFINITY);
		cr_expect_eq(queue_add(q, "f", "last", "x"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		cr_expect_eq(queue_remove(q, "f", "u1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		queue_reopen_and_replay(q);
		count = (size_t)stored - 1; /* without the one that failed and the one that was removed, with the last */
		cr_expect_eq(q->seen_count, count, "%zu of %zu", q->seen_count, count);
		queue_free(&q);
	}
}

Test(tokyo_room, for_a_new_file_is_missing_and_then_there)
{
	EACH_KIND(kind) {
		struct queue *q = queue_new(*kind);

		limit_files(10000);
		queue_expect_no_open(q, "File too large", GEARMAND_WHY_PASSING);
		limit_files(RLIM_INFINITY);
		cr_expect_str_eq(queue_content(q), "", "%s", q->err.text);
		queue_free(&q);
	}
}

/* ---- The file is gone --------------------------------------------------------------------------------- */

Test(tokyo_gone, a_deleted_or_replaced_file_is_broken_and_made_again)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);

		queue_add(q, "f", "u", "x");
		cr_expect_eq(q->host.ops->check(q->store, &q->err), GEARMAND_COMMIT_DONE);
		unlink(q->db);
		cr_expect_eq(q->host.ops->check(q->store, &q->err), GEARMAND_COMMIT_BROKEN);
		EXPECT_SENTENCE(q, "was deleted or replaced while in use");
		cr_expect_eq(queue_add(q, "f", "v", "x"), GEARMAND_COMMIT_BROKEN);
		EXPECT_SENTENCE(q, "was deleted or replaced while in use");
		queue_close(q);
		cr_assert(queue_open(q), "%s", q->err.text);
		cr_expect_eq(queue_add(q, "f", "v", "x"), GEARMAND_COMMIT_DONE);
		cr_expect_str_eq(queue_content(q), "f/v=x");
		queue_free(&q);
	}
}

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

/* The last region of the log is cut short, as when the process is killed while it writes it: Tokyo alone would go on with the
 * head of before and the rest of after. */
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
			memcpy((char *)(uintptr_t)torn.data + at, before.data + at, before.len - at < PAGE ? before.len - at : PAGE);
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
			cr_expect_not_null(strstr(q->host.log, "the machine went down while it was open"), "%s", q->host.log);
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
			c[1] = an_add(a_job(S("g"), slice_of_text(unique), i % 4 == 0 ? slice_filled(9 << 20, 2) : S("x")));
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
