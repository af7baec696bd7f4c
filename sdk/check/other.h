/* SPDX-License-Identifier: BSD-3-Clause
 *
 * other.h - a second server: a process that works beside the case's, and can be killed.
 *
 * Runs on:  the process of a case.
 * Owns:     the other process, and a pair of sockets to it.
 *
 * Start it before the case's own process opens the store: what is open does not survive a fork.
 */
#ifndef CHECK_OTHER_H
#define CHECK_OTHER_H

#include <stdbool.h>
#include <sys/types.h>

struct rig;

struct other {
	pid_t pid;
	int fd;
	const char *name; /* for messages */
};

/* `work` gets the other end of the sockets. */
void other_start(struct other *, const char *name, struct rig *, void (*work)(struct rig *, int fd));
void other_kill(struct other *); /* SIGKILL, and waits until it is gone */
void other_end(struct other *);  /* hangs up, waits; it must have ended well */

/* Either end; false: the other one has gone. */
bool tell_number(int fd, unsigned);
bool hear_number(int fd, unsigned *); /* waits */
bool heard_within(int fd, unsigned ms);

#endif
