/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table: made, or taken over as another gearmand left it.
 *
 * Runs on:  the store thread; under the lock.
 * Owns:     nothing beyond a call.
 *
 * The first five columns are those of 1.1, whose statements name them, so it works on our table.  What differs: keys
 * are bytes (1.1's are text that takes u1, U1 and `u1 ` for the same), times have 64 bits, and there is an order.  A
 * table of 1.1, or of 0.x, is changed to that in place; the text of its keys becomes UTF-8 first, which is what 1.1 of
 * today read and wrote it as.  No job may be lost by it: a unique index that takes two jobs for one is replaced, and of
 * rows with one key all but the first get a key of their own.
 */
#include <strings.h>

#include "queue_mysql.h"

/* name, type, what information_schema calls it (NULL = any is fine), least length */
#define COLUMNS(X) \
	X(unique_key, "VARBINARY(64)", "varbinary", UNIQUE_MAX) \
	X(function_name, "VARBINARY(703)", "varbinary", FUNCTION_MAX) \
	X(priority, "INT", NULL, 0) \
	X(data, "LONGBLOB", "longblob", 0) \
	X(when_to_run, "BIGINT", "bigint", 0)                    /* missing in the oldest tables */ \
	X(job_handle, "VARBINARY(255)", "varbinary", HANDLE_MAX) /* from here on: ours */ \
	X(reducer, "BLOB", NULL, 0) \
	X(flags, "INT UNSIGNED", NULL, 0) \
	X(attempts, "INT UNSIGNED", NULL, 0) \
	X(changed_at, "BIGINT", "bigint", 0) \
	X(expires_at, "BIGINT", "bigint", 0) \
	X(error, "BLOB", "blob", 0)

#define NAMES \
	"unique_key, function_name, priority, data, when_to_run, job_handle, reducer, flags, attempts, changed_at," \
	" expires_at, error"
#define ORDER   "BIGINT UNSIGNED NOT NULL AUTO_INCREMENT"
#define KEY     "UNIQUE KEY gearmand_key (unique_key, function_name)"
#define NEW_KEY "SHA2(CONCAT(q.%s, '.', RAND(), '.', UUID()), 256)"
#define IS_OURS \
	"COALESCE(c.column_name, '') IN ('unique_key', 'function_name', 'priority', 'data', 'when_to_run'," \
	" 'job_handle', 'reducer', 'flags', 'attempts', 'changed_at', 'expires_at', 'error')"

static const struct {
	const char *name, *type, *kind;
	uint64_t least;
} columns[] = {
#define X(name, type, kind, least) { #name, type, kind, least },
	COLUMNS(X)
#undef X
};

enum { COLUMN_COUNT = GM_COUNT(columns), COLUMNS_NEEDED = 4, COLUMNS_OF_1_1 = 5, KEYS = 2 };

struct found {
	bool exists, is_table, has_primary, has_key;
	bool has_order, order_fits, has_seq; /* a column that counts by itself; one called seq that does not */
	bool has[COLUMN_COUNT], fits[COLUMN_COUNT], is_needed[COLUMN_COUNT];
	char wants_value[260];                      /* a column of somebody else's that our rows would have to fill */
	char engine[64], charset[COLUMN_COUNT][64]; /* charset "" when it is not text */
	uint64_t length[COLUMN_COUNT];              /* characters or bytes */
	struct gm_bytes drops;                      /* of indexes, for ALTER TABLE */
};

/* ---- What is there ------------------------------------------------------------------- */

static bool
ask_catalogue(struct my_store *s, MYSQL_RES **res_r, struct gearmand_error *err, const char *doing, const char *select,
    const char *tail)
{
	char *database = s->host->allocate(2 * strlen(s->database) + 1),
	     *table = s->host->allocate(2 * strlen(s->name) + 1);
	bool well;

	mysql_real_escape_string(s->db, database, s->database, strlen(s->database));
	mysql_real_escape_string(s->db, table, s->name, strlen(s->name));
	well = my_ask(s, s->db, res_r, err, doing, "SELECT %s WHERE t.table_schema = '%s' AND t.table_name = '%s' %s",
	    select, database, table, tail);
	s->host->release(database);
	s->host->release(table);
	return well;
}

static bool
read_table(struct my_store *s, struct found *f, struct gearmand_error *err)
{
	MYSQL_RES *res;
	MYSQL_ROW row;

	if (!ask_catalogue(
		s, &res, err, "looking for it", "t.table_type, t.engine FROM information_schema.tables AS t", ""))
		return false;
	row = mysql_fetch_row(res);
	if (row != NULL) {
		f->exists = true;
		f->is_table = strcasecmp(row[0], "BASE TABLE") == 0 || strcasecmp(row[0], "SYSTEM VERSIONED") == 0;
		snprintf(f->engine, sizeof(f->engine), "%s", row[1] == NULL ? "" : row[1]);
	}
	mysql_free_result(res);
	return true;
}

static void
take_column(struct my_store *s, struct found *f, MYSQL_ROW row)
{
	const char *name = row[0], *kind = row[1], *extra = row[5];
	bool is_needed = strcasecmp(row[4], "NO") == 0;

	if (strstr(extra, "auto_increment") != NULL) {
		f->has_order = true;
		f->order_fits = strcasecmp(kind, "bigint") == 0;
		s->host->release(s->order);
		s->order = my_quoted_name(s->host, name);
		return;
	}
	for (int i = 0; i < COLUMN_COUNT; i++) {
		if (strcasecmp(name, columns[i].name) != 0)
			continue;
		f->has[i] = true;
		f->is_needed[i] = is_needed && i < COLUMNS_OF_1_1; /* what 1.1 does not fill must not need it */
		f->length[i] = row[2] == NULL ? 0 : strtoull(row[2], NULL, 10);
		snprintf(f->charset[i], sizeof(f->charset[i]), "%s", row[3] == NULL ? "" : row[3]);
		f->fits[i] = columns[i].kind == NULL ||
			     (strcasecmp(kind, columns[i].kind) == 0 && f->length[i] >= columns[i].least);
		return;
	}
	if (strcasecmp(name, "seq") == 0)
		f->has_seq = true;
	else if (is_needed && row[6] == NULL && strstr(extra, "GENERATED") == NULL)
		snprintf(f->wants_value, sizeof(f->wants_value), "%s", name);
}

static bool
read_columns(struct my_store *s, struct found *f, struct gearmand_error *err)
{
	MYSQL_RES *res;
	MYSQL_ROW row;

	if (!ask_catalogue(s, &res, err, "reading its columns",
		"column_name, data_type, character_maximum_length, character_set_name, is_nullable, extra, "
		"column_default"
		" FROM information_schema.columns AS t",
		""))
		return false;
	while ((row = mysql_fetch_row(res)) != NULL)
		take_column(s, f, row);
	mysql_free_result(res);
	return true;
}

/* Our key is a unique index over whole values of both columns.  REPLACE means any unique index: one over less
 * would make one row of two jobs.  One is harmless with a column in it that is never the same in two rows. */
static bool
take_index(struct my_store *s, struct found *f, MYSQL_ROW row, struct gearmand_error *err)
{
	bool is_primary = strcasecmp(row[0], "PRIMARY") == 0, is_unique = atoi(row[2]) == 0;
	bool has_both = atoi(row[3]) == KEYS, is_harmless = atoi(row[4]) != 0, is_ours = atoi(row[5]) == atoi(row[1]);
	char *name;

	if (!is_unique || has_both || is_harmless) {
		f->has_primary |= is_primary;
		f->has_key |= is_unique && has_both && atoi(row[1]) == KEYS;
		return true;
	}
	if (!is_ours)
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "%s: one row would be made of several jobs by this unique index, which is not a queue's; drop it: "
		    "%s",
		    s->where, row[0]);
	name = my_quoted_name(s->host, row[0]);
	gm_addf(&f->drops, ", DROP %s%s", is_primary ? "PRIMARY KEY" : "INDEX ", is_primary ? "" : name);
	s->host->release(name);
	return true;
}

