/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table: made when it is missing, taken over when another gearmand made it.
 *
 * Runs on:  the store thread, when the store is opened.
 * Owns:     nothing.
 *
 * The table is the one of gearmand 1.1.  Columns of ours come behind its columns and may be NULL, so
 * the statements of 1.1 work on a table that we have used, and its rows are ours to read.
 *
 * Function and unique tell jobs apart, byte by byte, and nothing else does.  A table whose key is another one would
 * lose jobs without a word; it gets the right index, or is made anew with its rows in it.
 */
#include <string.h>
#include <strings.h>

#include "queue_sqlite.h"

/* name, type; the first four are what makes a table a queue. */
#define COLUMNS(X) \
	X(unique_key, "TEXT") \
	X(function_name, "TEXT") \
	X(priority, "INTEGER") \
	X(data, "BLOB") \
	X(when_to_run, "INTEGER") /* missing in the oldest tables */ \
	X(job_handle, "TEXT")     /* from here on: ours */ \
	X(reducer, "BLOB") \
	X(flags, "INTEGER") \
	X(attempts, "INTEGER") \
	X(changed_at, "INTEGER") \
	X(expires_at, "INTEGER") \
	X(error, "BLOB")

#define LIVING_KEY "unique_key, function_name"

static const struct {
	const char *name, *type;
} columns[] = {
#define X(name, type) { #name, type },
	COLUMNS(X)
#undef X
};

enum { UNIQUE_KEY, FUNCTION_NAME, COLUMNS_NEEDED = 4 };
enum { COLUMN_COUNT = GM_COUNT(columns) };
enum { ALL = (1u << COLUMN_COUNT) - 1, NEEDED = (1u << COLUMNS_NEEDED) - 1 };

struct table {
	unsigned have;   /* of `columns`, as bits */
	bool exists;     /* it has any column */
	bool has_others; /* columns or triggers that are not ours */
	bool has_rowid;
	bool has_key;       /* an index that tells jobs apart */
	bool is_narrow;     /* another index, or the type of a column, takes two jobs for one */
	bool has_doubles;   /* rows of one key */
	char must_have[64]; /* a column of others that an INSERT must not leave out */
};

static int
execute(struct sq_store *s, char *sql)
{
	int rc = sql == NULL ? SQLITE_NOMEM : sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	sqlite3_free(sql);
	return rc;
}

/* Calls `row_f` for each row; `sql` has the table's name as ?1. */
static int
each_row(struct sq_store *s, const char *sql, void (*row_f)(sqlite3_stmt *, struct table *), struct table *t)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(stmt, 1, s->table, -1, SQLITE_STATIC);
	while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		row_f(stmt, t);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static const char *
text_of(sqlite3_stmt *row, int column)
{
	const char *text = (const char *)sqlite3_column_text(row, column);

	return text == NULL ? "" : text;
}

/* A column with numbers takes '7' and '07' for the same. */
static bool
keeps_text(const char *type)
{
	return strcasestr(type, "INT") == NULL &&
	       (type[0] == '\0' || strcasestr(type, "CHAR") != NULL || strcasestr(type, "CLOB") != NULL ||
		   strcasestr(type, "TEXT") != NULL || strcasestr(type, "BLOB") != NULL);
}

/* name, type, must not be NULL */
static void
see_column(sqlite3_stmt *row, struct table *t)
{
	t->exists = true;
	for (int i = 0; i < COLUMN_COUNT; i++) {
		if (strcasecmp(text_of(row, 0), columns[i].name) != 0)
			continue;
		t->have |= 1u << i;
		t->is_narrow |= i <= FUNCTION_NAME && !keeps_text(text_of(row, 1));
		return;
	}
	t->has_others = true;
	if (sqlite3_column_int(row, 2) != 0)
		sqlite3_snprintf(sizeof(t->must_have), t->must_have, "%s", text_of(row, 0));
}

/* columns, those that are the key's and are compared byte by byte, those that are ours; is it a part of the rows only
 */
