/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads /proc/self.
 *
 * Runs on:  any thread.
 * Owns:     nothing.
 */
#include "process.h"

#include <dirent.h>
#include <sys/resource.h>

#include <gearmand/module.h>

/* As a string; false: it cannot be read. */
static bool
proc_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return true;
}

/* The fields of a `stat` file behind the name in brackets, which may hold anything.  The third of the file is the
 * first here. */
static unsigned long long
stat_field(const char *text, unsigned number)
{
	const char *at = strrchr(text, ')');

	for (unsigned i = 2; at != NULL && i < number; i++)
		at = strchr(at + 1, ' ');
	return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

static double
cpu_of(const char *stat)
{
	return (double)(stat_field(stat, 14) + stat_field(stat, 15)) / (double)sysconf(_SC_CLK_TCK);
}

/* The server's threads are called gm-NAME; the main thread has the name of the process. */
static void
read_thread(struct process *p, const char *id)
{
	char path[64], text[1024], *open_at, *end;
	const char *name;

	snprintf(path, sizeof(path), "/proc/self/task/%.16s/stat", id);
	if (p->thread_count == PROCESS_THREADS || !proc_text(path, text, sizeof(text)))
		return;
	open_at = strchr(text, '(');
	end = strrchr(text, ')');
	if (open_at == NULL || end == NULL)
		return;
	p->threads[p->thread_count].cpu = cpu_of(text);
	*end = '\0';
	name = strtol(id, NULL, 10) == (long)getpid() ? "main" : open_at + 1;
	snprintf(p->threads[p->thread_count].name, sizeof(p->threads[0].name), "%s",
	    strncmp(name, "gm-", 3) == 0 ? name + 3 : name);
	p->thread_count++;
}

static void
read_threads(struct process *p)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			read_thread(p, entry->d_name);
	if (dir != NULL)
		closedir(dir);
}

/* Newer systems tell the number by the folder's size. */
static uint64_t
count_fds(void)
{
	struct stat st;
	uint64_t count = 0;
	DIR *dir;

	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return (uint64_t)st.st_size;
	dir = opendir("/proc/self/fd");
	while (dir != NULL && readdir(dir) != NULL)
		count++;
	if (dir != NULL)
		closedir(dir);
	return count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
}

void
process_read(struct process *p)
{
	char text[1024];
	struct rlimit limit;

	memset(p, 0, sizeof(*p));
	read_threads(p);
	if (proc_text("/proc/self/stat", text, sizeof(text))) {
		p->cpu = cpu_of(text);
		p->resident = stat_field(text, 24) * (uint64_t)sysconf(_SC_PAGESIZE);
	}
	p->fds = count_fds();
	p->max_fds = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (uint64_t)limit.rlim_cur : 0;
}
