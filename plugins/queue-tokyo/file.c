/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The database file as such: one server on it at a time, and still where it was opened.
 *
 * Runs on:  the store thread.
 * Owns:     a descriptor on the database file, and the lock on it.
 *
 * The lock is on the whole file, where Tokyo's own would be, so that gearmand 1.1 and Tokyo's tools on one side and
 * this server on the other keep each other away.  It belongs to the descriptor: POSIX drops a process's ordinary locks
 * on a file when it closes any descriptor of it, as Tokyo does.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "queue_tokyo.h"

#define LOCK_WAIT_NS (INT64_C(250) * 1000 * 1000)

#ifndef F_OFD_SETLK
#define F_OFD_SETLK F_SETLK
#endif

bool
tk_read_at(int fd, void *bytes, size_t len, off_t at)
{
	char *to = bytes;

	while (len > 0) {
		ssize_t n = pread(fd, to, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		to += n;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

bool
tk_write_at(int fd, const void *bytes, size_t len, off_t at)
{
	const char *from = bytes;

	while (len > 0) {
		ssize_t n = pwrite(fd, from, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		from += n;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* ---- Names ---------------------------------------------------------------------------------------- */

void
tk_file_name(const struct tk_store *s, const char *suffix, char *path, size_t size)
{
	snprintf(path, size, "%s%s", s->path, suffix);
}

bool
tk_file_remove(const struct tk_store *s, const char *suffix)
{
	char path[4200];

	tk_file_name(s, suffix, path, sizeof(path));
	return unlink(path) == 0 || errno == ENOENT;
}

bool
tk_folder_sync(const struct tk_store *s)
{
	char path[4200];
	int fd;
	bool ok;

	tk_file_name(s, "", path, sizeof(path));
	fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = fsync(fd) == 0 || errno == EINVAL; /* no use on some file systems */
	close(fd);
	return ok;
}

/* ---- The lock -------------------------------------------------------------------------------------- */

int
tk_file_lock(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES || errno == EINTR ? EAGAIN : errno;
}

/* A server that was just killed may need a moment to be gone. */
static bool
lock_file(struct tk_store *s, struct gearmand_error *err)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	int64_t deadline = s->host->monotonic() + LOCK_WAIT_NS;
	int e;

	while (s->name.may_lock && (e = tk_file_lock(s->lock_fd)) != 0) {
		if (e != EAGAIN) {
			errno = e;
			return tk_fail_errno(s, err, "locking it");
		}
		if (s->host->monotonic() >= deadline)
			return tk_fail(s, err, GEARMAND_WHY_IN_USE,
			    "another gearmand, or a tool of Tokyo Cabinet, is using it; each server needs a file of "
			    "its own");
		nanosleep(&pause, NULL);
	}
	return true;
}

bool
tk_file_open(struct tk_store *s, struct gearmand_error *err)
{
	struct stat st;

	s->lock_fd =
	    open(s->name.path, O_RDWR | (s->name.may_create ? O_CREAT : 0) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (s->lock_fd < 0 || fstat(s->lock_fd, &st) != 0)
		return tk_fail_errno(s, err, NULL);
	if (!S_ISREG(st.st_mode))
		return tk_fail(s, err, GEARMAND_WHY_LASTING, "not a file");
	if (!lock_file(s, err))
		return false;
	s->path = realpath(s->name.path, NULL);
	if (s->path == NULL)
		return tk_fail_errno(s, err, NULL);
	if (strlen(s->path) >= sizeof(s->name.path))
		return tk_fail(s, err, GEARMAND_WHY_LASTING, "the path is too long");
	return true;
}

bool
tk_file_watch(struct tk_store *s, struct gearmand_error *err)
{
	struct stat st;

	if (fstat(s->lock_fd, &st) != 0)
		return tk_fail_errno(s, err, NULL);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	/* Tokyo opened the path a moment after we did. */
	if (fstat(s->db.hdb->fd, &st) != 0 || st.st_dev != s->dev || st.st_ino != s->ino || !tk_file_is_there(s))
		return tk_fail(s, err, GEARMAND_WHY_PASSING, "replaced while it was being opened");
	return true;
}

bool
tk_file_is_there(const struct tk_store *s)
{
	struct stat st;

	return s->path == NULL || (stat(s->path, &st) == 0 && st.st_ino == s->ino && st.st_dev == s->dev);
}

/* A copied file may have holes where zeros were.  Where each write goes to a new place, a block that is there is no
 * promise.  (The bucket array is mapped there as well; that is Tokyo's way.) */
bool
tk_file_fill(int fd, off_t most)
{
	static const unsigned long copying[] = { 0x9123683e /* btrfs */, 0x2fc12fc1 /* ZFS */,
		0xca451a4e /* bcachefs */ };
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) != 0 || fstat(fd, &st) != 0)
		return false;
	for (size_t i = 0; i < sizeof(copying) / sizeof(*copying); i++) {
		if ((unsigned long)fs.f_type == copying[i])
			return false;
	}
	if (st.st_size < most)
		most = st.st_size;
	return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, most == 0 ? 1 : most) == 0;
}

void
tk_file_close(struct tk_store *s)
{
	free(s->path);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	s->path = NULL;
	s->lock_fd = -1;
}
