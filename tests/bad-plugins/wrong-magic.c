/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Its descriptor is that of something else.
 */
#include "good.h"

PLUGIN(0x12345678, 1, 0, SIZE, QUEUE, "wrong-magic", NULL, &good_ops);
