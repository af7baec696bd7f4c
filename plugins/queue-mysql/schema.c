/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table: made, or taken over as gearmand 1.1 left it.
 *
 * Runs on:  the store thread; under the lock.
 * Owns:     nothing beyond a call.
 *
 * The first five columns are those of 1.1, whose statements name them, so it works on our table.  What differs:
 * keys are bytes (1.1's are text that takes u1, U1 and `u1 ` for the same), times have 64 bits, and there is an
 * order.  A table of 1.1 is changed to that in place; the text of its keys becomes UTF-8 first, which is what
 * 1.1 of today read and wrote it as.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "queue_mysql.h"

/* name, type, what information_schema calls it, least length (0 = any) */
#define COLUMNS(X) \
	X(unique_key, "VARBINARY(64)", "varbinary", UNIQUE_MAX) \
	X(function_name, "VARBINARY(703)", "varbinary", FUNCTION_MAX) \
	X(priority, "INT", NULL, 0) \
	X(data, "LONGBLOB", "longblob", 0) \
	X(when_to_run, "BIGINT", "bigint", 0)                    /* missing in the oldest tables */ \
	X(job_handle, "VARBINARY(255)", "varbinary", HANDLE_MAX) /* from here on: ours */ \
	X(reducer, "BLOB", NULL, 0) \
	X(flags, "INT UNSIGNED", NULL, 0) \
	X(seq, "BIGINT UNSIGNED NOT NULL AUTO_INCREMENT", "bigint", 0)

static const struct {
	const char *name, *type, *kind; /* kind NULL = any */
	uint64_t least;
} columns[] = {
#define X(name, type, kind, least) { #name, type, kind, least },
	COLUMNS(X)
#undef X
};

enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns), COLUMNS_NEEDED = 4, SEQ = COLUMN_COUNT - 1, KEYS = 2 };

struct found {
	bool exists, is_view, has_primary, has_key;
	char engine[64];
	bool has[COLUMN_COUNT], fits[COLUMN_COUNT];
	char charset[COLUMN_COUNT][64]; /* "" when it is not text */
	uint64_t length[COLUMN_COUNT];  /* characters or bytes */
};

#define OF_TABLE "table_schema = '%s' AND table_name = '%s'"

/* ---- What is there ------------------------------------------------------------------- */

struct names {
	char *database, *table; /* escaped */
};

static char *
escaped(struct my_store *s, const char *name)
{
	char *e = s->host->allocate(2 * strlen(name) + 1);

	mysql_real_escape_string(s->db, e, name, strlen(name));
	return e;
}

static void
take_column(struct found *f, MYSQL_ROW row)
{
	for (int i = 0; i < COLUMN_COUNT; i++) {
		if (strcasecmp(row[0], columns[i].name) != 0)
			continue;
		f->has[i] = true;
		f->length[i] = row[2] == NULL ? 0 : strtoull(row[2], NULL, 10);
		snprintf(f->charset[i], sizeof(f->charset[i]), "%s", row[3] == NULL ? "" : row[3]);
		f->fits[i] = columns[i].kind == NULL ||
			     (strcasecmp(row[1], columns[i].kind) == 0 && f->length[i] >= columns[i].least);
	}
}

static bool
read_columns(struct my_store *s, const struct names *n, struct found *f, struct gearmand_error *err)
{
	MYSQL_RES *res = my_queryf(s, err, "reading its columns",
	    "SELECT column_name, data_type, character_maximum_length, character_set_name"
	    " FROM information_schema.columns WHERE " OF_TABLE,
	    n->database, n->table);
	MYSQL_ROW row;

	while (res != NULL && (row = mysql_fetch_row(res)) != NULL)
		take_column(f, row);
	if (res != NULL)
		mysql_free_result(res);
	return res != NULL;
}

static bool
read_table(struct my_store *s, const struct names *n, struct found *f, struct gearmand_error *err)
{
	MYSQL_RES *res = my_queryf(s, err, "looking for it",
	    "SELECT table_type, engine FROM information_schema.tables WHERE " OF_TABLE, n->database, n->table);
	MYSQL_ROW row = res == NULL ? NULL : mysql_fetch_row(res);

	if (row != NULL) {
		f->exists = true;
		f->is_view = strcasecmp(row[0], "BASE TABLE") != 0;
		snprintf(f->engine, sizeof(f->engine), "%s", row[1] == NULL ? "" : row[1]);
	}
	if (res != NULL)
		mysql_free_result(res);
	return res != NULL;
}

