/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The connection's settings, the table, and the prepared statements.
 *
 * Runs on:  the store thread.
 * Owns:     the connection and its statements.
 *
 * The table is the one of gearmand 1.1.  Columns of ours come behind its columns and may be NULL, so
 * the statements of 1.1 work on a table that we have used, and its rows are ours to read.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "queue_sqlite.h"

/* name, type; the first four are what makes a table a queue. */
#define COLUMNS(X) \
	X(unique_key, "TEXT") \
	X(function_name, "TEXT") \
	X(priority, "INTEGER") \
	X(data, "BLOB") \
	X(when_to_run, "INTEGER") /* missing in the oldest tables */ \
	X(job_handle, "TEXT")     /* from here on: ours */ \
	X(reducer, "BLOB") \
	X(flags, "INTEGER")

static const struct {
	const char *name, *type;
} columns[] = {
#define X(name, type) { #name, type },
	COLUMNS(X)
#undef X
};

enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns), COLUMNS_NEEDED = 4 };

static const char *const statements[SQ_STATEMENT_COUNT] = {
#define X(name, sql) sql,
	SQ_STATEMENTS(X)
#undef X
};

static bool
fail_rc(const struct sq_store *s, struct gearmand_error *err, int rc, const char *doing)
{
	char text[300];

	snprintf(text, sizeof(text), "%s table \"%.200s\"", doing, s->table);
	sq_sentence(s, err, rc, text);
	return false;
}

static bool
prepare(struct sq_store *s, const char *format, sqlite3_stmt **stmt_r, int *rc)
{
	char *sql = sqlite3_mprintf(format, s->table, s->table);

	*rc = sql == NULL ? SQLITE_NOMEM : sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt_r, NULL);
	sqlite3_free(sql);
	return *rc == SQLITE_OK;
}

/* ---- Settings ------------------------------------------------------------------------ */

static bool
pragma(struct sq_store *s, struct gearmand_error *err, const char *sql)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		return true;
	sq_sentence(s, err, rc, "opening it");
	return false;
}

/* The one row of a PRAGMA must be `want`. */
static bool
pragma_is(struct sq_store *s, struct gearmand_error *err, const char *sql, const char *want, const char *why)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);
	bool is = false;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		const char *got = (const char *)sqlite3_column_text(stmt, 0);

		is = got != NULL && strcasecmp(got, want) == 0;
		if (!is) {
			s->host->error_set(err, "queue file %s: %s", s->given, why);
			err->why = GEARMAND_WHY_LASTING;
		}
	} else {
		sq_sentence(s, err, rc, "opening it");
	}
	sqlite3_finalize(stmt);
	return is;
}

static bool
set_synchronous(struct sq_store *s, struct gearmand_error *err)
{
	static const char *const levels[] = { "OFF", "NORMAL", "FULL", "EXTRA" };
	const char *want = s->host->option(s->host, "libsqlite3-synchronous");
	char sql[64];

	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		if (want != NULL && strcasecmp(want, levels[i]) == 0) {
			snprintf(sql, sizeof(sql), "PRAGMA synchronous=%s", levels[i]);
			return pragma(s, err, sql);
		}
	}
	s->host->error_set(
	    err, "--libsqlite3-synchronous must be OFF, NORMAL, FULL or EXTRA, not \"%s\"", want == NULL ? "" : want);
	err->why = GEARMAND_WHY_LASTING;
	return false;
}

static bool
connect_db(struct sq_store *s, struct gearmand_error *err)
{
	int rc = sqlite3_open_v2(s->file[SQ_DB].path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc != SQLITE_OK) {
		sq_sentence(s, err, rc, "opening it");
		return false;
	}
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, (int)s->busy_ms);
	sq_checkpoint_open(s);
	return pragma_is(s, err, "PRAGMA encoding", "UTF-8",
		   "its text is UTF-16, which would change job data; "
		   "use a database with UTF-8") &&
	       pragma_is(s, err, "PRAGMA journal_mode=WAL", "wal", "its file system does not allow WAL mode") &&
	       set_synchronous(s, err) &&
	       pragma(s, err, "PRAGMA journal_size_limit=67108864") && /* of the log, when it starts over */
	       pragma(s, err, "PRAGMA cache_size=-16384") &&           /* KiB */
	       pragma(s, err, "PRAGMA secure_delete=FAST");            /* do not write a payload again to erase it */
}

