/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One gearmand for each table: an advisory lock, and a row that says whose the table is.
 *
 * Runs on:  the store thread.
 * Owns:     the lock, which is the session's.
 *
 * The lock is on the table's number, so that all ways to name the table are one.  Its holder shows in pg_locks.  A
 * session may outlive its connection: the database learns late that a network is gone, and does not look while it
 * waits for a disk or for a replica.  When this process comes back, such a session of its own would keep it out; so
 * each session has a second lock, on the server's identity, which sessions of one server share: a session that has both
 * is ended.  No change can be lost by that: whatever such a session was asked to store, this process does not know to
 * be stored, and repeats.
 *
 * The row, in a table of its own.  A server that lost its connection comes back with its jobs in memory, and does not
 * read the table again.  When it finds another owner in the row, that one has had the table meanwhile: it may have
 * done jobs and left others, so this server must not go on.
 */
#include "queue_postgres.h"

/* First half of the number of our lock; the second is the table's. */
#define LOCK_CLASS 0x67656172 /* "gear" */

/* A server that was just killed may need a moment to be gone, on the other side too.  After the database was away, the
 * server that had the table comes first: it tries every five seconds at least. */
#define LOCK_WAIT   INT64_C(1000000000)
#define WAIT_RETURN (7 * LOCK_WAIT)

/* The server's identity as the number of a lock, in two parts. */
static void
identity_lock(const struct qp_store *s, unsigned part[2])
{
	GM_CHECK(sscanf(s->host->identity, "%8x%8x", &part[0], &part[1]) == 2);
}

/* True: it was a session of ours that has the lock, and it is on its way out. */
static bool
end_former(struct qp_store *s)
{
	unsigned id[2];
	PGresult *r;
	bool found;

	identity_lock(s, id);
	/* Where it is not allowed, we wait as for a stranger's. */
	r = qp_rows(s, s->limit_ms,
	    "SELECT pg_terminate_backend(t.pid) FROM pg_locks t JOIN pg_locks l USING (pid, database)"
	    " WHERE t.locktype = 'advisory' AND t.classid = %u AND t.objid = %u AND t.objsubid = 2"
	    " AND l.locktype = 'advisory' AND l.classid = %d AND l.objid = %u AND l.objsubid = 2 AND l.granted"
	    " AND t.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
	    id[0], id[1], LOCK_CLASS, s->table_oid);
	found = r != NULL && PQntuples(r) > 0;
	PQclear(r);
	return found;
}

static bool
try_lock(struct qp_store *s, bool *locked_r)
{
	PGresult *r =
	    qp_rows(s, s->limit_ms, "SELECT pg_try_advisory_lock(%d, %ld)", LOCK_CLASS, (long)(int32_t)s->table_oid);

	*locked_r = r != NULL && PQntuples(r) == 1 && PQgetvalue(r, 0, 0)[0] == 't';
	PQclear(r);
	return r != NULL;
}

/* A server that finds its own lock must not take it for another server's, and end. */
static bool
take_lock(struct qp_store *s, struct gearmand_error *err)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	int64_t deadline = s->host->monotonic() + LOCK_WAIT;
	bool locked = false;
	unsigned id[2];

	while (try_lock(s, &locked) && !locked) {
		if (end_former(s)) {
			if (s->host->monotonic() >= deadline)
				return qp_fail_why(s, err, GEARMAND_WHY_PASSING,
				    "is in use by a former session of this server, which is being ended");
		} else if (s->host->monotonic() >= deadline) {
			s->memory->saw_owner = true;
			return qp_fail_why(s, err, GEARMAND_WHY_IN_USE,
			    "is in use by another gearmand; each server needs a table of its own");
		}
		nanosleep(&pause, NULL);
	}
	identity_lock(s, id);
	return (locked && qp_askf(s, s->limit_ms, "SELECT pg_try_advisory_lock_shared(%ld, %ld)", (long)(int32_t)id[0],
			      (long)(int32_t)id[1])) ||
	       qp_fail_table(s, err, "locking");
}

enum row { ROW_OURS, ROW_OTHERS, ROW_MISSING, ROW_FAILED };

static enum row
look_at_row(struct qp_store *s)
{
	PGresult *r = qp_rows(s, s->limit_ms,
	    "SELECT owner = '%.32s' FROM %s WHERE queue = (SELECT relname FROM pg_class WHERE oid = %u)",
	    s->host->identity, s->lock_table, s->table_oid);
	enum row row = r == NULL                       ? ROW_FAILED
		       : PQntuples(r) == 0             ? ROW_MISSING
		       : PQgetvalue(r, 0, 0)[0] == 't' ? ROW_OURS
						       : ROW_OTHERS;

	PQclear(r);
	return row;
}

static bool
take_row(struct qp_store *s, struct gearmand_error *err)
{
	enum row row = look_at_row(s);

	/* Somebody else may make it at the same moment. */
	if (row == ROW_FAILED && qp_fault_is(s, "42P01")) {
		if (!qp_askf(s, s->limit_ms,
			"CREATE TABLE IF NOT EXISTS %s (queue TEXT PRIMARY KEY, owner TEXT NOT NULL)", s->lock_table) &&
		    !qp_fault_is(s, "42P07") && !qp_fault_is(s, "23505"))
			return qp_fail(s, err, "making table gearmand_lock");
		row = ROW_MISSING;
	}
	if (row == ROW_OTHERS && !s->is_first)
		return qp_fail_why(
		    s, err, GEARMAND_WHY_IN_USE, "was another gearmand's meanwhile, which may have left jobs in it");
	return row == ROW_OURS ||
	       (row != ROW_FAILED && qp_askf(s, s->limit_ms,
					 "INSERT INTO %s SELECT relname, '%.32s' FROM pg_class WHERE oid = %u"
					 " ON CONFLICT (queue) DO UPDATE SET owner = excluded.owner",
					 s->lock_table, s->host->identity, s->table_oid)) ||
	       qp_fail(s, err, "using table gearmand_lock");
}

bool
qp_own(struct qp_store *s, struct gearmand_error *err)
{
	if (s->memory->was_away)
		s->memory->not_before = s->host->monotonic() + WAIT_RETURN;
	s->memory->was_away = false;
	if (s->host->monotonic() < s->memory->not_before)
		return qp_fail_why(s, err, GEARMAND_WHY_IN_USE,
		    "is left to the server that had it: it may come back to it after the database was away");
	return take_lock(s, err) && take_row(s, err);
}
