/* SPDX-License-Identifier: BSD-3-Clause
 *
 * store_priv.h - the insides that store.c, store_batch.c and store_replay.c share.
 *
 * Runs on:  store thread.
 * Owns:     the module's store, the batch in the works, what was taken and is in no batch yet.
 */
#ifndef GEARMAND_IO_STORE_PRIV_H
#define GEARMAND_IO_STORE_PRIV_H

#include <pthread.h>

#include "base/role.h"
#include "cross/msg.h"
#include "io/store.h"

#define STORE RUNS_ON(store_role)

struct store {
	struct store_config config;
	struct mbox *proc, *mgmt;
	struct waker *waker;
	struct mbox *in;
	pthread_t thread;
	bool has_thread;

	void *module;                     /* the module's store; NULL while it is closed */
	struct list pending;              /* ADD, REMOVE, in order, not in the batch */
	struct list batch;                /* the same, of the batch */
	struct gearmand_change *changes;  /* one for each of `batch` */
	size_t count, cap;
	nsec_t give_up_at;                /* NEVER until MSG_STOP */
	nsec_t retry_at, back_off;        /* while it is unwell */
	bool stopping;                    /* MSG_STOP came; what comes behind it is not taken */
	bool unwell;
	struct gearmand_error trouble;    /* the last thing that went wrong */
};

/* store.c: moves what was posted to `pending`, and notices MSG_STOP. */
void store_take(struct store *) STORE;

/* store_batch.c */
bool store_has_batch(const struct store *) STORE;
void store_gather(struct store *) STORE;           /* a batch from what is pending */
bool store_commit(struct store *) STORE;           /* false: to be tried again; the batch stays */
void store_drop_batch(struct store *) STORE;

/* store_replay.c: false: `trouble` says why. */
bool store_replay(struct store *) STORE;

#endif
