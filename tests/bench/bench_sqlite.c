/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bench_sqlite - what the SQLite module costs beside bare SQLite: rows stored and removed per second.
 *
 * Runs on:  one thread.
 * Owns:     a database in the given folder, which is removed again.
 *
 * usage: bench_sqlite MODULE.so [FOLDER [ROWS]]
 *
 * Bare: the table of gearmand 1.1, WAL, synchronous=FULL, one prepared INSERT and one prepared DELETE, one
 * transaction per batch; nothing else.  Module: its ops, as the store thread calls them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "tests/plugins/fake_host.h"

enum { KEY = 37, DATA = 32 };

static char folder[256] = "/var/tmp";
static size_t rows = 200000;
static char (*keys)[KEY];

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	fprintf(stderr, "bench_sqlite: %s\n", what);
	exit(1);
}

/* Random keys are the hard case for the index, and what a client without uniques gets. */
static void
make_keys(int is_random)
{
	uint64_t x = 88172645463325252u;

	for (size_t i = 0; i < rows; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		snprintf(keys[i], KEY, "%016llx-%019u", is_random ? (unsigned long long)x : 0, (unsigned)i);
	}
}

static void
path_of(char *path, size_t size, const char *suffix)
{
	snprintf(path, size, "%s/bench_sqlite.%ld.db%s", folder, (long)getpid(), suffix);
}

static void
remove_db(void)
{
	const char *const suffix[] = { "", "-wal", "-shm" };
	char path[400];

	for (int i = 0; i < 3; i++) {
		path_of(path, sizeof(path), suffix[i]);
		unlink(path);
	}
}

/* ---- Bare ------------------------------------------------------------------------------ */

static void
bare_exec(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
}

static void
bare_pass(sqlite3 *db, sqlite3_stmt *stmt, size_t batch, int is_add)
{
	static const char data[DATA] = "0123456789abcdef0123456789abcde";

	for (size_t i = 0; i < rows; i++) {
		if (i % batch == 0)
			bare_exec(db, "BEGIN IMMEDIATE");
		sqlite3_bind_text(stmt, 1, keys[i], KEY - 1, SQLITE_STATIC);
		sqlite3_bind_text(stmt, 2, "bench", 5, SQLITE_STATIC);
		if (is_add)
			sqlite3_bind_blob(stmt, 3, data, DATA, SQLITE_STATIC);
		if (sqlite3_step(stmt) != SQLITE_DONE)
			die(sqlite3_errmsg(db));
		sqlite3_reset(stmt);
		if (i % batch == batch - 1 || i == rows - 1)
			bare_exec(db, "COMMIT");
	}
}

static void
bare(size_t batch, double *add_r, double *remove_r)
{
	sqlite3 *db;
	sqlite3_stmt *add, *del;
	char path[400];
	double start;

	path_of(path, sizeof(path), "");
	if (sqlite3_open(path, &db) != SQLITE_OK)
		die("cannot open the database");
	bare_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		      "CREATE TABLE q (unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB, "
		      "when_to_run INTEGER, PRIMARY KEY (unique_key, function_name))");
	sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO q VALUES (?1, ?2, 1, ?3, 0)", -1, &add, NULL);
	sqlite3_prepare_v2(db, "DELETE FROM q WHERE unique_key = ?1 AND function_name = ?2", -1, &del, NULL);
	start = seconds();
	bare_pass(db, add, batch, 1);
	*add_r = (double)rows / (seconds() - start);
	start = seconds();
	bare_pass(db, del, batch, 0);
	*remove_r = (double)rows / (seconds() - start);
	sqlite3_finalize(add);
	sqlite3_finalize(del);
	sqlite3_close(db);
	remove_db();
}

/* ---- Module ---------------------------------------------------------------------------- */

static void
module_pass(struct fake_host *h, void *store, struct gearmand_change *batch_mem, size_t batch, enum gearmand_op op)
{
	static const char data[DATA] = "0123456789abcdef0123456789abcde";
	struct gearmand_error err = { .text = "" };

	for (size_t i = 0; i < rows; i += batch) {
		size_t n = rows - i < batch ? rows - i : batch;

		for (size_t j = 0; j < n; j++)
			batch_mem[j] = (struct gearmand_change){ .op = op,
				.job = { .function = { "bench", 5 }, .unique = { keys[i + j], KEY - 1 },
				    .data = { data, DATA }, .handle = { "H:bench:123456789", 17 },
				    .priority = GEARMAND_NORMAL } };
		if (h->ops->commit(store, batch_mem, n, &err) != GEARMAND_COMMIT_DONE)
			die(err.text);
	}
}

static void
module(struct fake_host *h, size_t batch, double *add_r, double *remove_r)
{
	struct gearmand_change *mem = calloc(batch, sizeof(*mem));
	struct gearmand_error err = { .text = "" };
	char path[400];
	void *store = NULL;
	double start;

	path_of(path, sizeof(path), "");
	fake_host_set(h, "libsqlite3-db", path);
	if (mem == NULL || !h->ops->open(&h->table, &store, &err))
		die(err.text);
	start = seconds();
	module_pass(h, store, mem, batch, GEARMAND_ADD);
	*add_r = (double)rows / (seconds() - start);
	start = seconds();
	module_pass(h, store, mem, batch, GEARMAND_REMOVE);
	*remove_r = (double)rows / (seconds() - start);
	h->ops->close(&store);
	free(mem);
	remove_db();
}

static void
compare(struct fake_host *h, const char *kind, size_t batch)
{
	double bare_add, bare_remove, add, del;

	bare(batch, &bare_add, &bare_remove);
	module(h, batch, &add, &del);
	printf("| %-10s | %6zu | %9.0f | %9.0f | %4.2f | %9.0f | %9.0f | %4.2f |\n", kind, batch, bare_add, add,
	    add / bare_add, bare_remove, del, del / bare_remove);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	static const size_t batches[] = { 1, 16, 128, 1024, 8192 };
	struct fake_host h;

	if (argc < 2)
		die("usage: bench_sqlite MODULE.so [FOLDER [ROWS]]");
	if (argc > 2)
		snprintf(folder, sizeof(folder), "%s", argv[2]);
	if (argc > 3)
		rows = strtoul(argv[3], NULL, 10);
	keys = rows == 0 ? NULL : calloc(rows, sizeof(*keys));
	if (keys == NULL)
		die("no rows");
	fake_host_load(&h, argv[1]);
	printf("| keys       |  batch | bare ADD/s | module/s  | ratio | bare DEL/s | module/s | ratio |\n"
	       "|---|---|---|---|---|---|---|---|\n");
	for (int is_random = 0; is_random < 2; is_random++) {
		size_t all = rows;

		make_keys(is_random);
		for (size_t i = 0; i < sizeof(batches) / sizeof(*batches); i++) {
			rows = all < batches[i] * 2000 ? all : batches[i] * 2000; /* small batches are slow */
			compare(&h, is_random ? "random" : "ascending", batches[i]);
			rows = all;
		}
	}
	free(keys);
	return 0;
}
