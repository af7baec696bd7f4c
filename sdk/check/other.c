/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A second server beside the case's own process.
 *
 * Runs on:  the process of a case.
 * Owns:     see other.h.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "other.h"
#include "rig.h"

void
other_start(struct other *o, const char *name, struct rig *r, void (*work)(struct rig *, int fd))
{
	int ends[2];

	MUST(r->store == NULL, "the kit forks with an open store");
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair: %s", strerror(errno));
	*o = (struct other){ .pid = fork(), .fd = ends[0], .name = name };
	MUST(o->pid >= 0, "fork: %s", strerror(errno));
	if (o->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		host_be_another();
		work(r, ends[1]);
		exit(0);
	}
	close(ends[1]);
}

static int
other_wait(struct other *o)
{
	int status = 0;

	while (waitpid(o->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(o->fd);
	o->fd = -1;
	return status;
}

void
other_kill(struct other *o)
{
	kill(o->pid, SIGKILL);
	other_wait(o);
}

void
other_end(struct other *o)
{
	int status;

	shutdown(o->fd, SHUT_WR);
	status = other_wait(o);
	if (WIFSIGNALED(status))
		fail("%s was ended by signal %d (%s)", o->name, WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (status != 0)
		_exit(1);
}

bool
tell_number(int fd, unsigned n)
{
	return send(fd, &n, sizeof(n), MSG_NOSIGNAL) == (ssize_t)sizeof(n);
}

bool
hear_number(int fd, unsigned *n)
{
	return recv(fd, n, sizeof(*n), MSG_WAITALL) == (ssize_t)sizeof(*n);
}

bool
heard_within(int fd, unsigned ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, (int)ms) > 0;
}
