/* SPDX-License-Identifier: BSD-3-Clause
 *
 * store.h - the store thread: group commit in front of a queue module.
 *
 * Runs on:  a thread of its own in every `-t`, since modules may block; only when a durable
 *           queue is chosen.  It alone calls the module.
 * Owns:     the module's store, and the batch in the works.
 *
 * Takes ADD and REMOVE, gives the module whatever has gathered as one ordered batch, and
 * sends each ADD back with its outcome.  While one commit runs the next batch gathers.
 */
#ifndef GEARMAND_IO_STORE_H
#define GEARMAND_IO_STORE_H

#include "cross/mbox.h"

#include <gearmand/plugin.h>

struct store;

struct store_config {
	const char *name; /* of the module, for messages */
	const struct gearmand_queue_ops *ops;
	const struct gearmand_host *host;
	size_t batch_max;     /* changes in one commit */
	nsec_t give_up_after; /* how long a shutdown waits for a store that is unwell; 0 = 10 s */
};

/* Creates its mailbox.  The module is not touched yet. */
struct store *store_new(const struct store_config *, struct mbox *proc, struct mbox *mgmt);
struct mbox  *store_mbox(struct store *);
/* Opens the module on the calling thread, before store_start(): start-up fails with a sentence. */
bool          store_open(struct store *, struct gearmand_error *);
bool          store_adds_at_shutdown(const struct store *);
/* Starts the thread: replays (REPLAYED ..., REPLAY_END to proc; STORE_READY or STORE_FAILED to mgmt; after
 * STORE_FAILED it ends), then commits until MSG_STOP.  That flushes what came before it (a store
 * that stays unwell is given up in the end), closes the module's store, and answers STORE_FLUSHED. */
void          store_start(struct store *);
void          store_join(struct store *);
void          store_free(struct store **); /* closes the module's store */

#endif
