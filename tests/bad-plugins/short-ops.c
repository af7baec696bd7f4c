/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Its operations end before those of 1.0 do.
 */
#include "good.h"

static const struct gearmand_queue_ops ops = { .size = 16, .open = good_open };
PLUGIN(MAGIC, 1, 0, SIZE, QUEUE, "short-ops", NULL, &ops);
