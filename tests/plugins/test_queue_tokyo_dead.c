/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The Tokyo Cabinet queue and its dead jobs, which are in a second file: q.dead.tch beside q.tch.
 *
 * Runs on:  one process per test.
 * Owns:     a folder per test.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/plugins/tokyo_fixture.h"

static const char *const kinds[] = { "q.tch", "q.tcb", NULL };

#define EACH_KIND(name) for (const char *const *name = kinds; *name != NULL; name++)

static enum gearmand_commit
bury(struct queue *q, const char *unique, const char *handle, int64_t changed_at)
{
	struct gearmand_change c[2];

	c[0] = a_bury(a_job(S("f"), slice_of_text(unique), slice_of_text(unique)), handle, changed_at);
	c[1] = a_remove(S("f"), slice_of_text(unique));
	return queue_commit(q, c, 2);
}

static enum gearmand_commit
unbury(struct queue *q, const char *handle)
{
	struct gearmand_change c = an_unbury(handle);

	return queue_commit(q, &c, 1);
}

/* ---- Two files ------------------------------------------------------------------------------------------ */

Test(tokyo_dead, are_in_a_file_of_their_own_which_is_made_for_the_first_of_them)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);

		queue_add_many(q, "u", 3);
		cr_expect_eq(unbury(q, "H:never:1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		cr_expect_eq(file_size(dead_file(q, "")), -1);
		cr_expect_eq(bury(q, "u1", "H:h:2", 5), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		cr_expect_gt(file_size(dead_file(q, "")), 0, "%s", dead_file(q, ""));
		cr_expect_str_eq(queue_content(q), "f/u0=u0 f/u2=u2 +f/u1=u1");
		cr_expect(slice_same(q->seen[2].handle, S("H:h:2")) && q->seen[2].changed_at == 5);
		cr_expect_eq(q->host.ops->check(q->store, &q->err), GEARMAND_COMMIT_DONE);
		queue_close(q);
		cr_expect_str_eq(old_seen(q), "f/u0/1/0=u0 f/u2/1/0=u2", "1.1 does not run it again");
		cr_expect_eq(file_size(dead_file(q, ".journal")), -1);
		cr_expect_eq(file_size(dead_file(q, ".wal")), -1);
		cr_expect_str_eq(queue_content(q), "f/u0=u0 f/u2=u2 +f/u1=u1");
		queue_free(&q);
	}
}

Test(tokyo_dead, a_replay_that_is_stopped_gives_none)
{
	struct queue *q = queue_opened("q.tch");

	queue_add_many(q, "u", 2);
	bury(q, "u0", "H:h:1", 5);
	q->stop_after = 1;
	cr_assert(queue_replay(q));
	cr_expect_str_eq(queue_seen(q), "f/u1=u1");
	queue_free(&q);
}

/* 1.1's records, and one that says it is another's. */
Test(tokyo_dead, what_is_no_dead_job_is_left_alone_with_a_warning)
{
	struct queue *q = queue_opened("q.tch");
	struct gearmand_slice dead;

	bury(q, "u0", "H:h:1", 5);
	queue_close(q);
	dead = file_read(dead_file(q, ""));
	file_put(q->db, dead);
	old_put(q, "f", "u", "10", S("data"));
	file_put(dead_file(q, ""), file_read(q->db));
	unlink(q->db);
	cr_expect_str_eq(queue_content(q), "+f/u0=u0");
	cr_expect_not_null(strstr(q->host.log, "q.dead.tch: 1 records are not jobs"), "%s", q->host.log);
	queue_free(&q);
}

/* ---- Trouble ------------------------------------------------------------------------------------------------ */

Test(tokyo_dead, a_file_that_cannot_be_used_is_named)
{
	struct queue *q = queue_opened("q.tch"), *second = queue_new("second.tch");

	queue_add_many(q, "u", 2);
	cr_assert_eq(mkdir(dead_file(q, ""), 0700), 0);
	cr_expect_eq(bury(q, "u0", "H:h:1", 5), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "q.dead.tch: Is a directory");
	queue_close(q);
	queue_expect_no_open(q, "q.dead.tch: Is a directory", GEARMAND_WHY_LASTING);
	rmdir(dead_file(q, ""));
	cr_expect_str_eq(queue_content(q), "f/u0=u0 f/u1=u1", "it lives until it is among the dead");
	cr_expect_eq(bury(q, "u0", "H:h:1", 5), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	fake_host_set(&second->host, "libtokyocabinet-file", dead_file(q, ""));
	queue_expect_no_open(second, "another gearmand is using it", GEARMAND_WHY_IN_USE);
	queue_free(&second);
	queue_close(q);
	file_put(dead_file(q, ""), S("short"));
	queue_expect_no_open(q, "q.dead.tch: it is not a Tokyo Cabinet database", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(tokyo_dead, a_deleted_file_is_broken_and_made_again)
{
	struct queue *q = queue_opened("q.tch");

	queue_add_many(q, "u", 3);
	bury(q, "u0", "H:h:1", 5);
	unlink(dead_file(q, ""));
	cr_expect_eq(q->host.ops->check(q->store, &q->err), GEARMAND_COMMIT_BROKEN);
	EXPECT_SENTENCE(q, "q.dead.tch: it was deleted or replaced while in use");
	cr_expect_eq(bury(q, "u1", "H:h:2", 5), GEARMAND_COMMIT_BROKEN);
	queue_close(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_expect_eq(bury(q, "u1", "H:h:2", 5), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/u2=u2 +f/u1=u1");
	queue_free(&q);
}

Test(tokyo_dead, where_there_is_no_room_they_stay_where_they_are_and_can_be_removed)
{
	EACH_KIND(kind) {
		struct queue *q = queue_opened(*kind);
		struct gearmand_change c[2];

		queue_add_many(q, "u", 3);
		limit_files((rlim_t)file_size(q->db) / 2);
		cr_expect_eq(bury(q, "u0", "H:h:1", 5), GEARMAND_COMMIT_FULL);
		EXPECT_SENTENCE(q, "making a file for dead jobs: no room: ");
		limit_files(RLIM_INFINITY);
		cr_expect_eq(bury(q, "u0", "H:h:1", 5), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		limit_files((rlim_t)file_size(q->db) + (2 << 20));
		c[0] = a_bury(a_job(S("f"), S("u1"), slice_filled(3 << 20, 1)), "H:h:2", 5);
		c[1] = a_remove(S("f"), S("u1"));
		cr_expect_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_FULL);
		EXPECT_SENTENCE(q, "q.dead.tc");
		limit_files((rlim_t)file_size(dead_file(q, "")));
		cr_expect_eq(bury(q, "u1", "H:h:2", 5), GEARMAND_COMMIT_FULL);
		cr_expect_eq(unbury(q, "H:h:1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		cr_expect_eq(queue_remove(q, "f", "u2"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		limit_files(RLIM_INFINITY);
		cr_expect_str_eq(queue_content(q), "f/u1=u1");
		queue_free(&q);
	}
}
