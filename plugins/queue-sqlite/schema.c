/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The connection's settings, and the prepared statements.
 *
 * Runs on:  the store thread.
 * Owns:     the connection and its statements.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "queue_sqlite.h"

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
		if (!is)
			gm_fail(err, GEARMAND_WHY_LASTING, "queue file %s: %s", s->given, why);
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

	for (size_t i = 0; i < GM_COUNT(levels); i++) {
		if (want != NULL && strcasecmp(want, levels[i]) == 0) {
			snprintf(sql, sizeof(sql), "PRAGMA synchronous=%s", levels[i]);
			return pragma(s, err, sql);
		}
	}
	return gm_fail(err, GEARMAND_WHY_LASTING,
	    "--libsqlite3-synchronous must be OFF, NORMAL, FULL or EXTRA, not \"%s\"", want == NULL ? "" : want);
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

bool
sq_schema_open(struct sq_store *s, struct gearmand_error *err)
{
	int rc;

	if (!connect_db(s, err) || !sq_table_open(s, err) || !sq_dead_open(s, err))
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
