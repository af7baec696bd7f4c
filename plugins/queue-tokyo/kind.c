/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A hash database and a B+ tree, behind one table of calls.
 *
 * Runs on:  the store thread.
 * Owns:     the handles that it opens, until close.
 *
 * No lock of Tokyo's: it goes when any descriptor of the file is closed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tcbdb.h>

#include "queue_tokyo.h"

enum { FREE_BLOCKS_POWER = 10 };     /* that many free blocks are remembered: 2^10; more are looked up slowly */
enum { TREE_CACHE_MOST = 32 << 20 }; /* bytes; Tokyo counts leaves, of any size */

bool
tk_db_failed(const struct tk_db *db)
{
	return db->hdb != NULL && db->hdb->fatal;
}

int
tk_db_code(const struct tk_db *db)
{
	return db->hdb == NULL ? db->code : tchdbecode(db->hdb);
}

static int8_t
free_blocks_power(const struct tk_tuning *t)
{
	return t->fpow < 0 ? FREE_BLOCKS_POWER : t->fpow;
}

/* ---- Hash database ----------------------------------------------------------------------------- */

static bool
hash_open(struct tk_db *db, const char *path, const struct tk_tuning *t, bool create)
{
	TCHDB *h = tchdbnew();

	db->kind = &tk_hash;
	tchdbtune(h, t->bnum, t->apow, free_blocks_power(t), t->opts);
	tchdbsetxmsiz(h, t->mapped);
	if (!tchdbopen(h, path, HDBOWRITER | HDBONOLCK | (create ? HDBOCREAT : 0))) {
		int saved = errno;

		db->code = tchdbecode(h);
		tchdbdel(h);
		errno = saved;
		return false;
	}
	db->handle = db->hdb = h;
	return true;
}

static void
hash_close(struct tk_db *db)
{
	if (db->handle != NULL)
		tchdbdel(db->handle);
	db->handle = db->hdb = NULL;
}

static bool
hash_begin(struct tk_db *db)
{
	return tchdbtranbegin(db->handle);
}

static bool
hash_flush(struct tk_db *db)
{
	return tchdbmemsync(db->handle, false);
}

static bool
hash_commit(struct tk_db *db)
{
	return tchdbtrancommit(db->handle);
}

static bool
hash_abort(struct tk_db *db)
{
	return tchdbtranabort(db->handle);
}

/* Of a put that keeps what is there. */
static int
put_outcome(const struct tk_db *db, bool done)
{
	return tk_db_failed(db) ? TK_FAILED : done;
}

static int
hash_put(struct tk_db *db, struct gearmand_slice key, struct gearmand_slice value)
{
	return put_outcome(db, tchdbputkeep(db->handle, key.data, (int)key.len, value.data, (int)value.len));
}

/* (void *)-1: away with it; NULL: it stays. */
static void *
judge(const void *value, int size, int *new_size, void *arg)
{
	const struct gearmand_slice *begin = arg;

	(void)new_size;
	return (size_t)size >= begin->len && memcmp(value, begin->data, begin->len) == 0 ? (void *)-1 : NULL;
}

static bool
hash_out_if(struct tk_db *db, struct gearmand_slice key, struct gearmand_slice begin)
{
	tchdbputproc(db->handle, key.data, (int)key.len, NULL, 0, judge, &begin);
	return !tk_db_failed(db);
}

static bool
hash_out(struct tk_db *db, struct gearmand_slice key)
{
	tchdbout(db->handle, key.data, (int)key.len);
	return !tk_db_failed(db);
}

static int
hash_head(struct tk_db *db, struct gearmand_slice key, char *bytes, int max)
{
	int n = tchdbget3(db->handle, key.data, (int)key.len, bytes, max);

	return n >= 0 ? n : tk_db_failed(db) ? TK_FAILED : TK_ABSENT;
}

static char *
hash_get(struct tk_db *db, struct gearmand_slice key, int *size_r)
{
	return tchdbget(db->handle, key.data, (int)key.len, size_r);
}

static bool
hash_first(struct tk_db *db)
{
	return tchdbiterinit(db->handle);
}

static int
hash_next(struct tk_db *db, TCXSTR *key, TCXSTR *value)
{
	if (tchdbiternext3(db->handle, key, value))
		return 1;
	return tk_db_failed(db) ? TK_FAILED : 0;
}

static uint64_t
hash_count(struct tk_db *db)
{
	return tchdbrnum(db->handle);
}

const struct tk_kind tk_hash = {
	.what = "hash database",
	.type = TCDBTHASH,
	.open = hash_open,
	.close = hash_close,
	.begin = hash_begin,
	.flush = hash_flush,
	.commit = hash_commit,
	.abort = hash_abort,
	.put = hash_put,
	.out = hash_out,
	.out_if = hash_out_if,
	.head = hash_head,
	.get = hash_get,
	.first = hash_first,
	.next = hash_next,
	.count = hash_count,
};

