/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fair.h - what one peer's packets may cost the others.
 *
 * Runs on:  processing thread.
 * Owns:     struct debt: what such a peer sent and has not been looked at.
 *
 * Costs are in units: a message to a peer is one, and so is other work of about that size (half a
 * microsecond); the code that does such work adds it to proc.spent.  A packet that costs a few units is
 * free, for its bytes had to be sent.  What it costs beyond that is charged to its peer.  A peer is paid
 * a unit each UNIT_NS, and may save BURST of them.  While it owes some, its packets are set
 * aside in order and it is not read; others go on.
 */
#ifndef GEARMAND_PROC_FAIR_H
#define GEARMAND_PROC_FAIR_H

#include "proc/state.h"

struct peer;

/* A turn ends when it has spent so much (a few milliseconds); the rest of its batch comes in the next. */
enum { SPENT_PER_TURN = 8192 };
/* Looking at one member of a table or list: so many make a unit. */
enum { STEPS_PER_UNIT = 4 };

/* Does it owe, or have messages that wait? */
bool debt_is_open(const struct proc *, const struct peer *) RUNS_ON(proc_role);
/* Takes a message of a peer that owes. */
void debt_add(struct proc *, struct peer *, struct msg **) RUNS_ON(proc_role);
/* Its packet cost so much. */
void debt_charge(struct proc *, struct peer *, size_t cost) RUNS_ON(proc_role);
/* The next message that was set aside and may be looked at now, and its peer; or NULL.  Ends debts that are paid. */
struct peer *debt_next(struct proc *, struct msg **m_r) RUNS_ON(proc_role);
/* When there will be one; or NEVER. */
nsec_t debts_due(const struct proc *) RUNS_ON(proc_role);
void debt_drop(struct proc *, struct peer *) RUNS_ON(proc_role); /* with what was set aside */

#endif
