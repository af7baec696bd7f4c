/* SPDX-License-Identifier: BSD-3-Clause
 *
 * logfile.h - writes log lines: to a file or stderr, and to syslog, on a thread of its own.
 *
 * Runs on:  management thread; the writing on the log's thread, which alone waits for a disk, a pipe that nobody reads
 * or a syslog daemon that does not answer. Owns:     the open file and the lines that are not written yet.
 *
 * A line is `LEVEL YYYY-MM-DD hh:mm:ss.uuuuuu [  main ] text`, level right-aligned in 7 columns,
 * local time, cut behind 4095 bytes of text.  What cannot be written is dropped and counted.
 */
#ifndef GEARMAND_MGMT_LOGFILE_H
#define GEARMAND_MGMT_LOGFILE_H

#include <stdbool.h>

#include <gearmand/plugin.h>

struct logfile;
struct mbox;
struct msg;

/* `path` may be "stderr" or "none".  Opening does not wait: a FIFO need not have a reader yet.  `mgmt` hears LOG_LOST
 * when lines could not be written.  NULL: error says why. */
struct logfile *logfile_open(const char *path, bool syslog, struct mbox *mgmt, struct gearmand_error *);
/* Takes.  Waits until all is written, but no longer than two seconds: then false, and `mgmt` must stay.  NULL is fine.
 */
bool logfile_close(struct logfile **);
/* Takes a MSG_LOG.  False: too many lines wait already, and this one is dropped. */
bool logfile_add(struct logfile *, struct msg **);
/* Opens the file anew, after it was moved away; nothing for stderr and none.  False: error says why, and the
 * old one stays in use. */
bool logfile_reopen(struct logfile *, struct gearmand_error *);
bool logfile_is_stderr(const struct logfile *);

/* A sentence on stderr, unless nobody reads there and it is full. */
void stderr_say(const char *program, const char *sentence);

#endif
