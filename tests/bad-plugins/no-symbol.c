/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Exports another symbol than the one that is looked for.
 */
#include "good.h"

GEARMAND_EXPORT extern const struct gearmand_plugin gearmand_module;
const struct gearmand_plugin gearmand_module = { .magic = MAGIC, .name = "no-symbol", .queue = &good_ops };