static bool
read_indexes(struct my_store *s, struct found *f, struct gearmand_error *err)
{
	MYSQL_RES *res;
	MYSQL_ROW row;
	bool well = ask_catalogue(s, &res, err, "reading its indexes",
	    "t.index_name, COUNT(*), MAX(t.non_unique),"
	    " SUM(t.sub_part IS NULL AND COALESCE(c.column_name, '') IN ('unique_key', 'function_name')),"
	    " MAX(COALESCE(c.extra LIKE '%auto_increment%' OR (NOT " IS_OURS
	    " AND c.is_nullable = 'YES' AND COALESCE(c.column_default, 'NULL') = 'NULL'), 0)), SUM(" IS_OURS ")"
	    " FROM information_schema.statistics AS t LEFT JOIN information_schema.columns AS c ON"
	    " c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.column_name = t.column_name",
	    "GROUP BY t.index_name");

	while (well && (row = mysql_fetch_row(res)) != NULL)
		well = take_index(s, f, row, err);
	mysql_free_result(res);
	return well;
}

static bool
check_queue(struct my_store *s, const struct found *f, struct gearmand_error *err)
{
	if (!f->is_table)
		return gm_fail(err, GEARMAND_WHY_LASTING, "%s: it is not a table", s->where);
	for (int i = 0; i < COLUMNS_NEEDED; i++) {
		if (!f->has[i])
			return gm_fail(err, GEARMAND_WHY_LASTING,
			    "%s: the table is not a gearmand queue: it lacks the column %s", s->where, columns[i].name);
	}
	if (f->wants_value[0] != '\0')
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "%s: no job can be stored in it until this column, which is not a queue's, has a DEFAULT or may be "
		    "NULL: %s",
		    s->where, f->wants_value);
	if (strcasecmp(f->engine, "InnoDB") != 0)
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "%s: the table's engine is %s, which has no transactions: a crash may lose jobs that were stored, "
		    "or damage the table; ALTER TABLE ... ENGINE=InnoDB changes that",
		    s->where, f->engine);
	return true;
}

