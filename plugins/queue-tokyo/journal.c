/* SPDX-License-Identifier: BSD-3-Clause
 *
 * FILE.journal: what commits write to the database file, so that one sync makes a commit durable.
 *
 * Runs on:  the store thread.
 * Owns:     the descriptors of the journal and of FILE.wal.
 *
 * The library changes memory only (db.c).  Its log of a transaction, FILE.wal, tells which regions it touched; they are
 * appended to the journal as they are now, the journal is synced, and then they are written to the file.  So the file
 * never has on the disk what the journal has not, and whatever the disk holds after a sudden end, of the process or of
 * power, writing the journal's batches again, in order, gives what was committed.  Now and then the file is synced and
 * the journal starts over: when it is long, when there is nothing to do, and before the file is closed.
 *
 * A journal beside a file that was closed in order means nothing: this module removes it then, and another program that
 * closed the file may have changed it.
 *
 * Format: a head (magic, generation), then batches, each: generation, length, sum of what follows, then
 * regions (offset, length, bytes).  A batch counts when its generation is the head's and its sum is right.  Numbers are
 * in the machine's own order.
 */
#include "queue_tokyo.h"

#define JOURNAL_MAGIC "gmtcjnl2"

enum { LOG_REGION_HEAD = 8 + 4, JOURNAL_LONG = 8 << 20, JOURNAL_RESERVE = 256 << 10 };

struct journal_head {
	char magic[8];
	uint64_t generation;
};

struct batch_head {
	uint64_t generation, len, sum;
};

struct region {
	uint64_t at, len;
};

static uint64_t
sum_of(const char *bytes, size_t len)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

/* The regions of a batch, to the file. */
static bool
write_regions(const struct tk_store *s, const char *at, const char *end)
{
	struct region r;

	while ((size_t)(end - at) >= sizeof(r)) {
		memcpy(&r, at, sizeof(r));
		at += sizeof(r);
		if (r.len > (uint64_t)(end - at))
			return true; /* the sum was right, so this is not */
		if (!tk_write_at(s->fd, at, r.len, (off_t)r.at))
			return false;
		at += r.len;
	}
	return true;
}

/* ---- After a sudden end ------------------------------------------------------------------------------- */

/* The batch at *at into s->redo, without its head.  False: there is no further one. */
static bool
read_batch(struct tk_store *s, int fd, off_t *at)
{
	struct batch_head head;
	struct stat st;
	char *to;

	if (fstat(fd, &st) != 0 || !tk_read_at(fd, &head, sizeof(head), *at) || head.generation != s->generation)
		return false;
	gm_bytes_clear(&s->redo, SIZE_MAX);
	if (head.len > (uint64_t)st.st_size || (to = gm_room(&s->redo, head.len)) == NULL ||
	    !tk_read_at(fd, to, head.len, *at + (off_t)sizeof(head)) || sum_of(to, head.len) != head.sum)
		return false;
	s->redo.len = head.len;
	*at += (off_t)(sizeof(head) + head.len);
	return true;
}

