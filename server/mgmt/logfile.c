/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes log lines: to a file or stderr, and to syslog.
 *
 * Runs on:  management thread; other threads send their lines here.
 * Owns:     the open file and the lines that are not written yet.
 *
 * What cannot be written (a full disk, say) is dropped: the log must not stop the server.
 */
#include "mgmt/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cross/mbox.h"
#include "mgmt/fail.h"

#define SECOND INT64_C(1000000000)

enum { FLUSH_AT = 64 * 1024 }; /* gathered bytes that are written at once */

struct logfile {
	char *path; /* NULL when there is nothing to open: stderr or none */
	int fd;     /* -1 = none */
	bool syslog;
	int64_t second; /* what `stamp` says, in seconds since 1970 */
	char stamp[24]; /* "YYYY-MM-DD hh:mm:ss" */
	struct buf lines;
};

static int
open_path(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
}

struct logfile *
logfile_open(const char *path, bool use_syslog)
{
	struct logfile *l = mem_new(sizeof *l);

	l->fd = -1;
	l->second = -1;
	l->syslog = use_syslog;
	if (strcmp(path, "stderr") == 0) {
		l->fd = STDERR_FILENO;
	} else if (strcmp(path, "none") != 0) {
		l->path = mem_dup(path, strlen(path));
		if ((l->fd = open_path(path)) < 0) {
			dprintf(STDERR_FILENO,
			    "gearmand: Could not open log file \"%s\" (%s), logging to stderr instead\n", path,
			    strerror(errno));
			l->fd = STDERR_FILENO;
		}
	}
	if (use_syslog)
		openlog("gearmand", LOG_PID, LOG_USER);
	return l;
}

void
logfile_close(struct logfile **l_r)
{
	struct logfile *l = *l_r;

	*l_r = NULL;
	if (l == NULL)
		return;
	logfile_flush(l);
	if (l->fd > STDERR_FILENO)
		close(l->fd);
	if (l->syslog)
		closelog();
	buf_fini(&l->lines);
	mem_free(l->path);
	mem_free(l);
}

/* A time zone is looked up once per second at most. */
static void
set_stamp(struct logfile *l, int64_t second)
{
	time_t t = (time_t)second;
	struct tm tm;

	if (l->second == second)
		return;
	l->second = second;
	if (localtime_r(&t, &tm) == NULL || strftime(l->stamp, sizeof l->stamp, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		memcpy(l->stamp, "0000-00-00 00:00:00", sizeof "0000-00-00 00:00:00");
}

void
logfile_add(struct logfile *l, const struct msg_log *line)
{
	int64_t wall = line->wall != 0 ? line->wall : clock_wall();
	char head[80];
	int n;

	if (l->syslog)
		syslog((int)line->level, "[%6s ] %s", line->thread, line->text);
	if (l->fd < 0)
		return;
	set_stamp(l, wall / SECOND);
	n = snprintf(head, sizeof head, "%7s %s.%06d [%6s ] ", level_name(line->level), l->stamp,
	    (int)(wall % SECOND / 1000), line->thread);
	buf_add(&l->lines, head, (size_t)n);
	/* A line stays a line, whatever a peer put into it. */
	buf_add_escaped(&l->lines, slice_str(line->text));
	buf_add_char(&l->lines, '\n');
	if (l->lines.len >= FLUSH_AT)
		logfile_flush(l);
}

void
logfile_flush(struct logfile *l)
{
	size_t done = 0;

	while (done < l->lines.len) {
		ssize_t n = write(l->fd, l->lines.data + done, l->lines.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	buf_fini(&l->lines);
}

bool
logfile_reopen(struct logfile *l, struct gearmand_error *err)
{
	int fd;

	if (l->path == NULL)
		return true;
	logfile_flush(l);
	if ((fd = open_path(l->path)) < 0)
		return fail(err, "Could not open log file \"%s\" again (%s)", l->path, strerror(errno));
	if (l->fd > STDERR_FILENO)
		close(l->fd);
	l->fd = fd;
	return true;
}

bool
logfile_is_stderr(const struct logfile *l)
{
	return l->fd == STDERR_FILENO;
}