/* ---- What to do ---------------------------------------------------------------------- */

/* Text in another character set must become UTF-8 before it becomes bytes.  Three bytes a character fit an index
 * of 767 bytes, and hold what most character sets have. */
static void
add_conversions(const struct found *f, struct gm_bytes *t)
{
	for (int i = 0; i < KEYS; i++) {
		const char *from = f->charset[i], *to = "utf8";

		if (from[0] == '\0' || strncmp(from, "utf8", 4) == 0 || strcmp(from, "ascii") == 0)
			continue;
		if (strncmp(from, "utf16", 5) == 0 || strcmp(from, "utf32") == 0 || strncmp(from, "gb", 2) == 0)
			to = "utf8mb4";
		gm_addf(t, ", MODIFY %s VARCHAR(%llu) CHARACTER SET %s COLLATE %s_bin%s", columns[i].name,
		    (unsigned long long)f->length[i], to, to, f->is_needed[i] ? " NOT NULL" : "");
	}
}

static void
add_changes(const struct my_store *s, const struct found *f, struct gm_bytes *t)
{
	for (int i = 0; i < COLUMN_COUNT; i++) {
		if (!f->has[i] || !f->fits[i])
			gm_addf(t, ", %s %s %s%s", f->has[i] ? "MODIFY" : "ADD COLUMN", columns[i].name,
			    columns[i].type, f->is_needed[i] ? " NOT NULL" : "");
	}
	if (f->has_order && !f->order_fits)
		gm_addf(t, ", MODIFY %s " ORDER, s->order);
	if (!f->has_order)
		gm_addf(t, ", %s seq " ORDER ", ADD %s (seq)", f->has_seq ? "MODIFY" : "ADD COLUMN",
		    f->has_primary ? "UNIQUE KEY gearmand_seq" : "PRIMARY KEY");
}

