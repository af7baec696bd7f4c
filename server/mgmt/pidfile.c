/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The file that says which process the server is.  Whoever holds the lock on it is alive, so a file that a
 * crash left behind is no obstacle, and two servers cannot both think that it is theirs.
 *
 * Runs on:  main thread.
 * Owns:     the open file, whose lock goes with it.
 *
 * gearmand 1.1 takes no lock: a file without one is refused when it names a living process of the same
 * command name.  A number that meanwhile belongs to something else is stale.
 */
#include "mgmt/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "mgmt/fail.h"

struct pidfile {
	int fd;
	char *path;
};

enum { TRIES = 16 }; /* times that the file may vanish between open and lock */

/* The number in the file, or 0. */
static pid_t
number_in(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return (pid_t)strtol(text, NULL, 10);
}

/* Short name of a process, or empty. */
static void
command_of(const char *pid, char name[32])
{
	char path[64];
	FILE *f;

	name[0] = '\0';
	snprintf(path, sizeof path, "/proc/%s/comm", pid);
	if ((f = fopen(path, "re")) == NULL)
		return;
	if (fgets(name, 32, f) == NULL)
		name[0] = '\0';
	fclose(f);
}

static bool
is_living_server(pid_t pid)
{
	char text[24], theirs[32], ours[32];

	if (pid <= 0 || pid == getpid() || pid == getppid() || (kill(pid, 0) != 0 && errno == ESRCH))
		return false;
	snprintf(text, sizeof text, "%ld", (long)pid);
	command_of(text, theirs);
	command_of("self", ours);
	return theirs[0] != '\0' && strcmp(theirs, ours) == 0;
}

/* Is what we locked still what the path names? */
static bool
is_still_there(int fd, const char *path)
{
	struct stat locked, named;

	return fstat(fd, &locked) == 0 && lstat(path, &named) == 0 && locked.st_dev == named.st_dev &&
	       locked.st_ino == named.st_ino;
}

/* Only a file that we could have made is written, emptied or removed. */
static bool
is_ours(int fd, struct gearmand_error *why)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return error_fail(why, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
		return error_fail(why, "it is not a plain file of its own");
	return st.st_uid == geteuid() || error_fail(why, "it belongs to user %u", (unsigned)st.st_uid);
}

/* The locked file, or -1. */
static int
open_locked(const char *path, struct gearmand_error *err)
{
	struct gearmand_error why = { .text = "it changes all the time" };
	bool goes_on = true;

	for (int i = 0; i < TRIES && goes_on; i++) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0644);

		if (fd < 0) {
			error_fail(&why, "%s", errno == ELOOP ? "it is a symbolic link" : strerror(errno));
			break;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
			error_fail(err, "pid file %s is held by a running server (pid %ld)", path, (long)number_in(fd));
			close(fd);
			return -1;
		}
		goes_on = is_ours(fd, &why);
		if (goes_on && is_still_there(fd, path))
			return fd;
		close(fd);
	}
	error_fail(err, "Could not open pid file for writing: %s (%s)", path, why.text);
	return -1;
}

static bool
write_number(int fd)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());

	return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n;
}

struct pidfile *
pidfile_open(const char *path, struct gearmand_error *err)
{
	struct pidfile *p;
	int fd = open_locked(path, err);

	if (fd < 0)
		return NULL;
	if (is_living_server(number_in(fd))) {
		error_fail(err, "pid file %s names a running server (pid %ld)", path, (long)number_in(fd));
	} else if (!write_number(fd)) {
		error_fail(err, "Could not write pid file: %s (%s)", path, strerror(errno));
		unlink(path);
	} else {
		p = mem_new(sizeof *p);
		p->fd = fd;
		p->path = mem_dup(path, strlen(path));
		return p;
	}
	close(fd);
	return NULL;
}

void
pidfile_close(struct pidfile **p_r)
{
	struct pidfile *p = *p_r;

	*p_r = NULL;
	if (p == NULL)
		return;
	if (is_still_there(p->fd, p->path))
		unlink(p->path);
	close(p->fd);
	mem_free(p->path);
	mem_free(p);
}
