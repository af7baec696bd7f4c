/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Its descriptor ends before the fields of 1.0 do.
 */
#include "good.h"

PLUGIN(MAGIC, 1, 0, 32, QUEUE, "short-size", NULL, &good_ops);