/* Our key is a unique index over whole values of both columns, and no others. */
static bool
read_indexes(struct my_store *s, const struct names *n, struct found *f, struct gearmand_error *err)
{
	MYSQL_RES *res = my_queryf(s, err, "reading its indexes",
	    "SELECT index_name, COUNT(*), SUM(column_name IN ('unique_key', 'function_name')"
	    " AND sub_part IS NULL), MAX(non_unique) FROM information_schema.statistics WHERE " OF_TABLE
	    " GROUP BY index_name",
	    n->database, n->table);
	MYSQL_ROW row;

	while (res != NULL && (row = mysql_fetch_row(res)) != NULL) {
		f->has_primary |= strcasecmp(row[0], "PRIMARY") == 0;
		f->has_key |= atoi(row[1]) == KEYS && atoi(row[2]) == KEYS && atoi(row[3]) == 0;
	}
	if (res != NULL)
		mysql_free_result(res);
	return res != NULL;
}

static bool
look(struct my_store *s, struct found *f, struct gearmand_error *err)
{
	struct names n = { escaped(s, s->database), escaped(s, s->name) };
	bool well = read_table(s, &n, f, err) && read_columns(s, &n, f, err) && read_indexes(s, &n, f, err);

	s->host->release(n.database);
	s->host->release(n.table);
	return well;
}

/* ---- What to do ---------------------------------------------------------------------- */

static void
text_of_creation(struct my_store *s, struct my_text *t)
{
	my_text_addf(t, "CREATE TABLE IF NOT EXISTS %s (", s->table);
	for (int i = 0; i < COLUMN_COUNT; i++)
		my_text_addf(t, "%s %s, ", columns[i].name, columns[i].type);
	my_text_adds(t, "PRIMARY KEY (seq), UNIQUE KEY gearmand_key (unique_key, function_name)) ENGINE=InnoDB");
}

/* Text in another character set must become UTF-8 before it becomes bytes.  Three bytes a character fit an index
 * of 767 bytes, and hold what most character sets have. */
static bool
text_of_conversion(struct my_store *s, const struct found *f, struct my_text *t)
{
	const char *comma = "";

	my_text_addf(t, "ALTER TABLE %s ", s->table);
	for (int i = 0; i < KEYS; i++) {
		const char *from = f->charset[i];
		bool is_wide =
		    strncmp(from, "utf16", 5) == 0 || strcmp(from, "utf32") == 0 || strncmp(from, "gb", 2) == 0;

		if (from[0] == '\0' || strncmp(from, "utf8", 4) == 0 || strcmp(from, "ascii") == 0)
			continue;
		my_text_addf(t, "%sMODIFY %s VARCHAR(%llu) CHARACTER SET %s COLLATE %s_bin", comma, columns[i].name,
		    (unsigned long long)f->length[i], is_wide ? "utf8mb4" : "utf8", is_wide ? "utf8mb4" : "utf8");
		comma = ", ";
	}
	return comma[0] != '\0';
}

static bool
text_of_changes(struct my_store *s, const struct found *f, struct my_text *t)
{
	const char *comma = "";

	my_text_addf(t, "ALTER TABLE %s ", s->table);
	for (int i = 0; i < COLUMN_COUNT; i++) {
		if (f->has[i] && f->fits[i])
			continue;
		my_text_addf(
		    t, "%s%s %s %s", comma, f->has[i] ? "MODIFY" : "ADD COLUMN", columns[i].name, columns[i].type);
		comma = ", ";
	}
	if (!f->has[SEQ])
		my_text_adds(t, f->has_primary ? ", ADD UNIQUE KEY gearmand_seq (seq)" : ", ADD PRIMARY KEY (seq)");
	if (!f->has_key) {
		my_text_addf(t, "%sADD UNIQUE KEY gearmand_key (unique_key, function_name)", comma);
		comma = ", ";
	}
	return comma[0] != '\0';
}

static bool
fail_lasting(struct my_store *s, struct gearmand_error *err, const char *why)
{
	s->host->error_set(err, "%s: %s", s->where, why);
	err->why = GEARMAND_WHY_LASTING;
	return false;
}

