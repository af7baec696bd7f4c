/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Exports a number under the name of the descriptor.
 */
#include "good.h"

GEARMAND_EXPORT extern const int gearmand_plugin;
const int gearmand_plugin = 1;
