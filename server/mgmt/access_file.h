/* SPDX-License-Identifier: BSD-3-Clause
 *
 * access_file.h - the file that `--access-file` names, at the start and at each SIGHUP.
 *
 * Runs on:  main thread; reads a file, and asks the system for the users that it names.
 */
#ifndef GEARMAND_MGMT_ACCESS_FILE_H
#define GEARMAND_MGMT_ACCESS_FILE_H

#include <stdbool.h>

struct access;
struct buf;
struct gearmand_error;
struct plugins;
struct text_list;

/* `path` NULL = no file: what holds without one.  NULL with a sentence that names file and line when it cannot be
 * read, is wrong, or others may write to it. */
struct access *access_file_read(const char *path, const struct plugins *, struct gearmand_error *);
/* The same for use: transports are open, and if the file speaks of certificates one of them proves such. */
struct access *access_file_load(const char *path, const struct plugins *, struct gearmand_error *);
/* Adds a line that says which rule decides for the connection that `words` describe, or how many rules there are. */
bool access_file_explain(
    const char *path, const struct plugins *, const struct text_list *words, struct buf *out, struct gearmand_error *);

#endif
