/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the system lets this process have: descriptors, core files, memory.
 *
 * Runs on:  main thread at start-up.
 * Owns:     nothing; the limits belong to the process.
 */
#include "mgmt/limits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mgmt/fail.h"

enum {
	SPARE_FDS = 16,  /* descriptors that connections leave to the rest of the server */
	SERVER_FDS = 16, /* streams, listening sockets, files, a store's */
	LOOP_FDS = 6     /* of an event loop, its waker and its connections */
};

bool
limits_descriptors(int64_t count, struct gearmand_error *err)
{
	struct rlimit now;

	if (count == 0)
		return true;
	if (getrlimit(RLIMIT_NOFILE, &now) == 0) {
		now.rlim_cur = (rlim_t)count;
		if (now.rlim_max < now.rlim_cur)
			now.rlim_max = now.rlim_cur;
		if (setrlimit(RLIMIT_NOFILE, &now) == 0)
			return true;
	}
	return error_fail(err,
	    "Failed to set limit for the number of file descriptors.  "
	    "Try running as root or giving a smaller value to -f. (%s)",
	    strerror(errno));
}

/* The limit now; INT32_MAX when there is none. */
static int64_t
descriptor_count(void)
{
	struct rlimit now;

	if (getrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur == RLIM_INFINITY || now.rlim_cur > INT32_MAX)
		return INT32_MAX;
	return (int64_t)now.rlim_cur;
}

/* Without them libevent would end the process, and not in words of ours. */
bool
limits_allow_threads(unsigned threads, struct gearmand_error *err)
{
	int64_t io = threads > 2 ? threads - 1 : 1, needed = SERVER_FDS + io * LOOP_FDS;

	return descriptor_count() >= needed ||
	       error_fail(err,
		   "--threads=%u needs at least %lld descriptors and the limit is %lld; raise --file-descriptors",
		   threads, (long long)needed, (long long)descriptor_count());
}

int
limits_connection_fd_max(void)
{
	int64_t limit = descriptor_count();

	return (int)(limit - (limit / 8 < SPARE_FDS ? limit / 8 : SPARE_FDS)) - 1;
}

void
limits_core(void)
{
	struct rlimit want = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_CORE, &want) != 0 && getrlimit(RLIMIT_CORE, &want) == 0) {
		want.rlim_cur = want.rlim_max;
		setrlimit(RLIMIT_CORE, &want);
	}
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* The control group's bound (cgroup v2), or UINT64_MAX. */
static uint64_t
group_memory(void)
{
	char line[512], path[600];
	unsigned long long bytes = 0;
	FILE *f = fopen("/proc/self/cgroup", "re");
	bool found = false;

	if (f == NULL)
		return UINT64_MAX;
	while (!found && fgets(line, sizeof line, f) != NULL)
		found = strncmp(line, "0::", 3) == 0;
	fclose(f);
	if (!found)
		return UINT64_MAX;
	line[strcspn(line, "\n")] = '\0';
	snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", line + 3);
	if ((f = fopen(path, "re")) == NULL)
		return UINT64_MAX;
	if (fscanf(f, "%llu", &bytes) != 1) /* "max" */
		bytes = 0;
	fclose(f);
	return bytes == 0 ? UINT64_MAX : bytes;
}

uint64_t
limits_default_memory(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	uint64_t machine = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_MAX;
	uint64_t group = group_memory();

	return (machine < group ? machine : group) / 4 * 3;
}
