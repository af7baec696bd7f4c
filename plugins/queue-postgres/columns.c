/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table's columns, what gearmand 1.1 left in them, and the statements on them.
 *
 * Runs on:  the store thread; with the lock on the table.
 * Owns:     nothing.
 *
 * Columns of ours may be NULL and the others only get wider, so the statements of 1.1 go on working, forward and
 * back.  `added` tells the order.  The numbers are made here, for there is one writer; rows without one are those
 * of 1.1, which get theirs when the table is opened: by xmin, the order in which 1.1's transactions
 * were begun, one for each job.
 */
#include "queue_postgres.h"

/* Functions in the list of a SELECT run in step and row by row; in FROM, all their rows would be put by first. */
#define PARAMETERS \
	"(text[], text[], text[], text[], int4[], bytea[], int8[], text[], bytea[], int4[], int8[]," \
	" int4[], int8[], int8[], bytea[])"
#define STORE \
	"WITH gone AS (DELETE FROM %1$s AS t USING unnest($1, $2) AS k (u, f)" \
	" WHERE t.unique_key = k.u AND t.function_name = k.f)" INSERT
#define BURY "WITH gone AS (DELETE FROM %1$s AS t USING unnest($1, $2) AS k (u, f) WHERE t.job_handle = k.u)" INSERT
#define INSERT \
	" INSERT INTO %1$s AS t (unique_key, function_name, priority, data, when_to_run, job_handle, reducer, flags, " \
	"added, attempts, changed_at, expires_at, error) SELECT unnest($3), unnest($4), unnest($5), unnest($6), " \
	"unnest($7), unnest($8), unnest($9), " \
	"unnest($10)," \
	" unnest($11), unnest($12), unnest($13), unnest($14), unnest($15)"

/* Costs half as much again. */
#define OR_REPLACE \
	" ON CONFLICT (unique_key, function_name) DO UPDATE SET priority = excluded.priority," \
	" data = excluded.data, when_to_run = excluded.when_to_run, job_handle = excluded.job_handle," \
	" reducer = excluded.reducer, flags = excluded.flags, added = excluded.added," \
	" attempts = excluded.attempts, changed_at = excluded.changed_at, expires_at = excluded.expires_at," \
	" error = excluded.error"

static const struct {
	const char *name, *type;
	unsigned oid; /* of the type; 0 = another one will do */
} columns[] = {
	{ "unique_key", "TEXT COLLATE \"C\"", QP_OID_TEXT },
	{ "function_name", "TEXT COLLATE \"C\"", QP_OID_TEXT },
	{ "priority", "INTEGER", 0 },
	{ "data", "BYTEA", QP_OID_BYTEA },
	{ "when_to_run", "BIGINT", QP_OID_INT8 },
	{ "job_handle", "TEXT", 0 }, /* from here on: ours */
	{ "reducer", "BYTEA", 0 },
	{ "flags", "INTEGER", 0 },
	{ "added", "BIGINT", 0 },
	{ "attempts", "INTEGER", 0 },
	{ "changed_at", "BIGINT", 0 },
	{ "expires_at", "BIGINT", 0 },
	{ "error", "BYTEA", 0 },
};

enum { COLUMN_COUNT = GM_COUNT(columns) };

/* Sets of them, a bit for each: a queue must have them, they may get wider, they can be added. */
enum { NEEDED = 0x00f, DATA = 0x008, WIDENED = 0x013, ADDABLE = 0x1ff0, ALL = 0x1fff };

struct found {
	unsigned have, right; /* sets */
	char wants_value[64]; /* a column of somebody else's that our rows would have to fill */
};

/* ---- What there is ------------------------------------------------------------------------------ */

static void
see_column(const PGresult *r, int row, struct found *f)
{
	unsigned oid = (unsigned)strtoul(PQgetvalue(r, row, 1), NULL, 10), i = 0;

	while (i < COLUMN_COUNT && strcmp(PQgetvalue(r, row, 0), columns[i].name) != 0)
		i++;
	if (i < COLUMN_COUNT) {
		f->have |= 1u << i;
		if (columns[i].oid == 0 || (oid == columns[i].oid && PQgetvalue(r, row, 2)[0] == 't'))
			f->right |= 1u << i;
	} else if (PQgetvalue(r, row, 3)[0] == 't') {
		snprintf(f->wants_value, sizeof(f->wants_value), "%s", PQgetvalue(r, row, 0));
	}
}

