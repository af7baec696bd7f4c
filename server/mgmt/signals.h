/* SPDX-License-Identifier: BSD-3-Clause
 *
 * signals.h - signals become calls on the management thread.
 *
 * Runs on:  management thread; all others block every signal but those of a crash.
 */
#ifndef GEARMAND_MGMT_SIGNALS_H
#define GEARMAND_MGMT_SIGNALS_H

#include <signal.h>

struct event_base;
struct mgmt;
struct signals;

/* Borrows both; SIGPIPE and SIGXFSZ are ignored from here on. */
struct signals *signals_new(struct event_base *, struct mgmt *);
void signals_free(struct signals **); /* NULL is fine */

/* Around the start of other threads, which inherit the mask. */
void signals_block(sigset_t *before_r);
void signals_restore(const sigset_t *before);

#endif
