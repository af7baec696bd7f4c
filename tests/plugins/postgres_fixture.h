/* SPDX-License-Identifier: BSD-3-Clause
 *
 * postgres_fixture.h - a PostgreSQL server for all tests of the program, a table for each, and the module on it.
 *
 * Runs on:  the process of one test; the server is started before the first test and stopped after the last.
 * Owns:     the table; queue_free() drops it.
 */
#ifndef TESTS_POSTGRES_FIXTURE_H
#define TESTS_POSTGRES_FIXTURE_H

#include <libpq-fe.h>

#include "tests/plugins/queue_fixture.h"

/* A new queue on a table of its own, which does not exist yet.  Skips the test where no server is installed. */
struct queue *queue_new(void);
struct queue *queue_opened(void);
void queue_free(struct queue **);

/* The same on a server of its own, for tests that disturb it. */
struct queue *queue_new_alone(void);
void server_do(struct queue *, const char *word); /* "kill", "again": see tests/stores/postgres.py */

void queue_in_database(struct queue *, const char *name, const char *options); /* made; dropped by queue_free() */

/* SQL of an operator, with "%T" for the table, "%D" for that of the dead.  What it printed: columns by '|', rows by
 * blanks. */
const char *queue_sql(struct queue *, const char *sql);
/* A session that stays, after running `sql`. */
PGconn *other_start(struct queue *, const char *sql);
void other_end(PGconn **); /* rolls back */

/* How often the module asked the server anything, since this was last asked. */
unsigned round_trips(void);

#endif
