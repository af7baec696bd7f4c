/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Runs the cases, each in a process of its own, and says in TAP what came of it.
 *
 * Runs on:  the program's process, and what it forks.  A case reports through memory that both share.
 * Owns:     that memory, and a file for what the module prints.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "rig.h"

enum { LINES_BYTES = 65536, LINE_MOST = 8192, OUTPUT_MOST = 8000 };

struct lines {
	_Atomic size_t used;
	char text[LINES_BYTES];
};

/* Written by the processes of one case. */
static struct report {
	struct lines notes, quiet;
	_Atomic bool failed, skipped;
	char why[LINE_MOST];
} * report;

static FILE *output; /* what the module prints, which it should not */

/* ---- Saying ------------------------------------------------------------------------- */

static void __attribute__((format(printf, 2, 0))) lines_add(struct lines *lines, const char *format, va_list args)
{
	char line[LINE_MOST];
	size_t len, at;

	vsnprintf(line, sizeof(line) - 1, format, args);
	len = strlen(line);
	line[len++] = '\n';
	at = atomic_fetch_add(&lines->used, len);
	if (at + len < sizeof(lines->text))
		memcpy(lines->text + at, line, len);
}

void
note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	lines_add(&report->notes, format, args);
	va_end(args);
}

void
note_if_failed(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	lines_add(&report->quiet, format, args);
	va_end(args);
}

/* The first to come here is heard. */
void
fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!atomic_exchange(&report->failed, true))
		vsnprintf(report->why, sizeof(report->why), format, args);
	va_end(args);
	_exit(1);
}

void
skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(report->why, sizeof(report->why), format, args);
	va_end(args);
	report->skipped = true;
	exit(0);
}

static void
lines_print(const struct lines *lines)
{
	const char *at = lines->text;

	for (const char *end; (end = strchr(at, '\n')) != NULL; at = end + 1)
		printf("# %.*s\n", (int)(end - at), at);
}

/* ---- Processes ---------------------------------------------------------------------- */

