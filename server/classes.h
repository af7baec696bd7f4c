/* SPDX-License-Identifier: BSD-3-Clause
 *
 * classes.h - which thread class rides on which thread: `-t`, written once.
 *
 * Runs on:  main thread, while starting and ending.
 * Owns:     loops, mailboxes and threads of all classes but management; the core, the I/O
 *           classes and the store.
 */
#ifndef GEARMAND_CLASSES_H
#define GEARMAND_CLASSES_H

#include <stdbool.h>

#include <gearmand/plugin.h>

struct classes;
struct loop;
struct mbox;
struct plugin;
struct settings;

struct classes_config {
	const struct settings *settings;
	const struct plugin *queue; /* NULL = jobs are in memory only */
	struct loop *main_loop;
	struct mbox *mgmt;
};

/* Builds mailboxes; no thread runs yet.  NULL: error says why. */
struct classes *classes_new(const struct classes_config *, struct gearmand_error *);
/* Starts the store's thread, which opens it and tells management.  No-op without a store. */
void classes_open_store(struct classes *);
/* Builds core and I/O, once the store is open. */
bool classes_build(struct classes *, struct gearmand_error *);
/* Starts the other threads, and replay. */
bool classes_start(struct classes *, struct gearmand_error *);
void classes_stop(struct classes *);  /* ends and joins the threads; what I/O has to write goes out first */
void classes_free(struct classes **); /* stopped, or never started; NULL is fine */

struct mbox *classes_proc(struct classes *);
struct mbox *classes_store(struct classes *); /* NULL without a store */
struct mbox *const *classes_io(struct classes *, unsigned *count_r);

#endif
