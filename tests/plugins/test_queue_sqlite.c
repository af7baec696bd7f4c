/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The SQLite queue keeps what it is given: bytes, order, keys, and all of it across reopening and kill -9.
 *
 * Runs on:  one process per test.
 * Owns:     a folder per test.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/plugins/sqlite_fixture.h"

static void
expect_same_job(const struct gearmand_job *got, const struct gearmand_job *want)
{
	cr_expect(slice_same(got->function, want->function));
	cr_expect(slice_same(got->unique, want->unique));
	cr_expect(slice_same(got->data, want->data), "%zu bytes, got %zu", want->data.len, got->data.len);
	cr_expect(slice_same(got->handle, want->handle));
	cr_expect(slice_same(got->reducer, want->reducer));
	cr_expect_eq(got->run_at, want->run_at);
	cr_expect_eq(got->priority, want->priority);
	cr_expect_eq(got->flags, want->flags);
}

/* ---- The descriptor ------------------------------------------------------------------------ */

Test(sqlite, is_named_as_operators_know_it)
{
	struct queue *q = queue_new();

	cr_expect_str_eq(q->host.plugin->name, "sqlite");
	cr_expect_str_eq(q->host.plugin->aliases[0], "libsqlite3");
	cr_expect_str_eq(q->host.plugin->options[0].name, "libsqlite3-db");
	cr_expect_str_eq(q->host.plugin->options[1].name, "libsqlite3-table");
	cr_expect_str_eq(q->host.plugin->options[1].dflt, "gearman_queue");
	cr_expect_str_eq(q->host.plugin->options[2].name, "store-queue-on-shutdown");
	queue_free(&q);
}

Test(sqlite, adds_at_shutdown_only_when_asked_to)
{
	struct queue *q = queue_opened();

	cr_expect_not(q->host.ops->adds_at_shutdown(q->store));
	fake_host_set(&q->host, "store-queue-on-shutdown", "1");
	cr_expect(q->host.ops->adds_at_shutdown(q->store));
	queue_free(&q);
}

/* ---- Bytes --------------------------------------------------------------------------------- */

Test(sqlite, gives_back_all_of_a_job)
{
	struct queue *q = queue_opened();
	const size_t sizes[] = { 0, 1, 64 << 10, 16 << 20 };

	for (unsigned i = 0; i < 4; i++) {
		char unique[16];
		struct gearmand_change c;

		snprintf(unique, sizeof(unique), "u%u", i);
		c = an_add(a_job(S("resize"), slice_of_text(unique), slice_filled(sizes[i], i)));
		c.job.handle = S("H:host.example.org:18446744073709551615");
		c.job.reducer = i % 2 == 0 ? S("") : S("collect");
		c.job.run_at = i == 0 ? 0 : (int64_t)1 << (20 + i * 6); /* beyond 2038, too */
		c.job.priority = (enum gearmand_priority)(i % 3);
		c.job.flags = i;
		cr_assert_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		cr_expect_eq(c.outcome, GEARMAND_STORED);
		queue_reopen_and_replay(q);
		cr_assert_eq(q->seen_count, i + 1);
		expect_same_job(&q->seen[i], &c.job);
	}
	queue_free(&q);
}

Test(sqlite, takes_a_payload_of_64_MiB)
{
	struct queue *q = queue_opened();
	struct gearmand_change c = an_add(a_job(S("f"), S("u"), slice_filled((size_t)64 << 20, 7)));

	cr_assert_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_reopen_and_replay(q);
	cr_assert_eq(q->seen_count, 1);
	expect_same_job(&q->seen[0], &c.job);
	queue_free(&q);
}