/* A child that goes when its parent goes. */
static pid_t
fork_child(void)
{
	pid_t parent = getpid(), pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

static int
wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

void
apart(struct rig *r, void (*function)(struct rig *, void *), void *arg)
{
	pid_t pid = fork_child();
	int status;

	MUST(pid >= 0, "fork: %s", strerror(errno));
	if (pid == 0) {
		host_be_another();
		function(r, arg);
		exit(0);
	}
	status = wait_for(pid);
	if (WIFSIGNALED(status))
		fail("the module's process was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (status != 0)
		_exit(1);
}

/* What the module printed on stdout or stderr. */
static void
output_check(void)
{
	char text[OUTPUT_MOST];
	size_t len;

	rewind(output);
	len = fread(text, 1, sizeof(text) - 1, output);
	if (len == 0)
		return;
	text[len] = '\0';
	note("printed: %s", text);
	if (!atomic_exchange(&report->failed, true))
		snprintf(report->why, sizeof(report->why), "the module printed something; host->log is for that");
}

static void
end_check(int status, int limit)
{
	const char *why = NULL;
	char text[LINE_MOST];

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(text, sizeof(text), "it was not over after %d s", limit), why = text;
	else if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "the module's process was ended by signal %d (%s)", WTERMSIG(status),
		    strsignal(WTERMSIG(status))),
		    why = text;
	else if (status != 0)
		snprintf(text, sizeof(text), "the module's process ended with status %d", WEXITSTATUS(status)),
		    why = text;
	if (why != NULL && !atomic_exchange(&report->failed, true))
		snprintf(report->why, sizeof(report->why), "%s", why);
}

static void
run_apart(const struct kit *kit, void (*function)(struct rig *))
{
	struct rig r = { .kit = kit };
	pid_t pid;

	memset(report, 0, sizeof(*report));
	rewind(output);
	if (ftruncate(fileno(output), 0) != 0)
		abort();
	pid = fork_child();
	if (pid == 0) {
		dup2(fileno(output), STDOUT_FILENO);
		dup2(fileno(output), STDERR_FILENO);
		alarm((unsigned)kit->limit);
		if (kit->plugin != NULL)
			rig_init(&r, kit);
		function(&r);
		rig_close(&r);
		rig_forget(&r);
		exit(0);
	}
	end_check(wait_for(pid), kit->limit);
	output_check();
}

/* ---- The table ---------------------------------------------------------------------- */

enum needs { FORM, STORE, CONN };

static const struct check_case {
	enum needs needs;
	const char *name, *sentence;
	void (*function)(struct rig *);
} cases[] = {
#define X(needs_, name_, sentence_) { needs_, #name_, sentence_, name_ },
	CASES(X)
#undef X
};

enum { CASE_COUNT = sizeof(cases) / sizeof(cases[0]) };

void
kit_list(void)
{
	for (int i = 0; i < CASE_COUNT; i++)
		printf("%s: %s\n", cases[i].name, cases[i].sentence);
}

bool
kit_has(const char *name)
{
	for (int i = 0; i < CASE_COUNT; i++)
		if (strcmp(cases[i].name, name) == 0)
			return true;
	return false;
}

static bool
is_chosen(const struct kit *kit, const struct check_case *c)
{
	bool is_queue = kit->plugin != NULL && kit->plugin->kind == GEARMAND_KIND_QUEUE;

	if ((c->needs == STORE && !is_queue) || (c->needs == CONN && (kit->plugin == NULL || is_queue)))
		return false;
	return kit->only == NULL || strcmp(kit->only, c->name) == 0;
}

static bool
tell(const struct check_case *c, int number)
{
	bool good = !report->failed;

	printf("%s %d - %s: %s", good ? "ok" : "not ok", number, c->name, c->sentence);
	if (good && report->skipped)
		printf(" # SKIP %s", report->why);
	printf("\n");
	if (!good)
		printf("# %s\n", report->why);
	lines_print(&report->notes);
	if (!good)
		lines_print(&report->quiet);
	fflush(stdout);
	return good;
}

static void
leave_nothing(struct rig *r)
{
	rig_empty(r);
}

/* What an earlier case left behind must not count against this one. */
static bool
run_case(const struct kit *kit, const struct check_case *c, int number)
{
	if (c->needs == STORE) {
		run_apart(kit, leave_nothing);
		if (report->failed) {
			note("so the store could not be emptied for this case");
			return tell(c, number);
		}
	}
	run_apart(kit, c->function);
	return tell(c, number);
}

/* All is removed from the store; so it must be one that nobody misses anything of. */
static void
store_must_be_empty(struct rig *r)
{
	struct jobs seen = rig_content(r);

	MUST(seen.count == 0, "the store has %zu jobs; this program removes all it finds, so give it an empty store",
	    seen.count);
}

static bool
store_is_fit(const struct kit *kit)
{
	run_apart(kit, store_must_be_empty);
	if (!report->failed)
		return true;
	printf("Bail out!  %s\n", report->why);
	lines_print(&report->notes);
	lines_print(&report->quiet);
	return false;
}

bool
kit_run(const struct kit *kit)
{
	int count = 0, number = 0, failed = 0;
	bool asked = false;

	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	output = tmpfile();
	if (report == MAP_FAILED || output == NULL) {
		printf("Bail out!  %s\n", strerror(errno));
		return false;
	}
	for (int i = 0; i < CASE_COUNT; i++)
		count += is_chosen(kit, &cases[i]);
	printf("1..%d\n", count);
	for (int i = 0; i < CASE_COUNT; i++) {
		if (!is_chosen(kit, &cases[i]))
			continue;
		if (cases[i].needs == STORE && !asked && !store_is_fit(kit))
			return false;
		asked = asked || cases[i].needs == STORE;
		failed += !run_case(kit, &cases[i], ++number);
	}
	printf("# %d passed, %d failed\n", number - failed, failed);
	return failed == 0;
}
