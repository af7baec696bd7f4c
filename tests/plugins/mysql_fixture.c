/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A MariaDB server for all tests of the program, a database for each, and the module on it.
 *
 * Runs on:  the process of one test; the hooks run in the process that starts them all.
 * Owns:     see mysql_fixture.h.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/plugins/mysql_fixture.h"
#include "tests/plugins/store_server.h"

const struct store_server store_server = { "mysql.py", "MariaDB server", "" };

/* ---- The queue ------------------------------------------------------------------------------- */

static struct queue *
queue_at(const char *dir, const char *database)
{
	struct queue *q = calloc(1, sizeof(*q));
	char socket_path[160];

	cr_assert_not_null(q);
	queue_init(q, "queue-mysql.so");
	snprintf(q->db, sizeof(q->db), "%s", database);
	snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
	fake_host_set(&q->host, "mysql-socket", socket_path);
	fake_host_set(&q->host, "mysql-user", "root");
	fake_host_set(&q->host, "mysql-db", q->db);
	fake_host_set(&q->host, "mysql-timeout", "20");
	return q;
}

static struct queue *
queue_in_new_database(const char *dir)
{
	struct queue *q;
	char name[64], sql[128];

	snprintf(name, sizeof(name), "t%ld", (long)getpid());
	q = queue_at(dir, name);
	q->db[0] = '\0';
	snprintf(sql, sizeof(sql), "CREATE DATABASE %s", name);
	queue_sql(q, sql);
	strcpy(q->db, name);
	return q;
}

struct queue *
queue_new(void)
{
	return queue_in_new_database(store_server_dir());
}

struct queue *
queue_opened(void)
{
	struct queue *q = queue_new();

	cr_assert(queue_open(q), "%s", q->err.text);
	return q;
}

struct queue *
queue_beside(const struct queue *q)
{
	struct queue *beside = queue_at(store_server_dir(), q->db);

	strcpy(beside->dir, "beside");
	return beside;
}

struct queue *
queue_new_alone(void)
{
	struct queue *q;
	char dir[128];

	store_server_start(dir, sizeof(dir), "");
	q = queue_in_new_database(dir);
	strcpy(q->dir, dir);
	return q;
}

void
server_do(struct queue *q, const char *word)
{
	store_server_do(q->dir, word);
}

int
server_pid(struct queue *q)
{
	return store_server_number(q->dir, "pid");
}

void
queue_free(struct queue **q)
{
	char sql[256];

	queue_fini(*q);
	if ((*q)->dir[0] == '\0') {
		snprintf(sql, sizeof(sql), "DROP DATABASE %s", (*q)->db);
		queue_sql(*q, sql);
	} else if ((*q)->dir[0] == '/') {
		store_server_stop((*q)->dir);
	}
	free(*q);
	*q = NULL;
}

/* ---- Another session ------------------------------------------------------------------------- */

/* Not counted as the module's. */
static bool is_other;

static void
take_rows(MYSQL *c, char *text, size_t size)
{
	MYSQL_RES *res = mysql_store_result(c);
	MYSQL_ROW row;
	size_t n = 0;

	text[0] = '\0';
	while (res != NULL && (row = mysql_fetch_row(res)) != NULL) {
		for (unsigned i = 0; i < mysql_num_fields(res) && n < size; i++)
			n += (size_t)snprintf(text + n, size - n, "%s%s",
			    i > 0   ? "|"
			    : n > 0 ? " "
				    : "",
			    row[i] == NULL ? "NULL" : row[i]);
	}
	mysql_free_result(res);
}

static MYSQL *
run(struct queue *q, const char *sql, char *text, size_t size)
{
	const char *path = q->host.table.option(&q->host.table, "mysql-socket");
	MYSQL *c = mysql_init(NULL);
	int more;

	is_other = true;
	cr_assert_not_null(mysql_real_connect(c, NULL, "root", NULL, q->db[0] == '\0' ? NULL : q->db, 0, path,
			       CLIENT_MULTI_STATEMENTS),
	    "%s", mysql_error(c));
	cr_assert_eq(mysql_real_query(c, sql, strlen(sql)), 0, "%s: %s", sql, mysql_error(c));
	do {
		take_rows(c, text, size);
		more = mysql_next_result(c);
	} while (more == 0);
	cr_assert_lt(more, 0, "%s: %s", sql, mysql_error(c));
	is_other = false;
	return c;
}

MYSQL *
other_start(struct queue *q, const char *sql)
{
	char text[256];

	return run(q, sql, text, sizeof(text));
}

const char *
queue_sql(struct queue *q, const char *sql)
{
	static char text[16384];

	mysql_close(run(q, sql, text, sizeof(text)));
	return text;
}

/* ---- Round trips: the library's own function, counted ------------------------------------------ */

static unsigned asked;

unsigned
round_trips(void)
{
	unsigned n = asked;

	asked = 0;
	return n;
}

int
mysql_real_query(MYSQL *c, const char *sql, unsigned long len)
{
	static int (*real)(MYSQL *, const char *, unsigned long);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "mysql_real_query");
	asked += !is_other;
	return real(c, sql, len);
}
