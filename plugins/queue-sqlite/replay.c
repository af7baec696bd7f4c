/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows become jobs again, in the order in which they were stored.
 *
 * Runs on:  the store thread, before the first commit.
 * Owns:     its statements, while it runs.
 *
 * The order is that of the rowid, the dead come behind all others.  One row is in memory at a time.
 *
 * What gearmand 1.1 or a person's hand left is read leniently: NULL for nothing, text for numbers and
 * numbers for text.  A key that the host could not hand back for its removal (NULL, empty, "-", BLOB,
 * longer than keys are, a NUL in it) is rewritten in place, in the transaction of the replay.
 */
#include <stdio.h>
#include <string.h>

#include "queue_sqlite.h"

enum { ROWID, UNIQUE, FUNCTION, PRIORITY, DATA, WHEN, HANDLE, REDUCER, FLAGS, ATTEMPTS, CHANGED, EXPIRES, ERROR };

#define COLUMNS_READ \
	"SELECT rowid, unique_key, function_name, priority, data, when_to_run, job_handle, reducer, flags, attempts," \
	" changed_at, expires_at, error FROM"
#define SELECT_ROWS COLUMNS_READ " main.\"%w\" ORDER BY rowid"
#define SELECT_DEAD COLUMNS_READ " main.\"%w_dead\" ORDER BY rowid"
#define REWRITE_KEY "UPDATE main.\"%w\" SET unique_key = ?2, function_name = ?3, flags = ?4 WHERE rowid = ?1"

struct replay {
	struct sq_store *store;
	sqlite3_stmt *rows, *rewrite;
	bool stopped;
	bool dead; /* the rows are those of the dead */
	uint64_t jobs, skipped;
	char key[33]; /* a unique made here */
};

static int
prepare_once(struct sq_store *s, const char *format, sqlite3_stmt **stmt_r)
{
	char *sql = sqlite3_mprintf(format, s->table);
	int rc = sql == NULL ? SQLITE_NOMEM : sqlite3_prepare_v2(s->db, sql, -1, stmt_r, NULL);

	sqlite3_free(sql);
	return rc;
}

/* Bytes of a column of any type; valid until the next step. */
static struct gearmand_slice
column_bytes(sqlite3_stmt *row, int column, int *rc)
{
	struct gearmand_slice v = { sqlite3_column_blob(row, column), 0 };

	v.len = (size_t)sqlite3_column_bytes(row, column);
	if (v.data == NULL && (v.len > 0 || sqlite3_errcode(sqlite3_db_handle(row)) == SQLITE_NOMEM))
		*rc = SQLITE_NOMEM;
	if (v.data == NULL)
		v = (struct gearmand_slice){ "", 0 };
	return v;
}

static enum gearmand_priority
column_priority(sqlite3_stmt *row)
{
	const unsigned char *text = sqlite3_column_text(row, PRIORITY);
	int64_t n = sqlite3_column_int64(row, PRIORITY);

	if (text == NULL || text[0] < '0' || text[0] > '9' || n < GEARMAND_HIGH || n > GEARMAND_LOW)
		return GEARMAND_NORMAL; /* what is no number reads as 0, which is high */
	return (enum gearmand_priority)n;
}

static void
read_job(sqlite3_stmt *row, struct gearmand_job *job, int *rc)
{
	int64_t when = sqlite3_column_int64(row, WHEN);

	*job = (struct gearmand_job){
		.unique = column_bytes(row, UNIQUE, rc),
		.function = column_bytes(row, FUNCTION, rc),
		.data = column_bytes(row, DATA, rc),
		.handle = column_bytes(row, HANDLE, rc),
		.reducer = column_bytes(row, REDUCER, rc),
		.run_at = when < 0 ? 0 : when,
		.priority = column_priority(row),
		.flags = (uint32_t)sqlite3_column_int64(row, FLAGS) & ~(uint32_t)GEARMAND_JOB_DEAD,
		.attempts = (uint32_t)sqlite3_column_int64(row, ATTEMPTS),
		.changed_at = sqlite3_column_int64(row, CHANGED),
		.expires_at = sqlite3_column_int64(row, EXPIRES),
		.error = column_bytes(row, ERROR, rc),
	};
}

/* ---- Keys ---------------------------------------------------------------------------- */

static void
cut_at_nul(struct gearmand_slice *v)
{
	v->len = strnlen(v->data, v->len);
}

static void
make_unique(struct replay *r, struct gearmand_job *job, uint32_t flag)
{
	gm_made_unique(r->key);
	job->unique = gm_slice(r->key);
	job->flags |= flag;
}

static int
rewrite_key(struct replay *r, const struct gearmand_job *job)
{
	int rc = SQLITE_OK;

	if (r->rewrite == NULL && (rc = prepare_once(r->store, REWRITE_KEY, &r->rewrite)) != SQLITE_OK)
		return rc;
	rc = sqlite3_bind_int64(r->rewrite, 1, sqlite3_column_int64(r->rows, ROWID));
	sq_bind_text(r->rewrite, 2, job->unique, &rc);
	sq_bind_text(r->rewrite, 3, job->function, &rc);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(r->rewrite, 4, job->flags);
	if (rc == SQLITE_OK)
		rc = sq_run(r->rewrite);
	sqlite3_clear_bindings(r->rewrite);
	return rc;
}

