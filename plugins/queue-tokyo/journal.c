/* SPDX-License-Identifier: BSD-3-Clause
 *
 * FILE.journal: what commits wrote into the database, so that one sync makes a commit durable.
 *
 * Runs on:  the store thread.
 * Owns:     the journal's descriptor; s->log and s->redo are the store's.
 *
 * Tokyo changes pages in place and logs what was there before, FILE.wal; that is enough when a process is killed.  Loss
 * of power would need the log on the disk before any page, the pages before the log's end, and that end before the
 * commit is told: three syncs a commit, two of them of pages all over the file.
 *
 * Instead, a commit appends the regions that it touched (the log lists them), as they are now, to the journal, and
 * syncs that alone.  After a loss of power the database holds any mixture of old and new pages; each region that
 * changed since the database was last synced is in the journal, so writing them again, in order, gives what was
 * committed.  Now and then (the journal is full, or SETTLE_NS have passed, which is sooner than the kernel writes pages
 * by itself) a commit goes the long way, with the three syncs, and the journal starts over.  What a half-done
 * transaction changed is taken back from the log first; a log of an earlier, committed one is harmless, as the journal
 * repeats what it takes back.
 *
 * The journal is used only if the machine was started again since it was begun: else the kernel has all pages, and
 * another program may have written the file since.  It is bound to a file that nobody closed in order: closing syncs,
 * and removes it.
 *
 * Format: a head (magic, generation, the machine's boot id), then batches, each: generation, length, sum of what
 * follows, then regions (offset, length, bytes).  A batch counts when its generation is the head's and its sum is
 * right.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue_tokyo.h"

#define MAGIC     "gmtcjnl1"
#define SUFFIX    ".journal"
#define SETTLE_NS (INT64_C(5) * 1000 * 1000 * 1000)

enum { JOURNAL_MOST = 16 << 20, BATCH_MOST = JOURNAL_MOST / 2 };
enum { BOOT_ID = 40, HEAD = 64, GENERATION_AT = 8, BOOT_ID_AT = 16 };
enum { BATCH_HEAD = 24, REGION_HEAD = 16 };

/* In the machine's own order: the journal is never moved to another one. */
static uint64_t
number(const char *bytes)
{
	uint64_t n;

	memcpy(&n, bytes, sizeof(n));
	return n;
}

static void
put_number(char *bytes, uint64_t n)
{
	memcpy(bytes, &n, sizeof(n));
}

static void
read_boot_id(char id[BOOT_ID])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(id, 0, BOOT_ID);
	if (fd >= 0) {
		if (read(fd, id, BOOT_ID - 1) < 0)
			id[0] = '\0';
		close(fd);
	}
}

static uint64_t
sum_of(const char *bytes, size_t len)
{
	uint64_t sum = len, word;

	for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		sum ^= sum >> 29;
	}
	for (; len > 0; bytes++, len--)
		sum = (sum ^ (unsigned char)*bytes) * UINT64_C(0x9e3779b97f4a7c15);
	return sum ^ sum >> 32;
}

/* ---- After a loss of power ----------------------------------------------------------------------------- */

static bool
repeat_regions(struct tk_store *s, const char *at, const char *end)
{
	while (end - at >= REGION_HEAD) {
		uint64_t offset = number(at), len = number(at + 8);

		at += REGION_HEAD;
		if (len > (uint64_t)(end - at))
			return true; /* the sum was right, so this is not */
		if (!tk_write_at(s->lock_fd, at, len, (off_t)offset))
			return false;
		at += len;
	}
	return true;
}

