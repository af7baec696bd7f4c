/* SPDX-License-Identifier: BSD-3-Clause
 *
 * pidfile.h - the file that says which process the server is.
 *
 * Runs on:  main thread, at start-up and at the end.
 * Owns:     the file and a lock on it, until pidfile_close().
 */
#ifndef GEARMAND_MGMT_PIDFILE_H
#define GEARMAND_MGMT_PIDFILE_H

#include <stdbool.h>

#include <gearmand/plugin.h>

struct pidfile;

/* A file that no living server holds is taken over.  NULL: error says why. */
struct pidfile *pidfile_open(const char *path, struct gearmand_error *);
void pidfile_close(struct pidfile **); /* takes; removes the file; NULL is fine */

#endif
