/* SPDX-License-Identifier: BSD-3-Clause
 *
 * store_rig.h - a store thread on its own: the test scripts the queue module, and is core and management.
 *
 * Runs on:  the test's thread, but for the scripted queue.
 * Owns:     everything it made; a message from sr_to_core() or sr_to_management() until the next call.
 */
#ifndef GEARMAND_TESTS_STORE_RIG_H
#define GEARMAND_TESTS_STORE_RIG_H

#include "cross/msg.h"
#include "io/store.h"

enum { SR_CALLS_MAX = 64, SR_HISTORY_MAX = 4096 };

struct store_rig {
	/* How the queue behaves; set by the test before sr_start(). */
	enum gearmand_commit script[SR_CALLS_MAX]; /* what a commit says; DONE behind its end */
	bool always_again;
	int full_until_removed; /* no ADD or BURY fits before so many REMOVEs or UNBURYs, nor a batch of both; and never
				 * one called "big" */
	enum gearmand_why commit_why; /* when a commit fails */
	int fail_opens;               /* from the first or second open on */
	bool fails_at_start;
	enum gearmand_why why_not;
	int jobs_to_replay;
	int replays_that_fail; /* the first ones, behind their last job */
	enum gearmand_why replay_why;
	bool has_check;
	int checks_that_fail; /* the first ones; they break it */

	/* What happened to it: written by the store thread, read when a message of that thread has come, or it has
	 * ended. */
	int opens, closes, commits, checks;
	char history[SR_HISTORY_MAX]; /* "+u1 -u2 | " : one '|' per commit that was done; BURY is "*u1@handle", UNBURY
				       * "/@handle" */

	struct store *store;
	struct mbox *proc, *mgmt;
	struct list core, management; /* taken, not looked at */
	struct msg *shown;
	uint64_t removed; /* as the core was told */
};

extern struct store_rig sr; /* zeroed when a test begins */

void sr_init(void);
void sr_init_patient(void); /* with --queue-wait */
void sr_init_full_for_long(void);
void sr_init_standby(void); /* with --standby */
void sr_fini(void);

void sr_start_replay(void); /* open, and asked to replay */
void sr_start(void);        /* ready */

/* Changes for the store; `list` is posted as one burst.  "UNIQUE@HANDLE" has a handle, too. */
void sr_change(struct list *, enum msg_kind, const char *unique);
void sr_post(enum msg_kind, const char *unique);
void sr_post_all(struct list *);
void sr_tell(enum msg_kind);
void sr_stop(void);

/* The next message; waits.  MSG_COMMITTED is counted on the way. */
struct msg *sr_to_core(void);
struct msg *sr_to_management(void);
void sr_core_takes(void); /* one more message, MSG_COMMITTED too */

void sr_expect_log(const char *part);
void sr_expect_text(enum msg_kind, const char *part);
void sr_expect_added(const char *unique, enum gearmand_outcome, const char *reason);
void sr_expect_state(const char *trouble);

#endif
