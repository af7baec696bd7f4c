/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Opening the module's store: at start, when the server may wait for it, and again after it broke.
 *
 * Runs on:  store thread.
 * Owns:     nothing of its own.
 *
 * While it waits the thread sleeps on its mailbox, so that a stop is heard at once.  One that another server
 * has is looked at often, since taking it over is what a standby is there for.
 */
#include <stdio.h>

#include "cross/log.h"
#include "io/store_priv.h"

static STORE bool
store_try_open(struct store *s)
{
	const struct gearmand_queue_ops *ops = s->config.ops;

	s->trouble = (struct gearmand_error){ .text = "" };
	if (!ops->open(s->config.host, &s->opening, &s->module, &s->trouble)) {
		if (s->trouble.text[0] == '\0')
			snprintf(s->trouble.text, sizeof s->trouble.text, "it does not say why");
		return false;
	}
	s->opening.is_first = false;
	s->adds_at_shutdown = ops->adds_at_shutdown != NULL && ops->adds_at_shutdown(s->module);
	return true;
}

void
store_close(struct store *s)
{
	if (s->module != NULL)
		s->config.ops->close(&s->module);
	s->module = NULL;
}

/* ---- At start ---------------------------------------------------------------------------- */

static STORE bool
store_may_wait(const struct store *s)
{
	switch (s->trouble.why) {
	case GEARMAND_WHY_PASSING:
		return s->config.wait || s->config.standby;
	case GEARMAND_WHY_IN_USE:
		return s->config.standby;
	default:
		return false;
	}
}

static STORE void
store_say_waiting(struct store *s, const char *what)
{
	char text[700];
	bool in_use = s->trouble.why == GEARMAND_WHY_IN_USE;

	if (in_use)
		snprintf(text, sizeof text, "queue %s: standing by: %s", s->config.name, s->trouble.text);
	else
		snprintf(text, sizeof text, "queue %s: waiting until it can be %s: %s", s->config.name, what,
		    s->trouble.text);
	log_post(in_use ? GEARMAND_LOG_NOTICE : GEARMAND_LOG_ERROR, "%s", text);
	store_tell_mgmt(s, MSG_STORE_WAITING, text, in_use);
}

bool
store_wait_at_start(struct store *s, const char *what)
{
	int why = (int)s->trouble.why;

	if (!store_may_wait(s))
		return false;
	if (why != s->waited_for) {
		store_say_waiting(s, what);
		s->start_back_off = 0;
	}
	s->waited_for = why;
	s->stood_by |= why == GEARMAND_WHY_IN_USE;
	s->start_back_off = store_next_back_off(s->start_back_off);
	return store_sleep(s, why == GEARMAND_WHY_IN_USE ? LOOK_AGAIN : s->start_back_off);
}

bool
store_open(struct store *s)
{
	while (!store_try_open(s))
		if (!store_wait_at_start(s, "opened"))
			return false;
	return true;
}

/* A server that took over from another says so in every log: something has happened to that one. */
void
store_say_started(const struct store *s)
{
	if (s->stood_by)
		log_post(GEARMAND_LOG_ALERT, "queue %s: this server is active now: it has taken the queue over",
		    s->config.name);
	else if (s->waited_for >= 0)
		log_post(GEARMAND_LOG_NOTICE, "queue %s: open now", s->config.name);
}

/* ---- After it broke -------------------------------------------------------------------------- */

/* A session of our own may linger in the store for a while and look like another server. */
bool
store_reopen(struct store *s)
{
	bool taken;

	if (s->module != NULL)
		return true;
	if (store_try_open(s)) {
		s->taken_at = NEVER;
		return true;
	}
	taken = s->trouble.why == GEARMAND_WHY_IN_USE;
	if (!taken)
		s->taken_at = NEVER;
	else if (s->taken_at == NEVER)
		s->taken_at = clock_mono();
	return false;
}

bool
store_is_lost(const struct store *s)
{
	return s->was_taken || (s->taken_at != NEVER && clock_mono() - s->taken_at >= s->config.lost_after);
}
