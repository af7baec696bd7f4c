/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bench_sqlite - what the SQLite module costs beside bare SQLite; see bare.h.
 *
 * Runs on:  one thread.
 * Owns:     two databases in the given folder, which are removed again.
 *
 * WHERE is a folder.  Bare: the table of gearmand 1.1 with our columns, WAL, synchronous=FULL, one prepared INSERT and
 * one prepared DELETE, one transaction per batch; nothing else.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "tests/bench/bare.h"

static const char *folder;
static sqlite3 *db;
static sqlite3_stmt *add, *del;

static void
path_of(char path[400], const char *which, const char *suffix)
{
	snprintf(path, 400, "%s/bench_sqlite.%ld.%s%s", folder, (long)getpid(), which, suffix);
}

static void
bare_open(const char *where, struct host *h)
{
	char path[400];

	folder = where;
	path_of(path, "module", "");
	fake_host_set(h, "libsqlite3-db", path);
}

static void
bare_end(void)
{
	static const char *const suffix[] = { "", "-wal", "-shm" };
	char path[400];

	sqlite3_finalize(add);
	sqlite3_finalize(del);
	sqlite3_close(db);
	db = NULL;
	add = del = NULL;
	for (int i = 0; i < 3; i++) {
		path_of(path, "bare", suffix[i]);
		unlink(path);
		path_of(path, "module", suffix[i]);
		unlink(path);
	}
}

static void
must(int rc)
{
	if (rc != SQLITE_OK)
		bare_die(db == NULL ? "no memory" : sqlite3_errmsg(db));
}

static void
bare_begin(void)
{
	char path[400];

	path_of(path, "bare", "");
	must(sqlite3_open(path, &db));
	must(sqlite3_exec(db,
	    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	    "CREATE TABLE q (unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB,"
	    " when_to_run INTEGER, job_handle TEXT, reducer BLOB, flags INTEGER,"
	    " PRIMARY KEY (unique_key, function_name))",
	    NULL, NULL, NULL));
	must(sqlite3_prepare_v2(
	    db, "INSERT OR REPLACE INTO q VALUES (?1, '" BARE_FUNCTION "', 1, ?2, 0, ?3, '', 0)", -1, &add, NULL));
	must(sqlite3_prepare_v2(
	    db, "DELETE FROM q WHERE unique_key = ?1 AND function_name = '" BARE_FUNCTION "'", -1, &del, NULL));
	must(sqlite3_bind_blob(add, 2, BARE_DATA, sizeof(BARE_DATA) - 1, SQLITE_STATIC));
	must(sqlite3_bind_text(add, 3, BARE_HANDLE, -1, SQLITE_STATIC));
}

static void
run(sqlite3_stmt *stmt, const bare_key *keys, size_t count)
{
	must(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
	for (size_t i = 0; i < count; i++) {
		must(sqlite3_bind_text(stmt, 1, keys[i], BARE_KEY - 1, SQLITE_STATIC));
		if (sqlite3_step(stmt) != SQLITE_DONE)
			bare_die(sqlite3_errmsg(db));
		sqlite3_reset(stmt);
	}
	must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
}

static void
bare_add(const bare_key *keys, size_t count)
{
	run(add, keys, count);
}

static void
bare_remove(const bare_key *keys, size_t count)
{
	run(del, keys, count);
}

int
main(int argc, char **argv)
{
	static const struct bare sqlite = { "bench_sqlite", bare_open, bare_begin, bare_end, bare_add, bare_remove };

	return bare_main(&sqlite, argc, argv);
}
