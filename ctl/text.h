/* SPDX-License-Identifier: BSD-3-Clause
 *
 * text.h - bytes of a server made fit for a terminal.  Needs the locale that main() sets.
 */
#ifndef GEARMANCTL_TEXT_H
#define GEARMANCTL_TEXT_H

#include <stdbool.h>

#include "base/buf.h"

/* Adds the text with \xHH for every byte that the terminal would not print.  `lines`: tabs and ends of lines stay.
 * Returns how many columns of the terminal it takes. */
unsigned text_add_shown(struct buf *, struct slice, bool lines);

#endif
