/* SPDX-License-Identifier: BSD-3-Clause
 *
 * notify.h - what a service manager tells the server, and is told: readiness and passed sockets.
 *
 * Runs on:  main thread.  Nothing is said without libsystemd, or when no manager is there.
 */
#ifndef GEARMAND_MGMT_NOTIFY_H
#define GEARMAND_MGMT_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct passed_socket {
	int fd;
	char *name; /* FileDescriptorName= of the socket unit; "unknown" when it has none */
};

struct passed_sockets {
	struct passed_socket *at;
	unsigned count;
};

/* Does a service manager wait to hear that we are ready? */
bool notify_wanted(void);

/* Asked once, before anything forks: the sockets are meant for this process number. */
void passed_sockets_init(struct passed_sockets *);
void passed_sockets_fini(struct passed_sockets *); /* leaves the sockets open */

/* Nanoseconds without notify_alive() after which the manager restarts us; 0 = it does not. */
int64_t notify_watchdog(void);

void notify_ready(void);
void notify_waiting(const char *why); /* as good as ready: a standby may wait for years */
void notify_alive(void);              /* the processing thread has just answered */
void notify_stopping(void);
void notify_status(const char *status); /* a line for `systemctl status` */

#endif
