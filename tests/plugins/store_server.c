/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A real database server for all tests of a program; see store_server.h.
 *
 * Runs on:  the process of one test; the hooks run in the process that starts them all.
 * Owns:     see store_server.h.
 */
#include "tests/plugins/store_server.h"

#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where it is: tests are processes of their own, and find it in the environment.  "" = not installed. */
#define SERVER_AT "GEARMAND_TEST_STORE"

enum { DIR_SIZE = 128, PARENT_MOST = 60 /* the path of a socket has to be short */, NOT_INSTALLED = 77 };

const char *
store_script_path(const char *script)
{
	static char path[600];
	const char *source = getenv("top_srcdir");

	snprintf(path, sizeof(path), "%s/tests/stores/%s", source == NULL ? "." : source, script);
	return path;
}

static int
run_script(const char *word, const char *dir, const char *options)
{
	char command[1024];
	int status;

	snprintf(command, sizeof(command), "'%s' %s '%s' %s >/dev/null", store_script_path(store_server.script), word,
	    dir, options);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
start(char *dir, size_t size, const char *options)
{
	const char *parent = getenv("TMPDIR");

	snprintf(dir, size, "%s/gearmand-db.XXXXXX", parent == NULL || strlen(parent) > PARENT_MOST ? "/tmp" : parent);
	if (mkdtemp(dir) == NULL)
		abort();
	return run_script("start", dir, options);
}

void
store_server_start(char *dir, size_t size, const char *options)
{
	store_server_dir(); /* or it is skipped */
	cr_assert_eq(start(dir, size, options), 0);
}

void
store_server_stop(const char *dir)
{
	char command[256];

	run_script("stop", dir, "");
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		perror(dir);
}

void
store_server_do(const char *dir, const char *word)
{
	cr_assert_eq(run_script(word, dir, ""), 0);
}

int
store_server_number(const char *dir, const char *file)
{
	char path[200];
	int number = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "r");
	cr_assert(f != NULL && fscanf(f, "%d", &number) == 1);
	fclose(f);
	return number;
}

const char *
store_server_dir(void)
{
	const char *dir = getenv(SERVER_AT);

	cr_assert_not_null(dir);
	if (dir[0] == '\0' && getenv("CI") != NULL)
		cr_assert_fail("no %s is installed", store_server.name);
	if (dir[0] == '\0')
		cr_skip_test("no %s is installed", store_server.name);
	return dir;
}

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
	char dir[DIR_SIZE];
	int status = start(dir, sizeof(dir), store_server.options);

	(void)tests;
	if (status != 0)
		store_server_stop(dir);
	if (status != 0 && status != NOT_INSTALLED)
		exit(1);
	setenv(SERVER_AT, status == 0 ? dir : "", 1);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
	const char *dir = getenv(SERVER_AT);

	(void)stats;
	if (dir != NULL && dir[0] != '\0')
		store_server_stop(dir);
}

/* Are all of its threads stopped? */
static bool
is_stopped(int pid)
{
	char pattern[60];
	bool all = true;
	glob_t tasks;

	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/stat", pid);
	cr_assert_eq(glob(pattern, 0, NULL, &tasks), 0);
	for (size_t i = 0; i < tasks.gl_pathc; i++) {
		FILE *f = fopen(tasks.gl_pathv[i], "r");
		char state = '?';

		if (f == NULL)
			continue;
		all = fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state == 'T' && all;
		fclose(f);
	}
	globfree(&tasks);
	return all;
}

void
store_server_signal(int pid, int number)
{
	cr_assert_eq(kill(pid, number), 0);
	while (number == SIGSTOP && !is_stopped(pid))
		usleep(1000);
}
