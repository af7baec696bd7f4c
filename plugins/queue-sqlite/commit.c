/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A batch of changes becomes one transaction.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the batch is the host's.
 *
 * After any failure the connection is out of its transaction and its statements are reset, so the
 * next try starts clean; where that cannot be had the answer is BROKEN.
 */
#include "queue_sqlite.h"

int
sq_run(sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

bool
sq_rollback(struct sq_store *s)
{
	if (!sqlite3_get_autocommit(s->db)) /* some failures have rolled back already */
		(void)sq_run(s->stmt[SQ_ROLLBACK]);
	return sqlite3_get_autocommit(s->db) != 0;
}

/* A length of 0 with a NULL pointer would be an SQL NULL. */
static const char *
bytes_of(struct gearmand_slice v)
{
	return v.len == 0 ? "" : v.data;
}

void
sq_bind_text(sqlite3_stmt *stmt, int column, struct gearmand_slice v, int *rc)
{
	if (*rc == SQLITE_OK)
		*rc = sqlite3_bind_text64(stmt, column, bytes_of(v), v.len, SQLITE_STATIC, SQLITE_UTF8);
}

void
sq_bind_blob(sqlite3_stmt *stmt, int column, struct gearmand_slice v, int *rc)
{
	if (*rc == SQLITE_OK)
		*rc = sqlite3_bind_blob64(stmt, column, bytes_of(v), v.len, SQLITE_STATIC);
}

static void
bind_int(sqlite3_stmt *stmt, int column, int64_t v, int *rc)
{
	if (*rc == SQLITE_OK)
		*rc = sqlite3_bind_int64(stmt, column, v);
}

/* ADD or BURY. */
static int
put(sqlite3_stmt *stmt, const struct gearmand_job *job)
{
	int rc = SQLITE_OK;

	sq_bind_text(stmt, 1, job->unique, &rc);
	sq_bind_text(stmt, 2, job->function, &rc);
	bind_int(stmt, 3, job->priority, &rc);
	sq_bind_blob(stmt, 4, job->data, &rc);
	bind_int(stmt, 5, job->run_at, &rc);
	sq_bind_text(stmt, 6, job->handle, &rc);
	sq_bind_blob(stmt, 7, job->reducer, &rc);
	bind_int(stmt, 8, job->flags, &rc);
	bind_int(stmt, 9, job->attempts, &rc);
	bind_int(stmt, 10, job->changed_at, &rc);
	bind_int(stmt, 11, job->expires_at, &rc);
	sq_bind_blob(stmt, 12, job->error, &rc);
	return rc == SQLITE_OK ? sq_run(stmt) : rc;
}

static int
remove_job(struct sq_store *s, const struct gearmand_job *job)
{
	sqlite3_stmt *stmt = s->stmt[SQ_REMOVE];
	int rc = SQLITE_OK;

	sq_bind_text(stmt, 1, job->unique, &rc);
	sq_bind_text(stmt, 2, job->function, &rc);
	return rc == SQLITE_OK ? sq_run(stmt) : rc;
}

static int
unbury(struct sq_store *s, const struct gearmand_job *job)
{
	sqlite3_stmt *stmt = s->stmt[SQ_UNBURY];
	int rc = SQLITE_OK;

	sq_bind_text(stmt, 1, job->handle, &rc);
	return rc == SQLITE_OK ? sq_run(stmt) : rc;
}

static int
make_change(struct sq_store *s, const struct gearmand_change *c)
{
	switch (c->op) {
	case GEARMAND_ADD:
		return put(s->stmt[SQ_ADD], &c->job);
	case GEARMAND_BURY:
		return put(s->stmt[SQ_BURY], &c->job);
	case GEARMAND_UNBURY:
		return unbury(s, &c->job);
	default:
		return remove_job(s, &c->job);
	}
}

/* Would it fail in every try, whatever becomes of the rest?  Such an error undoes its statement only. */
static bool
is_final(int rc)
{
	rc &= 0xff;
	return rc == SQLITE_TOOBIG || rc == SQLITE_CONSTRAINT || rc == SQLITE_MISMATCH;
}

static void
refuse(struct sq_store *s, struct gearmand_change *c, int rc)
{
	if ((rc & 0xff) == SQLITE_TOOBIG)
		s->host->refuse(c, "a job of %zu bytes is too large for the SQLite queue, which takes up to %d",
		    c->job.data.len, sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, -1));
	else
		s->host->refuse(c, "the SQLite queue does not take this job: %s", sqlite3_errmsg(s->db));
}

static int
apply(struct sq_store *s, struct gearmand_change *c)
{
	bool is_put = c->op == GEARMAND_ADD || c->op == GEARMAND_BURY;
	int rc = make_change(s, c);

	/* A trigger may have ended the transaction along with the statement. */
	if (is_put && is_final(rc) && !sqlite3_get_autocommit(s->db)) {
		refuse(s, c, rc);
		return SQLITE_OK;
	}
	return rc;
}

static int
apply_all(struct sq_store *s, struct gearmand_change *changes, size_t count)
{
	int rc = sq_run(s->stmt[SQ_BEGIN]);

	for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
		rc = apply(s, &changes[i]);
	if (rc == SQLITE_OK)
		rc = sq_run(s->stmt[SQ_COMMIT]);
	/* The batch's memory is the host's again. */
	for (int i = SQ_ADD; i < SQ_STATEMENT_COUNT; i++)
		sqlite3_clear_bindings(s->stmt[i]);
	return rc;
}

static enum gearmand_commit
give_up(struct sq_store *s, int rc, struct gearmand_error *err)
{
	enum gearmand_commit outcome = sq_outcome(s, rc);

	sq_sentence(s, err, rc, "storing jobs");
	return sq_rollback(s) ? outcome : GEARMAND_COMMIT_BROKEN;
}

enum gearmand_commit
sq_check(void *store, struct gearmand_error *err)
{
	struct sq_store *s = sq_store_of(store);
	const char *missing = sq_file_missing(s);

	if (missing == NULL)
		return GEARMAND_COMMIT_DONE;
	gm_fail(err, GEARMAND_WHY_PASSING,
	    "%s was deleted or replaced while in use; what it held is not stored any more", missing);
	return GEARMAND_COMMIT_BROKEN;
}

enum gearmand_commit
sq_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	struct sq_store *s = sq_store_of(store);
	int rc;

	if (!sq_has_room(s, changes, count, err))
		return GEARMAND_COMMIT_FULL;
	rc = apply_all(s, changes, count);
	/* When the log is in the database it starts over, in the room that it has. */
	if (rc != SQLITE_OK && sq_outcome(s, rc) == GEARMAND_COMMIT_FULL && sq_rollback(s)) {
		sq_checkpoint_now(s);
		rc = apply_all(s, changes, count);
	}
	if (rc != SQLITE_OK)
		return give_up(s, rc, err);
	/* After the commit, so that nothing is called stored that went to a file without a name. */
	return sq_check(s, err);
}
