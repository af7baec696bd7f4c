/* SPDX-License-Identifier: BSD-3-Clause
 *
 * daemon.h - goes to the background, and lets go of the shell only when the server serves.
 *
 * Runs on:  main thread at start-up, before any other thread, event base or lock exists.
 *
 * The process that the shell started waits.  The child keeps the shell's stderr for the sentence of a
 * failure; ending without daemon_release() makes the parent end with the child's status.
 */
#ifndef GEARMAND_MGMT_DAEMON_H
#define GEARMAND_MGMT_DAEMON_H

#include <stdbool.h>

#include <gearmand/plugin.h>

struct daemon {
	int parent; /* pipe to the process that waits; -1 when there is none */
};

/* First of all: descriptors 0 to 2 are open, so that nothing else is taken for stderr. */
void daemon_std_streams(void);
/* Returns in the child only. */
bool daemon_fork(struct daemon *, struct gearmand_error *);
/* Serving: standard streams become /dev/null, the parent ends with status 0.  No-op when not a daemon. */
void daemon_release(struct daemon *, bool keep_stderr);

#endif