static void
see_unique_index(sqlite3_stmt *row, struct table *t)
{
	int count = sqlite3_column_int(row, 0), key = sqlite3_column_int(row, 1), ours = sqlite3_column_int(row, 2);

	if (key == 2)
		t->has_key |= count == 2 && sqlite3_column_int(row, 3) == 0;
	else
		t->is_narrow |= ours == count;
}

static void
see_trigger(sqlite3_stmt *row, struct table *t)
{
	(void)row;
	t->has_others = true;
}

/* Without it the table has no order. */
static int
look_for_rowid(struct sq_store *s, struct table *t)
{
	char *sql = sqlite3_mprintf("SELECT rowid FROM main.\"%w\"", s->table);
	sqlite3_stmt *stmt = NULL;
	int rc = sql == NULL ? SQLITE_NOMEM : sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);

	sqlite3_free(sql);
	sqlite3_finalize(stmt);
	t->has_rowid = rc == SQLITE_OK;
	t->is_narrow |= rc == SQLITE_ERROR; /* no such column */
	return rc == SQLITE_ERROR ? SQLITE_OK : rc;
}

static int
look_at_table(struct sq_store *s, struct table *t)
{
	int rc = each_row(s,
	    "SELECT name, type, \"notnull\" AND dflt_value IS NULL AND NOT pk FROM pragma_table_info(?1, 'main')",
	    see_column, t);

	if (rc == SQLITE_OK)
		rc = each_row(s,
		    "SELECT count(*), sum(lower(x.name) IN ('unique_key', 'function_name') AND x.coll = 'BINARY'),"
		    " sum(lower(x.name) IN ('unique_key', 'function_name', 'priority', 'data', 'when_to_run')), "
		    "i.partial"
		    " FROM pragma_index_list(?1, 'main') i, pragma_index_xinfo(i.name, 'main') x"
		    " WHERE i.\"unique\" AND x.key GROUP BY i.name",
		    see_unique_index, t);
	if (rc == SQLITE_OK)
		rc = each_row(s,
		    "SELECT 1 FROM main.sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(?1)",
		    see_trigger, t);
	if (rc == SQLITE_OK && t->exists)
		rc = look_for_rowid(s, t);
	return rc;
}

static int
create_table(struct sq_store *s, const char *suffix, const char *key)
{
	return execute(s, sqlite3_mprintf("CREATE TABLE IF NOT EXISTS main.\"%w%s\" ("
#define X(name, type) #name " " type ", "
			      COLUMNS(X)
#undef X
				  "PRIMARY KEY (%s))",
			      s->table, suffix, key));
}

static int
add_columns(struct sq_store *s, unsigned have)
{
	int rc = SQLITE_OK;

	for (unsigned i = COLUMNS_NEEDED; i < COLUMN_COUNT && rc == SQLITE_OK; i++) {
		if ((have & 1u << i) == 0)
			rc = execute(s, sqlite3_mprintf("ALTER TABLE main.\"%w\" ADD COLUMN %s %s", s->table,
					    columns[i].name, columns[i].type));
	}
	return rc;
}

/* In the old order, where the old table has one.  Of several rows of one key the later ones are jobs too, and get keys
 * of their own. */
static int
copy_rows(struct sq_store *s, const struct table *t)
{
	const char *place = t->has_rowid ? "rowid" : "0";

	return execute(
	    s, sqlite3_mprintf(
		   "INSERT INTO main.\"%w_new\" SELECT CASE WHEN n > 1 THEN lower(hex(randomblob(16))) ELSE unique_key"
		   " END, function_name, priority, data, when_to_run, job_handle, reducer, CASE WHEN n > 1 THEN 1"
		   " ELSE flags END, attempts, changed_at, expires_at, error FROM (SELECT *, %s AS place, row_number() "
		   "OVER (PARTITION BY unique_key COLLATE"
		   " BINARY, function_name COLLATE BINARY ORDER BY %s) AS n FROM main.\"%w\") ORDER BY place",
		   s->table, place, place, s->table));
}

