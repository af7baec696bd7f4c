/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The Tokyo Cabinet queue in trouble: files that cannot be opened, damage, two servers, a full disk, a deleted file.
 *
 * Runs on:  one process per test, and children that hold the file.
 * Owns:     a folder per test.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tcadb.h>
#include <tchdb.h>

#include "tests/plugins/tokyo_fixture.h"

static const char *const kinds[] = { "q.tch", "q.tcb", NULL };

#define EACH_KIND(name) for (const char *const *name = kinds; *name != NULL; name++)

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
	queue_expect_no_open(q, "it is not a regular file", GEARMAND_WHY_LASTING);
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
	queue_expect_no_open(
	    q, "it is a hash database (.tch), and its name says that it is a B+ tree", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(tokyo_open, a_link_is_its_file_and_must_end_as_that_does)
{
	struct queue *q = queue_opened("q.tch");
	char link[200];

	queue_add(q, "f", "u", "x");
	queue_close(q);
	snprintf(link, sizeof(link), "%s/link.TCH", q->dir);
	cr_assert_eq(symlink(q->db, link), 0);
	fake_host_set(&q->host, "libtokyocabinet-file", link);
	cr_expect_str_eq(queue_content(q), "f/u=x");
	queue_close(q);
	snprintf(link, sizeof(link), "%s/link.tcb", q->dir);
	cr_assert_eq(symlink(q->db, link), 0);
	fake_host_set(&q->host, "libtokyocabinet-file", link);
	queue_expect_no_open(q, "has another ending", GEARMAND_WHY_LASTING);
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

/* The blocks are not looked at; tchmgr and tcbmgr do that. */
Test(tokyo_open, a_head_that_makes_no_sense_is_a_sentence)
{
	static const struct {
		long at;
		const char *bytes, *sentence;
	} heads[] = {
		{ 0, "TOKYO", "it is not a Tokyo Cabinet database" },
		{ 32, "\3", "it is a table database (.tct)" },
		{ 32, "\7", "it is a database of an unknown kind" },
		{ 34, "\21", "its head makes no sense" },
		{ 40, "\377\377\377\377\377\377\377\377", "its head makes no sense" },
		{ 56, "\377\377\377\377\377\377\377\377", "the database is damaged: it ends at byte" },
	};

	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);
		struct gearmand_slice whole;

		queue_add_many(q, "u", 20);
		queue_close(q);
		whole = file_read(q->db);
		for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
			struct gearmand_slice bad = { keep(whole.len), whole.len };

			memcpy((char *)(uintptr_t)bad.data, whole.data, whole.len);
			memcpy((char *)(uintptr_t)bad.data + heads[i].at, heads[i].bytes, strlen(heads[i].bytes));
			file_put(q->db, bad);
			queue_expect_no_open(q, heads[i].sentence, GEARMAND_WHY_LASTING);
			cr_expect(slice_same(file_read(q->db), bad), "it is left as it is");
		}
		queue_free(&q);
	}
}

/* ---- One server ------------------------------------------------------------------------------------- */

Test(tokyo_lock, a_second_one_in_the_same_process_is_refused)
{
	struct queue *q = queue_opened("q.tch"), second = *q;

	second.store = NULL;
	queue_expect_no_open(&second, "another gearmand is using it", GEARMAND_WHY_IN_USE);
	cr_expect_eq(queue_add(q, "f", "u", "x"), GEARMAND_COMMIT_DONE);
	queue_close(q);
	cr_expect(queue_open(&second), "%s", second.err.text);
	queue_close(&second);
	queue_free(&q);
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
	if (!q->host.ops->open(&q->host.table, &q->host.opening, &q->store, &q->err))
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

static enum gearmand_commit
add_large(struct queue *q, int n)
{
	char *unique = keep(16);
	struct gearmand_change c;

	snprintf(unique, 16, "u%d", n);
	c = an_add(a_job(S("f"), slice_of_text(unique), slice_filled(5000, 1)));
	return queue_commit(q, &c, 1);
}

/* Fills it up, works all jobs off, and fills it up again. */
static void
fill_and_drain(struct queue *q)
{
	for (int round = 0; round < 2; round++) {
		enum gearmand_commit outcome;
		int stored = 0;

		while ((outcome = add_large(q, stored)) == GEARMAND_COMMIT_DONE && stored < 20000)
			stored++;
		cr_expect_eq(outcome, GEARMAND_COMMIT_FULL, "%s", q->err.text);
		cr_expect_gt(stored, 20, "%s, round %d: %d, %s", q->db, round, stored, q->err.text);
		EXPECT_SENTENCE(q, "storing jobs: no room: ");
		cr_expect_eq(add_large(q, stored), GEARMAND_COMMIT_FULL, "and again");
		for (int i = 0; i < stored; i++) {
			char unique[16];

			snprintf(unique, sizeof(unique), "u%d", i);
			cr_assert_eq(queue_remove(q, "f", unique), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		}
	}
	cr_expect_str_eq(queue_content(q), "", "the job that was full is not stored");
}

Test(tokyo_room, at_a_limit_of_file_sizes_removals_go_through_and_later_all_is_well)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);

		limit_files((rlim_t)file_size(q->db) + (3 << 20));
		fill_and_drain(q);
		limit_files(RLIM_INFINITY);
		cr_expect_eq(queue_add(q, "f", "last", "x"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		cr_expect_str_eq(queue_content(q), "f/last=x");
		queue_free(&q);
	}
}

Test(tokyo_room, on_a_disk_that_the_queue_filled_itself_removals_go_through)
{
	EACH_KIND(kind) {
		for (int mib = 3; mib <= 16; mib += 13) {
			struct queue *q = queue_new(*kind);
			char size[32];

			snprintf(size, sizeof(size), "size=%dm", mib);
			if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
			    mount("none", q->dir, "tmpfs", 0, size) != 0)
				cr_skip_test("may not mount a small disk");
			cr_assert(queue_open(q), "%s", q->err.text);
			fill_and_drain(q);
			queue_close(q);
			cr_expect_eq(umount2(q->dir, MNT_DETACH), 0);
			queue_free(&q);
		}
	}
}

/* Not a byte is left, by others. */
Test(tokyo_room, on_a_disk_that_others_filled_a_removal_goes_through)
{
	EACH_KIND(kind) {
		struct queue *q = queue_new(*kind);
		static char block[4096];
		FILE *f;

		if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		    mount("none", q->dir, "tmpfs", 0, "size=8m") != 0)
			cr_skip_test("may not mount a small disk");
		cr_assert(queue_open(q), "%s", q->err.text);
		queue_add_many(q, "u", 3);
		f = fopen(queue_file(q, ".ballast"), "w");
		cr_assert_not_null(f);
		setbuf(f, NULL);
		while (fwrite(block, 1, sizeof(block), f) == sizeof(block))
			continue;
		fclose(f);
		cr_expect_eq(queue_remove(q, "f", "u1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		cr_expect_eq(queue_add(q, "f", "more", "x"), GEARMAND_COMMIT_FULL, "%s", q->err.text);
		unlink(queue_file(q, ".ballast"));
		cr_expect_eq(queue_add(q, "f", "more", "x"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		cr_expect_str_eq(queue_content(q), "f/u0=u0 f/u2=u2 f/more=x");
		queue_close(q);
		cr_expect_eq(umount2(q->dir, MNT_DETACH), 0);
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
