/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes log lines: to a file or stderr, and to syslog.
 *
 * Runs on:  management thread, and the log's thread from run_log() on.
 * Owns:     the open file and the lines that are not written yet: the log's thread.
 *
 * The log must not stop the server.  So a thread of its own waits for the write, since stderr may be shared with other
 * processes, which would not like to find it non-blocking.  Behind it wait a bounded number of lines.
 */
#include "mgmt/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cross/mbox.h"
#include "cross/msg.h"
#include "mgmt/fail.h"
#include "mgmt/signals.h"

enum {
	FLUSH_AT = 64 * 1024, /* gathered bytes that are written at once */
	TEXT_MAX = 4095,      /* of a line */
	LONG_LINE = 512,
	LONG_LINES_WAITING = 4096, /* before a long one is dropped ... */
	LINES_WAITING = 65536,     /* ... and any */
	PATIENCE_S = 2,            /* at the end */
	STDERR_PATIENCE_MS = 1000
};

struct logfile {
	char *path; /* NULL when there is nothing to open: stderr or none */
	bool is_stderr;
	pthread_t thread;
	struct waker *waker;
	struct mbox *in;
	struct mbox *mgmt;
	/* The log's thread. */
	int fd; /* -1 = none */
	bool syslog;
	int64_t second;     /* what `stamp` says, in seconds since 1970 */
	char stamp[24];     /* "YYYY-MM-DD hh:mm:ss" */
	struct buf lines;   /* to be written next ... */
	uint64_t gathered;  /* ... and how many they are */
	uint64_t unwritten; /* lines that a write failed for, and no line says so yet */
	bool stopped;
};

/* ---- The log's thread ------------------------------------------------------------------- */

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

static void
gather(struct logfile *l, enum gearmand_level level, int64_t wall, const char *thread, struct slice text)
{
	char head[80];
	int n;

	set_stamp(l, wall / A_SECOND);
	n = snprintf(head, sizeof head, "%7s %s.%06d [%6s ] ", level_name(level), l->stamp,
	    (int)(wall % A_SECOND / 1000), thread);
	buf_add(&l->lines, head, (size_t)n);
	/* A line stays a line, whatever a peer put into it. */
	buf_add_escaped(&l->lines, text);
	buf_add_char(&l->lines, '\n');
	l->gathered++;
}

static void
count_unwritten(struct logfile *l)
{
	struct msg_text *t = msg_text_new(MSG_LOG_LOST, slice_str(""));
	struct msg *m = &t->msg;

	t->number = l->gathered;
	l->unwritten += l->gathered;
	mbox_post(l->mgmt, &m);
}

/* What a full disk does not take is gone. */
static void
flush_lines(struct logfile *l)
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
	if (done < l->lines.len)
		count_unwritten(l);
	buf_fini(&l->lines);
	l->gathered = 0;
}

static void
say_unwritten(struct logfile *l)
{
	char text[80];
	int n = snprintf(
	    text, sizeof text, "%llu log lines before this one could not be written", (unsigned long long)l->unwritten);

	l->unwritten = 0;
	gather(l, GEARMAND_LOG_WARNING, clock_wall(), "log", slice_of(text, (size_t)n));
}

static void
take_line(struct logfile *l, const struct msg_log *line)
{
	struct slice text = slice_str(line->text);

	if (text.len > TEXT_MAX)
		text.len = TEXT_MAX;
	if (l->syslog)
		syslog((int)line->level, "[%6s ] %.*s", line->thread, (int)text.len, text.data);
	if (l->fd < 0)
		return;
	if (l->unwritten > 0)
		say_unwritten(l);
	gather(l, line->level, line->wall, line->thread, text);
	if (l->lines.len >= FLUSH_AT)
		flush_lines(l);
}

static void
take_file(struct logfile *l, int fd)
{
	flush_lines(l);
	if (l->fd > STDERR_FILENO)
		close(l->fd);
	l->fd = fd;
}

