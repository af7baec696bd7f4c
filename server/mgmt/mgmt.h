/* SPDX-License-Identifier: BSD-3-Clause
 *
 * mgmt.h - the management class: what happens to the server as a whole, from serving to its end.
 *
 * Runs on:  management thread, as a rider on its loop.
 * Owns:     its mailbox and the phase the server is in.
 *
 * Order of use: mgmt_new(); from then on log lines gather in the mailbox; mgmt_set_log(); mgmt_connect() once
 * the other classes are there; mgmt_open_store() when there is one; mgmt_begin(); loop_run().
 */
#ifndef GEARMAND_MGMT_MGMT_H
#define GEARMAND_MGMT_MGMT_H

#include <stdbool.h>

#include "base/role.h"
#include "cross/loop.h"
#include "wire/level.h"

struct acceptor;
struct logfile;
struct mgmt;

/* Who else is there.  All is borrowed. */
struct mgmt_links {
	struct acceptor *acceptor;
	struct mbox *proc;
	struct mbox *store; /* NULL = jobs are in memory only */
	struct mbox *const *io;
	unsigned io_count;
	int64_t shutdown_timeout;      /* seconds that SIGUSR1 waits for jobs; 0 = no bound */
	void (*on_serving)(void *arg); /* called once, when connections are about to be accepted */
	void (*on_reload)(void *arg);  /* SIGHUP came */
	void (*on_day)(void *arg);     /* called while serving, each time when `day` nanoseconds are over */
	int64_t day;
	int64_t
	    watchdog; /* nanoseconds after which a service manager that heard nothing restarts us; 0 = there is none */
	void *arg;
};

struct mgmt *mgmt_new(struct loop *); /* adds itself to the loop, first of all riders */
void mgmt_free(struct mgmt **);
struct mbox *mgmt_mbox(struct mgmt *);
/* Where lines of this level and worse go; borrowed; NULL = they are thrown away. */
void mgmt_set_log(struct mgmt *, struct logfile *, enum gearmand_level) RUNS_ON(mgmt_role);
void mgmt_connect(struct mgmt *, const struct mgmt_links *) RUNS_ON(mgmt_role);
/* Runs the loop until the store's thread, which has just been started, has opened it.  `on_waiting` is called with a
 * sentence at each change of what it waits for.  False: the server is to end; mgmt_failure() is NULL when a signal
 * asked for it. */
bool mgmt_open_store(struct mgmt *, void (*on_waiting)(void *arg, const char *why), void *arg) RUNS_ON(mgmt_role);
/* Serves at once, or as soon as the store says that its jobs are back. */
void mgmt_begin(struct mgmt *) RUNS_ON(mgmt_role);
/* Gives the log the lines that wait, outside of the loop: while starting and ending. */
void mgmt_pass_log(struct mgmt *) RUNS_ON(mgmt_role);

/* What signals ask for. */
void mgmt_stop(struct mgmt *, const char *why) RUNS_ON(mgmt_role); /* orderly and soon; a second time: at once */
void mgmt_drain(struct mgmt *) RUNS_ON(mgmt_role);                 /* after running and waiting jobs have ended */
void mgmt_reload(struct mgmt *) RUNS_ON(mgmt_role); /* the log is opened anew, modules read their files */

/* How it ended, after loop_run(). */
const char *mgmt_failure(const struct mgmt *) RUNS_ON(mgmt_role); /* a sentence, or NULL */
bool mgmt_hurried(const struct mgmt *) RUNS_ON(mgmt_role);        /* other threads may be stuck: do not join them */

#endif
