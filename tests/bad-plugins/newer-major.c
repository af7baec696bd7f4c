/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Built for an interface that is to come.
 */
#include "good.h"

PLUGIN(MAGIC, 3, 2, SIZE, QUEUE, "newer-major", NULL, &good_ops);
