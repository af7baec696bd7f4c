/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store of the failing queue: the SDK's example, whole, but for its descriptor, which must not be exported here.
 *
 * Runs on:  see the example.
 * Owns:     see the example.
 */
#include <gearmand/plugin.h>

#undef GEARMAND_EXPORT
#define GEARMAND_EXPORT __attribute__((visibility("hidden")))
#undef GEARMAND_PLUGIN_SYMBOL
#define GEARMAND_PLUGIN_SYMBOL inner_plugin

#include "queue_journal.c"

#include "queue_fail.h"

const struct gearmand_queue_ops *const inner_ops = &journal_ops;

void
inner_unlock(void *inner)
{
	struct journal *j = inner;

	flock(j->fd, LOCK_UN);
}
