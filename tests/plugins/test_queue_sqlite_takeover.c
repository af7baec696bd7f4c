/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tables of gearmand 1.1 are taken over as they are, and given back in a state that 1.1 can use.
 *
 * Runs on:  one process per test.
 * Owns:     a folder per test; a gearmand 1.1 where one is installed.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/plugins/sqlite_fixture.h"

#define TABLE_OF_1_1 \
	"CREATE TABLE gearman_queue ( unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB, " \
	"when_to_run INTEGER, PRIMARY KEY (unique_key, function_name));"

static void
expect_open_and_replay(struct queue *q)
{
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert(queue_replay(q), "%s", q->err.text);
}

/* ---- Rows as they may be ------------------------------------------------------------------ */

Test(sqlite_takeover, the_first_tables_had_no_when_to_run)
{
	struct queue *q = queue_new();

	queue_sql(q, "CREATE TABLE gearman_queue (unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB, "
		     "PRIMARY KEY (unique_key, function_name)); INSERT INTO gearman_queue VALUES ('u', 'f', 0, x'31')");
	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), "f/u=1");
	cr_expect_eq(q->seen[0].priority, GEARMAND_HIGH);
	cr_expect_eq(q->seen[0].run_at, 0);
	queue_free(&q);
}

Test(sqlite_takeover, nothing_is_an_empty_payload_and_no_time)
{
	struct queue *q = queue_new();

	queue_sql(q, TABLE_OF_1_1 "INSERT INTO gearman_queue VALUES ('u', 'f', NULL, NULL, NULL)");
	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), "f/u=");
	cr_expect_eq(q->seen[0].priority, GEARMAND_NORMAL);
	cr_expect_eq(q->seen[0].run_at, 0);
	cr_expect_eq(q->seen[0].flags, 0);
	cr_expect_eq(q->seen[0].handle.len, 0);
	cr_expect_eq(q->seen[0].reducer.len, 0);
	queue_free(&q);
}

Test(sqlite_takeover, types_may_be_others)
{
	struct queue *q = queue_new();

	queue_sql(q, "CREATE TABLE gearman_queue (unique_key, function_name, priority, data, when_to_run, "
		     "PRIMARY KEY (unique_key, function_name));"
		     "INSERT INTO gearman_queue VALUES ('u', 'f', '2', 'text', '4000000000'), (17, 2.5, 0.0, 12, -5), "
		     "('v', 'f', 'high', 1.5, 'soon'), ('w', 'f', 7, '', ''), ('x', 'f', -1, '', 0)");
	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), "f/u=text 2.5/17=12 f/v=1.5 f/w= f/x=");
	cr_expect_eq(q->seen[0].priority, GEARMAND_LOW);
	cr_expect_eq(q->seen[0].run_at, 4000000000);
	cr_expect_eq(q->seen[1].priority, GEARMAND_HIGH);
	cr_expect_eq(q->seen[1].run_at, 0);
	cr_expect_eq(q->seen[2].priority, GEARMAND_NORMAL);
	cr_expect_eq(q->seen[2].run_at, 0);
	cr_expect_eq(q->seen[3].priority, GEARMAND_NORMAL);
	cr_expect_eq(q->seen[4].priority, GEARMAND_NORMAL);
	queue_free(&q);
}

/* Every replayed job can be removed by the key that replay gave, whatever its row was like. */
static void
expect_removable(struct queue *q)
{
	for (size_t i = 0; i < q->seen_count; i++) {
		struct gearmand_change c = a_remove(q->seen[i].function, q->seen[i].unique);

		cr_assert_eq(queue_commit(q, &c, 1), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	}
	cr_expect_str_eq(queue_content(q), "");
}

Test(sqlite_takeover, keys_of_other_types_become_keys)
{
	struct queue *q = queue_new();

	queue_sql(q, "CREATE TABLE gearman_queue (unique_key, function_name, priority, data, when_to_run, "
		     "PRIMARY KEY (unique_key, function_name));"
		     "INSERT INTO gearman_queue VALUES (x'7531', 'f', 1, 'blob', 0), ('u2', x'66', 1, 'function', 0), "
		     "(12, 'f', 1, 'number', 0), ('u4' || char(0), 'f', 1, 'nul', 0)");
	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), "f/u1=blob f/u2=function f/12=number f/u4=nul");
	cr_expect_str_eq(queue_content(q), "f/u1=blob f/u2=function f/12=number f/u4=nul", "and stay so");
	expect_removable(q);
	queue_free(&q);
}

