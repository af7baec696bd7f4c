/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Its name cannot be typed after -q.
 */
#include "good.h"

PLUGIN(MAGIC, 1, 0, SIZE, QUEUE, "bad name", NULL, &good_ops);
