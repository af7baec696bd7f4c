/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a service manager tells the server, and is told.
 *
 * Runs on:  main thread.
 * Owns:     the names of passed sockets; the sockets go to the listeners.
 */
#include "config.h"

#include "mgmt/notify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/mem.h"

void
passed_sockets_init(struct passed_sockets *p)
{
	memset(p, 0, sizeof *p);
#ifdef HAVE_SYSTEMD
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	for (int i = 0; i < n; i++) {
		const char *name = names != NULL && names[i] != NULL ? names[i] : "unknown";

		p->at = mem_grow(p->at, (p->count + 1) * sizeof *p->at);
		p->at[p->count++] = (struct passed_socket){ SD_LISTEN_FDS_START + i, mem_dup(name, strlen(name)) };
	}
	for (int i = 0; names != NULL && names[i] != NULL; i++)
		free(names[i]);
	free(names);
#endif
}

void
passed_sockets_fini(struct passed_sockets *p)
{
	for (unsigned i = 0; i < p->count; i++)
		mem_free(p->at[i].name);
	mem_free(p->at);
	memset(p, 0, sizeof *p);
}

bool
notify_wanted(void)
{
	const char *socket = getenv("NOTIFY_SOCKET");

	return socket != NULL && socket[0] != '\0';
}

static void __attribute__((format(printf, 1, 2))) tell_manager(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
#ifdef HAVE_SYSTEMD
	sd_notify(0, text);
#endif
}

void
notify_ready(void)
{
	tell_manager("READY=1\nMAINPID=%ld\nSTATUS=Serving", (long)getpid());
}

void
notify_waiting(const char *why)
{
	tell_manager(
	    "READY=1\nMAINPID=%ld\nSTATUS=Waiting for the queue: %.*s", (long)getpid(), (int)strcspn(why, "\r\n"), why);
}

int64_t
notify_watchdog(void)
{
#ifdef HAVE_SYSTEMD
	uint64_t usec = 0;

	if (sd_watchdog_enabled(0, &usec) > 0 && usec < INT64_MAX / 1000)
		return (int64_t)usec * 1000;
#endif
	return 0;
}

void
notify_alive(void)
{
	tell_manager("WATCHDOG=1");
}

void
notify_stopping(void)
{
	tell_manager("STOPPING=1");
}

void
notify_status(const char *status)
{
	tell_manager("STATUS=%s", status);
}
