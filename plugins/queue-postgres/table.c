/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table: found by its name, or made.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the names it finds are the store's.
 */
#include "queue_postgres.h"

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

/* ---- Finding and making ----------------------------------------------------------------------- */

/* True with *found_r false: there is none. */
static bool
find_table(struct qp_store *s, char *const literal[2], bool *found_r, struct gearmand_error *err)
{
	PGresult *r = qp_rows(s, s->limit_ms,
	    "SELECT c.oid, c.relkind, c.relpersistence, quote_ident(n.nspname) || '.' || quote_ident(c.relname),"
	    " quote_ident(n.nspname) || '.gearmand_lock'"
	    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass("
	    "coalesce(quote_ident(nullif(%s, '')) || '.', '') || quote_ident(%s))",
	    literal[0], literal[1]);
	bool is_table = true;

	if (r == NULL)
		return qp_fail(s, err, "looking for the table");
	*found_r = PQntuples(r) == 1;
	if (*found_r) {
		s->table_oid = (unsigned)strtoul(PQgetvalue(r, 0, 0), NULL, 10);
		is_table = strchr("rp", PQgetvalue(r, 0, 1)[0]) != NULL;
		s->table = strdup(PQgetvalue(r, 0, 3));
		s->lock_table = strdup(PQgetvalue(r, 0, 4));
		GM_CHECK(s->table != NULL && s->lock_table != NULL);
		if (PQgetvalue(r, 0, 2)[0] == 'u')
			s->host->log(s->host, GEARMAND_LOG_WARNING,
			    "%s: table \"%s\" is UNLOGGED: a crash of the database empties it, with all jobs that were "
			    "stored; ALTER TABLE ... SET LOGGED changes that",
			    s->place, s->given);
	}
	PQclear(r);
	return is_table || qp_fail_why(s, err, GEARMAND_WHY_LASTING, "is not a table");
}

static bool
make_table(struct qp_store *s, const char *schema, const char *table, struct gearmand_error *err)
{
	/* Somebody else may have made it at the same moment. */
	return qp_askf(s, s->limit_ms,
		   "CREATE TABLE IF NOT EXISTS %s%s%s (unique_key TEXT COLLATE \"C\", "
		   "function_name TEXT COLLATE \"C\", priority INTEGER, data BYTEA, when_to_run BIGINT, "
		   "job_handle TEXT, reducer BYTEA, flags INTEGER, added BIGINT, UNIQUE (unique_key, function_name))",
		   schema == NULL ? "" : schema, schema == NULL ? "" : ".", table) ||
	       qp_fault_is(s, "42P07") || qp_fault_is(s, "23505") || qp_fail_table(s, err, "making");
}

bool
qp_table_open(struct qp_store *s, struct gearmand_error *err)
{
	char schema[64], table[64], *quoted[2], *literal[2];
	bool found = false, ok;

	if (!take_names(s->given, schema, table))
		return qp_fail_why(s, err, GEARMAND_WHY_LASTING,
		    "cannot be: a name has 1 to 63 bytes; \"schema\".\"table\" in double quotes "
		    "where a name has dots or quotes");
	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? schema : table;

		quoted[i] = PQescapeIdentifier(s->conn, name, strlen(name));
		literal[i] = PQescapeLiteral(s->conn, name, strlen(name));
	}
	ok = quoted[0] != NULL && quoted[1] != NULL && literal[0] != NULL && literal[1] != NULL;
	if (!ok) { /* of bytes that the database's encoding does not have */
		qp_fault_text(s, "42602", PQerrorMessage(s->conn));
		qp_fail(s, err, "naming the table");
	}
	ok = ok && find_table(s, literal, &found, err);
	if (ok && !found)
		ok = make_table(s, schema[0] == '\0' ? NULL : quoted[0], quoted[1], err) &&
		     find_table(s, literal, &found, err);
	for (int i = 0; i < 2; i++) {
		PQfreemem(quoted[i]);
		PQfreemem(literal[i]);
	}
	return ok && (found || qp_fail_why(s, err, GEARMAND_WHY_LASTING,
				   "was made, and is not in the search_path; name its schema"));
}