/* ---- Doing it ------------------------------------------------------------------------ */

/* `actions` is a list with a comma in front. */
static bool
alter(struct my_store *s, MYSQL *db, const struct gm_bytes *actions, const char *doing, struct gearmand_error *err)
{
	if (actions->failed)
		return gm_fail(err, GEARMAND_WHY_PASSING, "%s: %s: out of memory", s->where, doing);
	if (actions->len == 0)
		return true;
	s->host->log(s->host, GEARMAND_LOG_NOTICE, "%s: a table of another gearmand is taken over: %.*s", s->where,
	    (int)actions->len - 2, actions->data + 2);
	return my_ask(
	    s, db, NULL, err, doing, "ALTER TABLE %s %.*s", s->table, (int)actions->len - 2, actions->data + 2);
}

/* Rows that cannot be removed by their key, because the host makes one of its own for them: no unique, and "-", as
 * 1.1 stores such jobs. */
static bool
settle_keys(struct my_store *s, MYSQL *db, struct gearmand_error *err)
{
	return my_ask(s, db, NULL, err, "making keys for jobs without",
	    "UPDATE %s AS q SET flags = IF(unique_key = '-', %d, %d), unique_key = " NEW_KEY
	    " WHERE unique_key IS NULL OR unique_key IN ('', '-')",
	    s->table, GEARMAND_JOB_UNIQUE_IS_DATA, GEARMAND_JOB_NO_UNIQUE, s->order);
}

/* Without a unique index one key may have several jobs.  Each was acknowledged, so each is kept. */
static bool
add_key(struct my_store *s, MYSQL *db, struct gearmand_error *err)
{
	struct gm_bytes key = { .len = 0 };
	unsigned long long renamed;
	bool well = my_ask(s, db, NULL, err, "making keys for jobs that have the same",
	    "UPDATE %s AS q JOIN (SELECT unique_key AS u, function_name AS f, MIN(%s) AS first FROM %s"
	    " GROUP BY unique_key, function_name HAVING COUNT(*) > 1) AS same"
	    " ON q.unique_key = same.u AND q.function_name = same.f AND q.%s <> same.first"
	    " SET q.flags = %d, q.unique_key = " NEW_KEY,
	    s->table, s->order, s->table, s->order, GEARMAND_JOB_NO_UNIQUE, s->order);

	renamed = well ? mysql_affected_rows(db) : 0;
	gm_add_text(&key, ", ADD " KEY);
	well = well && alter(s, db, &key, "making its unique index", err);
	if (well && renamed > 0)
		s->host->log(s->host, GEARMAND_LOG_NOTICE,
		    "%s: %llu jobs had the function and unique key of another job; they run under keys of their own",
		    s->where, renamed);
	gm_bytes_free(&key);
	return well;
}

/* A unique key of more than 64 bytes was nobody's who could ask for it by that. */
static bool
change_table(struct my_store *s, MYSQL *db, const struct found *f, const struct gm_bytes *conversions,
    const struct gm_bytes *changes, struct gearmand_error *err)
{
	return alter(s, db, conversions, "making its keys UTF-8", err) &&
	       (f->fits[0] || f->length[0] <= UNIQUE_MAX / 4 ||
		   my_ask(s, db, NULL, err, "shortening its keys",
		       "UPDATE %s SET unique_key = SHA2(CONCAT(unique_key, ' ', COALESCE(function_name, '')), 256)"
		       " WHERE LENGTH(unique_key) > %d",
		       s->table, (int)UNIQUE_MAX)) &&
	       alter(s, db, changes, "taking it over", err) && settle_keys(s, db, err) &&
	       (f->has_key || add_key(s, db, err));
}

