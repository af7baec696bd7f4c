/* SPDX-License-Identifier: BSD-3-Clause
 *
 * store_priv.h - the insides that the files of the store thread share.  None calls one that stands before it here:
 * store.c, store_replay.c, store_batch.c, store_full.c, store_once.c, store_open.c, store_mail.c.
 *
 * Runs on:  store thread.
 * Owns:     the module's store, the batch in the works, what was taken and is in no batch yet.
 */
#ifndef GEARMAND_IO_STORE_PRIV_H
#define GEARMAND_IO_STORE_PRIV_H

#include <pthread.h>

#include "base/hash.h"
#include "base/role.h"
#include "cross/msg.h"
#include "io/store.h"

#define STORE RUNS_ON(store_role)

#define MS             INT64_C(1000000)
#define BACK_OFF_FIRST (100 * MS)
#define BACK_OFF_MOST  (5000 * MS)
#define LOOK_AGAIN     (250 * MS) /* whether another server still has it */

static inline nsec_t
store_next_back_off(nsec_t last)
{
	return last == 0 ? BACK_OFF_FIRST : last * 2 < BACK_OFF_MOST ? last * 2 : BACK_OFF_MOST;
}

struct store {
	struct store_config config;
	struct mbox *proc, *mgmt;
	struct waker *waker;
	struct mbox *in;
	pthread_t thread;
	bool has_thread;

	void *module;                    /* the module's store; NULL while it is closed */
	struct gearmand_opening opening; /* what the module keeps from one opening to the next */
	struct list pending;             /* ADD, REMOVE, BURY, UNBURY, in order, not in the batch */
	struct list shut_out;            /* the same, in order, before `pending`: of dead jobs that do not fit ... */
	size_t shut_size;                /* ... since one of so many bytes does not; SIZE_MAX = all may be tried ... */
	nsec_t let_in_at;                /* ... as they may then */
	struct list batch;               /* the same, of the batch */
	struct list settled;             /* the same, of changes that a later one of their key supersedes */
	struct gearmand_change *changes; /* one for each of `batch` */
	size_t count, cap;
	nsec_t commit_took;
	size_t alone;      /* attempts of a batch of one for which there is no room */
	size_t piece;      /* changes in one batch while room is short; 0 = it is not */
	bool is_full;      /* a job was refused for want of room ... */
	size_t full_size;  /* ... of so many bytes ... */
	nsec_t full_at;    /* ... then */
	bool removes_came; /* removals in `pending` may make others superfluous */
	size_t unsaved;    /* jobs that were refused at shutdown, though they had been acknowledged */
	uint8_t hash_key[HASH_KEY_BYTES];
	nsec_t give_up_at;         /* NEVER until MSG_STOP */
	nsec_t retry_at, back_off; /* while it is unwell */
	nsec_t check_at;           /* while it is well and has nothing to do; NEVER = the module has no check */
	bool stopping;             /* MSG_STOP came; what comes behind it is not taken */
	bool unwell;
	nsec_t taken_at;               /* since when another server has it, after it broke; NEVER = none has */
	bool was_taken;                /* another server has had it meanwhile, says the module */
	bool reload;                   /* MSG_RELOAD came */
	bool replay;                   /* MSG_REPLAY came */
	bool was_replayed;             /* in part; it begins again */
	int waited_for;                /* at start: enum gearmand_why, the last one; -1 = nothing */
	bool stood_by;                 /* at start: another server had it */
	nsec_t start_back_off;         /* at start: how long it slept last */
	bool adds_at_shutdown;         /* the module's word; others read it once it is open */
	struct gearmand_error trouble; /* the last thing that went wrong */
	struct gearmand_error told;    /* to the core: its trouble; empty = well */
};

static inline bool
store_is_removal(const struct msg *m)
{
	return m->kind == MSG_REMOVE || m->kind == MSG_UNBURY;
}

/* store_mail.c */
void store_take(struct store *) STORE;                   /* what was posted goes to `pending`; notices MSG_STOP */
bool store_sleep(struct store *, nsec_t how_long) STORE; /* false: STOP came */
void store_tell_mgmt(struct store *, enum msg_kind, const char *text, uint64_t number) STORE;
void store_tell_state(struct store *, const char *trouble, bool is_full) STORE; /* to the core; "" = it is well */
/* To the core: ADDs with their outcome, in order, and how many other changes are done; empties the list. */
void store_tell_done(struct store *, struct list *, bool is_commit) STORE;
/* Likewise, ADDs alone, while so many other changes count as done and are not yet. */
void store_tell_counted(struct store *, struct list *adds, uint64_t number, uint64_t bytes) STORE;

/* store_open.c */
bool store_open(struct store *) STORE; /* at start, waiting if it may; false: STOP came, or `trouble` says why */
/* At start, after an attempt to have it opened (or `what`) failed: says so and sleeps a while; false: STOP came, or it
 * may not wait for that. */
bool store_wait_at_start(struct store *, const char *what) STORE;
void store_say_started(const struct store *) STORE; /* if it had to wait */
bool store_reopen(struct store *) STORE;            /* one attempt, if it is closed */
void store_close(struct store *) STORE;
bool store_is_lost(const struct store *)
    STORE; /* another server has had it, or has it for so long that it is no mistake */

/* store_batch.c */
bool store_has_batch(const struct store *) STORE;
void store_gather(struct store *) STORE; /* a batch from what is pending */
bool store_commit(struct store *) STORE; /* false: to be tried again; the batch stays */
bool store_check(struct store *) STORE;  /* while there is no batch; false: as commit */
void store_drop_batch(struct store *) STORE;

/* store_full.c */
void store_drop_superfluous(struct store *) STORE; /* pending ADDs that are to be removed again */
void store_removes_first(struct store *) STORE;    /* in `pending`; then the dead, then ADDs */
void store_take_apart(struct store *) STORE;       /* the batch, which found no room; smaller ones from now on */
void store_shut_out(struct store *) STORE;         /* the batch, one BURY, and those that are no smaller */
void store_let_in(struct store *) STORE;           /* they are tried again */
void store_say_full(struct store *, size_t size) STORE;
void store_refuse_larger(struct store *) STORE;
void store_had_room(struct store *) STORE; /* for the batch */

/* store_once.c: all but the last change of each key go to `superfluous`.  Not in a batch: only those before a removal.
 */
void store_keep_last(struct store *, struct list *changes, struct list *superfluous, bool in_batch) STORE;
/* From `pending`, in order: BURYs, and the other changes of a job with the key of one, to `shut` when one of that key
 * is too large; else to `dead`, but for ADDs, which stay. */
void store_part_dead(struct store *, struct list *dead, struct list *shut) STORE;

/* store_replay.c: false: `trouble` says why. */
bool store_replay(struct store *) STORE;

#endif
