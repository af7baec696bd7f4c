/* SPDX-License-Identifier: BSD-3-Clause
 *
 * judge.h - which line of the access rules decides for a peer.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; each peer keeps its line.
 *
 * A peer is judged at its first packet, and again when the rules have changed: at its next packet, or when reload.c
 * comes to it.
 */
#ifndef GEARMAND_PROC_JUDGE_H
#define GEARMAND_PROC_JUDGE_H

#include "proc/peer.h"

/* Finds the line, and withdraws abilities that it does not allow. */
void peer_judge(struct proc *, struct peer *) RUNS_ON(proc_role);

static inline PROC bool
is_judged(const struct proc *p, const struct peer *peer)
{
	return peer->judged == p->access_number;
}

#endif
