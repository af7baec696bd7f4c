/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Calls a function that nobody has; it would load if symbols were bound lazily.
 */
#include "good.h"

void gearmand_function_of_nobody(void);

static void
bad_close(void **store)
{
	gearmand_function_of_nobody();
	*store = NULL;
}

static const struct gearmand_queue_ops ops = {
	.size = sizeof(ops),
	.open = good_open,
	.replay = good_replay,
	.commit = good_commit,
	.close = bad_close,
};
PLUGIN(MAGIC, 1, 0, SIZE, QUEUE, "undefined-symbol", NULL, &ops);