/* ---- The table ----------------------------------------------------------------------- */

/* Which of columns[] the table has, as bits. */
static bool
read_columns(struct sq_store *s, unsigned *have_r, bool *exists_r, int *rc)
{
	sqlite3_stmt *stmt = NULL;

	*have_r = 0;
	*exists_r = false;
	*rc = sqlite3_prepare_v2(s->db, "SELECT name FROM pragma_table_info(?1, 'main')", -1, &stmt, NULL);
	if (*rc == SQLITE_OK)
		*rc = sqlite3_bind_text(stmt, 1, s->table, -1, SQLITE_STATIC);
	while (*rc == SQLITE_OK && (*rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);

		*exists_r = true;
		for (unsigned i = 0; i < COLUMN_COUNT && name != NULL; i++) {
			if (strcasecmp(name, columns[i].name) == 0)
				*have_r |= 1u << i;
		}
		*rc = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	if (*rc == SQLITE_DONE)
		*rc = SQLITE_OK;
	return *rc == SQLITE_OK;
}

static bool
execute(struct sq_store *s, char *sql, int *rc)
{
	*rc = sql == NULL ? SQLITE_NOMEM : sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
	return *rc == SQLITE_OK;
}

static bool
create_table(struct sq_store *s, int *rc)
{
	return execute(s,
	    sqlite3_mprintf("CREATE TABLE main.\"%w\" ("
#define X(name, type) #name " " type ", "
		COLUMNS(X)
#undef X
		    "PRIMARY KEY (unique_key, function_name))",
		s->table),
	    rc);
}

static bool
add_columns(struct sq_store *s, unsigned have, int *rc)
{
	for (unsigned i = COLUMNS_NEEDED; i < COLUMN_COUNT; i++) {
		if ((have & 1u << i) == 0 && !execute(s,
						 sqlite3_mprintf("ALTER TABLE main.\"%w\" ADD COLUMN %s %s", s->table,
						     columns[i].name, columns[i].type),
						 rc))
			return false;
	}
	return true;
}

/* Nothing is written when all is there. */
static bool
make_table(struct sq_store *s, struct gearmand_error *err)
{
	unsigned have, all = (1u << COLUMN_COUNT) - 1, needed = (1u << COLUMNS_NEEDED) - 1;
	bool exists;
	int rc;

	if (!read_columns(s, &have, &exists, &rc))
		return fail_rc(s, err, rc, "reading");
	if (have == all)
		return true;
	if (exists && (have & needed) != needed) {
		s->host->error_set(err, "queue file %s: table \"%.200s\" is not a gearmand queue: it lacks columns",
		    s->given, s->table);
		err->why = GEARMAND_WHY_LASTING;
		return false;
	}
	if ((rc = sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL)) != SQLITE_OK ||
	    !(exists ? add_columns(s, have, &rc) : create_table(s, &rc)) ||
	    (rc = sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL)) != SQLITE_OK) {
		fail_rc(s, err, rc, "preparing"); /* closing the connection rolls back */
		return false;
	}
	return true;
}

bool
sq_schema_open(struct sq_store *s, struct gearmand_error *err)
{
	int rc;

	if (!connect_db(s, err) || !make_table(s, err))
		return false;
	for (int i = 0; i < SQ_STATEMENT_COUNT; i++) {
		if (!prepare(s, statements[i], &s->stmt[i], &rc))
			return fail_rc(s, err, rc, "using");
	}
	return true;
}

void
sq_schema_close(struct sq_store *s)
{
	for (int i = 0; i < SQ_STATEMENT_COUNT; i++)
		sqlite3_finalize(s->stmt[i]);
	sqlite3_close(s->db); /* moves the log into the database */
}
