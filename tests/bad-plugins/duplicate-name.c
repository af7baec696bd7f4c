/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Takes the name of the good module.
 */
#include "good.h"

PLUGIN(MAGIC, 1, 0, SIZE, QUEUE, "GOOD", NULL, &good_ops);
