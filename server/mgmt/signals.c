/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Signals become calls on the management thread: libevent's handler only writes a byte to the loop.
 *
 * Runs on:  management thread.
 * Owns:     one event per signal.
 */
#include "mgmt/signals.h"

#include <event2/event.h>
#include <pthread.h>

#include "base/check.h"
#include "base/mem.h"
#include "mgmt/mgmt.h"

static const int handled[] = { SIGTERM, SIGINT, SIGUSR1, SIGHUP };

enum { HANDLED = sizeof handled / sizeof handled[0] };

struct signals {
	struct event *at[HANDLED];
};

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
	(void)what;
	role_assume(&mgmt_role);
	if (number == SIGHUP)
		mgmt_reload(arg);
	else if (number == SIGUSR1)
		mgmt_drain(arg);
	else
		mgmt_stop(arg, number == SIGINT ? "SIGINT" : "SIGTERM");
}

struct signals *
signals_new(struct event_base *base, struct mgmt *m)
{
	struct signals *s = mem_new(sizeof *s);
	sigset_t ours;

	sigemptyset(&ours);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file at the limit of its size fails like a full disk */
	for (int i = 0; i < HANDLED; i++) {
		s->at[i] = evsignal_new(base, handled[i], on_signal, m);
		CHECK(s->at[i] != NULL);
		event_add(s->at[i], NULL);
		sigaddset(&ours, handled[i]);
	}
	/* Whoever started us may have had them blocked. */
	pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
	return s;
}

void
signals_free(struct signals **sp)
{
	struct signals *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	for (int i = 0; i < HANDLED; i++)
		event_free(s->at[i]);
	mem_free(s);
}

void
signals_block(sigset_t *before_r)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
		sigdelset(&all, crashes[i]);
	pthread_sigmask(SIG_SETMASK, &all, before_r);
}

void
signals_restore(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}
