/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a service manager tells the server, and is told.
 *
 * Runs on:  main thread.
 * Owns:     the names of passed sockets; the sockets go to the listeners.
 */
#include "config.h"

#include "mgmt/notify.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/mem.h"

#ifdef HAVE_SYSTEMD

void
passed_sockets_init(struct passed_sockets *p)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	memset(p, 0, sizeof *p);
	for (int i = 0; i < n; i++) {
		const char *name = names != NULL && names[i] != NULL ? names[i] : "unknown";

		p->at = mem_grow(p->at, (p->count + 1) * sizeof *p->at);
		p->at[p->count++] = (struct passed_socket){ SD_LISTEN_FDS_START + i, mem_dup(name, strlen(name)) };
	}
	for (int i = 0; names != NULL && names[i] != NULL; i++)
		free(names[i]);
	free(names);
}

void
notify_ready(void)
{
	sd_notifyf(0, "READY=1\nMAINPID=%ld\nSTATUS=Serving", (long)getpid());
}

void
notify_waiting(const char *why)
{
	sd_notifyf(0, "READY=1\nMAINPID=%ld\nSTATUS=Waiting for the queue: %.*s", (long)getpid(),
	    (int)strcspn(why, "\r\n"), why);
}

void
notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void
notify_status(const char *status)
{
	sd_notifyf(0, "STATUS=%s", status);
}

#else

void
passed_sockets_init(struct passed_sockets *p)
{
	memset(p, 0, sizeof *p);
}

void
notify_ready(void)
{
}

void
notify_waiting(const char *why)
{
	(void)why;
}

void
notify_stopping(void)
{
}

void
notify_status(const char *status)
{
	(void)status;
}

#endif

bool
notify_wanted(void)
{
	const char *socket = getenv("NOTIFY_SOCKET");

	return socket != NULL && socket[0] != '\0';
}

void
passed_sockets_fini(struct passed_sockets *p)
{
	for (unsigned i = 0; i < p->count; i++)
		mem_free(p->at[i].name);
	mem_free(p->at);
	memset(p, 0, sizeof *p);
}