/* 950 is collation "C". */
static bool
read_columns(struct qp_store *s, struct found *f, struct gearmand_error *err)
{
	char what[200];
	PGresult *r = qp_rows(s, QP_IN_TIME,
	    "SELECT attname, atttypid, attcollation IN (0, 950),"
	    " attnotnull AND NOT atthasdef AND attidentity = ''"
	    " FROM pg_attribute WHERE attrelid = %u AND attnum > 0 AND NOT attisdropped",
	    s->table_oid);

	*f = (struct found){ .have = 0 };
	if (r == NULL)
		return qp_fail_table(s, err, "reading the columns of");
	for (int i = 0; i < PQntuples(r); i++)
		see_column(r, i, f);
	PQclear(r);
	if ((f->have & NEEDED) != NEEDED)
		return qp_fail_why(s, err, GEARMAND_WHY_LASTING, "is not a gearmand queue: it lacks columns");
	if ((f->right & DATA) == 0)
		return qp_fail_why(
		    s, err, GEARMAND_WHY_LASTING, "is not a gearmand queue: its column data is not of type BYTEA");
	if (f->wants_value[0] == '\0')
		return true;
	snprintf(what, sizeof(what),
	    "takes no job until its column \"%s\", which is not a queue's, has a DEFAULT or may be NULL",
	    f->wants_value);
	return qp_fail_why(s, err, GEARMAND_WHY_LASTING, what);
}

/* The highest number, and how many rows have none. */
static bool
read_numbers(struct qp_store *s, int64_t *without_r)
{
	PGresult *r = qp_rows(
	    s, QP_PATIENT, "SELECT coalesce(max(added), 0), count(*) FILTER (WHERE added IS NULL) FROM %s", s->table);

	if (r == NULL)
		return false;
	s->added = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	*without_r = strtoll(PQgetvalue(r, 0, 1), NULL, 10);
	PQclear(r);
	return true;
}

/* ---- What is done about it ---------------------------------------------------------------------- */

/* One ALTER TABLE for all of these columns. */
static bool
alter(struct qp_store *s, unsigned which, const char *verb, const char *link)
{
	char actions[1024] = "";
	size_t n = 0;

	for (int i = 0; i < COLUMN_COUNT; i++) {
		if ((which & 1u << i) != 0)
			n += (size_t)snprintf(actions + n, sizeof(actions) - n, "%s%s %s %s %s", n == 0 ? "" : ", ",
			    verb, columns[i].name, link, columns[i].type);
	}
	return n == 0 || qp_ask(s, QP_PATIENT, "ALTER TABLE %s %s", s->table, actions);
}

/* Without that, what is longer than 1.1 allowed is refused, one job at a time; so it may fail, as when a view is in
 * the way. */
static bool
widen(struct qp_store *s, unsigned right)
{
	struct qp_fault why;

	if (!qp_ask(s, QP_IN_TIME, "SAVEPOINT widen"))
		return false;
	if (alter(s, WIDENED & ~right, "ALTER COLUMN", "TYPE"))
		return qp_ask(s, QP_IN_TIME, "RELEASE widen");
	why = s->fault;
	if (!qp_ask(s, QP_IN_TIME, "ROLLBACK TO widen"))
		return false;
	s->host->log(s->host, GEARMAND_LOG_WARNING,
	    "%s: table \"%s\" keeps its narrow columns: %s; names and times that "
	    "do not fit them will be refused",
	    s->place, s->given, why.text);
	return true;
}

static bool
number_rows(struct qp_store *s)
{
	return qp_ask(s, QP_PATIENT,
	    "UPDATE %s AS t SET added = o.n FROM (SELECT tableoid AS part, ctid AS place,"
	    " %lld + row_number() OVER (ORDER BY age(xmin) DESC, tableoid, ctid) AS n"
	    " FROM %s WHERE added IS NULL) AS o WHERE t.tableoid = o.part AND t.ctid = o.place",
	    s->table, (long long)s->added, s->table);
}

