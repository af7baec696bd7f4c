/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table: found by its name or made, and locked for one server.
 *
 * Runs on:  the store thread.
 * Owns:     the advisory lock, which is the session's.
 *
 * The lock is on the table's number, so that all ways to name the table are one.  Its holder shows in pg_locks.
 *
 * A session may outlive its connection: the server learns late that a network is gone, and does not look while it
 * waits for a disk or for a replica.  When this process comes back, such a session of its own would keep it out; so
 * each session takes a second lock, on a random number, and the numbers of those that were closed are remembered:
 * their sessions are ended.  No change can be lost by that: whatever such a session was asked to store, this process
 * does not know to be stored, and repeats.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/random.h>

#include "queue_postgres.h"

/* First halves of the numbers of our locks. */
#define LOCK_CLASS  0x67656172 /* "gear" */
#define TOKEN_CLASS 0x67746f6b /* "gtok" */

/* A server that was just killed may need a moment to be gone, on the other side too. */
#define LOCK_WAIT_NS INT64_C(1000000000)

/* Sessions that this process has closed. */
static int32_t forsaken[8];
static unsigned forsaken_count;

/* ---- The name --------------------------------------------------------------------------------- */

/* Takes one name off *at: in double quotes as in SQL, or as it is up to a dot.  False: not a name. */
static bool
take_name(const char **at, char name[64])
{
	const char *p = *at;
	bool quoted = *p == '"';
	size_t n = 0;

	for (p += quoted; *p != '\0' && (quoted || *p != '.'); p++) {
		if (quoted && *p == '"' && *++p != '"') {
			quoted = false;
			break;
		}
		if (n == 63)
			return false;
		name[n++] = *p;
	}
	name[n] = '\0';
	*at = p;
	return n > 0 && !quoted && (*p == '\0' || *p == '.');
}

/* "schema.table" or "table". */
static bool
take_names(const char *given, char schema[64], char table[64])
{
	schema[0] = '\0';
	if (!take_name(&given, table))
		return false;
	if (*given == '\0')
		return true;
	memcpy(schema, table, 64);
	given++;
	return take_name(&given, table) && *given == '\0';
}

/* For SQL; PQfreemem(). */
static char *
quote_names(struct qp_store *s, const char *schema, const char *table)
{
	char *a = PQescapeIdentifier(s->conn, schema, strlen(schema));
	char *b = PQescapeIdentifier(s->conn, table, strlen(table));
	char both[300], *all = NULL;

	if (a != NULL && b != NULL) {
		snprintf(both, sizeof(both), "%s%s%s", schema[0] == '\0' ? "" : a, schema[0] == '\0' ? "" : ".", b);
		all = PQescapeLiteral(s->conn, both, strlen(both));
	}
	PQfreemem(a);
	PQfreemem(b);
	return all;
}

/* ---- Finding and making ----------------------------------------------------------------------- */

/* `literal` is the quoted name as a string of SQL.  True with *found_r false: there is none. */
static bool
find_table(struct qp_store *s, const char *literal, bool *found_r, struct gearmand_error *err)
{
	char sql[700];
	PGresult *r;
	bool is_table = true;

	snprintf(sql, sizeof(sql),
	    "SELECT c.oid, c.relkind, c.relpersistence, quote_ident(n.nspname) || '.' || quote_ident(c.relname)"
	    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(%s)",
	    literal);
	r = qp_rows(s, sql, s->limit_ms);
	if (r == NULL)
		return qp_fail(s, err, "looking for the table");
	*found_r = PQntuples(r) == 1;
	if (*found_r) {
		s->table_oid = (unsigned)strtoul(PQgetvalue(r, 0, 0), NULL, 10);
		is_table = strchr("rp", PQgetvalue(r, 0, 1)[0]) != NULL;
		s->table = strdup(PQgetvalue(r, 0, 3));
		if (PQgetvalue(r, 0, 2)[0] == 'u')
			s->host->log(s->host, GEARMAND_LOG_WARNING,
			    "%s: table \"%s\" is UNLOGGED: a crash of the database empties it, with all jobs that were "
			    "stored; ALTER TABLE ... SET LOGGED changes that",
			    s->place, s->given);
	}
	PQclear(r);
	return is_table || qp_fail_lasting(s, err, "is not a table");
}

static bool
make_table(struct qp_store *s, const char *schema, const char *table, struct gearmand_error *err)
{
	char *a = PQescapeIdentifier(s->conn, schema, strlen(schema));
	char *b = PQescapeIdentifier(s->conn, table, strlen(table));
	bool ok;

	ok = a != NULL && b != NULL &&
	     qp_askf(s, s->limit_ms,
		 "CREATE TABLE IF NOT EXISTS %s%s%s (unique_key TEXT COLLATE \"C\", "
		 "function_name TEXT COLLATE \"C\", priority INTEGER, data BYTEA, when_to_run BIGINT, "
		 "job_handle TEXT, reducer BYTEA, flags INTEGER, added BIGINT, "
		 "UNIQUE (unique_key, function_name))",
		 schema[0] == '\0' ? "" : a, schema[0] == '\0' ? "" : ".", b);
	/* Somebody else may have made it at the same moment. */
	ok = ok || qp_fault_is(s, "42P07") || qp_fault_is(s, "23505");
	PQfreemem(a);
	PQfreemem(b);
	if (ok)
		return true;
	return qp_fail_table(s, err, "making");
}

