/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Makes the n-th write or sync of this process fail, as a disk would.
 *
 * Runs on:  the test's thread.
 * Owns:     the lever.
 *
 * The program's own pwrite64() and so on come before the C library's for every shared object, SQLite included.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/plugins/sqlite_lever.h"

static int fail_with, calls_left, failed;

void
lever_set(int error, int calls)
{
	fail_with = error;
	calls_left = calls;
	failed = 0;
}

int
lever_failed(void)
{
	return failed;
}

static int
is_pulled(void)
{
	if (fail_with == 0 || calls_left-- > 0)
		return 0;
	calls_left = 0;
	failed++;
	errno = fail_with;
	return 1;
}

/* The function that would have been called without ours. */
static void *
next_of(const char *name)
{
	void *next = dlsym(RTLD_NEXT, name);

	if (next == NULL)
		abort();
	return next;
}

ssize_t
pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	ssize_t (*next)(int, const void *, size_t, off64_t) = next_of("pwrite64");

	return is_pulled() ? -1 : next(fd, bytes, len, at);
}

ssize_t
pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	ssize_t (*next)(int, const void *, size_t, off_t) = next_of("pwrite");

	return is_pulled() ? -1 : next(fd, bytes, len, at);
}

int
fdatasync(int fd)
{
	int (*next)(int) = next_of("fdatasync");

	return is_pulled() ? -1 : next(fd);
}

int
fsync(int fd)
{
	int (*next)(int) = next_of("fsync");

	return is_pulled() ? -1 : next(fd);
}
