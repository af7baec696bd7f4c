/* SPDX-License-Identifier: BSD-3-Clause
 *
 * scene_priv.h - the stage, for the files that make it: scene.c (the core and time), scene_talk.c (peers) and
 * scene_store.c.
 *
 * Runs on:  the test's thread.
 */
#ifndef GEARMAND_TESTS_SCENE_PRIV_H
#define GEARMAND_TESTS_SCENE_PRIV_H

#include "cross/msg.h"
#include "tests/scene/scene.h"

struct scene {
	struct proc *proc;
	struct instant now;
	struct outbox out;
	struct list said;                /* to peers, in order */
	struct list changes;             /* to the store, not looked at */
	uint64_t removed, removed_bytes; /* changes but ADDs that were looked at, and are not committed ... */
	struct list done;                /* ... these */
	struct list adding;              /* ADDs on their way back */
	struct list batch;               /* what comes in one turn, while it is gathered */
	bool gathers;
	const struct service *service; /* of the next peer */
	int peers;
	uint64_t tag;
};

#endif
