/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reply.h - what is said to peers, in the order of what they asked.
 *
 * Runs on:  processing thread.
 * Owns:     slots: replies that cannot go out yet.
 *
 * A stored job's JOB_CREATED waits for its commit.  While a peer has such an open
 * slot, all that is said to that peer gets a slot behind it.
 */
#ifndef GEARMAND_PROC_REPLY_H
#define GEARMAND_PROC_REPLY_H

#include "proc/state.h"

struct job;
struct peer;

/* Makes the answer to a text line part by part, while the slot of that answer is the first of its peer. */
struct maker {
	struct list link;                                        /* proc.makers, or its queue while it is at work */
	struct list *queue;                                      /* proc.listings, proc.job_listings */
	enum { MAKER_BEHIND, MAKER_AT_WORK, MAKER_WAITS } state; /* WAITS: for the peer to take the last part */
	bool dropped;                                            /* nobody takes its parts any more */
};

struct slot {
	struct list of_peer;       /* peer.slots */
	struct list by_age;        /* proc.waiting, proc.cancels; in no list when it waits for something else */
	struct slot *next, **back; /* job_extra.slots */
	struct peer *peer;
	struct job *job;     /* the job whose commit it waits for, or that waits for it; or NULL */
	bool holds;          /* a foreground job is runnable when this JOB_CREATED goes out */
	struct maker *maker; /* or NULL */
	struct msg *msg;     /* NULL until there is something to say */
	nsec_t deadline;     /* monotonic; while by_age is in a list */
	uint64_t removal;    /* in proc.cancels: answered when proc.removed is that much */
	size_t bytes;        /* its part of peer.held */
	uint64_t tag;        /* of the request that it answers */
};

/* Sends, or queues behind the peer's open slots.  Takes the message. */
void peer_send(struct proc *, struct peer *, struct msg **) RUNS_ON(proc_role);
/* Its I/O thread shall not take what it sends, or shall again: call after a change of what peer.told_pause sums up. */
void peer_tell_paused(struct proc *, struct peer *) RUNS_ON(proc_role);

/* The common shapes. */
void reply_plain(struct proc *, struct peer *, enum pkt_type) RUNS_ON(proc_role);
void reply_arg(struct proc *, struct peer *, enum pkt_type, struct slice) RUNS_ON(proc_role);
void reply_error(struct proc *, struct peer *, enum wire_error) RUNS_ON(proc_role);
void reply_error_text(struct proc *, struct peer *, const char *code, struct slice text) RUNS_ON(proc_role);
/* Text as it is; takes what the buffer holds. */
void reply_text(struct proc *, struct peer *, struct buf *) RUNS_ON(proc_role);
void reply_job_created(struct proc *, struct peer *, const struct job *) RUNS_ON(proc_role);

/* An open slot for JOB_CREATED; waits for the job's commit. */
void slot_open(struct proc *, struct peer *, struct job *) RUNS_ON(proc_role);
/* Takes JOB_CREATED of a job that is not runnable before all that its peer submitted earlier is stored. */
void slot_hold(struct proc *, struct peer *, struct job *) RUNS_ON(proc_role);
/* An open slot for the answer to a removal that the store was told of last. */
void slot_open_removal(struct proc *, struct peer *) RUNS_ON(proc_role);
void slot_removed(struct proc *, struct slot *, const char *text) RUNS_ON(proc_role); /* fills it */
/* An open slot for something else. */
struct slot *slot_open_plain(struct proc *, struct peer *) RUNS_ON(proc_role);
/* An open slot for an answer that `maker` makes; slot_fill() ends it. */
struct slot *slot_open_made(struct proc *, struct peer *, struct maker *) RUNS_ON(proc_role);
/* Sends a part of that answer; the maker goes on when the peer has taken it.  Takes the message. */
void slot_send_part(struct proc *, struct slot *, struct msg **) RUNS_ON(proc_role);
void slot_part_taken(struct proc *, struct peer *, bool dropped) RUNS_ON(proc_role);
/* Gives the slot its message and sends all that may go now.  Takes the message; the slot may be gone. */
void slot_fill(struct proc *, struct slot *, struct msg **) RUNS_ON(proc_role);
void slot_created(struct proc *, struct slot *) RUNS_ON(proc_role); /* fills it with JOB_CREATED */
void slot_refused(struct proc *, struct slot *, const char *code, struct slice text) RUNS_ON(proc_role);
void slot_leave_job(struct proc *, struct slot *) RUNS_ON(proc_role);
void slot_free(struct proc *, struct slot **) RUNS_ON(proc_role); /* takes; says nothing */

#endif
