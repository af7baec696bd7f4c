/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the process says when it dies of a bug: which signal, and where each call came from.
 *
 * Runs on:  any thread, inside a signal handler: only calls that are safe there.
 * Owns:     nothing.
 */
#include "mgmt/crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A sanitizer has handlers of its own, which tell more; abort() it leaves to us. */
#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || HAS_FEATURE(address_sanitizer) || \
    HAS_FEATURE(thread_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum { FRAMES_MAX = 64, STDERR_PATIENCE_S = 5 };

static const int crash_signals[] = { SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE };

static void
crash_say(const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = write(STDERR_FILENO, text, left);

		if (n <= 0)
			return;
		text += n;
		left -= (size_t)n;
	}
}

static void
on_crash(int number)
{
	void *frames[FRAMES_MAX];
	sigset_t alarm_only;

	/* Nobody may be reading stderr. */
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
	alarm(STDERR_PATIENCE_S);
	crash_say("gearmand: crashed with SIG");
	crash_say(sigabbrev_np(number)); /* only reads a table */
	crash_say(", stack of the thread:\n");
	backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
	_exit(EXIT_FAILURE);
}

void
crash_install(void)
{
	struct sigaction act;
	void *frames[1];

	if (getenv("LIBTEST_IN_GDB") != NULL)
		return;
	/* The first call loads a library, which a handler must not do. */
	(void)backtrace(frames, 1);
	memset(&act, 0, sizeof act);
	act.sa_handler = on_crash;
	act.sa_flags = (int)(SA_RESETHAND | SA_NODEFER);
	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < sizeof crash_signals / sizeof crash_signals[0]; i++)
		if (!SANITIZED || crash_signals[i] == SIGABRT)
			sigaction(crash_signals[i], &act, NULL);
}