/* False: there is no further batch, or it could not be written (*ok is false then). */
static bool
repeat_batch(struct tk_store *s, int fd, uint64_t generation, off_t *at, bool *ok)
{
	char head[BATCH_HEAD];
	uint64_t len;

	if (!tk_read_at(fd, head, sizeof(head), *at) || number(head) != generation)
		return false;
	len = number(head + 8);
	s->redo.len = 0;
	if (len > JOURNAL_MOST || tk_buf_room(&s->redo, len) == NULL ||
	    !tk_read_at(fd, s->redo.data, len, *at + BATCH_HEAD) || sum_of(s->redo.data, len) != number(head + 16))
		return false;
	*ok = repeat_regions(s, s->redo.data, s->redo.data + len);
	*at += BATCH_HEAD + (off_t)len;
	return *ok;
}

static bool
redo_from(struct tk_store *s, int fd, struct gearmand_error *err)
{
	char head[HEAD], boot[BOOT_ID];
	uint64_t batches = 0;
	off_t at = HEAD;
	bool ok = true;

	read_boot_id(boot);
	if (!tk_read_at(fd, head, sizeof(head), 0) || memcmp(head, MAGIC, sizeof(MAGIC) - 1) != 0 ||
	    (boot[0] != '\0' && memcmp(head + BOOT_ID_AT, boot, BOOT_ID) == 0))
		return true;
	while (repeat_batch(s, fd, number(head + GENERATION_AT), &at, &ok))
		batches++;
	if (!ok || fsync(s->lock_fd) != 0)
		return tk_fail_errno(s, err, "repeating what its .journal holds");
	if (batches > 0)
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "queue file %s: the machine went down while it was open; the last %llu commits were repeated",
		    s->name.path, (unsigned long long)batches);
	return true;
}

bool
tk_journal_redo(struct tk_store *s, struct gearmand_error *err)
{
	char path[4200], head[TK_HEAD] = { 0 };
	struct tk_layout l;
	bool ok = true;
	int fd;

	tk_file_name(s, SUFFIX, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0)
		return tk_fail_errno(s, err, "opening its .journal");
	if (tk_read_at(s->lock_fd, head, sizeof(head), 0) && tk_layout_read(&l, head) && (l.flags & TK_FLAG_OPEN) != 0)
		ok = redo_from(s, fd, err);
	close(fd);
	return ok;
}

/* ---- Open and close --------------------------------------------------------------------------------------- */

/* From here on the batches that it holds do not count. */
static bool
start_over(struct tk_store *s)
{
	struct tk_journal *j = &s->journal;
	char head[HEAD] = MAGIC;

	read_boot_id(head + BOOT_ID_AT);
	put_number(head + GENERATION_AT, j->generation + 1);
	if (!tk_write_at(j->fd, head, sizeof(head), 0) || fdatasync(j->fd) != 0)
		return false;
	j->generation++;
	j->end = HEAD;
	j->is_full = false;
	j->settled_at = s->host->monotonic();
	return true;
}

bool
tk_journal_open(struct tk_store *s, struct gearmand_error *err)
{
	struct tk_journal *j = &s->journal;
	char path[4200];

	/* What undo and redo did, what Tokyo did in opening, and that it is open. */
	if (!tchdbmemsync(s->db.hdb, true)) {
		tk_sentence(s, err, tk_db_code(&s->db), errno, "syncing it");
		return false;
	}
	if (!tk_file_remove(s, ".wal"))
		return tk_fail_errno(s, err, "removing its .wal");
	tk_file_name(s, SUFFIX, path, sizeof(path));
	j->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (j->fd < 0)
		return tk_fail_errno(s, err, "making its .journal");
	j->generation = (uint64_t)s->host->wall();
	if (!start_over(s) || !tk_folder_sync(s))
		return tk_fail_errno(s, err, "writing its .journal");
	return true;
}

void
tk_journal_close(struct tk_store *s, bool in_order)
{
	if (s->journal.fd >= 0)
		close(s->journal.fd);
	s->journal.fd = -1;
	if (in_order)
		(void)tk_file_remove(s, SUFFIX);
}

/* ---- Commit --------------------------------------------------------------------------------------------------- */

