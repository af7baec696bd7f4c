/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A batch of changes becomes one transaction.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the batch is the host's.
 *
 * Tokyo changes a bucket even when it could not log what was there (the disk is full, say), and then cannot take it
 * back.  So the log gets its room on the disk before anything is changed.  After any failure the transaction is taken
 * back and the database opened anew, for Tokyo refuses all work after one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "queue_tokyo.h"

enum { TEXT_MOST = 1 << 20 }; /* bytes of a handle or reducer */
enum { BIG = 1 << 20 };       /* bytes for which memory is asked before Tokyo does, who ends the process */
enum { KEEP_ROOM = 4 << 20 }; /* of a buffer, from batch to batch */
enum { LENGTHEN = 1 << 20 };  /* bytes of a file at once */
enum { LEAF = 20 << 10 };     /* bytes of a leaf of a B+ tree, beside its largest job */

/* ---- Changes ---------------------------------------------------------------------------------------- */

static size_t
size_of(const struct gearmand_job *job)
{
	return 2 * (job->function.len + job->unique.len) + job->data.len + 6 * (job->handle.len + job->reducer.len) +
	       512;
}

static bool
has_memory(size_t size)
{
	void *p;

	if (size < BIG)
		return true;
	p = malloc(4 * size);
	free(p);
	errno = ENOMEM;
	return p != NULL;
}

static bool
add(struct tk_store *s, struct gearmand_change *c)
{
	const struct gearmand_job *job = &c->job;

	if (job->data.len > TK_VALUE_MAX || job->handle.len > TEXT_MOST || job->reducer.len > TEXT_MOST) {
		s->host->refuse(c, "a job of %zu bytes is too large for the Tokyo Cabinet queue, which takes up to %d",
		    job->data.len, TK_VALUE_MAX);
		return true;
	}
	return has_memory(job->data.len) && tk_place_add(s, job, ++s->sequence);
}

static bool
apply(struct tk_store *s, struct gearmand_change *changes, size_t count)
{
	bool ok = true;

	for (size_t i = 0; i < count && ok; i++) {
		if (changes[i].outcome != GEARMAND_REFUSED)
			ok = changes[i].op == GEARMAND_ADD ? add(s, &changes[i]) : tk_place_remove(s, &changes[i].job);
	}
	return ok;
}

/* ---- Room ------------------------------------------------------------------------------------------------ */

/* What a transaction may take on the disk at most. */
struct need {
	size_t changes, adds, bytes; /* bytes: of the jobs that are added */
};

static struct need
need_of(const struct tk_store *s, const struct gearmand_change *changes, size_t count)
{
	size_t unit = s->db.hdb == NULL ? 0 : (size_t)1 << s->db.hdb->apow;
	struct need n = { .changes = count };

	for (size_t i = 0; i < count; i++) {
		if (changes[i].op == GEARMAND_ADD) {
			n.adds++;
			n.bytes += size_of(&changes[i].job) + unit;
		}
	}
	return n;
}

static size_t
bytes_there(const TCHDB *hdb)
{
	return (size_t)(hdb->fsiz - hdb->frec);
}

/* A B+ tree writes whole leaves, those that are there again.  One may hold the largest job there is, for each small one
 * that is added to it or removed; but all together they are the file. */
static size_t
leaves_of(const struct tk_store *s, size_t changes)
{
	size_t leaves = changes * (LEAF + s->db.largest), there = bytes_there(s->db.hdb);

	if (s->name.kind != &tk_tree)
		return 0;
	return leaves < there ? leaves : there;
}

static size_t
growth_of(const struct tk_store *s, struct need n)
{
	return n.bytes + leaves_of(s, n.adds);
}

/* Of the log: what is overwritten, which is up to twice the size of what goes there, but no more than there is; and
 * links. */
static size_t
log_of(const struct tk_store *s, struct need n)
{
	size_t there = bytes_there(s->db.hdb), growth = growth_of(s, n);

	return 4096 + 1024 * n.changes + leaves_of(s, n.changes - n.adds) + 2 * (growth < there ? growth : there);
}

static bool
is_room_left(int fd, off_t room)
{
	struct statvfs fs;

	if (fstatvfs(fd, &fs) != 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= (uint64_t)room)
		return true;
	errno = ENOSPC;
	return false;
}

static bool
reserve(const struct tk_store *s, off_t room)
{
	int fd = s->db.hdb->walfd;

	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, room) == 0)
		return true;
	return !tk_is_full(errno) && is_room_left(fd, room);
}

