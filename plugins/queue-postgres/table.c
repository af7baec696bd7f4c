/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table: found by its name, or made.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the names it finds are the store's.
 */
#include "queue_postgres.h"

/* "schema.table" or "table", where a name that begins with a double quote is written as in SQL, and another goes up to
 * a dot.  No row: it is not a name.  A table that is not there has no number. */
#define NAME "\"(?:[^\"]|\"\")+\"|[^\".][^.]*"
#define FIND_TABLE \
	"SELECT coalesce(quote_ident(nspname) || '.' || quote_ident(relname), name), c.oid, relkind, relpersistence," \
	" quote_ident(nspname) || '.gearmand_lock', quote_ident(nspname) || '.' || quote_ident(" \
	"CASE WHEN octet_length(relname) < 59 THEN relname || '_dead' ELSE md5(relname) || '_dead' END) FROM (" \
	"SELECT coalesce(quote_ident(p[1]) || '.', '') || quote_ident(p[2]) AS name FROM (" \
	"SELECT ARRAY(SELECT CASE WHEN n LIKE '\"%%' THEN replace(substr(n, 2, length(n) - 2), '\"\"', '\"') ELSE n " \
	"END" \
	" FROM unnest(regexp_match(%s, '^(?:(" NAME ")[.])?(" NAME ")$')) AS n) AS p) AS parts" \
	" WHERE octet_length(p[2]) < 64 AND coalesce(octet_length(p[1]), 0) < 64) AS given" \
	" LEFT JOIN pg_class c ON c.oid = to_regclass(name) LEFT JOIN pg_namespace n ON n.oid = relnamespace"

/* True with no s->table_oid: it is not there. */
static bool
find_table(struct qp_store *s, const char *literal, struct gearmand_error *err)
{
	PGresult *r = qp_rows(s, QP_IN_TIME, FIND_TABLE, literal);
	const char *wrong = NULL;

	if (r == NULL)
		return qp_fail(s, err, "looking for the table");
	if (PQntuples(r) != 1) {
		wrong = "cannot be: a name has 1 to 63 bytes; \"schema\".\"table\" in double quotes where a name has "
			"dots or quotes";
	} else {
		free(s->table);
		s->table = strdup(PQgetvalue(r, 0, 0));
		s->table_oid = (unsigned)strtoul(PQgetvalue(r, 0, 1), NULL, 10);
		s->lock_table = s->table_oid == 0 ? NULL : strdup(PQgetvalue(r, 0, 4));
		s->dead_table = s->table_oid == 0 ? NULL : strdup(PQgetvalue(r, 0, 5));
		GM_CHECK(s->table != NULL && ((s->lock_table != NULL && s->dead_table != NULL) || s->table_oid == 0));
		if (s->table_oid != 0 && strchr("rp", PQgetvalue(r, 0, 2)[0]) == NULL)
			wrong = "is not a table";
		else if (PQgetvalue(r, 0, 3)[0] == 'u')
			s->host->log(s->host, GEARMAND_LOG_WARNING,
			    "%s: table \"%s\" is UNLOGGED: a crash of the database empties it, with all jobs that were "
			    "stored; ALTER TABLE ... SET LOGGED changes that",
			    s->place, s->given);
	}
	PQclear(r);
	return wrong == NULL || qp_fail_why(s, err, GEARMAND_WHY_LASTING, wrong);
}

/* Somebody else may have made it at the same moment. */
static bool
make_table(struct qp_store *s, struct gearmand_error *err)
{
	return qp_ask(s, QP_IN_TIME,
		   "CREATE TABLE IF NOT EXISTS %s (unique_key TEXT COLLATE \"C\", function_name TEXT COLLATE \"C\","
		   " priority INTEGER, data BYTEA, when_to_run BIGINT, job_handle TEXT, reducer BYTEA, flags INTEGER,"
		   " added BIGINT, attempts INTEGER, changed_at BIGINT, expires_at BIGINT, error BYTEA,"
		   " UNIQUE (unique_key, function_name))",
		   s->table) ||
	       qp_fault_is(s, "42P07") || qp_fault_is(s, "23505") || qp_fail_table(s, err, "making");
}

bool
qp_table_open(struct qp_store *s, struct gearmand_error *err)
{
	char *literal = PQescapeLiteral(s->conn, s->given, strlen(s->given));
	bool ok;

	if (literal == NULL) { /* it has bytes that the database's encoding does not have */
		qp_fault_text(s, "42602", PQerrorMessage(s->conn));
		return qp_fail(s, err, "naming the table");
	}
	ok = find_table(s, literal, err);
	if (ok && s->table_oid == 0)
		ok = make_table(s, err) && find_table(s, literal, err) &&
		     (s->table_oid != 0 || qp_fail_why(s, err, GEARMAND_WHY_LASTING,
					       "was made, and is not in the search_path; name its schema"));
	PQfreemem(literal);
	return ok;
}
