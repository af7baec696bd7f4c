/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Is of no kind that there is.
 */
#include "good.h"

PLUGIN(MAGIC, 1, 0, SIZE, 9, "unknown-kind", NULL, &good_ops);
