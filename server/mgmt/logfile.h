/* SPDX-License-Identifier: BSD-3-Clause
 *
 * logfile.h - writes log lines: to a file or stderr, and to syslog.
 *
 * Runs on:  management thread.
 * Owns:     the open file and the lines that are not written yet.
 *
 * A line is `LEVEL YYYY-MM-DD hh:mm:ss.uuuuuu [  main ] text`, level right-aligned in 7 columns,
 * local time.  Lines are gathered and go out with one write per logfile_flush().
 */
#ifndef GEARMAND_MGMT_LOGFILE_H
#define GEARMAND_MGMT_LOGFILE_H

#include <stdbool.h>

#include "cross/msg.h"

struct logfile;

/* `path` may be "stderr" or "none".  A file that cannot be opened is said on stderr, which then takes its place. */
struct logfile *logfile_open(const char *path, bool syslog);
void logfile_close(struct logfile **); /* takes; flushes; NULL is fine */
void logfile_add(struct logfile *, const struct msg_log *);
void logfile_flush(struct logfile *);
/* Opens the file anew, after it was moved away; nothing for stderr and none.  False: error says why, and the
 * old one stays in use. */
bool logfile_reopen(struct logfile *, struct gearmand_error *);
bool logfile_is_stderr(const struct logfile *); /* asked for, or fallen back to */

#endif
