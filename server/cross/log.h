/* SPDX-License-Identifier: BSD-3-Clause
 *
 * log.h - log lines on their way to the management thread, which alone writes them.
 *
 * Runs on:  any thread but the processing thread, which may not format (it sends
 *           MSG_LOG with ready text).
 *
 * Texts that a peer chose go through buf_add_escaped() first.  A line is cut at 4095 bytes.
 */
#ifndef GEARMAND_CROSS_LOG_H
#define GEARMAND_CROSS_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "wire/level.h"

struct mbox;

/* Before any other thread starts.  Until then, and when `box` is NULL, lines go to stderr. */
void log_start(struct mbox *box, enum gearmand_level worst_logged);
bool log_wants(enum gearmand_level);
void log_thread(const char *name); /* at most 7 bytes: "main", "proc", "store", "1"; per thread */
void log_post(enum gearmand_level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_post_va(enum gearmand_level, const char *format, va_list) __attribute__((format(printf, 2, 0)));
void log_post_text(enum gearmand_level, struct slice text);
/* Lines are dropped while 10,000 wait to be written; a later line says how many.  Returns and
 * forgets how many this thread has dropped. */
uint64_t log_lost(void);

#endif
