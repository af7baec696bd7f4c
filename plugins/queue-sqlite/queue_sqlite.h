/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue_sqlite.h - insides of the SQLite queue module, shared by its files.
 *
 * Runs on:  the store thread.
 * Owns:     one connection to one database file, and a lock on that file.
 *
 * queue_sqlite.c  the descriptor; opens and closes
 * file.c          the file as such: lock, and whether it is still where it was
 * checkpoint.c    when the log is moved to the database, and what if it cannot be
 * schema.c        the connection's settings, the prepared statements
 * table.c         the table: made, or taken over
 * room.c          whether there is room for more jobs
 * replay.c        rows -> jobs, in order
 * commit.c        a batch of changes -> one transaction
 * sentence.c      result codes -> what the operator reads, and what the host does next
 */
#ifndef QUEUE_SQLITE_H
#define QUEUE_SQLITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sqlite3.h>

#include <gearmand/module.h>

/* Statements that are kept; `%w` stands for the table. */
/* clang-format off */
#define SQ_STATEMENTS(X) \
	X(BEGIN,    "BEGIN IMMEDIATE") \
	X(COMMIT,   "COMMIT") \
	X(ROLLBACK, "ROLLBACK") \
	X(ADD,      "INSERT INTO main.\"%w\" (unique_key, function_name, priority, data, when_to_run," \
	            " job_handle, reducer, flags, attempts, changed_at, expires_at, error)" \
	            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)" \
	            " ON CONFLICT (unique_key, function_name) DO UPDATE SET" \
	            " rowid = (SELECT max(rowid) + 1 FROM main.\"%w\"), priority = excluded.priority," \
	            " data = excluded.data, when_to_run = excluded.when_to_run, job_handle = excluded.job_handle," \
	            " reducer = excluded.reducer, flags = excluded.flags, attempts = excluded.attempts," \
	            " changed_at = excluded.changed_at, expires_at = excluded.expires_at, error = excluded.error") \
	X(REMOVE,   "DELETE FROM main.\"%w\" WHERE unique_key = ?1 AND function_name = ?2") \
	X(BURY,     "INSERT OR REPLACE INTO main.\"%w_dead\" (unique_key, function_name, priority, data," \
	            " when_to_run, job_handle, reducer, flags, attempts, changed_at, expires_at, error)" \
	            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)") \
	X(UNBURY,   "DELETE FROM main.\"%w_dead\" WHERE job_handle = ?1")
/* clang-format on */

enum sq_statement {
#define X(name, sql) SQ_##name,
	SQ_STATEMENTS(X)
#undef X
	    SQ_STATEMENT_COUNT
};

enum { SQ_DB, SQ_WAL, SQ_SHM, SQ_FILE_COUNT };

/* A file that must stay the one that was opened. */
struct sq_file {
	char *path; /* absolute; sqlite3_free() */
	dev_t dev;
	ino_t ino;
};

struct sq_store {
	uint32_t magic;
	const struct gearmand_host *host;
	const char *table; /* the host's; any name */
	sqlite3 *db;
	sqlite3_stmt *stmt[SQ_STATEMENT_COUNT];
	struct sq_file file[SQ_FILE_COUNT];
	int lock_fd; /* the database file; -1 = none.  Closed after `db`, see file.c */
	int64_t busy_ms;
	int warn_frames;   /* of the log, at which the next warning is due */
	const char *given; /* the path as the operator wrote it, for sentences; the host's */
};

/* file.c */
bool sq_file_open(struct sq_store *, struct gearmand_error *);  /* finds or creates, locks */
bool sq_file_watch(struct sq_store *, struct gearmand_error *); /* once SQLite has its files open */
const char *sq_file_missing(const struct sq_store *);           /* path of one deleted or replaced; else NULL */
void sq_file_close(struct sq_store *);

/* checkpoint.c */
void sq_checkpoint_open(struct sq_store *); /* from here on the log is moved to the database from time to time */
void sq_checkpoint_now(struct sq_store *);

/* schema.c */
bool sq_schema_open(struct sq_store *, struct gearmand_error *);
void sq_schema_close(struct sq_store *);

/* table.c */
bool sq_table_open(struct sq_store *, struct gearmand_error *); /* makes it what the statements need */
bool sq_dead_open(struct sq_store *, struct gearmand_error *);  /* the same with that of the dead */

/* room.c */
bool sq_has_room(struct sq_store *, const struct gearmand_change *, size_t count, struct gearmand_error *);

/* replay.c, commit.c: ops */
bool sq_replay(void *store, gearmand_replay_f *, void *sink, struct gearmand_error *);
enum gearmand_commit sq_commit(void *store, struct gearmand_change *, size_t count, struct gearmand_error *);
enum gearmand_commit sq_check(void *store, struct gearmand_error *);

#define SQ_MAGIC           0x71737174u /* "qsqt" */
#define sq_store_of(store) GM_STORE(struct sq_store, store, SQ_MAGIC)

/* Steps a statement that gives no rows, and resets it; the error stays readable in the connection. */
int sq_run(sqlite3_stmt *);
/* Back to no transaction; false when even that fails. */
bool sq_rollback(struct sq_store *);
void sq_bind_text(sqlite3_stmt *, int column, struct gearmand_slice, int *rc);
void sq_bind_blob(sqlite3_stmt *, int column, struct gearmand_slice, int *rc);

/* sentence.c.  `rc` is the latest error of s->db; `doing` reads like "reading table x". */
void sq_sentence(const struct sq_store *, struct gearmand_error *, int rc, const char *doing);
enum gearmand_commit sq_outcome(const struct sq_store *, int rc);

#endif