static bool
find_or_make(struct qp_store *s, struct gearmand_error *err)
{
	char schema[64], table[64], *literal;
	bool found = false, ok;

	if (!take_names(s->given, schema, table))
		return qp_fail_lasting(s, err,
		    "cannot be: a name has 1 to 63 bytes; \"schema\".\"table\" in double quotes "
		    "where a name has dots or quotes");
	literal = quote_names(s, schema, table);
	if (literal == NULL) {
		qp_fault_text(s, "42602", PQerrorMessage(s->conn));
		return qp_fail(s, err, "naming the table");
	}
	ok = find_table(s, literal, &found, err);
	if (ok && !found)
		ok = make_table(s, schema, table, err) && find_table(s, literal, &found, err);
	PQfreemem(literal);
	if (ok && !found)
		return qp_fail_lasting(s, err, "was made, and is not in the search_path; name its schema");
	return ok;
}

/* ---- The lock ---------------------------------------------------------------------------------- */

/* Of an advisory lock in two parts the second, as an integer. */
static int32_t
lock_number(const struct qp_store *s)
{
	return (int32_t)s->table_oid;
}

/* True: it was one of ours that has the lock, and it is on its way out. */
static bool
end_forsaken(struct qp_store *s)
{
	char list[8 * 12 + 1] = "", sql[800];
	size_t n = 0;
	PGresult *r;
	bool found;

	for (unsigned i = 0; i < sizeof(forsaken) / sizeof(*forsaken); i++) {
		if (forsaken[i] != 0)
			n +=
			    (size_t)snprintf(list + n, sizeof(list) - n, "%s%ld", n == 0 ? "" : ",", (long)forsaken[i]);
	}
	if (n == 0)
		return false;
	snprintf(sql, sizeof(sql),
	    "SELECT pg_terminate_backend(t.pid) FROM pg_locks t JOIN pg_locks l USING (pid, database)"
	    " WHERE t.locktype = 'advisory' AND t.classid = %d AND t.objid IN (%s) AND t.objsubid = 2"
	    " AND l.locktype = 'advisory' AND l.classid = %d AND l.objid = %u AND l.objsubid = 2 AND l.granted"
	    " AND t.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
	    TOKEN_CLASS, list, LOCK_CLASS, s->table_oid);
	/* Where it is not allowed, we wait as for a stranger's. */
	r = qp_rows(s, sql, s->limit_ms);
	found = r != NULL && PQntuples(r) > 0;
	PQclear(r);
	return found;
}

static bool
try_lock(struct qp_store *s, bool *locked_r)
{
	char sql[200];
	PGresult *r;

	snprintf(sql, sizeof(sql), "SELECT pg_try_advisory_lock(%d, %ld)", LOCK_CLASS, (long)lock_number(s));
	r = qp_rows(s, sql, s->limit_ms);
	*locked_r = r != NULL && PQntuples(r) == 1 && PQgetvalue(r, 0, 0)[0] == 't';
	PQclear(r);
	return r != NULL;
}

/* A server that finds its own lock must not take it for another server's, and end. */
static bool
fail_locked(const struct qp_store *s, bool is_ours, struct gearmand_error *err)
{
	qp_fail_lasting(s, err,
	    is_ours ? "is in use by a former session of this server, which is being ended"
		    : "is in use by another gearmand; each server needs a table of its own");
	err->why = is_ours ? GEARMAND_WHY_PASSING : GEARMAND_WHY_IN_USE;
	return false;
}

static bool
lock_table(struct qp_store *s, struct gearmand_error *err)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	int64_t deadline = s->host->monotonic() + LOCK_WAIT_NS;
	bool locked = false;

	while (try_lock(s, &locked) && !locked) {
		bool is_ours = end_forsaken(s);

		if (s->host->monotonic() >= deadline)
			return fail_locked(s, is_ours, err);
		nanosleep(&pause, NULL);
	}
	return (locked &&
		   qp_askf(s, s->limit_ms, "SELECT pg_try_advisory_lock(%d, %ld)", TOKEN_CLASS, (long)s->token)) ||
	       qp_fail(s, err, "locking the table");
}

bool
qp_table_open(struct qp_store *s, struct gearmand_error *err)
{
	while (s->token <= 0) {
		if (getrandom(&s->token, sizeof(s->token), 0) != (ssize_t)sizeof(s->token))
			s->token = (int32_t)s->host->monotonic();
		s->token &= INT32_MAX;
	}
	return find_or_make(s, err) && lock_table(s, err);
}

void
qp_table_forsake(const struct qp_store *s)
{
	if (s->token != 0)
		forsaken[forsaken_count++ % (sizeof(forsaken) / sizeof(*forsaken))] = s->token;
}