/* A table of many jobs takes longer to change than the session would wait; the lock stays with the session. */
static bool
take_over(struct my_store *s, struct found *f, struct gearmand_error *err)
{
	struct gm_bytes conversions = { .len = 0 }, changes = { .len = 0 };
	bool well = true;
	MYSQL *db;

	add_conversions(f, &conversions);
	if (f->drops.len > 0)
		gm_add(&changes, f->drops.data, f->drops.len);
	add_changes(s, f, &changes);
	if (changes.failed || changes.len > 0 || !f->has_key) {
		db = my_connect(s, true, err);
		well = db != NULL && change_table(s, db, f, &conversions, &changes, err);
		mysql_close(db);
	}
	gm_bytes_free(&conversions);
	gm_bytes_free(&changes);
	return well;
}

static bool
make_table(struct my_store *s, const char *table, const char *key, struct gearmand_error *err)
{
	struct gm_bytes t = { .len = 0 };
	bool well;

	for (int i = 0; i < COLUMN_COUNT; i++)
		gm_addf(&t, "%s %s, ", columns[i].name, columns[i].type);
	well = my_ask(s, s->db, NULL, err, "making it",
	    "CREATE TABLE IF NOT EXISTS %s (%.*sseq " ORDER ", PRIMARY KEY (seq), %s) ENGINE=InnoDB", table, (int)t.len,
	    t.data, key);
	gm_bytes_free(&t);
	return well;
}

/* All that a commit will need, without changing a row: may we write, and does this server write at all? */
static bool
try_rights(struct my_store *s, struct gearmand_error *err)
{
	return my_ask(s, s->db, NULL, err, "trying whether it may be written",
		   "INSERT INTO %s (" NAMES ") SELECT " NAMES " FROM %s WHERE %s = 0"
		   " ON DUPLICATE KEY UPDATE priority = VALUES(priority)",
		   s->table, s->table, s->order) &&
	       my_ask(s, s->db, NULL, err, "trying whether it may be written", "DELETE FROM %s WHERE %s = 0", s->table,
		   s->order);
}

/* ---- The dead ------------------------------------------------------------------------ */

/* In another table of the same columns.  A name has at most 64 characters; this is the name in gearmand_lock. */
static bool
name_dead(struct my_store *s, struct gearmand_error *err)
{
	MYSQL_RES *res;
	MYSQL_ROW row;

	if (!my_ask(s, s->db, &res, err, "naming that of its dead jobs",
		"SELECT CONCAT(IF(LENGTH(%s) < 60, %s, MD5(%s)), '_dead')", s->queue, s->queue, s->queue))
		return false;
	row = mysql_fetch_row(res);
	s->dead_table = my_quoted_name(s->host, row != NULL && row[0] != NULL ? row[0] : "");
	mysql_free_result(res);
	return true;
}

static bool
try_dead(struct my_store *s, struct gearmand_error *err)
{
	return my_ask(s, s->db, NULL, err, "trying whether its dead jobs may be written",
	    "REPLACE INTO %s (" NAMES ") SELECT " NAMES " FROM %s WHERE seq = 0", s->dead_table, s->dead_table);
}

/* Where it is there the user need not have the right to make it. */
static bool
open_dead(struct my_store *s, struct gearmand_error *err)
{
	if (!name_dead(s, err))
		return false;
	if (try_dead(s, err))
		return true;
	if (mysql_errno(s->db) != NO_SUCH_TABLE)
		return false;
	err->text[0] = '\0';
	return make_table(s, s->dead_table, "UNIQUE KEY gearmand_handle (job_handle)", err) && try_dead(s, err);
}

bool
my_schema_open(struct my_store *s, struct gearmand_error *err)
{
	struct found f = { .exists = false };
	bool well = read_table(s, &f, err);

	if (well && !f.exists)
		well = make_table(s, s->table, KEY, err);
	else if (well)
		well = read_columns(s, &f, err) && check_queue(s, &f, err) && read_indexes(s, &f, err) &&
		       take_over(s, &f, err);
	gm_bytes_free(&f.drops);
	return well && try_rights(s, err) && settle_keys(s, s->db, err) && open_dead(s, err);
}
