/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Built for an interface from before the first.
 */
#include "good.h"

PLUGIN(MAGIC, 0, 9, SIZE, QUEUE, "older-major", NULL, &good_ops);