/* The region as it is now. */
static bool
add_region(struct tk_store *s, uint64_t at, uint64_t len)
{
	TCHDB *hdb = s->db.hdb;
	char *to = tk_buf_room(&s->redo, REGION_HEAD + len);

	if (to == NULL)
		return false;
	put_number(to, at);
	put_number(to + 8, len);
	if (at + len <= hdb->msiz || at + len <= hdb->xmsiz)
		memcpy(to + REGION_HEAD, hdb->map + at, len);
	else if (!tk_read_at(hdb->fd, to + REGION_HEAD, len, (off_t)at))
		return false;
	s->redo.len += REGION_HEAD + len;
	return true;
}

/* *fits_r: the batch is in s->redo. */
static bool
gather(struct tk_store *s, bool *fits_r)
{
	TCHDB *hdb = s->db.hdb;
	struct tk_region r;
	struct tk_log l;

	*fits_r = false;
	if (lseek(hdb->walfd, 0, SEEK_END) > BATCH_MOST)
		return true;
	if (!tk_log_read(hdb->walfd, &s->log) || !tk_log_begin(&l, &s->log, s->layout.is_swapped))
		return false;
	s->redo.len = 0;
	if (tk_buf_room(&s->redo, BATCH_HEAD) == NULL)
		return false;
	s->redo.len = BATCH_HEAD;
	while (tk_log_next(&l, &r) && s->redo.len + r.len <= BATCH_MOST) {
		if (!add_region(s, r.at, r.len))
			return false;
	}
	if (l.rest != l.end || s->redo.len + (hdb->fsiz - l.file_size) > BATCH_MOST)
		return true;
	if (hdb->fsiz > l.file_size && !add_region(s, l.file_size, hdb->fsiz - l.file_size))
		return false;
	*fits_r = true;
	return true;
}

static bool
append(struct tk_store *s)
{
	struct tk_journal *j = &s->journal;
	char *head = s->redo.data;

	put_number(head, j->generation);
	put_number(head + 8, s->redo.len - BATCH_HEAD);
	put_number(head + 16, sum_of(head + BATCH_HEAD, s->redo.len - BATCH_HEAD));
	if (!tk_write_at(j->fd, head, s->redo.len, j->end) || fdatasync(j->fd) != 0)
		return false;
	j->end += (off_t)s->redo.len;
	return true;
}

/* The long way. */
static bool
settle(struct tk_store *s)
{
	int wal = s->db.hdb->walfd;

	return fsync(wal) == 0 && tchdbmemsync(s->db.hdb, true) && start_over(s) && s->db.kind->commit(&s->db) &&
	       fsync(wal) == 0;
}

bool
tk_journal_rest(struct tk_store *s)
{
	int wal = s->db.hdb->walfd;

	if (s->journal.end == HEAD)
		return true;
	return (wal < 0 || fsync(wal) == 0) && tchdbmemsync(s->db.hdb, true) && start_over(s);
}

/* Tokyo does not notice a write that fails. */
static bool
is_all_there(const TCHDB *hdb)
{
	struct stat st;

	if (fstat(hdb->fd, &st) != 0)
		return false;
	if ((uint64_t)st.st_size >= hdb->fsiz)
		return true;
	errno = ENOSPC;
	return false;
}

bool
tk_journal_commit(struct tk_store *s)
{
	struct tk_journal *j = &s->journal;
	bool fits;

	if (!s->db.kind->flush(&s->db) || !is_all_there(s->db.hdb))
		return false;
	if (s->host->monotonic() - j->settled_at > SETTLE_NS || j->is_full)
		return settle(s);
	if (!gather(s, &fits))
		return false;
	if (!fits || j->end + (off_t)s->redo.len > JOURNAL_MOST)
		return settle(s);
	if (append(s))
		return s->db.kind->commit(&s->db);
	/* No room for the journal; the database has its already. */
	j->is_full = true;
	return tk_is_full(errno) && settle(s);
}
