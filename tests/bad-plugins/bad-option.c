/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Its option table is wrong in one way, which the test chooses with -DROWS.
 */
#include "good.h"

static const char *const same[] MAYBE_UNUSED = { "bad-depth", NULL };

static const struct gearmand_option options[] = { ROWS, { 0 } };
PLUGIN(MAGIC, 1, 0, SIZE, QUEUE, "bad-option", options, &good_ops);
