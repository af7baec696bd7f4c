/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mysql_fixture.h - a MariaDB server for all tests of the program, a database for each, and the module on it.
 *
 * Runs on:  the process of one test; the server is started before the first test and stopped after the last.
 * Owns:     the database; queue_free() drops it.
 */
#ifndef TESTS_MYSQL_FIXTURE_H
#define TESTS_MYSQL_FIXTURE_H

#include <mysql.h>

#include "tests/plugins/queue_fixture.h"

/* A new queue in a database of its own.  Skips the test where no server is installed. */
struct queue *queue_new(void);
struct queue *queue_opened(void);
/* Another server's on the same table. */
struct queue *queue_beside(const struct queue *);
void queue_free(struct queue **);

/* The same on a server of its own, for tests that disturb it. */
struct queue *queue_new_alone(void);
void server_do(struct queue *, const char *word); /* "kill", "again": see tests/stores/mysql.py */
int server_pid(struct queue *);

/* SQL of root in that database, several statements too.  What it printed: columns by '|', rows by blanks. */
const char *queue_sql(struct queue *, const char *sql);
/* A session that stays, after running `sql`; ends with mysql_close(). */
MYSQL *other_start(struct queue *, const char *sql);

/* How often the module asked the server anything, since this was last asked. */
unsigned round_trips(void);

#endif