Test(sqlite_takeover, a_job_without_a_unique_gets_a_key_of_its_own)
{
	struct queue *q = queue_new();

	queue_sql(q, TABLE_OF_1_1 "INSERT INTO gearman_queue VALUES ('', 'f', 1, 'empty', 0), "
				  "(NULL, 'f', 1, 'null', 0), (NULL, 'f', 1, 'null', 0), ('-', 'f', 1, 'dash', 0)");
	queue_sql(q, "INSERT INTO gearman_queue VALUES (hex(zeroblob(40)), 'f', 1, 'long', 0)");
	expect_open_and_replay(q);
	cr_assert_eq(q->seen_count, 5);
	for (size_t i = 0; i < 5; i++) {
		cr_expect_eq(q->seen[i].unique.len, 32);
		cr_expect_eq(q->seen[i].flags, i == 3 ? GEARMAND_JOB_UNIQUE_IS_DATA : GEARMAND_JOB_NO_UNIQUE);
		for (size_t k = 0; k < i; k++)
			cr_expect_not(slice_same(q->seen[i].unique, q->seen[k].unique));
	}
	expect_removable(q);
	queue_free(&q);
}

Test(sqlite_takeover, two_rows_that_would_get_one_key_stay_two_jobs)
{
	struct queue *q = queue_new();

	queue_sql(q, TABLE_OF_1_1 "INSERT INTO gearman_queue VALUES ('u', 'f', 1, '1', 0), (x'75', 'f', 1, '2', 0)");
	expect_open_and_replay(q);
	cr_assert_eq(q->seen_count, 2);
	cr_expect_not(slice_same(q->seen[0].unique, q->seen[1].unique));
	cr_expect(slice_same(q->seen[1].data, S("2")));
	expect_removable(q);
	queue_free(&q);
}

/* A client may submit to the function "": the row is a job, and NULL is not. */
Test(sqlite_takeover, a_row_without_a_function_is_left_alone_with_a_warning)
{
	struct queue *q = queue_new();

	queue_sql(q, TABLE_OF_1_1 "INSERT INTO gearman_queue VALUES ('a', NULL, 1, '1', 0), ('b', '', 1, '2', 0), "
				  "('c', 'f', 1, '3', 0), ('d', hex(zeroblob(5000)), 1, '4', 0)");
	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), "/b=2 f/c=3");
	cr_expect_not_null(strstr(q->host.log, "2 rows of table \"gearman_queue\" name no function"));
	cr_expect_str_eq(queue_sql(q, "SELECT count(*) FROM gearman_queue"), "4");
	queue_free(&q);
}

