/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A table database, and what is in memory only, behind the same table of calls.
 *
 * Runs on:  the store thread.
 * Owns:     the handles that it opens, until close.
 *
 * gearmand 1.1 hands a table its value as text, which Tokyo splits at NULs into columns: "function NUL unique NUL
 * number NUL data" becomes the column `function` with `unique` in it, and the column `number` with `data` in it, and
 * comes back in that order.  Here the two columns are made as such, so that data may hold NULs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tcadb.h>
#include <tctdb.h>

#include "queue_tokyo.h"

/* ---- Table ----------------------------------------------------------------------------------- */

static bool
table_open(struct tk_db *db, const char *path, const struct tk_tuning *t, bool create)
{
	TCTDB *d = tctdbnew();

	db->kind = &tk_table;
	tctdbtune(d, t->bnum, t->apow, t->fpow, t->opts);
	tctdbsetcache(d, 0, (int32_t)t->lcnum, (int32_t)t->ncnum);
	tctdbsetxmsiz(d, t->mapped);
	if (!tctdbopen(d, path, TDBOWRITER | TDBONOLCK | (create ? TDBOCREAT : 0))) {
		int saved = errno;

		db->code = tctdbecode(d);
		tctdbdel(d);
		errno = saved;
		return false;
	}
	db->handle = d;
	db->hdb = d->hdb;
	return true;
}

static void
table_close(struct tk_db *db)
{
	if (db->handle != NULL)
		tctdbdel(db->handle);
	db->handle = NULL;
	db->hdb = NULL;
}

static bool
table_begin(struct tk_db *db)
{
	return tctdbtranbegin(db->handle);
}

static bool
table_flush(struct tk_db *db)
{
	return tctdbmemsync(db->handle, false) && !tk_db_failed(db);
}

static bool
table_commit(struct tk_db *db)
{
	return tctdbtrancommit(db->handle);
}

static bool
table_abort(struct tk_db *db)
{
	return tctdbtranabort(db->handle);
}

/* The value's parts: up to the third NUL, and the rest. */
static int
table_put(struct tk_db *db, struct gearmand_slice key, struct gearmand_slice value)
{
	const char *unique = value.data + strlen(value.data) + 1, *number = unique + strlen(unique) + 1;
	const char *data = number + strlen(number) + 1;
	size_t size = value.len - (size_t)(data - value.data);
	TCMAP *columns = tcmapnew2(3);
	int done;

	tcmapput(columns, value.data, (int)strlen(value.data), unique, (int)strlen(unique));
	tcmapput(columns, number, (int)strlen(number), data, (int)size);
	done = tctdbputkeep(db->handle, key.data, (int)key.len, columns);
	tcmapdel(columns);
	return tk_db_failed(db) ? TK_FAILED : done;
}

static bool
table_out(struct tk_db *db, struct gearmand_slice key)
{
	tctdbout(db->handle, key.data, (int)key.len);
	return !tk_db_failed(db);
}

static char *
table_get(struct tk_db *db, struct gearmand_slice key, int *size_r)
{
	return tctdbget2(db->handle, key.data, (int)key.len, size_r);
}

static int
cut_head(char *value, int size, char *bytes, int max)
{
	if (size > max)
		size = max;
	memcpy(bytes, value, (size_t)size);
	free(value);
	return size;
}

static int
table_head(struct tk_db *db, struct gearmand_slice key, char *bytes, int max)
{
	int size;
	char *value = table_get(db, key, &size);

	if (value == NULL)
		return tk_db_failed(db) ? TK_FAILED : TK_ABSENT;
	return cut_head(value, size, bytes, max);
}

static bool
table_first(struct tk_db *db)
{
	return tctdbiterinit(db->handle);
}

static int
table_next(struct tk_db *db, TCXSTR *key, TCXSTR *value)
{
	int size;
	char *k = tctdbiternext(db->handle, &size), *v;

	if (k == NULL)
		return tk_db_failed(db) ? TK_FAILED : 0;
	tcxstrclear(key);
	tcxstrcat(key, k, size);
	free(k);
	v = tctdbget2(db->handle, tcxstrptr(key), tcxstrsize(key), &size);
	if (v == NULL)
		return TK_FAILED;
	tcxstrclear(value);
	tcxstrcat(value, v, size);
	free(v);
	return 1;
}

static uint64_t
table_count(struct tk_db *db)
{
	return tctdbrnum(db->handle);
}

const struct tk_kind tk_table = {
	.what = "table database",
	.type = TCDBTTABLE,
	.open = table_open,
	.close = table_close,
	.begin = table_begin,
	.flush = table_flush,
	.commit = table_commit,
	.abort = table_abort,
	.put = table_put,
	.out = table_out,
	.head = table_head,
	.get = table_get,
	.first = table_first,
	.next = table_next,
	.count = table_count,
};

/* ---- In memory ---------------------------------------------------------------------------------- */

static bool
memory_open(struct tk_db *db, const char *path, const struct tk_tuning *t, bool create)
{
	(void)t;
	(void)create;
	db->handle = tcadbnew();
	return tcadbopen(db->handle, path);
}

static void
memory_close(struct tk_db *db)
{
	if (db->handle != NULL)
		tcadbdel(db->handle);
	db->handle = NULL;
}

/* Nothing that is done there can fail. */
static bool
memory_nothing(struct tk_db *db)
{
	(void)db;
	return true;
}

static int
memory_put(struct tk_db *db, struct gearmand_slice key, struct gearmand_slice value)
{
	return tcadbputkeep(db->handle, key.data, (int)key.len, value.data, (int)value.len);
}

static bool
memory_out(struct tk_db *db, struct gearmand_slice key)
{
	tcadbout(db->handle, key.data, (int)key.len);
	return true;
}

static char *
memory_get(struct tk_db *db, struct gearmand_slice key, int *size_r)
{
	return tcadbget(db->handle, key.data, (int)key.len, size_r);
}

static int
memory_head(struct tk_db *db, struct gearmand_slice key, char *bytes, int max)
{
	int size;
	char *value = memory_get(db, key, &size);

	return value == NULL ? TK_ABSENT : cut_head(value, size, bytes, max);
}

static bool
memory_first(struct tk_db *db)
{
	return tcadbiterinit(db->handle);
}

static int
memory_next(struct tk_db *db, TCXSTR *key, TCXSTR *value)
{
	int size;
	char *k = tcadbiternext(db->handle, &size), *v;

	if (k == NULL)
		return 0;
	tcxstrclear(key);
	tcxstrcat(key, k, size);
	free(k);
	v = tcadbget(db->handle, tcxstrptr(key), tcxstrsize(key), &size);
	tcxstrclear(value);
	if (v != NULL)
		tcxstrcat(value, v, size);
	free(v);
	return 1;
}

static uint64_t
memory_count(struct tk_db *db)
{
	return tcadbrnum(db->handle);
}

#define MEMORY(what_) \
	{ \
		.what = (what_), .type = -1, .open = memory_open, .close = memory_close, .begin = memory_nothing, \
		.flush = memory_nothing, .commit = memory_nothing, .abort = memory_nothing, .put = memory_put, \
		.out = memory_out, .head = memory_head, .get = memory_get, .first = memory_first, .next = memory_next, \
		.count = memory_count, \
	}

const struct tk_kind tk_memory_hash = MEMORY("hash database in memory");
const struct tk_kind tk_memory_tree = MEMORY("tree in memory");
