/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Needs what only a later server has.
 */
#include "good.h"

PLUGIN(MAGIC, 1, 7, SIZE, QUEUE, "newer-minor", NULL, &good_ops);
