/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A PostgreSQL server for all tests of the program, a table for each, and the module on it.
 *
 * Runs on:  the process of one test; the hooks run in the process that starts them all.
 * Owns:     see postgres_fixture.h.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/plugins/postgres_fixture.h"
#include "tests/plugins/store_server.h"

const struct store_server store_server = { "postgres.py", "PostgreSQL server", "" };

/* ---- The queue ------------------------------------------------------------------------------- */

static struct queue *
queue_at(const char *dir, bool alone)
{
	struct queue *q = calloc(1, sizeof(*q));
	char table[64];

	cr_assert_not_null(q);
	queue_init(q, "queue-postgres.so");
	if (alone)
		snprintf(q->dir, sizeof(q->dir), "%s", dir);
	snprintf(
	    q->db, sizeof(q->db), "host=%s port=%d user=gearman dbname=jobs", dir, store_server_number(dir, "port"));
	snprintf(table, sizeof(table), "queue_%ld", (long)getpid());
	fake_host_set(&q->host, "libpq-conninfo", q->db);
	fake_host_set(&q->host, "libpq-table", table);
	fake_host_set(&q->host, "libpq-timeout", "1");
	return q;
}

struct queue *
queue_new(void)
{
	return queue_at(store_server_dir(), false);
}

struct queue *
queue_opened(void)
{
	struct queue *q = queue_new();

	cr_assert(queue_open(q), "%s", q->err.text);
	return q;
}

struct queue *
queue_new_alone(void)
{
	char dir[128];

	store_server_start(dir, sizeof(dir), "");
	return queue_at(dir, true);
}

void
server_do(struct queue *q, const char *word)
{
	store_server_do(q->dir, word);
}

static void
drop_database(struct queue *q)
{
	const char *name = strstr(q->db, "dbname=") + strlen("dbname=");
	char sql[128];

	if (strcmp(name, "jobs") == 0)
		return;
	snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", name);
	strcpy(strstr(q->db, "dbname="), "dbname=jobs");
	queue_sql(q, sql);
}

void
queue_free(struct queue **q)
{
	queue_fini(*q);
	if ((*q)->dir[0] != '\0') {
		store_server_stop((*q)->dir);
	} else {
		queue_sql(*q, "DROP TABLE IF EXISTS %T, %D CASCADE");
		drop_database(*q);
	}
	free(*q);
	*q = NULL;
}

void
queue_in_database(struct queue *q, const char *name, const char *options)
{
	char sql[256];

	snprintf(sql, sizeof(sql), "CREATE DATABASE %s_%ld %s", name, (long)getpid(), options);
	queue_sql(q, sql);
	snprintf(strstr(q->db, "dbname="), 60, "dbname=%s_%ld", name, (long)getpid());
	fake_host_set(&q->host, "libpq-conninfo", q->db);
}

/* ---- Another session ------------------------------------------------------------------------- */

/* "%T" -> "table", "%D" -> that of its dead jobs. */
static char *
with_table(struct queue *q, const char *sql)
{
	const char *table = q->host.table.option(&q->host.table, "libpq-table");
	static char out[8192];
	size_t n = 0;

	for (; *sql != '\0'; sql++) {
		cr_assert_lt(n, sizeof(out) - 100);
		if (strncmp(sql, "%T", 2) == 0) {
			n += (size_t)sprintf(out + n, "\"%s\"", table);
			sql++;
		} else if (strncmp(sql, "%D", 2) == 0) {
			n += (size_t)sprintf(out + n, "\"%s_dead\"", table);
			sql++;
		} else {
			out[n++] = *sql;
		}
	}
	out[n] = '\0';
	return out;
}

PGconn *
other_start(struct queue *q, const char *sql)
{
	PGconn *c = PQconnectdb(q->db);
	PGresult *r;

	cr_assert_eq(PQstatus(c), CONNECTION_OK, "%s", PQerrorMessage(c));
	PQclear(PQexec(c, "SET client_min_messages TO warning"));
	r = PQexec(c, with_table(q, sql));
	cr_assert(PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK, "%s: %s", sql,
	    PQerrorMessage(c));
	PQclear(r);
	return c;
}

void
other_end(PGconn **c)
{
	PQfinish(*c);
	*c = NULL;
}

const char *
queue_sql(struct queue *q, const char *sql)
{
	static char text[16384];
	PGconn *c = PQconnectdb(q->db);
	PGresult *r;
	size_t n = 0;

	cr_assert_eq(PQstatus(c), CONNECTION_OK, "%s", PQerrorMessage(c));
	PQclear(PQexec(c, "SET client_min_messages TO warning"));
	r = PQexec(c, with_table(q, sql));
	/* Rights of a schema cannot be changed by two tests at once. */
	for (int i = 0; i < 500 && strstr(PQerrorMessage(c), "tuple concurrently updated") != NULL; i++) {
		PQclear(r);
		usleep(10000);
		r = PQexec(c, with_table(q, sql));
	}
	cr_assert(PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK, "%s: %s", sql,
	    PQerrorMessage(c));
	text[0] = '\0';
	for (int i = 0; i < PQntuples(r); i++) {
		for (int k = 0; k < PQnfields(r) && n < sizeof(text); k++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
			    k > 0   ? "|"
			    : i > 0 ? " "
				    : "",
			    PQgetvalue(r, i, k));
	}
	PQclear(r);
	PQfinish(c);
	return text;
}

/* ---- Round trips: libpq's own functions, counted ----------------------------------------------- */

static unsigned asked;

unsigned
round_trips(void)
{
	unsigned n = asked;

	asked = 0;
	return n;
}

int
PQsendQuery(PGconn *c, const char *sql)
{
	static int (*real)(PGconn *, const char *);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "PQsendQuery");
	asked++;
	return real(c, sql);
}

int
PQsendQueryPrepared(PGconn *c, const char *name, int count, const char *const *values, const int *lengths,
    const int *formats, int result_format)
{
	static int (*real)(PGconn *, const char *, int, const char *const *, const int *, const int *, int);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "PQsendQueryPrepared");
	asked++;
	return real(c, name, count, values, lengths, formats, result_format);
}
