/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Says that it is a protocol and has the operations of a queue.
 */
#include "good.h"

PLUGIN(MAGIC, 1, 0, SIZE, GEARMAND_KIND_PROTOCOL, "wrong-kind", NULL, &good_ops);
