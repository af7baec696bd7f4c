/* SPDX-License-Identifier: BSD-3-Clause
 *
 * watchdog.h - when to ask the processing thread whether it still works, for a service manager that restarts us if not.
 *
 * Runs on:  management thread, which tells the manager when the answer is there.
 *
 * The manager is told nothing but what the core answered, so a core that hangs ends the service though every other
 * thread is well.
 */
#ifndef GEARMAND_MGMT_WATCHDOG_H
#define GEARMAND_MGMT_WATCHDOG_H

#include <stdbool.h>

#include "cross/mbox.h"

struct watchdog {
	nsec_t every; /* between questions; 0 = nobody wants to know */
	nsec_t next;  /* ask then */
	nsec_t asked; /* when, while the answer is not there; else 0 */
	bool is_late; /* a line in the log says so */
};

/* `limit` is the time after which the manager loses patience; 0 = there is none. */
void watchdog_init(struct watchdog *, nsec_t limit);
/* True: ask now.  One question at a time.  Lowers *due_r to when it wants to be called again. */
bool watchdog_look(struct watchdog *, nsec_t now, nsec_t *due_r);
/* The same with the time of now, and asks.  The processing thread itself has to answer, not an I/O thread as its guest.
 */
bool watchdog_ask(struct watchdog *, struct mbox *proc, nsec_t *due_r);
void watchdog_answered(struct watchdog *, nsec_t now);

#endif
