/* SPDX-License-Identifier: BSD-3-Clause
 *
 * When to ask the processing thread whether it still works.
 *
 * Runs on:  management thread.
 * Owns:     nothing.
 */
#include "mgmt/watchdog.h"

#include "cross/log.h"
#include "cross/msg.h"

enum { QUESTIONS_PER_LIMIT = 3 };

static double
seconds(nsec_t t)
{
	return (double)t / 1e9;
}

void
watchdog_init(struct watchdog *w, nsec_t limit)
{
	*w = (struct watchdog){ .every = limit / QUESTIONS_PER_LIMIT };
}

bool
watchdog_look(struct watchdog *w, nsec_t now, nsec_t *due_r)
{
	bool is_due = w->every > 0 && now >= w->next, asks = is_due && w->asked == 0;

	if (w->every == 0)
		return false;
	if (is_due)
		w->next = now + w->every;
	if (asks) {
		w->asked = now;
	} else if (is_due && !w->is_late) {
		w->is_late = true;
		log_post(GEARMAND_LOG_WARNING, "the processing thread has not answered for %.1f seconds",
		    seconds(now - w->asked));
	}
	if (w->next < *due_r)
		*due_r = w->next;
	return asks;
}

bool
watchdog_ask(struct watchdog *w, struct mbox *proc, nsec_t *due_r)
{
	struct msg *msg;

	if (!watchdog_look(w, clock_mono(), due_r))
		return false;
	msg = msg_new(MSG_ALIVE, 0);
	mbox_post_to_reader(proc, &msg);
	return true;
}

void
watchdog_answered(struct watchdog *w, nsec_t now)
{
	if (w->is_late)
		log_post(GEARMAND_LOG_WARNING, "the processing thread answers again, after %.1f seconds",
		    seconds(now - w->asked));
	w->is_late = false;
	w->asked = 0;
}
