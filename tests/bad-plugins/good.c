/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The module that must be accepted.
 */
#include "good.h"

GEARMAND_QUEUE_PLUGIN("good", NULL, "1.0", "forgets everything", NULL, &good_ops);
