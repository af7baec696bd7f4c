/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Needs a library that is gone when the server loads it.
 */
#include "good.h"

void gone(void);

static void
bad_close(void **store)
{
	gone();
	*store = NULL;
}

static const struct gearmand_queue_ops ops = {
	.size = sizeof(ops),
	.open = good_open,
	.replay = good_replay,
	.commit = good_commit,
	.close = bad_close,
};
PLUGIN(MAGIC, 1, 0, SIZE, QUEUE, "missing-library", NULL, &ops);
