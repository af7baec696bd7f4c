/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A database in a folder of its own, the Tokyo Cabinet module on it, and gearmand 1.1 beside it.
 *
 * Runs on:  the process of one test.
 * Owns:     see tokyo_fixture.h.
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tcadb.h>
#include <tcutil.h>

#include "tests/plugins/tokyo_fixture.h"

struct queue *
queue_new(const char *name)
{
	const char *parent = getenv("TMPDIR");
	struct queue *q = calloc(1, sizeof(*q));

	cr_assert_not_null(q);
	queue_init(q, "queue-tokyo.so");
	snprintf(q->dir, sizeof(q->dir), "%s/gearmand-tokyo.XXXXXX", parent == NULL ? "/tmp" : parent);
	cr_assert_not_null(mkdtemp(q->dir), "%s", q->dir);
	snprintf(q->db, sizeof(q->db), "%.120s/%.30s", q->dir, name);
	fake_host_set(&q->host, "libtokyocabinet-file", q->db);
	return q;
}

struct queue *
queue_opened(const char *name)
{
	struct queue *q = queue_new(name);

	cr_assert(queue_open(q), "%s", q->err.text);
	return q;
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

const char *
queue_file(const struct queue *q, const char *suffix)
{
	char *path = keep(200);

	snprintf(path, 200, "%s%s", q->db, suffix);
	return path;
}

const char *
dead_file(const struct queue *q, const char *suffix)
{
	int len = (int)strlen(q->db) - 4;
	char *path = keep(200);

	snprintf(path, 200, "%.*s.dead%s%s", len, q->db, q->db + len, suffix);
	return path;
}

/* ---- gearmand 1.1 ------------------------------------------------------------------------------ */

static TCADB *
old_open(struct queue *q)
{
	TCADB *db = tcadbnew();

	cr_assert_null(q->store, "1.1 would wait for the lock");
	cr_assert(tcadbopen(db, q->db), "%s", q->db);
	return db;
}

static void
old_close(TCADB *db)
{
	cr_assert(tcadbclose(db));
	tcadbdel(db);
}

void
old_put_raw(struct queue *q, struct gearmand_slice key, struct gearmand_slice value)
{
	TCADB *db = old_open(q);

	cr_assert(tcadbput(db, key.data, (int)key.len, value.data, (int)value.len));
	cr_assert(tcadbsync(db));
	old_close(db);
}

void
old_put(struct queue *q, const char *function, const char *unique, const char *number, struct gearmand_slice data)
{
	TCXSTR *key = tcxstrnew(), *value = tcxstrnew();

	tcxstrcat2(key, function);
	tcxstrcat2(key, "-");
	tcxstrcat2(key, unique);
	tcxstrcat(value, function, (int)strlen(function) + 1);
	tcxstrcat(value, unique, (int)strlen(unique) + 1);
	tcxstrcat(value, number, (int)strlen(number) + 1);
	tcxstrcat(value, data.data, (int)data.len);
	old_put_raw(q, (struct gearmand_slice){ tcxstrptr(key), (size_t)tcxstrsize(key) },
	    (struct gearmand_slice){ tcxstrptr(value), (size_t)tcxstrsize(value) });
	tcxstrdel(key);
	tcxstrdel(value);
}

/* The parts of a value as 1.1 takes them. */
static void
old_describe(const char *value, size_t size, TCXSTR *line)
{
	const char *unique = value + strlen(value) + 1, *number = unique + strlen(unique) + 1;
	char *data;
	int64_t when = (int64_t)strtoul(number + 1, &data, 10);

	data++;
	tcxstrprintf(line, "%s/%s/%c/%lld=", value, unique, *number, (long long)when);
	for (; data < value + size; data++)
		tcxstrprintf(line, isprint((unsigned char)*data) ? "%c" : "\\%02x", (unsigned char)*data);
}

const char *
old_seen(struct queue *q)
{
	TCADB *db = old_open(q);
	TCLIST *lines = tclistnew();
	TCXSTR *all = tcxstrnew();
	char *key, *kept;
	int size;

	cr_assert(tcadbiterinit(db));
	while ((key = tcadbiternext(db, &size)) != NULL) {
		TCXSTR *line = tcxstrnew();
		char *value = tcadbget(db, key, size, &size);

		cr_assert_not_null(value);
		old_describe(value, (size_t)size, line);
		tclistpush2(lines, tcxstrptr(line));
		tcxstrdel(line);
		free(value);
		free(key);
	}
	tclistsort(lines);
	for (int i = 0; i < tclistnum(lines); i++)
		tcxstrprintf(all, i == 0 ? "%s" : " %s", tclistval2(lines, i));
	kept = keep((size_t)tcxstrsize(all));
	memcpy(kept, tcxstrptr(all), (size_t)tcxstrsize(all) + 1);
	tclistdel(lines);
	tcxstrdel(all);
	old_close(db);
	return kept;
}

bool
old_remove(struct queue *q, const char *function, const char *unique)
{
	TCADB *db = old_open(q);
	char key[400];
	bool found;

	snprintf(key, sizeof(key), "%s-%s", function, unique);
	found = tcadbout(db, key, (int)strlen(key));
	old_close(db);
	return found;
}

long
old_count(struct queue *q)
{
	TCADB *db = old_open(q);
	long count = (long)tcadbrnum(db);

	old_close(db);
	return count;
}

/* ---- Files --------------------------------------------------------------------------------------- */

long
file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

struct gearmand_slice
file_read(const char *path)
{
	long size = file_size(path);
	FILE *f = fopen(path, "r");
	char *bytes = keep((size_t)size);

	cr_assert_not_null(f, "%s", path);
	cr_assert_eq(fread(bytes, 1, (size_t)size, f), (size_t)size);
	fclose(f);
	return (struct gearmand_slice){ bytes, (size_t)size };
}

void
file_put(const char *path, struct gearmand_slice bytes)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f, "%s", path);
	cr_assert_eq(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
	fclose(f);
}

/* ---- Children ---------------------------------------------------------------------------------------- */

pid_t
start_child(struct queue *q, void (*f)(struct queue *))
{
	int pipes[2];
	char c;
	pid_t pid;

	cr_assert_eq(pipe(pipes), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		f(q);
		if (write(pipes[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(pipes[1]);
	cr_assert_eq(read(pipes[0], &c, 1), 1, "the child failed");
	close(pipes[0]);
	return pid;
}

void
kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

void
limit_files(rlim_t most)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN); /* as the server does */
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = most;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}
