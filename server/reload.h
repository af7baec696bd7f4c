/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reload.h - files of the core that are read again on SIGHUP, each all or nothing.
 *
 * Runs on:  main thread.
 * Owns:     nothing; what was read goes to the core.
 */
#ifndef GEARMAND_RELOAD_H
#define GEARMAND_RELOAD_H

#include <time.h>

struct mbox;
struct plugins;
struct settings;

/* With a mistake in the file the policies stay as they are, and the log says so. */
void reload_policies(const struct settings *, struct mbox *proc);
/* Nobody is let in because a file is wrong: without new rules the old ones stay, of which *read_at tells the time. */
void reload_access(const struct settings *, const struct plugins *, struct mbox *proc, time_t *read_at);
/* What modules have a counter show. */
void reload_shown(struct plugins *, struct mbox *proc);

#endif
