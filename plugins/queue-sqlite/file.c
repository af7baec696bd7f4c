/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The database file as such: one server on it at a time, and still where it was opened.
 *
 * Runs on:  the store thread.
 * Owns:     a descriptor on the database file, and the lock on it.
 *
 * The lock is on one byte far behind anything SQLite locks or writes, so that `sqlite3 FILE` works
 * beside a running server.  It is on the file itself, not on a name: a link to the file, or a bind
 * mount, is the same file.  It ends with the process, however that ends.
 *
 * POSIX drops a process's ordinary locks on a file when it closes *any* descriptor of that file, so
 * this one is closed after SQLite's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue_sqlite.h"

static const char *const suffix[SQ_FILE_COUNT] = { "", "-wal", "-shm" };

static bool
fail_errno(const struct sq_store *s, struct gearmand_error *err)
{
	return gm_fail(err, errno == EISDIR ? GEARMAND_WHY_LASTING : GEARMAND_WHY_PASSING, "queue file %s: %s",
	    s->given, strerror(errno));
}

static bool
name_files(struct sq_store *s, struct gearmand_error *err)
{
	char *absolute = realpath(s->given, NULL);

	if (absolute == NULL)
		return fail_errno(s, err);
	for (int i = 0; i < SQ_FILE_COUNT; i++) {
		s->file[i].path = sqlite3_mprintf("%s%s", absolute, suffix[i]);
		if (s->file[i].path == NULL) {
			free(absolute);
			return gm_fail(err, GEARMAND_WHY_PASSING, "queue file %s: out of memory", s->given);
		}
	}
	free(absolute);
	return true;
}

bool
sq_file_open(struct sq_store *s, struct gearmand_error *err)
{
	struct stat st;

	s->lock_fd = open(s->given, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (s->lock_fd < 0 || fstat(s->lock_fd, &st) != 0)
		return fail_errno(s, err);
	if (!S_ISREG(st.st_mode))
		return gm_fail(err, GEARMAND_WHY_LASTING, "queue file %s: not a file", s->given);
	return gm_lock_file(s->lock_fd, s->given, s->busy_ms, err) && name_files(s, err);
}

bool
sq_file_watch(struct sq_store *s, struct gearmand_error *err)
{
	struct stat st, locked;

	for (int i = 0; i < SQ_FILE_COUNT; i++) {
		if (stat(s->file[i].path, &st) != 0)
			return gm_fail(
			    err, GEARMAND_WHY_PASSING, "queue file %s: %s is gone", s->given, s->file[i].path);
		s->file[i].dev = st.st_dev;
		s->file[i].ino = st.st_ino;
	}
	/* SQLite opened the path a moment after we did. */
	if (fstat(s->lock_fd, &locked) != 0 || locked.st_ino != s->file[SQ_DB].ino ||
	    locked.st_dev != s->file[SQ_DB].dev)
		return gm_fail(
		    err, GEARMAND_WHY_PASSING, "queue file %s: replaced while it was being opened", s->given);
	return true;
}

const char *
sq_file_missing(const struct sq_store *s)
{
	struct stat st;

	for (int i = 0; i < SQ_FILE_COUNT; i++) {
		const struct sq_file *f = &s->file[i];

		if (stat(f->path, &st) != 0 || st.st_ino != f->ino || st.st_dev != f->dev)
			return f->path;
	}
	return NULL;
}

void
sq_file_close(struct sq_store *s)
{
	for (int i = 0; i < SQ_FILE_COUNT; i++)
		sqlite3_free(s->file[i].path);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
}