/* Keys become such that the host's removal, by the key that replay gives, finds its row: what we would
 * write for that key. */
/* clang-format off */
#define NEW_KEY        "md5(random()::text || clock_timestamp()::text || t.ctid::text)"
#define NO_UNIQUE      "coalesce(unique_key, '') = '' OR octet_length(unique_key) > 64"
#define IS_ODD(column) "left(" column ", 2) = '\\x' OR (%1$s AND octet_length(" column ") <> char_length(" column "))"
#define AS_STORED(column) \
	"WHEN " IS_ODD(column) " THEN '\\x' || encode(convert_to(" column ", getdatabaseencoding()), 'hex') ELSE " column \
	" END"
#define SETTLE_KEYS \
	"UPDATE %2$s AS t SET" \
	" unique_key = CASE WHEN unique_key = '-' OR " NO_UNIQUE " THEN " NEW_KEY " " AS_STORED("unique_key") "," \
	" function_name = CASE " AS_STORED("function_name") "," \
	" flags = CASE WHEN unique_key = '-' THEN %3$d WHEN " NO_UNIQUE " THEN %4$d ELSE flags END" \
	" WHERE added > %5$lld AND (unique_key = '-' OR " NO_UNIQUE " OR " IS_ODD("unique_key") " OR " \
	IS_ODD("function_name") ")"
/* clang-format on */

static bool
settle_keys(struct qp_store *s, int64_t from)
{
	return qp_ask(s, QP_PATIENT, SETTLE_KEYS, s->text == QP_TEXT_ASCII ? "true" : "false", s->table,
	    GEARMAND_JOB_UNIQUE_IS_DATA, GEARMAND_JOB_NO_UNIQUE, (long long)from);
}

/* One transaction: what it begins it must end, for later nothing tells which rows were 1.1's. */
static bool
take_over(struct qp_store *s, const struct found *f, int64_t *taken_r)
{
	int64_t from;

	if (!qp_ask(s, QP_IN_TIME, "BEGIN") || !alter(s, ADDABLE & ~f->have, "ADD COLUMN", "") ||
	    !read_numbers(s, taken_r))
		return false;
	from = s->added;
	/* Numbers come first: to widen a column may write all rows anew, and their xmin. */
	return (*taken_r == 0 || number_rows(s)) && widen(s, f->right | ~f->have) &&
	       (*taken_r == 0 || settle_keys(s, from)) && qp_ask(s, QP_PATIENT, "COMMIT") && read_numbers(s, &from);
}

static bool
settle_columns(struct qp_store *s, struct gearmand_error *err)
{
	struct found f;
	int64_t without = 0;

	if (!read_columns(s, &f, err))
		return false;
	if (f.have == ALL && !read_numbers(s, &without))
		return qp_fail_table(s, err, "reading");
	if (f.have == ALL && f.right == ALL && without == 0)
		return true;
	if (!take_over(s, &f, &without)) /* closing the connection rolls back */
		return qp_fail_table(s, err, "preparing");
	if (without > 0)
		s->host->log(s->host, GEARMAND_LOG_INFO, "%s: %lld jobs of another server are taken over", s->place,
		    (long long)without);
	return true;
}

/* Without a unique index one key may have several jobs.  Each was acknowledged, so each is kept: all but the first get
 * a key of their own. */