bool
tk_journal_redo(struct tk_store *s, struct gearmand_error *err)
{
	const off_t start = sizeof(struct journal_head);
	char path[TK_FILE_PATH];
	struct journal_head head;
	off_t at = start;
	bool ok = true;
	int fd;

	tk_file_path(s, ".journal", path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	s->had_journal = fd >= 0;
	if (fd < 0)
		return errno == ENOENT || tk_fail_errno(s, err, "opening its .journal");
	if (tk_read_at(fd, &head, sizeof(head), 0) && memcmp(head.magic, JOURNAL_MAGIC, sizeof(head.magic)) == 0) {
		s->generation = head.generation;
		while (ok && tk_head_is_open(s) && read_batch(s, fd, &at))
			ok = write_regions(s, s->redo.data, s->redo.data + s->redo.len);
	}
	close(fd);
	if (!ok || (at > start && fsync(s->fd) != 0))
		return tk_fail_errno(s, err, "repeating what its .journal holds");
	/* The log is of a transaction that the file never saw. */
	if (!tk_file_remove(s, ".wal"))
		return tk_fail_errno(s, err, "removing its .wal");
	if (at > start)
		s->host->log(
		    s->host, GEARMAND_LOG_INFO, "queue file %s: repeated its last commits from %s", s->name.path, path);
	return true;
}

/* ---- Open and close --------------------------------------------------------------------------------------- */

/* From here on the batches that it holds do not count. */
static bool
start_over(struct tk_store *s)
{
	struct journal_head head = { .magic = JOURNAL_MAGIC, .generation = s->generation + 1 };

	if (!tk_write_at(s->journal_fd, &head, sizeof(head), 0) ||
	    (s->journal_end > JOURNAL_LONG && ftruncate(s->journal_fd, JOURNAL_LONG) != 0) ||
	    fdatasync(s->journal_fd) != 0)
		return false;
	s->generation = head.generation;
	s->journal_end = sizeof(head);
	/* Room for removals when the disk is full. */
	(void)!posix_fallocate(s->journal_fd, 0, JOURNAL_RESERVE);
	return true;
}

bool
tk_journal_open(struct tk_store *s, struct gearmand_error *err)
{
	uint64_t now = (uint64_t)s->host->wall();

	s->generation = s->generation < now ? now : s->generation;
	s->journal_fd = tk_file_open_beside(s, ".journal");
	if (s->journal_fd < 0 || fsync(s->fd) != 0 || !start_over(s) || !tk_folder_sync(s))
		return tk_fail_errno(s, err, "making its .journal");
	return true;
}

void
tk_journal_close(struct tk_store *s, bool remove)
{
	if (s->journal_fd >= 0)
		close(s->journal_fd);
	if (s->log_fd >= 0)
		close(s->log_fd);
	s->journal_fd = s->log_fd = -1;
	if (remove && tk_file_remove(s, ".wal") && tk_file_remove(s, ".journal"))
		(void)tk_folder_sync(s);
}

bool
tk_journal_settle(struct tk_store *s)
{
	return s->journal_end == sizeof(struct journal_head) || (fsync(s->fd) == 0 && start_over(s));
}

bool
tk_journal_give_room(struct tk_store *s)
{
	struct stat st;

	return fstat(s->journal_fd, &st) == 0 && st.st_size > s->journal_end &&
	       ftruncate(s->journal_fd, s->journal_end) == 0;
}

/* ---- Commit --------------------------------------------------------------------------------------------------- */

static void
add_region(struct tk_store *s, uint64_t at, uint64_t len)
{
	struct region r = { at, len };

	gm_add(&s->redo, &r, sizeof(r));
	gm_add(&s->redo, s->map + at, len);
}

/* All that the transaction touched, as a batch in s->redo.  The library's log has the size of the file when the
 * transaction began, then regions as they were: offset, length, bytes. */
static bool
gather(struct tk_store *s, uint64_t *before_r)
{
	static const struct batch_head none;
	bool swapped = s->head.is_swapped;
	const char *at, *end;
	struct stat st;
	char *to;

	gm_bytes_clear(&s->log, SIZE_MAX);
	gm_bytes_clear(&s->redo, SIZE_MAX);
	gm_add(&s->redo, &none, sizeof(none));
	if (fstat(s->log_fd, &st) != 0 || st.st_size < 8 || (to = gm_room(&s->log, (size_t)st.st_size)) == NULL ||
	    !tk_read_at(s->log_fd, to, (size_t)st.st_size, 0))
		return false;
	*before_r = tk_number(to, 8, swapped);
	end = to + st.st_size;
	for (at = to + 8; end - at >= LOG_REGION_HEAD;) {
		uint64_t offset = tk_number(at, 8, swapped), len = tk_number(at + 8, 4, swapped);

		at += LOG_REGION_HEAD;
		if (offset > *before_r || len > *before_r - offset || len > (uint64_t)(end - at))
			return false;
		add_region(s, offset, len);
		at += len;
	}
	if (tcadbsize(s->db) > *before_r)
		add_region(s, *before_r, tcadbsize(s->db) - *before_r);
	return !s->redo.failed;
}

/* A batch that failed must not be found there later. */
static bool
append(struct tk_store *s)
{
	static const struct batch_head none;
	struct batch_head head = { .generation = s->generation, .len = s->redo.len - sizeof(head) };
	int error;

	head.sum = sum_of(s->redo.data + sizeof(head), head.len);
	memcpy(s->redo.data, &head, sizeof(head));
	if (tk_write_at(s->journal_fd, s->redo.data, s->redo.len, s->journal_end) && fdatasync(s->journal_fd) == 0)
		return true;
	error = errno;
	(void)tk_write_at(s->journal_fd, &none, sizeof(none), s->journal_end);
	errno = error;
	return false;
}

bool
tk_journal_commit(struct tk_store *s, bool *is_durable_r)
{
	uint64_t before, after = tcadbsize(s->db);

	*is_durable_r = false;
	errno = after > s->map_len ? EFBIG : 0;
	if (errno != 0 || !gather(s, &before))
		return false;
	/* The file may be sparse behind its end; what is written there must not fail once the journal has it. */
	if (after > before)
		errno = posix_fallocate(s->fd, (off_t)before, (off_t)(after - before));
	if (tk_outcome(errno) == GEARMAND_COMMIT_FULL)
		return false;
	/* When the disk is full, the part of the journal that is there already may do. */
	if (!append(s) && (tk_outcome(errno) != GEARMAND_COMMIT_FULL || !tk_journal_settle(s) || !append(s)))
		return false;
	*is_durable_r = true;
	s->journal_end += (off_t)s->redo.len;
	s->written += s->redo.len;
	return write_regions(s, s->redo.data + sizeof(struct batch_head), s->redo.data + s->redo.len) && tk_db_end(s) &&
	       (s->journal_end < JOURNAL_LONG || tk_journal_settle(s));
}