/* A table whose key takes two jobs for one, after it was opened: all its jobs are there, and two are two. */
static void
expect_two_jobs(struct queue *q, const char *before)
{
	char seen[200];

	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), before);
	cr_expect_eq(queue_add(q, "mail", "42", "a"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(queue_add(q, "invoice", "42", "b"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(queue_add(q, "mail", "K", "c"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(queue_add(q, "mail", "k", "d"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_eq(queue_add(q, "mail", "042", "e"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	snprintf(
	    seen, sizeof(seen), "%s%smail/42=a invoice/42=b mail/K=c mail/k=d mail/042=e", before, *before ? " " : "");
	cr_expect_str_eq(queue_content(q), seen);
	queue_free(&q);
}

Test(sqlite_takeover, tables_whose_key_is_too_narrow_are_made_anew)
{
	static const char *const keys[] = {
		"unique_key TEXT PRIMARY KEY, function_name TEXT, priority INTEGER, data BLOB", /* gearmand 0.x */
		"unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB, when_to_run INTEGER, UNIQUE "
		"(unique_key)",
		"unique_key TEXT COLLATE NOCASE, function_name TEXT, priority INTEGER, data BLOB, "
		"PRIMARY KEY (unique_key, function_name)",
		"unique_key INTEGER, function_name TEXT, priority INTEGER, data BLOB, PRIMARY KEY (unique_key, "
		"function_name)",
		"unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB, "
		"PRIMARY KEY (function_name, unique_key)) WITHOUT ROWID; SELECT (1",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		struct queue *q = queue_new();
		char sql[500];

		snprintf(sql, sizeof(sql),
		    "CREATE TABLE gearman_queue (%s); INSERT INTO gearman_queue (unique_key, "
		    "function_name, priority, data) VALUES ('9', 'f', 1, '1'), ('8', 'g', 1, '2')",
		    keys[i]);
		queue_sql(q, sql);
		expect_two_jobs(q, strstr(sql, "WITHOUT ROWID") == NULL ? "f/9=1 g/8=2" : "g/8=2 f/9=1");
	}
}

Test(sqlite_takeover, a_table_without_a_key_gets_one)
{
	struct queue *q = queue_new();

	queue_sql(q,
	    "CREATE TABLE gearman_queue (unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB, note TEXT); "
	    "INSERT INTO gearman_queue VALUES ('9', 'f', 1, '1', 'x')");
	expect_two_jobs(q, "f/9=1");
}

Test(sqlite_takeover, rows_of_one_key_stay_jobs)
{
	struct queue *q = queue_new();

	queue_sql(q, "CREATE TABLE gearman_queue (unique_key TEXT, function_name TEXT, priority INTEGER, data BLOB); "
		     "INSERT INTO gearman_queue VALUES ('u', 'f', 1, '1'), ('v', 'f', 1, '2'), ('u', 'f', 1, '3'), "
		     "(NULL, 'f', 1, '4'), (NULL, 'f', 1, '5')");
	expect_open_and_replay(q);
	cr_assert_eq(q->seen_count, 5);
	for (size_t i = 0; i < 5; i++)
		cr_expect_eq(q->seen[i].data.data[0], (char)('1' + (int)i));
	cr_expect_eq(q->seen[2].flags, GEARMAND_JOB_NO_UNIQUE);
	expect_removable(q);
	queue_free(&q);
}

Test(sqlite_takeover, what_is_in_the_way_is_named)
{
	struct queue *q = queue_new();

	queue_sql(q,
	    "CREATE TABLE gearman_queue (unique_key TEXT PRIMARY KEY, function_name TEXT, priority INTEGER, data BLOB, "
	    "note TEXT)");
	queue_expect_no_open(q, "columns or triggers of others are in the way", GEARMAND_WHY_LASTING);
	queue_sql(q, "DROP TABLE gearman_queue; CREATE TABLE gearman_queue (unique_key TEXT, function_name TEXT, "
		     "priority INTEGER, data BLOB, tenant TEXT NOT NULL, PRIMARY KEY (unique_key, function_name))");
	queue_expect_no_open(q, "has a column \"tenant\", which gearmand does not know", GEARMAND_WHY_LASTING);
	queue_free(&q);
}

Test(sqlite_takeover, columns_of_others_stay)
{
	struct queue *q = queue_new();

	queue_sql(q, "CREATE TABLE gearman_queue (id INTEGER PRIMARY KEY AUTOINCREMENT, Function_Name TEXT, "
		     "UNIQUE_KEY TEXT, priority INTEGER, data BLOB, "
		     "note TEXT DEFAULT 'x', UNIQUE (unique_key, function_name))");
	expect_open_and_replay(q);
	cr_expect_eq(queue_add(q, "f", "u", "1"), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	cr_expect_str_eq(queue_content(q), "f/u=1");
	cr_expect_str_eq(queue_sql(q, "SELECT id, note FROM gearman_queue"), "1|x");
	queue_free(&q);
}

/* ---- The real one --------------------------------------------------------------------------- */

static const char *
old_server(void)
{
	const char *named = getenv("GEARMAND_1_1");

	return named == NULL ? "/usr/sbin/gearmand" : named;
}

static bool
have_1_1(void)
{
	char command[512];

	snprintf(command, sizeof(command),
	    "'%s' --version 2>/dev/null | grep -q 'gearmand 1\\.1' && "
	    "command -v gearman >/dev/null",
	    old_server());
	return system(command) == 0;
}

static int
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static bool
answers(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool ok;

	a.sin_port = htons((uint16_t)port);
	ok = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
	close(fd);
	return ok;
}

struct old {
	pid_t pid;
	int port;
};

static struct old
old_start(struct queue *q)
{
	struct old o = { .port = free_port() };
	char db[256], port[32], log[256];

	snprintf(db, sizeof(db), "--libsqlite3-db=%s", q->db);
	snprintf(port, sizeof(port), "--port=%d", o.port);
	snprintf(log, sizeof(log), "--log-file=%s/old.log", q->dir);
	o.pid = fork();
	if (o.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(old_server(), "gearmand", "--queue-type=libsqlite3", db, port, log, "--listen=127.0.0.1",
		    (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000 && !answers(o.port); i++) {
		cr_assert_eq(waitpid(o.pid, NULL, WNOHANG), 0, "gearmand 1.1 did not start on %s", q->db);
		nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000 * 1000 }, NULL);
	}
	cr_assert(answers(o.port));
	return o;
}

static void
old_kill(struct old *o)
{
	kill(o->pid, SIGKILL);
	cr_assert_eq(waitpid(o->pid, NULL, 0), o->pid);
}

/* `input | gearman ...` must work; what it printed. */
static const char *
gearman(const struct old *o, const char *input, const char *arguments)
{
	static char out[4096];
	char command[512];
	size_t n;
	FILE *p;

	snprintf(command, sizeof(command), "printf '%s' | timeout 20 gearman -h 127.0.0.1 -p %d %s", input, o->port,
	    arguments);
	p = popen(command, "r");
	cr_assert_not_null(p);
	n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = '\0';
	cr_assert_eq(pclose(p), 0, "%s", command);
	return out;
}

static void
expect_file(struct queue *q, const char *name, const char *want)
{
	char path[256], text[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", q->dir, name);
	f = fopen(path, "r");
	cr_assert_not_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	cr_expect_str_eq(text, want);
}

#define NEEDS_1_1() \
	do { \
		if (!have_1_1()) \
			cr_skip_test("no gearmand 1.1 and gearman command here"); \
	} while (0)

Test(sqlite_takeover, jobs_of_a_killed_gearmand_1_1_are_replayed)
{
	struct queue *q;
	struct old o;

	NEEDS_1_1();
	q = queue_new();
	o = old_start(q);
	gearman(&o, "one", "-b -f f -u u1");
	gearman(&o, "a\\000b", "-b -I -f f -u u2");
	gearman(&o, "", "-b -L -f f -u u3");
	gearman(&o, "four", "-b -f g -u u1");
	old_kill(&o);
	expect_open_and_replay(q);
	cr_assert_eq(q->seen_count, 4);
	cr_expect(slice_same(q->seen[0].data, S("one")) && slice_same(q->seen[0].unique, S("u1")));
	cr_expect_eq(q->seen[0].priority, GEARMAND_NORMAL);
	cr_expect(slice_same(q->seen[1].data, S("a\0b")));
	cr_expect_eq(q->seen[1].priority, GEARMAND_HIGH);
	cr_expect_eq(q->seen[2].data.len, 0);
	cr_expect_eq(q->seen[2].priority, GEARMAND_LOW);
	cr_expect(slice_same(q->seen[3].function, S("g")));
	expect_removable(q);
	queue_free(&q);
}

Test(sqlite_takeover, gearmand_1_1_goes_on_with_a_table_of_ours)
{
	struct queue *q;
	struct gearmand_change c[2];
	char work[256];
	struct old o;

	NEEDS_1_1();
	q = queue_new();
	expect_open_and_replay(q);
	c[0] = an_add(a_job(S("f"), S("u1"), S("ours\n")));
	c[0].job.handle = S("H:h:1");
	c[0].job.reducer = S("r");
	c[0].job.flags = GEARMAND_JOB_NO_UNIQUE;
	c[1] = an_add(a_job(S("f"), S("u2"), S("")));
	cr_assert_eq(queue_commit(q, c, 2), GEARMAND_COMMIT_DONE, "%s", q->err.text);
	queue_close(q);

	o = old_start(q);
	gearman(&o, "theirs\\n", "-b -f f -u u3");
	snprintf(work, sizeof(work), "-w -f f -c 2 -- tee -a '%s/done'", q->dir);
	gearman(&o, "", work);
	for (int i = 0; i < 500 && strcmp(queue_sql(q, "SELECT count(*) FROM gearman_queue"), "1") != 0; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000 * 1000 }, NULL);
	old_kill(&o);
	expect_file(q, "done", "ours\n"); /* and the empty one */

	expect_open_and_replay(q);
	cr_expect_str_eq(queue_seen(q), "f/u3=theirs\n");
	cr_expect_eq(q->seen[0].handle.len, 0);
	queue_free(&q);
}
