/* SPDX-License-Identifier: BSD-3-Clause
 *
 * admin.h - what the files of text commands share.
 *
 * Runs on:  processing thread.
 */
#ifndef GEARMAND_PROC_ADMIN_H
#define GEARMAND_PROC_ADMIN_H

#include "proc/state.h"
#include "wire/words.h"

struct func;
struct job;
struct peer;

typedef void command_f(struct proc *, struct peer *, const struct words *);

void do_pause(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
void do_resume(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
void do_purge(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
void do_peek(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
void do_kick_function(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
/* cancel unique FUNCTION UNIQUE */
void do_cancel_unique(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
/* Their words have been counted. */
void admin_kick_job(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
void admin_bury_job(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
void admin_retry_job(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
void admin_show_job(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
void admin_follow_job(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
void admin_unfollow_job(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
void admin_show_policy(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
void admin_follow_next(struct proc *, struct peer *) RUNS_ON(proc_role);

/* Ends the job, and answers when the store has removed it. */
void admin_cancel(struct proc *, struct peer *, struct job *) RUNS_ON(proc_role);
/* The text, which has its end. */
void admin_say(struct proc *, struct peer *, const char *) RUNS_ON(proc_role);
/* ERR: words are missing. */
void admin_incomplete(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
/* The job that the third word names; NULL when there is none, and the peer has been told. */
struct job *admin_job(struct proc *, struct peer *, const struct words *) RUNS_ON(proc_role);
/* Finds or makes the function; NULL when there is no room, and that is said. */
struct func *admin_func(struct proc *, struct peer *, struct slice name) RUNS_ON(proc_role);

#endif
