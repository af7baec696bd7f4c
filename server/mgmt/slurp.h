/* SPDX-License-Identifier: BSD-3-Clause
 *
 * slurp.h - a short file as a whole.
 *
 * Runs on:  main thread; reads a file.
 */
#ifndef GEARMAND_MGMT_SLURP_H
#define GEARMAND_MGMT_SLURP_H

#include <sys/types.h>

#include "base/buf.h"

struct gearmand_error;

/* Adds to `text`.  A regular file of at most 1 MiB, which is there at once.  `mode_r` may be NULL. */
bool slurp(const char *path, struct buf *text, mode_t *mode_r, struct gearmand_error *);

#endif
