/* SPDX-License-Identifier: BSD-3-Clause
 *
 * store.h - the store thread: group commit in front of a queue module.
 *
 * Runs on:  a thread of its own in every `-t`, since modules may block; only when a durable
 *           queue is chosen.  It alone calls the module.
 * Owns:     the module's store, and the batch in the works.
 *
 * Takes changes, gives the module whatever has gathered as one ordered batch, and
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
	bool wait;            /* at start for one that is down */
	bool standby;         /* at start also for one that another server has */
	nsec_t give_up_after; /* how long a shutdown waits for a store that is unwell; 0 = 10 s */
	nsec_t check_every;   /* how often a store with nothing to do is looked at; 0 = 2 s */
	nsec_t full_for;      /* how long want of room is believed in when nothing was removed; 0 = 10 s */
	nsec_t lost_after;    /* how long another server may have it, after it broke, before it is lost; 0 = 3 s */
};

/* Creates its mailbox.  The module is not touched yet. */
struct store *store_new(const struct store_config *, struct mbox *proc, struct mbox *mgmt);
struct mbox *store_mbox(struct store *);
/* Starts the thread.  All that follows it tells management, and with STORE_FAILED it ends.
 *   It opens the module: STORE_OPEN or STORE_FAILED; STORE_WAITING at each change of what it waits for.
 *   On MSG_REPLAY: REPLAYED ..., REPLAY_END to proc; STORE_READY or STORE_FAILED.
 *   Then it commits.  When another server has taken the store over: STORE_FAILED.
 *   On MSG_STOP, at any time: flushes what came before it (a store that stays unwell is given up in the
 *   end), closes the module's store, STORE_FLUSHED; it ends. */
void store_start(struct store *);
unsigned store_ways(const struct store *); /* enum store_ways; once it is open */
void store_join(struct store *);
void store_free(struct store **); /* closes the module's store */

#endif
