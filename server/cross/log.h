/* SPDX-License-Identifier: BSD-3-Clause
 *
 * log.h - log lines on their way to the management thread, which alone writes them.
 *
 * Runs on:  any thread but the processing thread, which may not format (it sends
 *           ready text with log_post_text()).
 */
#ifndef GEARMAND_CROSS_LOG_H
#define GEARMAND_CROSS_LOG_H

#include <stdbool.h>

#include "base/slice.h"
#include "wire/level.h"

struct mbox;

/* Before any other thread starts.  Until then, and when `box` is NULL, lines go to stderr. */
void log_start(struct mbox *box, enum gearmand_level worst_logged);
bool log_wants(enum gearmand_level);
void log_thread(const char *name); /* at most 7 bytes: "main", "proc", "store", "1"; per thread */
void log_post(enum gearmand_level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_post_text(enum gearmand_level, struct slice text);

#endif
