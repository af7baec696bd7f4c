/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SQLite's result codes, as a sentence for the operator and as what the host does next.
 *
 * Runs on:  the store thread.
 * Owns:     nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "queue_sqlite.h"

/* AGAIN: the connection is well, the world is not.  BROKEN: only a new connection can help, as when
 * the file was opened read-only or what SQLite keeps of it in memory cannot be trusted. */
static const struct gm_cause causes[] = {
	/* by primary code */
	{ SQLITE_BUSY, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_AGAIN, "locked by another process" },
	{ SQLITE_LOCKED, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_AGAIN, "locked by another process" },
	{ SQLITE_FULL, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_FULL, "the disk is full" },
	{ SQLITE_NOMEM, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_AGAIN, "out of memory" },
	{ SQLITE_READONLY, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN, "the file or its folder is read-only" },
	{ SQLITE_CANTOPEN, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN,
	    "cannot be opened (the file and its folder must be readable and writable)" },
	{ SQLITE_PERM, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN, "permission denied" },
	{ SQLITE_NOTADB, GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, "not an SQLite database" },
	{ SQLITE_CORRUPT, GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN,
	    "the database is damaged; repair it, or move it away" },
	{ SQLITE_ERROR, GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, "" }, /* in SQL: the table is not ours */
	{ 0, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN, NULL },
};

static int
errno_of(sqlite3_file *f)
{
	int e = 0;

	if (f != NULL && f->pMethods != NULL)
		f->pMethods->xFileControl(f, SQLITE_FCNTL_LAST_ERRNO, &e);
	return e;
}

/* The errno behind SQLITE_IOERR; 0 = not known.  SQLite keeps it per connection for some statements, and per
 * file for all. */
static int
system_cause(const struct sq_store *s)
{
	sqlite3_file *db = NULL, *wal = NULL;
	int e = s->db == NULL ? 0 : sqlite3_system_errno(s->db);

	if (e != 0 || s->db == NULL)
		return e;
	sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
	sqlite3_file_control(s->db, "main", SQLITE_FCNTL_FILE_POINTER, &db);
	e = errno_of(wal);
	return e != 0 ? e : errno_of(db);
}

/* A quota or a limit on the file's size reaches SQLite as an I/O error. */
static bool
is_limit(const struct sq_store *s, int rc)
{
	int cause = system_cause(s);

	return rc == SQLITE_IOERR_WRITE && (cause == ENOSPC || cause == EDQUOT || cause == EFBIG);
}

static const char *
phrase_of(const struct sq_store *s, int rc)
{
	const char *phrase = gm_cause_of(causes, rc & 0xff)->phrase;

	if (phrase != NULL && phrase[0] != '\0')
		return phrase;
	return s->db == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(s->db);
}

void
sq_sentence(const struct sq_store *s, struct gearmand_error *err, int rc, const char *doing)
{
	int cause = system_cause(s);
	enum gearmand_why why = gm_cause_of(causes, rc & 0xff)->why;

	if (is_limit(s, rc))
		gm_fail(err, why, "queue file %s: %s: no room: %s", s->given, doing, strerror(cause));
	else if ((rc & 0xff) == SQLITE_IOERR && cause != 0)
		gm_fail(err, why, "queue file %s: %s: disk I/O error: %s", s->given, doing, strerror(cause));
	else
		gm_fail(err, why, "queue file %s: %s: %s", s->given, doing, phrase_of(s, rc));
}

enum gearmand_commit
sq_outcome(const struct sq_store *s, int rc)
{
	return is_limit(s, rc) ? GEARMAND_COMMIT_FULL : gm_cause_of(causes, rc & 0xff)->outcome;
}
