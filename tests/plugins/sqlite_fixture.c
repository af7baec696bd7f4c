/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A database in a folder of its own, and the SQLite module on it.
 *
 * Runs on:  the process of one test.
 * Owns:     see sqlite_fixture.h.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/plugins/sqlite_fixture.h"

/* ---- The queue ----------------------------------------------------------------------------- */

struct queue *
queue_new_in(const char *parent)
{
	struct queue *q = calloc(1, sizeof(*q));

	cr_assert_not_null(q);
	queue_init(q, "queue-sqlite.so");
	snprintf(q->dir, sizeof(q->dir), "%s/gearmand-sqlite.XXXXXX", parent);
	cr_assert_not_null(mkdtemp(q->dir), "%s", q->dir);
	snprintf(q->db, sizeof(q->db), "%s/queue.db", q->dir);
	fake_host_set(&q->host, "libsqlite3-db", q->db);
	fake_host_set(&q->host, "libsqlite3-busy-timeout", "50");
	return q;
}

struct queue *
queue_new(void)
{
	const char *parent = getenv("TMPDIR");

	return queue_new_in(parent == NULL ? "/tmp" : parent);
}

void
queue_free(struct queue **q)
{
	char command[256];

	queue_fini(*q);
	snprintf(command, sizeof(command), "rm -rf '%s'", (*q)->dir);
	cr_expect_eq(system(command), 0);
	free(*q);
	*q = NULL;
}

struct queue *
queue_opened(void)
{
	struct queue *q = queue_new();

	cr_assert(queue_open(q), "%s", q->err.text);
	return q;
}

/* ---- Files ----------------------------------------------------------------------------------- */

void
file_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

void
file_scribble(const char *path, long from, size_t len)
{
	FILE *f = fopen(path, "r+");
	struct gearmand_slice noise = slice_filled(len, 99);

	cr_assert(f != NULL && fseek(f, from, SEEK_SET) == 0);
	cr_assert_eq(fwrite(noise.data, 1, len, f), len);
	fclose(f);
}

/* ---- Another process ------------------------------------------------------------------------- */

static void
last_line_off(char *text)
{
	size_t n = strlen(text);

	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
}

const char *
queue_sql(struct queue *q, const char *sql)
{
	static char text[8192];
	int in[2], out[2], status;
	size_t at = 0;
	ssize_t n;
	pid_t pid;

	cr_assert(pipe(in) == 0 && pipe(out) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execlp("sqlite3", "sqlite3", "-bail", q->db, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	cr_assert(write(in[1], sql, strlen(sql)) > 0);
	close(in[1]);
	while ((n = read(out[0], text + at, sizeof(text) - 1 - at)) > 0)
		at += (size_t)n;
	text[at] = '\0';
	close(out[0]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0, "sqlite3: %s", sql);
	last_line_off(text);
	return text;
}

struct other
other_start(struct queue *q, const char *sql)
{
	struct other o;
	int in[2], out[2];
	char line[64] = "";

	cr_assert(pipe(in) == 0 && pipe(out) == 0);
	o.pid = fork();
	if (o.pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execlp("sqlite3", "sqlite3", "-bail", q->db, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	o.in = fdopen(in[1], "w");
	fprintf(o.in, "%s\n.print ready\n", sql);
	fflush(o.in);
	while (strstr(line, "ready\n") == NULL) { /* what a SELECT printed may come before */
		ssize_t n = read(out[0], line, sizeof(line) - 1);

		cr_assert(n > 0, "sqlite3 ended: %s", sql);
		line[n] = '\0';
	}
	close(out[0]);
	return o;
}

void
other_end(struct other *o)
{
	int status;

	fclose(o->in);
	cr_assert_eq(waitpid(o->pid, &status, 0), o->pid);
}
