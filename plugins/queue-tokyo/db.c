/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The library's handle of the database, through its abstract API.
 *
 * Runs on:  the store thread.
 * Owns:     the handle, and the memory in which the library sees the file.
 *
 * Tokyo Cabinet maps its file into memory and changes it there.  The kernel may write such a page to the disk at any
 * moment, also when half of a transaction is in it.  So the library is told to map far more than the file has, and then
 * another mapping is put in that place: a private copy of the file, and behind its end plain memory.  What the library
 * changes stays in memory; what is committed journal.c writes to the file.  A transaction that fails is dropped with
 * its memory, and a full disk never meets a page of a mapping.
 *
 * This needs to know where the library's mapping is: the `opaque` field of the head, for which there is a call, is at a
 * known place in it.  The magic number at the beginning proves it, and tk_open() refuses any other version.
 */
#include <sys/mman.h>

#include <tcbdb.h>
#include <tchdb.h>

#include "queue_tokyo.h"

enum { HASH_OPAQUE_AT = 128, TREE_OPAQUE_AT = 128 + 64 };
enum { PAGE = 4096, COPIES_MOST = 16 << 20, CACHE_MOST = 32 << 20, MAP_AHEAD = 64 << 20 };

#define MAP_USUAL (sizeof(size_t) < 8 ? (size_t)1 << 30 : (size_t)64 << 30)
#define MEMORY    (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

bool
tk_db_is_well(const struct tk_store *s)
{
	return ((s->name.is_tree ? tcbdbflags(s->inner) : tchdbflags(s->inner)) & HDBFFATAL) == 0;
}

/* ---- Memory in place of the file -------------------------------------------------------------------- */

/* How much can be mapped: address space is plenty, but may be limited. */
static size_t
find_map_len(uint64_t size)
{
	size_t least = (size_t)(size + MAP_AHEAD), len = MAP_USUAL;
	void *p;

	while (len / 2 < least)
		len *= 2;
	for (; len >= least; len /= 2) {
		p = mmap(NULL, len, PROT_READ | PROT_WRITE, MEMORY, -1, 0);
		if (p != MAP_FAILED && munmap(p, len) == 0)
			return len;
	}
	return 0;
}

/* Forgets what the library changed since the file was last written, and gives back the memory of it.  The mappings must
 * not fail half-way, with nothing where the library looks. */
static bool
map_copy(struct tk_store *s)
{
	size_t size = (size_t)tcadbsize(s->db), whole = size & ~(size_t)(PAGE - 1);
	const int access = PROT_READ | PROT_WRITE;

	if (whole > 0)
		GM_CHECK(mmap(s->map, whole, access, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, s->fd, 0) == s->map);
	GM_CHECK(mmap(s->map + whole, s->map_len - whole, access, MEMORY | MAP_FIXED, -1, 0) == s->map + whole);
	s->written = 0;
	errno = 0;
	return tk_read_at(s->fd, s->map + whole, size - whole, (off_t)whole);
}

static bool
open_handle(struct tk_store *s, size_t map_len)
{
	char name[TK_PATH + sizeof(s->name.parameters) + 64];

	snprintf(name, sizeof(name), "%s%s#mode=we#xmsiz=%zu", s->path, s->name.parameters, map_len);
	s->db = tcadbnew();
	errno = 0;
	if (tcadbopen(s->db, name)) {
		s->inner = tcadbreveal(s->db);
		return true;
	}
	tcadbdel(s->db);
	s->db = NULL;
	return false;
}

static bool
forget_handle(struct tk_store *s)
{
	bool ok = tcadbclose(s->db);

	tcadbdel(s->db);
	s->db = NULL;
	s->inner = NULL;
	return ok;
}

bool
tk_db_make(struct tk_store *s, struct gearmand_error *err)
{
	if (open_handle(s, 0) && forget_handle(s) && fsync(s->fd) == 0)
		return true;
	tk_fail_errno(s, err, "making it");
	(void)!ftruncate(s->fd, 0); /* a piece of one is not a database */
	return false;
}

bool
tk_db_open(struct tk_store *s, struct gearmand_error *err)
{
	errno = ENOMEM;
	s->map_len = find_map_len(s->head.size);
	if (s->map_len == 0)
		return tk_fail_errno(s, err, "mapping it");
	/* A copied file may have holes where zeros were; closing it writes there through a mapping. */
	(void)!posix_fallocate(s->fd, 0, (off_t)s->head.first);
	if (!open_handle(s, s->map_len))
		return tk_fail_errno(s, err, "opening it");
	s->map = s->name.is_tree ? tcbdbopaque(s->inner) - TREE_OPAQUE_AT : tchdbopaque(s->inner) - HASH_OPAQUE_AT;
	GM_CHECK(memcmp(s->map, "ToKyO CaBiNeT", 13) == 0);
	if (!map_copy(s))
		return tk_fail_errno(s, err, "reading it");
	return tk_file_is_there(s) || tk_fail(s, err, GEARMAND_WHY_PASSING, "it was replaced while it was opened");
}

/* Closing an open transaction, the library would take back in the file what is in its log. */
void
tk_db_drop(struct tk_store *s)
{
	if (s->db == NULL)
		return;
	if (s->log_fd >= 0) {
		(void)tk_file_remove(s, ".wal");
		close(s->log_fd);
		s->log_fd = -1;
	}
	(void)forget_handle(s);
}

bool
tk_db_close(struct tk_store *s)
{
	void *p = mmap(s->map, s->map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->fd, 0);

	GM_CHECK(p == s->map);
	return forget_handle(s);
}

/* ---- Transactions ------------------------------------------------------------------------------------------ */

bool
tk_db_begin(struct tk_store *s)
{
	if (s->written > COPIES_MOST && !map_copy(s))
		return false;
	if (s->log_fd < 0)
		s->log_fd = tk_file_open_beside(s, ".wal");
	return s->log_fd >= 0 && tcadbtranbegin(s->db) && tk_db_is_well(s);
}

bool
tk_db_flush(struct tk_store *s)
{
	return (s->name.is_tree ? tcbdbmemsync(s->inner, false) : tchdbmemsync(s->inner, false)) && tk_db_is_well(s);
}

/* The library counts leaves in its cache, of any size. */
static void
count_read(struct tk_store *s, size_t bytes)
{
	s->read += bytes;
	if (s->name.is_tree && s->read > CACHE_MOST) {
		(void)tcbdbcacheclear(s->inner);
		s->read = 0;
	}
}

bool
tk_db_end(struct tk_store *s)
{
	bool ok = tcadbtrancommit(s->db) && tk_db_is_well(s);

	count_read(s, s->redo.len);
	return ok;
}

bool
tk_db_put(struct tk_store *s, struct gearmand_slice key, struct gearmand_slice value)
{
	return tcadbput(s->db, key.data, (int)key.len, value.data, (int)value.len) && tk_db_is_well(s);
}

bool
tk_db_out(struct tk_store *s, struct gearmand_slice key)
{
	return tcadbout(s->db, key.data, (int)key.len) || tk_db_is_well(s);
}

char *
tk_db_get(struct tk_store *s, struct gearmand_slice key, size_t *len_r)
{
	int size = 0;
	char *value = tcadbget(s->db, key.data, (int)key.len, &size);

	*len_r = (size_t)size;
	if (value != NULL)
		count_read(s, (size_t)size);
	return value;
}
