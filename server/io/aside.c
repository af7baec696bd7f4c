/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Work of transports that takes longer than others may be held up.
 *
 * Runs on:  its own thread.
 * Owns:     what waits for it.
 *
 * A handshake costs as much processor time as fifty packets or more.  After a restart thousands of peers come at once:
 * they wait here, in order, and the peers that are served notice nothing.  The thread gives way to all others.
 */
#include "io/aside.h"

#include <sys/resource.h>

#include "cross/msg.h"

enum { NICE = 5 };

static bool
has_stop(const struct list *msgs)
{
	LIST_EACH(node, msgs)
		if (MSG(node)->kind == MSG_STOP)
			return true;
	return false;
}

void
aside_run(struct waker *waker, struct mbox *in)
{
	struct list waiting, *node;

	list_init(&waiting);
	waker_bind(waker);
	setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICE); /* of this thread alone, on Linux */
	while (!mbox_take(in, &waiting) || !has_stop(&waiting)) {
		struct msg_work *work;
		struct msg *m;

		node = list_pop(&waiting);
		if (node == NULL) {
			waker_sleep(waker, NEVER);
			continue;
		}
		m = MSG(node);
		work = MSG_AS(msg_work, m);
		work->work(work->state);
		mbox_post(work->from, &m);
	}
	msg_free_all(&waiting);
	waker_release(waker);
}
