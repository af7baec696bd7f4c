/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Log lines become messages to the management thread, so that no thread waits for a disk
 * or a terminal.
 *
 * Runs on:  any thread; where lines go is set before the other threads start.
 * Owns:     nothing but the thread's name and what it had to drop.
 */
#include "cross/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cross/mbox.h"
#include "cross/msg.h"

enum { LINE_MAX_BYTES = 4096, LINES_WAITING_MAX = 10000 };

static struct mbox *log_box;
static enum gearmand_level log_worst = GEARMAND_LOG_WARNING;
static _Thread_local char log_name[8] = "main";
static _Thread_local uint64_t log_dropped; /* since it was last asked */
static _Thread_local uint64_t log_unsaid;  /* dropped, and no line says so yet */

void
log_start(struct mbox *box, enum gearmand_level worst_logged)
{
	log_box = box;
	log_worst = worst_logged;
}

bool
log_wants(enum gearmand_level level)
{
	return level <= log_worst;
}

void
log_thread(const char *name)
{
	snprintf(log_name, sizeof log_name, "%s", name);
}

uint64_t
log_lost(void)
{
	uint64_t n = log_dropped;

	log_dropped = 0;
	return n;
}

static void
log_stderr(enum gearmand_level level, struct slice text)
{
	fprintf(stderr, "gearmand: %s: %.*s\n", level_name(level), (int)text.len, text.data);
}

static bool
log_send(enum gearmand_level level, struct slice text)
{
	struct msg_log *line = msg_new_sized(MSG_LOG, 0, sizeof *line + text.len + 1);
	struct msg *m = &line->msg;

	line->level = level;
	line->wall = clock_wall();
	memcpy(line->thread, log_name, sizeof line->thread);
	if (text.len > 0)
		memcpy(line->text, text.data, text.len);
	if (mbox_try_post(log_box, &m, LINES_WAITING_MAX))
		return true;
	msg_free(&m);
	return false;
}

static void
log_say_lost(void)
{
	char text[80];
	int n = snprintf(text, sizeof text, "%llu log lines were dropped: the log could not keep up",
	    (unsigned long long)log_unsaid);

	if (log_send(GEARMAND_LOG_WARNING, slice_of(text, (size_t)n)))
		log_unsaid = 0;
}

void
log_post_text(enum gearmand_level level, struct slice text)
{
	if (!log_wants(level))
		return;
	if (text.len >= LINE_MAX_BYTES)
		text.len = LINE_MAX_BYTES - 1;
	if (log_box == NULL) {
		log_stderr(level, text);
		return;
	}
	if (log_unsaid > 0)
		log_say_lost();
	if (!log_send(level, text)) {
		log_dropped++;
		log_unsaid++;
	}
}

void
log_post_va(enum gearmand_level level, const char *format, va_list args)
{
	char text[LINE_MAX_BYTES];
	int n;

	if (!log_wants(level))
		return;
	n = vsnprintf(text, sizeof text, format, args);
	if (n < 0)
		return;
	log_post_text(level, slice_of(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1));
}

void
log_post(enum gearmand_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_post_va(level, format, args);
	va_end(args);
}
