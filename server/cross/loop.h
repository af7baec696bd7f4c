/* SPDX-License-Identifier: BSD-3-Clause
 *
 * loop.h - a thread's event loop, and the classes that ride on it.
 *
 * Runs on:  the thread that calls loop_run().
 * Owns:     its libevent base and its waker.
 *
 * One pass: wait for events and let their callbacks gather work; then give each rider
 * its turn until none has anything left to do; then sleep again.  `-t 0` has
 * one loop with riders management, I/O and processing; `-t 2` has one rider each.
 */
#ifndef GEARMAND_CROSS_LOOP_H
#define GEARMAND_CROSS_LOOP_H

#include "cross/mbox.h"

struct event_base;
struct loop;

/* A class on this thread: does what its mailbox and its callbacks gathered.  Lowers *due_r to when it
 * must run again though nothing happens.  Returns true when it posted to or did anything that
 * another rider may have to look at. */
struct rider {
	bool (*turn)(void *self, nsec_t *due_r);
	void *self;
};

struct loop *loop_new(void);    /* NULL: no descriptor left; errno says */
void loop_free(struct loop **); /* the mailboxes on its waker are gone */
struct event_base *loop_base(struct loop *);
struct waker *loop_waker(struct loop *);
void loop_add_rider(struct loop *, struct rider); /* at most 4, before loop_run() */
void loop_run(struct loop *);                     /* until loop_stop() */
void loop_stop(struct loop *);                    /* same thread: ends after this pass */
void loop_log_libevent(void); /* from now on what libevent has to say goes to the log, on whatever thread */

#endif