static int
make_anew(struct sq_store *s, const struct table *t)
{
	int rc = create_table(s, "_new", LIVING_KEY);

	s->host->log(s->host, GEARMAND_LOG_NOTICE, "queue file %s: table \"%s\" is made anew with its jobs in it: %s",
	    s->given, s->table,
	    t->has_doubles ? "it has several of one function and unique" : "its key takes jobs for one that are not");
	if (rc == SQLITE_OK)
		rc = add_columns(s, t->have);
	if (rc == SQLITE_OK)
		rc = copy_rows(s, t);
	if (rc == SQLITE_OK)
		rc = execute(s, sqlite3_mprintf("DROP TABLE main.\"%w\"", s->table));
	if (rc == SQLITE_OK)
		rc = execute(s, sqlite3_mprintf("ALTER TABLE main.\"%w_new\" RENAME TO \"%w\"", s->table, s->table));
	return rc;
}

static int
add_key(struct sq_store *s, struct table *t)
{
	int rc = execute(s, sqlite3_mprintf("CREATE UNIQUE INDEX main.\"%w_key\" ON \"%w\" (unique_key, function_name)",
				s->table, s->table));

	t->has_doubles = (rc & 0xff) == SQLITE_CONSTRAINT;
	return t->has_doubles ? SQLITE_OK : rc;
}

/* In a transaction; closing the connection undoes what failed. */
static int
change_table(struct sq_store *s, struct table *t)
{
	int rc;

	if (!t->exists)
		return create_table(s, "", LIVING_KEY);
	if (!t->is_narrow && !t->has_key && (rc = add_key(s, t)) != SQLITE_OK)
		return rc;
	if (!t->is_narrow && !t->has_doubles)
		return add_columns(s, t->have);
	return t->has_others ? SQLITE_OK : make_anew(s, t);
}

static bool
table_fail_rc(struct sq_store *s, struct gearmand_error *err, int rc, const char *doing)
{
	char text[300];

	sqlite3_snprintf(sizeof(text), text, "%s table \"%.200s\"", doing, s->table);
	sq_sentence(s, err, rc, text);
	return false;
}

static bool
table_is_queue(struct sq_store *s, const struct table *t, struct gearmand_error *err)
{
	if (t->exists && (t->have & NEEDED) != NEEDED)
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "queue file %s: table \"%.200s\" is not a gearmand queue: it lacks columns", s->given, s->table);
	if (t->must_have[0] != '\0')
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "queue file %s: table \"%.200s\" has a column \"%s\", which gearmand does not know and which must "
		    "not be "
		    "NULL: give it a default, or drop it",
		    s->given, s->table, t->must_have);
	return true;
}

/* Nothing is written when all is there. */
bool
sq_table_open(struct sq_store *s, struct gearmand_error *err)
{
	struct table t = { 0 };
	int rc = look_at_table(s, &t);

	if (rc != SQLITE_OK)
		return table_fail_rc(s, err, rc, "reading");
	if (!table_is_queue(s, &t, err))
		return false;
	if (t.have == ALL && t.has_key && !t.is_narrow)
		return true;
	rc = sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = change_table(s, &t);
	if (rc == SQLITE_OK && (t.is_narrow || t.has_doubles) && t.has_others)
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "queue file %s: table \"%.200s\" %s, and columns or triggers of others are in the way of making it "
		    "anew: "
		    "rename the table, start the server, which makes a new one, and copy the rows into it",
		    s->given, s->table,
		    t.has_doubles
			? "has several rows of one function and unique"
			: "has a key other than (unique_key, function_name), which takes jobs for one that are not");
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
	return rc == SQLITE_OK || table_fail_rc(s, err, rc, "preparing");
}

/* When there is such a table without our columns, the statements say so. */
bool
sq_dead_open(struct sq_store *s, struct gearmand_error *err)
{
	int rc = create_table(s, "_dead", "job_handle");

	return rc == SQLITE_OK || table_fail_rc(s, err, rc, "preparing the dead jobs of");
}
