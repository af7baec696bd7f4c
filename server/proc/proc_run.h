/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proc_run.h - the core's driver: mailbox to batch, outbox to mailboxes, and sleep.
 *
 * Runs on:  processing thread; either a thread of its own or a rider on a loop.
 */
#ifndef GEARMAND_PROC_PROC_RUN_H
#define GEARMAND_PROC_PROC_RUN_H

#include "cross/loop.h"
#include "proc/proc.h"

struct proc_run;

/* Mailboxes are borrowed and outlive it; `store` may be NULL.  Takes the core. */
struct proc_run *proc_run_new(
    struct proc **, struct mbox *in, struct mbox *mgmt, struct mbox *store, struct mbox *const *io, unsigned io_count);
void proc_run_free(struct proc_run **);
struct rider proc_run_rider(struct proc_run *);
/* With a thread of its own, before it starts: who posts little while the core sleeps turns it over in its place. */
void proc_run_let_guests(struct proc_run *, struct waker *);
/* A thread's body: sleeps on `waker` between turns; returns after MSG_STOP. */
void proc_run_thread(struct proc_run *, struct waker *);

#endif
