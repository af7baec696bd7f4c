/* SPDX-License-Identifier: BSD-3-Clause
 *
 * threads.h - which thread class rides on which thread: `-t`, written once.
 *
 * Runs on:  main thread, while starting and ending.
 * Owns:     loops, mailboxes and threads of all classes but management; the core, the I/O
 *           classes and the store.
 */
#ifndef GEARMAND_THREADS_H
#define GEARMAND_THREADS_H

#include <stdbool.h>

#include <gearmand/plugin.h>

struct threads;
struct loop;
struct mbox;
struct plugin;
struct plugins;
struct settings;

struct threads_config {
	const struct settings *settings;
	const struct plugins *plugins;
	const struct plugin *queue; /* NULL = jobs are in memory only */
	struct loop *main_loop;
	struct mbox *mgmt;
	bool has_aside; /* a transport has work for a thread of its own */
};

/* Builds mailboxes; no thread runs yet.  NULL: error says why. */
struct threads *threads_new(const struct threads_config *, struct gearmand_error *);
/* Builds core and I/O. */
bool threads_build(struct threads *, struct gearmand_error *);
/* Starts their threads. */
bool threads_start(struct threads *, struct gearmand_error *);
/* Starts the store's thread, which opens it and tells management.  No-op without a store, and so is the next. */
void threads_open_store(struct threads *);
/* The store is open: its jobs come to the core. */
void threads_replay(struct threads *);
void threads_stop(struct threads *);  /* ends and joins the threads; what I/O has to write goes out first */
void threads_free(struct threads **); /* stopped, or never started; NULL is fine */

struct mbox *threads_proc(struct threads *);
struct mbox *threads_store(struct threads *); /* NULL without a store */
struct mbox *const *threads_io(struct threads *, unsigned *count_r);

#endif