static bool
make_index(struct qp_store *s, struct gearmand_error *err)
{
	char why[600];

	if (qp_ask(s, QP_IN_TIME, "BEGIN") &&
	    qp_ask(s, QP_PATIENT,
		"UPDATE %s AS t SET unique_key = " NEW_KEY ", flags = %d FROM (SELECT tableoid AS part, ctid AS place,"
		" row_number() OVER (PARTITION BY unique_key, function_name ORDER BY added) AS n FROM %s"
		" WHERE unique_key IS NOT NULL AND function_name IS NOT NULL) AS o"
		" WHERE o.n > 1 AND t.tableoid = o.part AND t.ctid = o.place",
		s->table, GEARMAND_JOB_NO_UNIQUE, s->table) &&
	    qp_ask(s, QP_PATIENT, "CREATE UNIQUE INDEX ON %s (unique_key, function_name)", s->table) &&
	    qp_ask(s, QP_IN_TIME, "COMMIT")) {
		s->host->log(s->host, GEARMAND_LOG_NOTICE,
		    "%s: table \"%s\" had no unique index on (unique_key, function_name); it was made", s->place,
		    s->given);
		return true;
	}
	snprintf(why, sizeof(why),
	    "needs a unique index, CREATE UNIQUE INDEX ON %.130s (unique_key, function_name), which cannot be made: "
	    "%.200s",
	    s->table, s->fault.text);
	return qp_fail_why(s, err, GEARMAND_WHY_LASTING, why);
}

/* Rights and indexes are looked at when a statement is planned and begun, not when it is prepared. */
static bool
try_statements(struct qp_store *s, struct gearmand_error *err)
{
	static const char sql[] =
	    "EXPLAIN EXECUTE replace (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,"
	    " NULL, NULL)";

	if (qp_ask(s, QP_IN_TIME, sql))
		return true;
	if (!qp_fault_is(s, "42P10"))
		return qp_fail_table(s, err, "using");
	return make_index(s, err) && (qp_ask(s, QP_IN_TIME, sql) || qp_fail_table(s, err, "using"));
}

/* A table that was empty when it was last looked at, and is large now, must not be read whole for each batch. */
static bool
plan_by_index(struct qp_store *s, struct gearmand_error *err)
{
	return qp_ask(s, QP_IN_TIME,
		   "SELECT set_config(v.name, v.value, false) FROM (VALUES "
		   "('enable_seqscan', 'off'), ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'),"
		   " ('enable_bitmapscan', 'off'), ('plan_cache_mode', 'force_generic_plan'),"
		   " ('statement_timeout', '%lld')) AS v (name, value) JOIN pg_settings USING (name)",
		   (long long)s->limit_ms) ||
	       qp_fail_table(s, err, "using");
}

/* Of the dead the handle is the key.  Their numbers go on with those of the others.  Where the table is there the user
 * need not have the right to make it. */
static bool
make_dead(struct qp_store *s, struct gearmand_error *err)
{
	static const char newest[] = "SELECT coalesce(max(added), 0) FROM %s";
	PGresult *r = qp_rows(s, QP_PATIENT, newest, s->dead_table);

	if (r == NULL && qp_fault_is(s, "42P01")) {
		if (!qp_ask(s, QP_IN_TIME,
			"CREATE TABLE %s (unique_key TEXT COLLATE \"C\", function_name TEXT COLLATE \"C\","
			" priority INTEGER, data BYTEA, when_to_run BIGINT, job_handle TEXT COLLATE \"C\" PRIMARY KEY,"
			" reducer BYTEA, flags INTEGER, added BIGINT, attempts INTEGER, changed_at BIGINT,"
			" expires_at BIGINT, error BYTEA)",
			s->dead_table))
			return qp_fail_table(s, err, "making that of the dead jobs of");
		r = qp_rows(s, QP_PATIENT, newest, s->dead_table);
	}
	if (r == NULL)
		return qp_fail_table(s, err, "reading the dead jobs of");
	if (strtoll(PQgetvalue(r, 0, 0), NULL, 10) > s->added)
		s->added = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	return true;
}

bool
qp_columns_open(struct qp_store *s, struct gearmand_error *err)
{
	return settle_columns(s, err) && make_dead(s, err) &&
	       ((qp_ask(s, QP_IN_TIME, "PREPARE bury " PARAMETERS " AS " BURY, s->dead_table) &&
		    qp_ask(s, QP_IN_TIME, "PREPARE store " PARAMETERS " AS " STORE, s->table) &&
		    qp_ask(s, QP_IN_TIME, "PREPARE replace " PARAMETERS " AS " STORE OR_REPLACE, s->table)) ||
		   qp_fail_table(s, err, "using")) &&
	       try_statements(s, err) && plan_by_index(s, err);
}
