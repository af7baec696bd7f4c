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
#include <time.h>
#include <unistd.h>

#include "queue_sqlite.h"

#define LOCK_BYTE (INT64_C(1) << 62)

/* Where a lock belongs to the process instead of the descriptor, it serves as well: there is one
 * store in a process. */
#ifndef F_OFD_SETLK
#define F_OFD_SETLK F_SETLK
#endif

static const char *const suffix[SQ_FILE_COUNT] = { "", "-wal", "-shm" };

static bool
fail(const struct sq_store *s, struct gearmand_error *err, const char *why)
{
	s->host->error_set(err, "queue file %s: %s", s->given, why);
	return false;
}

static bool
fail_errno(const struct sq_store *s, struct gearmand_error *err)
{
	char text[128];

	if (errno == EISDIR)
		err->why = GEARMAND_WHY_LASTING;
	return fail(s, err, strerror_r(errno, text, sizeof(text)));
}

static bool
try_lock(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_BYTE, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* A server that was just killed may need a moment to be gone. */
static bool
lock_file(struct sq_store *s, struct gearmand_error *err)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	int64_t deadline = s->host->monotonic() + s->busy_ms * 1000000;

	while (!try_lock(s->lock_fd)) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return fail_errno(s, err);
		if (s->host->monotonic() >= deadline) {
			err->why = GEARMAND_WHY_IN_USE;
			return fail(s, err, "another gearmand is using it; each server needs a file of its own");
		}
		nanosleep(&pause, NULL);
	}
	return true;
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
			return fail(s, err, "out of memory");
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
	if (!S_ISREG(st.st_mode)) {
		err->why = GEARMAND_WHY_LASTING;
		return fail(s, err, "not a file");
	}
	return lock_file(s, err) && name_files(s, err);
}

bool
sq_file_watch(struct sq_store *s, struct gearmand_error *err)
{
	struct stat st, locked;

	for (int i = 0; i < SQ_FILE_COUNT; i++) {
		if (stat(s->file[i].path, &st) != 0) {
			s->host->error_set(err, "queue file %s: %s is gone", s->given, s->file[i].path);
			return false;
		}
		s->file[i].dev = st.st_dev;
		s->file[i].ino = st.st_ino;
	}
	/* SQLite opened the path a moment after we did. */
	if (fstat(s->lock_fd, &locked) != 0 || locked.st_ino != s->file[SQ_DB].ino ||
	    locked.st_dev != s->file[SQ_DB].dev)
		return fail(s, err, "replaced while it was being opened");
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