static bool
is_queue(struct my_store *s, const struct found *f, struct gearmand_error *err)
{
	if (!f->exists)
		return true;
	if (f->is_view)
		return fail_lasting(s, err, "it is not a table");
	for (int i = 0; i < COLUMNS_NEEDED; i++) {
		if (!f->has[i])
			return fail_lasting(s, err, "the table is not a gearmand queue: it lacks columns");
	}
	if (strcasecmp(f->engine, "InnoDB") != 0)
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "%s: the table's engine is %s, which has no transactions: a crash may lose jobs that were stored, "
		    "or damage the table; ALTER TABLE ... ENGINE=InnoDB changes that",
		    s->where, f->engine);
	return true;
}

/* ---- Doing it ------------------------------------------------------------------------ */

static bool
alter(struct my_store *s, MYSQL *db, const struct my_text *t, const char *doing, struct gearmand_error *err)
{
	bool is_done = !t->failed && my_runf(s, db, err, doing, "%.*s", (int)t->len, t->data);

	if (t->failed)
		s->host->error_set(err, "%s: %s: out of memory", s->where, doing);
	/* What does not fit is somebody's to look at. */
	if (!is_done && my_is_final(mysql_errno(db)))
		err->why = GEARMAND_WHY_LASTING;
	return is_done;
}

/* A table of many jobs takes longer to change than the session would wait; the lock stays with the session. */
static bool
change_table(struct my_store *s, const struct found *f, struct gearmand_error *err)
{
	struct my_text conversion = { .len = 0 }, changes = { .len = 0 };
	bool must_convert = text_of_conversion(s, f, &conversion), must_change = text_of_changes(s, f, &changes);
	MYSQL *db = must_change ? my_connect(s, true, err) : NULL;
	bool well = !must_change || db != NULL;

	if (well && must_change)
		s->host->log(s->host, GEARMAND_LOG_NOTICE, "%s: a table of another gearmand is taken over: %.*s",
		    s->where, (int)changes.len, changes.data);
	if (well && must_convert)
		well = alter(s, db, &conversion, "making its keys UTF-8", err);
	if (well && must_change)
		well = alter(s, db, &changes, "taking it over", err);
	if (db != NULL)
		mysql_close(db);
	my_text_free(&conversion);
	my_text_free(&changes);
	return well;
}

static bool
create_table(struct my_store *s, struct gearmand_error *err)
{
	struct my_text t = { .len = 0 };
	bool well;

	text_of_creation(s, &t);
	well = alter(s, s->db, &t, "making it", err);
	my_text_free(&t);
	return well;
}

/* Rows that cannot be removed by their key, because the host makes one of its own for them: no unique, and "-", as
 * 1.1 stores such jobs.  Flag 1 and 2, as in <gearmand/plugin.h>. */
static bool
settle_keys(struct my_store *s, struct gearmand_error *err)
{
	return my_runf(s, s->db, err, "making keys for jobs without",
	    "UPDATE %s SET flags = IF(unique_key = '-', 2, 1),"
	    " unique_key = SHA2(CONCAT(seq, '.', RAND(), '.', UUID()), 256)"
	    " WHERE unique_key IS NULL OR unique_key IN ('', '-')",
	    s->table);
}

/* All that a commit will need, without changing a row: may we write, and does this server write at all? */
static bool
try_rights(struct my_store *s, struct gearmand_error *err)
{
	return my_runf(s, s->db, err, "trying whether it may be written",
		   "INSERT INTO %s (unique_key, function_name) SELECT unique_key, function_name FROM %s WHERE seq = 0"
		   " ON DUPLICATE KEY UPDATE unique_key = VALUES(unique_key)",
		   s->table, s->table) &&
	       my_runf(s, s->db, err, "trying whether it may be written", "DELETE FROM %s WHERE seq = 0", s->table);
}

bool
my_schema_open(struct my_store *s, struct gearmand_error *err)
{
	struct found f = { .exists = false };

	if (!look(s, &f, err) || !is_queue(s, &f, err) || !(f.exists ? change_table(s, &f, err) : create_table(s, err)))
		return false;
	return try_rights(s, err) && settle_keys(s, err);
}
