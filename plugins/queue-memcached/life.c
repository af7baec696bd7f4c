/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Is a process of this machine still there?
 *
 * Runs on:  the store thread.
 * Owns:     nothing.
 *
 * So a server that crashed can be started again at once, and need not wait until its lock expires.  Of processes of
 * other machines, or of other containers, nothing is known.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "queue_memcached.h"

/* Boot and PID namespace. */
static void
this_machine(char *machine, size_t size)
{
	char boot[64] = "", space[64] = "";
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f != NULL) {
		if (fscanf(f, "%60s", boot) != 1)
			boot[0] = '\0';
		fclose(f);
	}
	if (readlink("/proc/self/ns/pid", space, sizeof(space) - 1) < 0 || boot[0] == '\0')
		snprintf(machine, size, "unknown");
	else
		snprintf(machine, size, "%.40s.%.20s", boot, space + strcspn(space, "["));
}

/* In ticks since the machine was started; 0 = not known. */
static unsigned long long
start_of(int pid)
{
	char path[40], text[1024] = "", *end;
	unsigned long long ticks = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	fclose(f);
	end = strrchr(text, ')'); /* behind the name, which may have any bytes */
	if (end == NULL || sscanf(end, ") %*c%*d%*d%*d%*d%*d%*u%*u%*u%*u%*u%*u%*u%*d%*d%*d%*d%*d%*d%llu", &ticks) != 1)
		return 0;
	return ticks;
}

void
mc_process_self(struct mc_process *p)
{
	this_machine(p->machine, sizeof(p->machine));
	p->pid = (int)getpid();
	p->started = start_of(p->pid);
}

bool
mc_process_is_gone(const struct mc_process *p)
{
	char machine[sizeof(p->machine)];
	unsigned long long started;

	this_machine(machine, sizeof(machine));
	if (strcmp(machine, p->machine) != 0 || strcmp(machine, "unknown") == 0 || p->pid <= 0)
		return false;
	if (kill(p->pid, 0) != 0 && errno == ESRCH)
		return true;
	started = start_of(p->pid);
	return started != 0 && p->started != 0 && started != p->started;
}
