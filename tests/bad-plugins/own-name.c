/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Takes a name of the server's own.
 */
#include "good.h"

PLUGIN(MAGIC, 1, 0, SIZE, QUEUE, "builtin", NULL, &good_ops);
