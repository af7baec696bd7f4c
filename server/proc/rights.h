/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rights.h - what a peer may do, by the access rules.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 *
 * judge.c has found the line of the rules that decides before any of these is called.
 */
#ifndef GEARMAND_PROC_RIGHTS_H
#define GEARMAND_PROC_RIGHTS_H

#include "proc/func.h"
#include "proc/peer.h"

bool rights_find_submit(struct proc *, struct peer *, struct slice name, const struct func *) RUNS_ON(proc_role);

/* `func` is the function of that name, NULL when there is none. */
static inline PROC bool
may_submit(struct proc *p, struct peer *peer, struct slice name, const struct func *func)
{
	return peer->rights->submits_all || (func != NULL && func->number == peer->may_submit) ||
	       rights_find_submit(p, peer, name, func);
}

bool may_work(struct proc *, const struct peer *, struct slice name) RUNS_ON(proc_role);

/* One of SEE, MANAGE, ADMIN. */
static inline bool
has_right(const struct peer *peer, enum access_right right)
{
	return peer->rights->level >= right;
}

/* Jobs of some function at least. */
static inline bool
may_submit_some(const struct peer *peer)
{
	return peer->rights->submit.len > 0;
}

/* It was refused, for want of this right; `what` is a function or a command, for the log. */
void rights_note_refusal(struct proc *, struct peer *, enum access_right, struct slice what) RUNS_ON(proc_role);
/* The answer to `whoami`. */
void report_whoami(struct proc *, struct peer *) RUNS_ON(proc_role);

#endif
