/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sqlite_fixture.h - a database in a folder of its own, and the SQLite module on it.
 *
 * Runs on:  the process of one test.
 * Owns:     the folder; queue_free() removes it.
 */
#ifndef TESTS_SQLITE_FIXTURE_H
#define TESTS_SQLITE_FIXTURE_H

#include <stdio.h>
#include <sys/types.h>

#include "tests/plugins/queue_fixture.h"

struct queue *queue_new(void);
struct queue *queue_new_in(const char *parent); /* folder */
void queue_free(struct queue **);
struct queue *queue_opened(void); /* a new one, that must open */

void file_write(const char *path, const char *text);
void file_scribble(const char *path, long from, size_t len); /* noise */

/* The sqlite3 command on the file, as an operator's: a process of its own, whose locks are its own. */
const char *queue_sql(struct queue *, const char *sql); /* what it printed, without the last newline */
struct other {
	FILE *in;
	pid_t pid;
};
/* Runs `sql`, and stays: "BEGIN EXCLUSIVE;". */
struct other other_start(struct queue *, const char *sql);
void other_end(struct other *);

#endif
