/* SPDX-License-Identifier: BSD-3-Clause
 *
 * tokyo_fixture.h - a database in a folder of its own, the Tokyo Cabinet module on it, and gearmand 1.1 beside it.
 *
 * Runs on:  the process of one test.
 * Owns:     the folder; queue_free() removes it.
 */
#ifndef TESTS_TOKYO_FIXTURE_H
#define TESTS_TOKYO_FIXTURE_H

#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "tests/plugins/queue_fixture.h"

struct queue *queue_new(const char *name);    /* of the file: "q.tch" */
struct queue *queue_opened(const char *name); /* that must open */
void queue_free(struct queue **);
/* The file, or one beside it: ".wal". */
const char *queue_file(const struct queue *, const char *suffix);
const char *dead_file(const struct queue *, const char *suffix); /* that of its dead jobs, or one beside that */

/* gearmand 1.1 on the file, which must be closed: through the abstract API, with its keys and values. */
void old_put(struct queue *, const char *function, const char *unique, const char *number, struct gearmand_slice data);
void old_put_raw(struct queue *, struct gearmand_slice key, struct gearmand_slice value);
/* What its replay makes of the file, as "function/unique/priority/epoch=data", sorted. */
const char *old_seen(struct queue *);
bool old_remove(struct queue *, const char *function, const char *unique); /* false: it does not find it */
long old_count(struct queue *);                                            /* records */

/* Whole files. */
struct gearmand_slice file_read(const char *path);
void file_put(const char *path, struct gearmand_slice);
long file_size(const char *path); /* -1: there is none */
/* No file of this process may have more bytes; RLIM_INFINITY = as it was. */
void limit_files(rlim_t most);

/* A child runs `f`, says so, and stays until it is killed. */
pid_t start_child(struct queue *, void (*f)(struct queue *));
void kill_child(pid_t);

#endif
