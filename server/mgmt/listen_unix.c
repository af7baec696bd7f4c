/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Listening on a unix socket.
 *
 * Runs on:  main thread at start-up; removing also on the management thread.
 * Owns:     nothing; the caller has the socket and removes its file.
 */
#include "mgmt/listen_unix.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mgmt/fail.h"

/* Does anybody answer there?  Refused connections mean that the file was left behind. */
static bool
is_stale(const struct sockaddr_un *sa, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool stale;

	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *)sa, len) != 0 && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

/* Makes room for the socket; false: error says what is in the way. */
static bool
clear_path(const struct sockaddr_un *sa, socklen_t len, struct gearmand_error *err)
{
	struct stat st;

	if (lstat(sa->sun_path, &st) != 0)
		return errno == ENOENT ||
		       error_fail(err, "cannot listen on unix:%s: %s", sa->sun_path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return error_fail(
		    err, "cannot listen on unix:%s: a file that is not a socket is in the way", sa->sun_path);
	if (!is_stale(sa, len))
		return error_fail(err, "cannot listen on unix:%s: another server listens there", sa->sun_path);
	if (unlink(sa->sun_path) != 0)
		return error_fail(err, "cannot listen on unix:%s: the socket of a dead server cannot be removed: %s",
		    sa->sun_path, strerror(errno));
	return true;
}

int
listen_unix(const char *path, int backlog, const struct unix_rights *rights, dev_t *dev_r, ino_t *ino_r,
    struct gearmand_error *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	if (path[0] == '\0' || strlen(path) >= sizeof sa.sun_path) {
		error_fail(
		    err, "cannot listen on unix:%s: the path must have 1 to %zu bytes", path, sizeof sa.sun_path - 1);
		return -1;
	}
	strcpy(sa.sun_path, path);
	if (!clear_path(&sa, sizeof sa, err))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* Nobody can connect before it listens. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 || lchown(path, rights->uid, rights->gid) != 0 ||
	    chmod(path, rights->mode) != 0 || listen(fd, backlog) != 0 || stat(path, &st) != 0) {
		error_fail(err, "cannot listen on unix:%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*dev_r = st.st_dev;
	*ino_r = st.st_ino;
	return fd;
}

void
listen_unix_remove(const char *path, dev_t dev, ino_t ino)
{
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_dev == dev && st.st_ino == ino)
		unlink(path);
}

void
listen_unix_path(const struct sockaddr_storage *sa, socklen_t len, char *text, size_t size)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)sa;
	size_t head = offsetof(struct sockaddr_un, sun_path), n = len > head ? len - head : 0;

	if (n > 0 && un->sun_path[0] == '\0')
		snprintf(text, size, "@%.*s", (int)(n - 1), un->sun_path + 1);
	else
		snprintf(text, size, "%.*s", (int)n, un->sun_path);
}
