/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mbox.h - mailboxes between thread classes, and the sleep and wake of threads.
 *
 * Runs on:  any thread; the only mutexes of the server are in mbox.c.
 * Owns:     posted messages, until they are taken.
 *
 * Each thread has one waker.  Each class that runs on that thread has one mailbox on
 * that waker.  Posting from the same thread is a list append.  From another thread it
 * wakes the reader at most once per burst and not at all while the reader is awake.
 */
#ifndef GEARMAND_CROSS_MBOX_H
#define GEARMAND_CROSS_MBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/nsec.h"

struct waker;
struct mbox;
struct msg;

/* `by_fd`: the thread sleeps in an event loop that watches waker_fd(); else in waker_sleep(). */
struct waker *waker_new(bool by_fd); /* NULL: no descriptor left; errno says */
void waker_free(struct waker **);    /* its mailboxes are gone already */
void waker_bind(struct waker *);     /* the calling thread is the reader from now on */
/* The reader ends, or rests until the next waker_bind(): posting goes on as before, but mbox_post_all_bounded() does
 * not block. */
void waker_release(struct waker *);
int waker_fd(const struct waker *); /* an eventfd that a wake adds to; -1 without by_fd */
/* Is there nothing to take in any of its mailboxes?  If so it is asleep from here on: the next
 * post wakes it.  Reader only; call right before blocking. */
bool waker_try_sleep(struct waker *);
void waker_woken(struct waker *); /* after blocking on the fd: awake */
void waker_drain(struct waker *); /* empties the fd; not needed where edges are watched */
/* Without by_fd: sleeps until something is posted or until `deadline`.  Reader only. */
void waker_sleep(struct waker *, nsec_t deadline);

/* A turn of the reader: takes what its mailboxes hold and acts on it.  Returns when it must run again. */
typedef nsec_t waker_turn_f(void *self);
/* For a reader in waker_sleep(): a thread that posts while it sleeps may run `turn` in its place, on its own thread,
 * when little waits.  One thread at a time runs it.  Before the threads start. */
void waker_let_guests(struct waker *, waker_turn_f *turn, void *self);

struct mbox *mbox_new(struct waker *);
void mbox_free(struct mbox **);                   /* frees what was not taken */
void mbox_post(struct mbox *, struct msg **);     /* takes */
void mbox_post_all(struct mbox *, struct list *); /* takes all messages; the list is empty after */
/* Takes.  The reader itself is woken for it, though it has guests. */
void mbox_post_to_reader(struct mbox *, struct msg **);
/* The same as mbox_post_all(), for a poster that must not outrun the reader: blocks while more than `limit`
 * messages wait.  Never blocks when poster and reader share a thread. */
void mbox_post_all_bounded(struct mbox *, struct list *, size_t count, size_t limit);
/* Posts unless `limit` messages wait already: then false, and the message stays the caller's. */
bool mbox_try_post(struct mbox *, struct msg **, size_t limit);
/* Moves everything posted to the end of `out`; false when there was nothing.  Reader only. */
bool mbox_take(struct mbox *, struct list *out);

nsec_t clock_mono(void); /* CLOCK_MONOTONIC */
nsec_t clock_wall(void); /* CLOCK_REALTIME, nanoseconds since 1970 */

#endif
