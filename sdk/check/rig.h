/* SPDX-License-Identifier: BSD-3-Clause
 *
 * rig.h - the module on its store, driven as the server's store thread drives it.  For modules of other kinds it has
 * the host alone.
 *
 * Runs on:  the process of a case.
 * Owns:     the open store.
 */
#ifndef CHECK_RIG_H
#define CHECK_RIG_H

#include "host.h"
#include "job.h"
#include "kit.h"

struct rig {
	const struct kit *kit;
	const struct gearmand_queue_ops *ops;
	struct host host;
	struct gearmand_opening opening;
	void *store;                /* NULL = closed */
	_Atomic unsigned *troubles; /* counts commits that were not DONE, for another process; or NULL */
};

void rig_init(struct rig *, const struct kit *);
/* Skips the case where the store goes with the process that uses it. */
void rig_must_last(const struct rig *);

/* False: the error has a sentence and why; `store` was not touched. */
bool rig_try_open(struct rig *, struct gearmand_error *);
/* Waits while it may help, PATIENCE seconds at most; then fails. */
void rig_open(struct rig *);
void rig_close(struct rig *);
void rig_reopen(struct rig *);

/* One commit.  Strings are handed over in blocks of their exact size, gone when this returns. */
enum gearmand_commit rig_commit_once(struct rig *, struct batch *, struct gearmand_error *);
/* A look at the store; it must have a check. */
enum gearmand_commit rig_check_once(struct rig *, struct gearmand_error *);
/* Until DONE, as the server does it: repeats after AGAIN, closes and opens after BROKEN. */
void rig_commit(struct rig *, struct batch *);
/* The same, and nothing may be refused; the batch is empty then. */
void rig_store(struct rig *, struct batch *);

/* Must go well. */
void rig_replay(struct rig *, gearmand_replay_f *, void *sink);
/* Reopens and replays. */
struct jobs rig_content(struct rig *);
void rig_must_have(struct rig *, const struct jobs *expected, enum order);
void rig_must_have_nothing(struct rig *);

/* Stores what the list has, in one batch. */
void rig_store_jobs(struct rig *, const struct jobs *);
/* Opens, takes everything out, closes; returns how many jobs were there. */
size_t rig_empty(struct rig *);

/* Gives back the memory of the opening, after the last close. */
void rig_forget(struct rig *);

/* For the host's table: is a commit on, and is this one of its changes? */
bool rig_is_committing(const struct gearmand_change *);

int64_t now_ms(void);

#endif
