/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Goes to the background, and lets go of the shell only when the server serves: whoever writes
 * `gearmand -d && start-workers` is told of a port in use or a store that does not open.
 *
 * Runs on:  main thread at start-up.
 * Owns:     the pipe to the waiting parent.
 *
 * Working directory and file mode mask stay as they are: relative paths mean what the operator meant.
 */
#include "mgmt/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mgmt/fail.h"

void
daemon_std_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* The waiting parent: never comes back.  _exit(), since buffers and handlers are the child's. */
static void
wait_for_child(pid_t child, int from_child)
{
	char ready = 0;
	ssize_t n;
	int status = 0;

	do
		n = read(from_child, &ready, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(EXIT_SUCCESS);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		dprintf(STDERR_FILENO, "gearmand: ended by signal %d (%s) while starting\n", WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	_exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_FAILURE);
}

bool
daemon_fork(struct daemon *d, struct gearmand_error *err)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return error_fail(err, "cannot go to the background: pipe: %s", strerror(errno));
	fflush(NULL);
	child = fork();
	if (child < 0) {
		error_fail(err, "cannot go to the background: fork: %s", strerror(errno));
		close(ends[0]);
		close(ends[1]);
		return false;
	}
	if (child > 0) {
		close(ends[1]);
		wait_for_child(child, ends[0]);
	}
	close(ends[0]);
	d->parent = ends[1];
	setsid();
	return true;
}

void
daemon_release(struct daemon *d, bool keep_stderr)
{
	int null;

	if (d->parent < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		if (!keep_stderr)
			dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	/* The parent may be gone; that is its business. */
	if (write(d->parent, "r", 1) < 0)
		errno = 0;
	close(d->parent);
	d->parent = -1;
}