/* Makes the key one that the host can hand back. */
static int
settle_key(struct replay *r, struct gearmand_job *job)
{
	struct gearmand_slice unique = job->unique, function = job->function;
	bool own = (job->flags & (GEARMAND_JOB_NO_UNIQUE | GEARMAND_JOB_UNIQUE_IS_DATA)) != 0;
	int rc;

	cut_at_nul(&job->unique);
	cut_at_nul(&job->function);
	if (job->unique.len == 0 || job->unique.len > GM_UNIQUE_MOST)
		make_unique(r, job, GEARMAND_JOB_NO_UNIQUE);
	else if (gm_is(job->unique, "-") && !own)
		make_unique(r, job, GEARMAND_JOB_UNIQUE_IS_DATA); /* as 1.1 stores it */
	if (sqlite3_column_type(r->rows, UNIQUE) == SQLITE_TEXT &&
	    sqlite3_column_type(r->rows, FUNCTION) == SQLITE_TEXT && unique.data == job->unique.data &&
	    unique.len == job->unique.len && function.len == job->function.len)
		return SQLITE_OK;
	rc = rewrite_key(r, job);
	if ((rc & 0xff) == SQLITE_CONSTRAINT) { /* another row has that key */
		make_unique(r, job, GEARMAND_JOB_NO_UNIQUE);
		rc = rewrite_key(r, job);
	}
	return rc;
}

/* ---- The pass ------------------------------------------------------------------------ */

/* Only we write rows of the dead: one that cannot be right is left alone. */
static bool
is_sound_dead(const struct gearmand_job *job)
{
	return job->handle.len > 0 && job->unique.len > 0 && job->unique.len <= GM_UNIQUE_MOST &&
	       !gm_has_byte(job->unique, '\0') && !gm_has_byte(job->function, '\0');
}

/* SQLITE_DONE: the host wants no more. */
static int
replay_row(struct replay *r, gearmand_replay_f *sink_f, void *sink)
{
	struct gearmand_job job;
	int rc = SQLITE_OK;

	read_job(r->rows, &job, &rc);
	if (rc != SQLITE_OK)
		return rc;
	if (sqlite3_column_type(r->rows, FUNCTION) == SQLITE_NULL || job.function.len > GM_FUNCTION_MOST ||
	    (r->dead && !is_sound_dead(&job))) {
		r->skipped++;
		return SQLITE_OK;
	}
	if (r->dead)
		job.flags |= GEARMAND_JOB_DEAD;
	else
		rc = settle_key(r, &job);
	if (rc != SQLITE_OK)
		return rc;
	r->jobs++;
	return sink_f(sink, &job) ? SQLITE_OK : SQLITE_DONE;
}

static int
replay_rows(struct replay *r, gearmand_replay_f *sink_f, void *sink)
{
	int rc = prepare_once(r->store, r->dead ? SELECT_DEAD : SELECT_ROWS, &r->rows);

	while (rc == SQLITE_OK) {
		rc = sqlite3_step(r->rows);
		if (rc != SQLITE_ROW)
			break;
		rc = replay_row(r, sink_f, sink);
		r->stopped = rc == SQLITE_DONE;
	}
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The living, then the dead. */
static int
replay_tables(struct replay *r, gearmand_replay_f *sink_f, void *sink)
{
	int rc = replay_rows(r, sink_f, sink);

	if (rc != SQLITE_OK || r->stopped)
		return rc;
	sqlite3_finalize(r->rows);
	r->rows = NULL;
	r->dead = true;
	return replay_rows(r, sink_f, sink);
}

static void
report_failure(const struct replay *r, int rc, struct gearmand_error *err)
{
	char doing[300];

	snprintf(doing, sizeof(doing), "reading table \"%.200s%s\" after %llu jobs", r->store->table,
	    r->dead ? "_dead" : "", (unsigned long long)r->jobs);
	sq_sentence(r->store, err, rc, doing);
}

bool
sq_replay(void *store, gearmand_replay_f *sink_f, void *sink, struct gearmand_error *err)
{
	struct sq_store *s = sq_store_of(store);
	struct replay r = { .store = s };
	int rc = sq_run(s->stmt[SQ_BEGIN]);

	if (rc == SQLITE_OK)
		rc = replay_tables(&r, sink_f, sink);
	if (rc != SQLITE_OK)
		report_failure(&r, rc, err);
	sqlite3_finalize(r.rows);
	sqlite3_finalize(r.rewrite);
	if (rc == SQLITE_OK) {
		rc = sq_run(s->stmt[SQ_COMMIT]);
		if (rc != SQLITE_OK)
			report_failure(&r, rc, err);
	}
	if (rc != SQLITE_OK)
		(void)sq_rollback(s);
	if (r.skipped > 0)
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "queue file %s: %llu rows of table \"%s\" name no function, or a name that is too "
		    "long, or have no key; they are left as they are",
		    s->given, (unsigned long long)r.skipped, s->table);
	return rc == SQLITE_OK;
}