/* Where the disk has no room for what Tokyo adds to the file, it does not notice (it takes the -1 of pwrite() for a
 * large number), or is killed, where it writes through memory.  So the file gets its blocks first.  As long as Tokyo
 * thinks that it is long enough, it leaves that alone. */
static bool
lengthen(const struct tk_store *s, size_t growth)
{
	TCHDB *hdb = s->db.hdb;
	uint64_t end = hdb->fsiz + growth;

	if (end < hdb->xfsiz)
		return true;
	end += LENGTHEN;
	if (fallocate(hdb->fd, 0, (off_t)hdb->fsiz, (off_t)(end - hdb->fsiz)) != 0)
		return !tk_is_full(errno) && is_room_left(hdb->fd, (off_t)growth);
	hdb->xfsiz = end;
	return true;
}

/* Without the option for large files an offset is 32 bits of units of 1 << apow bytes. */
static bool
is_within_limit(const struct tk_store *s, size_t growth)
{
	const TCHDB *hdb = s->db.hdb;

	if ((hdb->opts & HDBTLARGE) != 0 || hdb->fsiz + growth < (uint64_t)UINT32_MAX << hdb->apow)
		return true;
	errno = EFBIG;
	return false;
}

/* ---- The transaction ---------------------------------------------------------------------------------------- */

static bool
begin(struct tk_store *s, struct need n)
{
	size_t growth;

	if (s->db.hdb == NULL)
		return true;
	growth = growth_of(s, n);
	return is_within_limit(s, growth) && s->db.kind->begin(&s->db) && reserve(s, (off_t)log_of(s, n)) &&
	       lengthen(s, growth);
}

bool
tk_begin(struct tk_store *s, size_t size)
{
	return begin(s, (struct need){ .changes = 2, .adds = 1, .bytes = size });
}

bool
tk_end(struct tk_store *s)
{
	return s->db.hdb == NULL || (!tk_db_failed(&s->db) && tk_journal_commit(s));
}

void
tk_abort(struct tk_store *s)
{
	if (s->db.hdb != NULL && s->db.hdb->tran && !s->db.kind->abort(&s->db))
		s->is_half_done = true;
}

static enum gearmand_commit
give_up(struct tk_store *s, int cause, struct gearmand_error *err)
{
	struct gearmand_error again = { .text = "" };

	tk_sentence(s, err, tk_db_code(&s->db), cause, "storing jobs");
	tk_abort(s);
	if (!tk_is_full(cause) && cause != ENOMEM)
		return GEARMAND_COMMIT_BROKEN;
	if (s->db.hdb != NULL && !tk_store_reopen(s, &again))
		return GEARMAND_COMMIT_BROKEN;
	return GEARMAND_COMMIT_AGAIN;
}

static void
shrink(struct tk_buf *b)
{
	if (b->room > KEEP_ROOM) {
		free(b->data);
		*b = (struct tk_buf){ .data = NULL };
	}
}

static enum gearmand_commit
see_file(struct tk_store *s, struct gearmand_error *err)
{
	if (tk_file_is_there(s))
		return GEARMAND_COMMIT_DONE;
	s->host->error_set(err,
	    "queue file %s was deleted or replaced while in use; what it held is not stored any more", s->name.path);
	return GEARMAND_COMMIT_BROKEN;
}

enum gearmand_commit
tk_check(void *store, struct gearmand_error *err)
{
	struct tk_store *s = tk_store_of(store);

	errno = 0;
	if (s->db.hdb != NULL && !tk_journal_rest(s)) {
		tk_sentence(s, err, tk_db_code(&s->db), errno, "syncing it");
		return GEARMAND_COMMIT_BROKEN;
	}
	return see_file(s, err);
}

enum gearmand_commit
tk_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	struct tk_store *s = tk_store_of(store);
	enum gearmand_commit outcome;

	if (s->db.handle == NULL) {
		s->host->error_set(err, "queue file %s: not open", s->name.path);
		return GEARMAND_COMMIT_BROKEN;
	}
	errno = 0;
	if (!begin(s, need_of(s, changes, count)) || !apply(s, changes, count) || !tk_end(s))
		outcome = give_up(s, errno, err);
	else /* now, so that nothing is called stored that went to a file without a name */
		outcome = see_file(s, err);
	shrink(&s->value);
	shrink(&s->log);
	shrink(&s->redo);
	return outcome;
}