/* Names are compared as bytes: no case, no trailing blanks, no character set. */
Test(sqlite, keys_are_any_bytes)
{
	const struct gearmand_slice names[] = { S("it's"), S("\"; DROP TABLE gearman_queue; --"), S("100%s%n%w"),
		S("a\nb\tc"),
		S("gr\xc3\xb6\xc3\x9f"
		  "er"),
		S("\xff\xfe\x80"), S("\xc3"), S("Name"), S("name"), S("name "), S("-0"), S("0"), S("1e3"), S("1000") };
	enum { COUNT = sizeof(names) / sizeof(*names) };
	struct gearmand_change c[COUNT * 2 + 1];
	struct queue *q = queue_opened();
	char long_name[512], longest_unique[64];

	memset(long_name, 'f', sizeof(long_name));
	memset(longest_unique, 'u', sizeof(longest_unique));
	for (int i = 0; i < COUNT; i++) {
		c[2 * i] = an_add(a_job(names[i], S("u"), S("by function")));
		c[2 * i + 1] = an_add(a_job(S("f"), names[i], S("by unique")));
	}
	c[COUNT * 2] = an_add(a_job((struct gearmand_slice){ long_name, sizeof(long_name) },
	    (struct gearmand_slice){ longest_unique, sizeof(longest_unique) }, S("long")));
	cr_assert_eq(queue_commit(q, c, COUNT * 2 + 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_reopen_and_replay(q);
	cr_assert_eq(q->seen_count, COUNT * 2 + 1);
	for (size_t i = 0; i < q->seen_count; i++) {
		expect_same_job(&q->seen[i], &c[i].job);
		c[i].op = GEARMAND_REMOVE;
		cr_assert_eq(queue_commit(q, &c[i], 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	}
	cr_expect_str_eq(queue_content(q), "");
	queue_free(&q);
}

Test(sqlite, an_empty_payload_is_a_blob_that_gearmand_1_1_can_read)
{
	struct queue *q = queue_opened();

	cr_assert_eq(queue_add(q, "f", "u", ""), GEARMAND_COMMIT_DONE);
	cr_expect_str_eq(queue_sql(q, "SELECT typeof(data), length(data) FROM gearman_queue"), "blob|0");
	queue_free(&q);
}

/* ---- Keys ---------------------------------------------------------------------------------- */

Test(sqlite, same_unique_in_two_functions_is_two_jobs)
{
	struct queue *q = queue_opened();

	cr_assert_eq(queue_add(q, "f", "u", "1"), GEARMAND_COMMIT_DONE);
	cr_assert_eq(queue_add(q, "g", "u", "2"), GEARMAND_COMMIT_DONE);
	cr_expect_str_eq(queue_content(q), "f/u=1 g/u=2");
	cr_assert_eq(queue_remove(q, "f", "u"), GEARMAND_COMMIT_DONE);
	cr_expect_str_eq(queue_content(q), "g/u=2");
	queue_free(&q);
}

Test(sqlite, an_add_again_replaces_the_job_which_goes_to_the_end)
{
	struct queue *q = queue_opened();

	queue_add(q, "f", "a", "1");
	queue_add(q, "f", "b", "2");
	cr_assert_eq(queue_add(q, "f", "a", "3"), GEARMAND_COMMIT_DONE);
	cr_expect_str_eq(queue_content(q), "f/b=2 f/a=3");
	queue_free(&q);
}

Test(sqlite, a_batch_twice_is_a_batch_once)
{
	struct queue *q = queue_opened();
	struct gearmand_change batch[] = {
		an_add(a_job(S("f"), S("a"), S("1"))),
		an_add(a_job(S("f"), S("b"), S("2"))),
		a_remove(S("f"), S("a")),
		an_add(a_job(S("f"), S("c"), S("3"))),
		a_remove(S("f"), S("nobody")),
	};

	cr_assert_eq(queue_commit(q, batch, 5), GEARMAND_COMMIT_DONE);
	cr_expect_str_eq(queue_content(q), "f/b=2 f/c=3");
	cr_assert_eq(queue_commit(q, batch, 5), GEARMAND_COMMIT_DONE);
	cr_expect_str_eq(queue_content(q), "f/b=2 f/c=3");
	queue_free(&q);
}

Test(sqlite, changes_of_one_key_in_a_batch_happen_in_order)
{
	struct queue *q = queue_opened();
	struct gearmand_change batch[] = {
		an_add(a_job(S("f"), S("a"), S("1"))),
		a_remove(S("f"), S("a")),
		an_add(a_job(S("f"), S("a"), S("2"))),
		an_add(a_job(S("f"), S("b"), S("3"))),
		a_remove(S("f"), S("b")),
	};

	cr_assert_eq(queue_commit(q, batch, 5), GEARMAND_COMMIT_DONE);
	cr_expect_str_eq(queue_content(q), "f/a=2");
	queue_free(&q);
}

Test(sqlite, an_empty_batch_is_done)
{
	struct queue *q = queue_opened();

	cr_expect_eq(queue_commit(q, NULL, 0), GEARMAND_COMMIT_DONE);
	queue_free(&q);
}

/* ---- Order and amount ---------------------------------------------------------------------- */

static void
expect_count_in_order(struct queue *q, size_t count)
{
	cr_assert_eq(q->seen_count, count);
	for (size_t i = 0; i < count; i++) {
		char want[64];

		snprintf(want, sizeof(want), "k%zu", i);
		cr_assert(slice_same(q->seen[i].unique, slice_of_text(want)), "place %zu", i);
	}
}

Test(sqlite, batches_of_any_size_keep_their_order)
{
	const size_t sizes[] = { 1, 1000, 50000 };

	for (int i = 0; i < 3; i++) {
		struct queue *q = queue_opened();

		cr_assert_eq(queue_add_many(q, "k", sizes[i]), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		queue_reopen_and_replay(q);
		expect_count_in_order(q, sizes[i]);
		queue_free(&q);
	}
}

Test(sqlite, order_survives_removals_and_an_empty_table)
{
	struct queue *q = queue_opened();

	queue_add(q, "f", "a", "1");
	queue_add(q, "f", "b", "2");
	queue_remove(q, "f", "b"); /* the highest rowid is free again */
	queue_add(q, "f", "c", "3");
	queue_remove(q, "f", "a");
	queue_add(q, "f", "a", "4");
	cr_expect_str_eq(queue_content(q), "f/c=3 f/a=4");
	queue_remove(q, "f", "c");
	queue_remove(q, "f", "a");
	queue_add(q, "f", "z", "5");
	queue_add(q, "f", "a", "6");
	cr_expect_str_eq(queue_content(q), "f/z=5 f/a=6");
	queue_free(&q);
}

static bool
count_only(void *sink, const struct gearmand_job *job)
{
	*(size_t *)sink += job->data.len;
	return true;
}

Test(sqlite, replay_of_100000_jobs_is_bounded_in_memory)
{
	enum { BATCHES = 100, BATCH = 1000, DATA = 1000 };
	struct queue *q = queue_opened();
	struct gearmand_slice data = slice_filled(DATA, 1);
	static struct gearmand_change batch[BATCH];
	static char keys[BATCH][32];
	size_t bytes = 0;

	for (int b = 0; b < BATCHES; b++) {
		for (int i = 0; i < BATCH; i++) {
			snprintf(keys[i], sizeof(keys[i]), "%d-%d", i, b);
			batch[i] = an_add(a_job(S("f"), slice_of_text(keys[i]), data));
		}
		cr_assert_eq(queue_commit(q, batch, BATCH), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	}
	queue_close(q);
	cr_assert(queue_open(q));
	sqlite3_memory_highwater(1);
	cr_assert(q->host.ops->replay(q->store, count_only, &bytes, &q->err), "%s", q->err.text);
	cr_expect_eq(bytes, (size_t)BATCHES * BATCH * DATA);
	cr_expect_gt(sqlite3_memory_highwater(0), 0);
	cr_expect_lt(sqlite3_memory_highwater(0), 24 << 20, "%lld bytes", (long long)sqlite3_memory_highwater(0));
	queue_free(&q);
}

Test(sqlite, the_log_stays_small_and_goes_away_at_close)
{
	struct queue *q = queue_opened();
	char wal[200];
	struct stat st;
	off_t longest = 0;

	snprintf(wal, sizeof(wal), "%s-wal", q->db);
	for (int i = 0; i < 300; i++) {
		char prefix[16];

		snprintf(prefix, sizeof(prefix), "%d-", i);
		cr_assert_eq(queue_add_many(q, prefix, 500), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		cr_assert_eq(stat(wal, &st), 0);
		if (st.st_size > longest)
			longest = st.st_size;
	}
	cr_expect_lt(longest, 32 << 20, "%lld bytes", (long long)longest);
	queue_close(q);
	cr_expect_neq(stat(wal, &st), 0);
	queue_free(&q);
}

Test(sqlite, a_reader_that_keeps_the_log_from_starting_over_is_told_of_once)
{
	struct queue *q = queue_opened();
	struct gearmand_change c[] = {
		an_add(a_job(S("f"), S("u"), slice_filled(4 << 20, 1))),
		an_add(a_job(S("f"), S("u"), slice_filled(4 << 20, 2))), /* the same again would write nothing */
	};
	struct other o;
	int warnings = 0;

	queue_add(q, "f", "first", "");
	o = other_start(q, "BEGIN; SELECT count(*) FROM gearman_queue;");
	for (int i = 0; i < 22; i++) {
		cr_assert_eq(queue_commit(q, &c[i % 2], 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
		warnings += strstr(q->host.log, "its log has grown to") != NULL;
		q->host.log[0] = '\0';
	}
	cr_expect_eq(warnings, 1);
	other_end(&o);
	for (int i = 0; i < 8; i++)
		cr_assert_eq(queue_commit(q, &c[i % 2], 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(q->host.log, "", "%s", q->host.log);
	queue_free(&q);
}

Test(sqlite, a_sink_that_wants_no_more_is_not_called_again)
{
	struct queue *q = queue_opened();

	queue_add_many(q, "k", 10);
	q->stop_after = 3;
	cr_expect(queue_replay(q), "%s", q->err.text);
	cr_expect_eq(q->seen_count, 3);
	q->stop_after = 0;
	cr_expect_eq(queue_add(q, "f", "last", ""), GEARMAND_COMMIT_DONE);
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count, 11);
	queue_free(&q);
}

/* ---- Tables -------------------------------------------------------------------------------- */

Test(sqlite, a_table_has_any_name)
{
	const char *const names[] = { "my-queue", "schema.table", "it\"s", "select", "x'y", "gr\xc3\xb6\xc3\x9f!",
		"main.\"a\"" };
	struct queue *q = queue_new();

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		fake_host_set(&q->host, "libsqlite3-table", names[i]);
		cr_assert(queue_open(q), "%s: %s", names[i], q->err.text);
		cr_assert_eq(queue_add(q, "f", names[i], "1"), GEARMAND_COMMIT_DONE);
		queue_reopen_and_replay(q);
		cr_expect_eq(q->seen_count, 1, "%s", names[i]);
		queue_close(q);
	}
	cr_expect_str_eq(queue_sql(q, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN "
				      "('my-queue', 'schema.table', 'it\"s', 'select', 'x''y', 'main.\"a\"')"),
	    "6");
	queue_free(&q);
}

Test(sqlite, two_tables_of_one_file_are_two_queues)
{
	struct queue *q = queue_opened();

	queue_add(q, "f", "u", "1");
	queue_close(q);
	fake_host_set(&q->host, "libsqlite3-table", "other");
	cr_expect_str_eq(queue_content(q), "");
	queue_free(&q);
}

Test(sqlite, every_level_of_synchronous_works)
{
	const char *const levels[] = { "OFF", "normal", "Full", "EXTRA" };
	struct queue *q = queue_new();

	for (int i = 0; i < 4; i++) {
		fake_host_set(&q->host, "libsqlite3-synchronous", levels[i]);
		cr_assert(queue_open(q), "%s", q->err.text);
		cr_expect_eq(queue_add(q, "f", levels[i], "1"), GEARMAND_COMMIT_DONE);
		queue_close(q);
	}
	queue_free(&q);
}

/* ---- Crash ----------------------------------------------------------------------------------- */

/* Commits batches until it is killed, and tells after each. */
static void
commit_until_killed(struct queue *q, int tell)
{
	for (int i = 0;; i++) {
		char prefix[16];

		snprintf(prefix, sizeof(prefix), "%d-", i);
		if (!queue_add_many(q, prefix, 200) && write(tell, "x", 1) != 1)
			_exit(1);
	}
}

/* Acknowledged batches are all there, and the last one is there whole or not at all. */
static void
expect_whole_batches(struct queue *q, size_t told)
{
	queue_reopen_and_replay(q);
	cr_expect_eq(q->seen_count % 200, 0);
	cr_expect(q->seen_count == told * 200 || q->seen_count == (told + 1) * 200, "%zu jobs, %zu batches told",
	    q->seen_count, told);
}

Test(sqlite, kill_9_in_a_commit_loses_nothing_acknowledged)
{
	for (int round = 0; round < 10; round++) {
		struct queue *q = queue_new();
		size_t told = 0;
		int fds[2];
		pid_t pid;
		char c;

		cr_assert_eq(pipe(fds), 0);
		pid = fork();
		if (pid == 0) {
			close(fds[0]);
			if (queue_open(q))
				commit_until_killed(q, fds[1]);
			_exit(1);
		}
		close(fds[1]);
		while (told < (size_t)round + 1 && read(fds[0], &c, 1) == 1)
			told++;
		usleep((useconds_t)(round * 137)); /* somewhere in the next commit; any place is right */
		kill(pid, SIGKILL);
		while (read(fds[0], &c, 1) == 1)
			told++;
		cr_assert_eq(waitpid(pid, NULL, 0), pid);
		close(fds[0]);
		cr_assert_geq(told, 1);
		expect_whole_batches(q, told);
		queue_free(&q);
	}
}