/* ---- B+ tree -------------------------------------------------------------------------------------- */

static bool
tree_open(struct tk_db *db, const char *path, const struct tk_tuning *t, bool create)
{
	TCBDB *b = tcbdbnew();

	db->kind = &tk_tree;
	tcbdbtune(b, (int32_t)t->lmemb, (int32_t)t->nmemb, t->bnum, t->apow, free_blocks_power(t), t->opts);
	tcbdbsetcache(b, (int32_t)t->lcnum, (int32_t)t->ncnum);
	tcbdbsetxmsiz(b, 0);
	if (!tcbdbopen(b, path, BDBOWRITER | BDBONOLCK | (create ? BDBOCREAT : 0))) {
		int saved = errno;

		db->code = tcbdbecode(b);
		tcbdbdel(b);
		errno = saved;
		return false;
	}
	db->handle = b;
	db->hdb = b->hdb;
	return true;
}

static void
tree_close(struct tk_db *db)
{
	if (db->cursor != NULL)
		tcbdbcurdel(db->cursor);
	if (db->handle != NULL)
		tcbdbdel(db->handle);
	db->handle = db->cursor = NULL;
	db->hdb = NULL;
}

static bool
tree_begin(struct tk_db *db)
{
	return tcbdbtranbegin(db->handle);
}

static bool
tree_flush(struct tk_db *db)
{
	return tcbdbmemsync(db->handle, false) && !tk_db_failed(db);
}

static void
tree_forget(struct tk_db *db, size_t bytes)
{
	db->cached += bytes;
	if (db->cached > TREE_CACHE_MOST) {
		tcbdbcacheclear(db->handle);
		db->cached = 0;
	}
}

static bool
tree_commit(struct tk_db *db)
{
	if (!tcbdbtrancommit(db->handle))
		return false;
	tree_forget(db, 0);
	return true;
}

/* Tokyo takes it that a tree's pages are in memory until commit, and gives up its log; but `flush` wrote them. */
static bool
tree_abort(struct tk_db *db)
{
	bool done = tchdbtranabort(db->hdb);

	(void)tcbdbtranabort(db->handle); /* forgets the pages */
	return done;
}

static int
tree_put(struct tk_db *db, struct gearmand_slice key, struct gearmand_slice value)
{
	db->cached += value.len;
	if (value.len > db->largest)
		db->largest = value.len;
	return put_outcome(db, tcbdbputkeep(db->handle, key.data, (int)key.len, value.data, (int)value.len));
}

static bool
tree_out(struct tk_db *db, struct gearmand_slice key)
{
	tcbdbout(db->handle, key.data, (int)key.len);
	return !tk_db_failed(db);
}

static int
tree_head(struct tk_db *db, struct gearmand_slice key, char *bytes, int max)
{
	int size;
	const void *value = tcbdbget3(db->handle, key.data, (int)key.len, &size);

	if (value == NULL)
		return tk_db_failed(db) ? TK_FAILED : TK_ABSENT;
	if (size > max)
		size = max;
	memcpy(bytes, value, (size_t)size);
	return size;
}

static char *
tree_get(struct tk_db *db, struct gearmand_slice key, int *size_r)
{
	char *value = tcbdbget(db->handle, key.data, (int)key.len, size_r);

	if (value != NULL)
		tree_forget(db, (size_t)*size_r);
	return value;
}

static bool
tree_first(struct tk_db *db)
{
	if (db->cursor == NULL)
		db->cursor = tcbdbcurnew(db->handle);
	db->passed = 0;
	return tcbdbcurfirst(db->cursor) || !tk_db_failed(db);
}

/* A damaged chain of leaves may be a ring. */
static int
tree_next(struct tk_db *db, TCXSTR *key, TCXSTR *value)
{
	if (!tcbdbcurrec(db->cursor, key, value))
		return tk_db_failed(db) ? TK_FAILED : 0;
	if (db->passed++ > tcbdbrnum(db->handle))
		return TK_FAILED;
	tree_forget(db, (size_t)tcxstrsize(value));
	tcbdbcurnext(db->cursor);
	return 1;
}

static uint64_t
tree_count(struct tk_db *db)
{
	return tcbdbrnum(db->handle);
}

const struct tk_kind tk_tree = {
	.what = "B+ tree",
	.type = TCDBTBTREE,
	.open = tree_open,
	.close = tree_close,
	.begin = tree_begin,
	.flush = tree_flush,
	.commit = tree_commit,
	.abort = tree_abort,
	.put = tree_put,
	.out = tree_out,
	.head = tree_head,
	.get = tree_get,
	.first = tree_first,
	.next = tree_next,
	.count = tree_count,
};
