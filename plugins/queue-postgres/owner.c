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

/* A server that was just killed may need a moment to be gone, on the other side too. */
#define LOCK_WAIT INT64_C(1000000000)

/* True: it was a session of ours that has the lock, and it is on its way out. */
static bool
end_former(struct qp_store *s, const unsigned id[2])
{
	/* Where it is not allowed, we wait as for a stranger's. */
	PGresult *r = qp_rows(s, QP_IN_TIME,
	    "SELECT pg_terminate_backend(t.pid) FROM pg_locks t JOIN pg_locks l USING (pid, database)"
	    " WHERE t.locktype = 'advisory' AND t.classid = %u AND t.objid = %u AND t.objsubid = 2"
	    " AND l.locktype = 'advisory' AND l.classid = %d AND l.objid = %u AND l.objsubid = 2 AND l.granted"
	    " AND t.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
	    id[0], id[1], LOCK_CLASS, s->table_oid);
	bool found = r != NULL && PQntuples(r) > 0;

	PQclear(r);
	return found;
}

static bool
try_lock(struct qp_store *s, bool *locked_r)
{
	PGresult *r = qp_rows(s, QP_IN_TIME, "SELECT pg_try_advisory_lock(%d, %d)", LOCK_CLASS, (int)s->table_oid);

	*locked_r = r != NULL && PQntuples(r) == 1 && PQgetvalue(r, 0, 0)[0] == 't';
	PQclear(r);
	return r != NULL;
}

/* A server that finds its own lock must not take it for another server's, and end. */
static bool
take_lock(struct qp_store *s, struct gearmand_error *err)
{
	int64_t deadline = s->host->monotonic() + LOCK_WAIT;
	bool locked = false, was_ours;
	unsigned id[2]; /* the server's identity, as the number of a lock */

	GM_CHECK(sscanf(s->host->identity, "%8x%8x", &id[0], &id[1]) == 2);
	for (; try_lock(s, &locked) && !locked; gm_pause(20)) {
		was_ours = end_former(s, id);
		if (s->host->monotonic() < deadline)
			continue;
		if (was_ours)
			return qp_fail_why(s, err, GEARMAND_WHY_PASSING,
			    "is in use by a former session of this server, which is being ended");
		s->standby->saw_owner = true;
		return qp_fail_why(
		    s, err, GEARMAND_WHY_IN_USE, "is in use by another gearmand; each server needs a table of its own");
	}
	return (locked &&
		   qp_ask(s, QP_IN_TIME, "SELECT pg_try_advisory_lock_shared(%d, %d)", (int)id[0], (int)id[1])) ||
	       qp_fail_table(s, err, "locking");
}

/* No row: it is another server's.  One that has just been started reads all jobs, and need not ask whose it was.
 * Nothing is written when the row is ours already, for such a commit may have to wait, too. */
static PGresult *
take_row_or_see(struct qp_store *s)
{
	return qp_rows(s, QP_IN_TIME,
	    "WITH name AS (SELECT relname FROM pg_class WHERE oid = %1$u),"
	    " ours AS (SELECT 1 FROM %2$s JOIN name ON queue = relname WHERE owner = '%3$.32s'),"
	    " taken AS (INSERT INTO %2$s AS l SELECT relname, '%3$.32s' FROM name WHERE NOT EXISTS (SELECT FROM ours)"
	    " ON CONFLICT (queue) DO UPDATE SET owner = excluded.owner WHERE %4$s RETURNING 1)"
	    " SELECT FROM ours UNION ALL SELECT FROM taken",
	    s->table_oid, s->lock_table, s->host->identity, s->is_first ? "true" : "false");
}

static bool
take_row(struct qp_store *s, struct gearmand_error *err)
{
	PGresult *r = take_row_or_see(s);
	int rows;

	if (r == NULL && qp_fault_is(s, "42P01")) {
		/* Somebody else may make it at the same moment. */
		if (!qp_ask(s, QP_IN_TIME,
			"CREATE TABLE IF NOT EXISTS %s (queue TEXT PRIMARY KEY, owner TEXT NOT NULL)", s->lock_table) &&
		    !qp_fault_is(s, "42P07") && !qp_fault_is(s, "23505"))
			return qp_fail(s, err, "making table gearmand_lock");
		r = take_row_or_see(s);
	}
	if (r == NULL)
		return qp_fail(s, err, "using table gearmand_lock");
	rows = PQntuples(r);
	PQclear(r);
	return rows == 1 || qp_fail_why(s, err, GEARMAND_WHY_IN_USE,
				"was another gearmand's meanwhile, which may have left jobs in it");
}

bool
qp_own(struct qp_store *s, struct gearmand_error *err)
{
	if (gm_standby_waits(s->standby, s->host->monotonic()))
		return qp_fail_why(s, err, GEARMAND_WHY_IN_USE,
		    "is left to the server that had it: it may come back to it after the database was away");
	return take_lock(s, err) && take_row(s, err);
}
