/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cannot commit.
 */
#include "good.h"

static const struct gearmand_queue_ops ops = {
	.size = sizeof(ops),
	.open = good_open,
	.replay = good_replay,
	.close = good_close,
};
PLUGIN(MAGIC, 1, 0, SIZE, QUEUE, "missing-op", NULL, &ops);