static void *
run_log(void *arg)
{
	struct logfile *l = arg;
	struct list batch, *node;

	pthread_setname_np(pthread_self(), "gm-log");
	waker_bind(l->waker);
	list_init(&batch);
	while (!l->stopped) {
		if (!mbox_take(l->in, &batch))
			waker_sleep(l->waker, NEVER);
		while ((node = list_pop(&batch)) != NULL) {
			struct msg *m = MSG(node);

			if (m->kind == MSG_LOG)
				take_line(l, MSG_AS(msg_log, m));
			else if (m->kind == MSG_LOG_FILE)
				take_file(l, (int)MSG_AS(msg_text, m)->number);
			else
				l->stopped = true;
			msg_free(&m);
		}
		flush_lines(l);
	}
	waker_release(l->waker);
	msg_free_spares();
	return NULL;
}

/* ---- Management ------------------------------------------------------------------------- */

/* Nothing here waits for whoever reads: a FIFO is opened for both, so that readers may come and go. */
static int
open_path(const char *path)
{
	struct stat st;
	bool is_fifo = stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
	int fd =
	    open(path, (is_fifo ? O_RDWR : O_WRONLY) | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);

	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

static bool
start_thread(struct logfile *l, struct gearmand_error *err)
{
	sigset_t before;
	int failed;

	l->waker = waker_new(false);
	l->in = mbox_new(l->waker);
	signals_block(&before);
	failed = pthread_create(&l->thread, NULL, run_log, l);
	signals_restore(&before);
	return failed == 0 || error_fail(err, "cannot start the thread of the log: %s", strerror(failed));
}

static void
logfile_free(struct logfile *l)
{
	if (l->fd > STDERR_FILENO)
		close(l->fd);
	if (l->syslog)
		closelog();
	mbox_free(&l->in);
	waker_free(&l->waker);
	buf_fini(&l->lines);
	mem_free(l->path);
	mem_free(l);
}

struct logfile *
logfile_open(const char *path, bool use_syslog, struct mbox *mgmt, struct gearmand_error *err)
{
	struct logfile *l = mem_new(sizeof *l);
	bool opened = true;

	l->fd = -1;
	l->second = -1;
	l->syslog = use_syslog;
	l->mgmt = mgmt;
	if (strcmp(path, "stderr") == 0) {
		l->fd = STDERR_FILENO;
		l->is_stderr = true;
	} else if (strcmp(path, "none") != 0) {
		l->path = mem_dup(path, strlen(path));
		l->fd = open_path(path);
		opened = l->fd >= 0 || error_fail(err, "Could not open log file \"%s\" (%s)", path, strerror(errno));
	}
	if (use_syslog)
		openlog("gearmand", LOG_PID, LOG_USER);
	if (opened && start_thread(l, err))
		return l;
	logfile_free(l);
	return NULL;
}

bool
logfile_close(struct logfile **l_r)
{
	struct logfile *l = *l_r;
	struct timespec until;
	struct msg *m;

	*l_r = NULL;
	if (l == NULL)
		return true;
	m = msg_new(MSG_STOP, 0);
	mbox_post(l->in, &m);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	/* Else its thread is inside a write() for good, and keeps what it uses. */
	if (pthread_timedjoin_np(l->thread, NULL, &until) != 0)
		return false;
	logfile_free(l);
	return true;
}

bool
logfile_add(struct logfile *l, struct msg **m)
{
	struct msg_log *line = MSG_AS(msg_log, *m);

	if (line->wall == 0)
		line->wall = clock_wall();
	if (mbox_try_post(l->in, m, strlen(line->text) > LONG_LINE ? LONG_LINES_WAITING : LINES_WAITING))
		return true;
	msg_free(m);
	return false;
}

bool
logfile_reopen(struct logfile *l, struct gearmand_error *err)
{
	struct msg_text *t;
	struct msg *m;
	int fd;

	if (l->path == NULL)
		return true;
	if ((fd = open_path(l->path)) < 0)
		return error_fail(err, "Could not open log file \"%s\" again (%s)", l->path, strerror(errno));
	t = msg_text_new(MSG_LOG_FILE, slice_str(""));
	t->number = (uint64_t)fd;
	m = &t->msg;
	mbox_post(l->in, &m);
	return true;
}

bool
logfile_is_stderr(const struct logfile *l)
{
	return l->is_stderr;
}

void
stderr_say(const char *program, const char *sentence)
{
	struct pollfd stream = { .fd = STDERR_FILENO, .events = POLLOUT };

	/* A pipe that takes anything takes a sentence. */
	if (poll(&stream, 1, STDERR_PATIENCE_MS) == 1)
		dprintf(STDERR_FILENO, "%s: %s\n", program, sentence);
}
