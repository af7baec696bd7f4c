/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proc.h - the core: jobs, functions, workers, clients and their timers.
 *
 * Runs on:  processing thread.
 * Owns:     every table.  Messages in, messages out; no clock, no randomness, no system
 *           call but memory growth, no logging, no storage inside: a function of
 *           (state, batch of messages, now).
 */
#ifndef GEARMAND_PROC_PROC_H
#define GEARMAND_PROC_PROC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/role.h"
#include "cross/mbox.h"
#include "wire/level.h"

struct access;
struct policies;
struct proc;

/* All of it is copied; limits of 0 mean none. */
struct proc_config {
	const char *handle_prefix;         /* "H:host"; at most HANDLE_MAX - 21 bytes */
	uint64_t first_handle;             /* number of the first job */
	uint8_t seed[32];                  /* from getrandom(): keys of the hash tables and of made-up uniques */
	struct policies *policies;         /* by function; taken; NULL = job_retries for all */
	struct access *access;             /* who may do what; taken; NULL = what holds without a file */
	uint32_t job_retries;              /* lost attempts until a job is dropped; 0 = no limit */
	nsec_t dead_keep;                  /* how long a job stays on the dead list; 0 = for ever */
	uint64_t dead_max, dead_max_bytes; /* jobs on it */
	uint64_t status_max_bytes;         /* what jobs that have ended may take, with their results */
	uint32_t wakeups;                  /* NOOPs per queued job; 0 = one, then twice as many while it waits */
	bool strict_order;                 /* functions in the order the worker registered them */
	bool exceptions;                   /* every connection starts with the exceptions option */
	bool timeout_requeues;             /* CAN_DO_TIMEOUT queues foreground jobs again without a word */
	const char *queue_name;            /* of the module; NULL = none */
	bool durable;                      /* background jobs go through the store */
	bool adds_at_shutdown;             /* ... but only at orderly shutdown */
	bool keeps_dead;                   /* the store has a place for dead jobs */
	nsec_t queue_timeout;              /* how long a submission waits for the store */
	uint64_t max_jobs, max_memory /* bytes */, max_functions, max_abilities /* per worker */;
	uint64_t max_storing; /* bytes waiting for the store before submitters are not read, or get ERROR */
	uint64_t pause_held;  /* bytes of replies to a peer behind an open one before it is not read */
	uint64_t max_held;    /* ... and before it is closed, since others go on saying things to it */
	enum gearmand_level log_level;
	const char *version, *verbose; /* answers to `version` and `verbose` */
	const char *plugins;           /* lines of `show plugins`; NULL = none */
	const char *options;           /* ... and of `show options` */
	int pid;                       /* answer to `getpid` */
	int64_t started;               /* seconds since 1970: the process; for `metrics` */
	int threads;                   /* as `-t` says; likewise */
	unsigned io_count;             /* I/O threads, the columns of an outbox */
};

struct instant {
	nsec_t mono, wall;
	bool late; /* this process stood still: what peers and the store said in time may not have been read yet */
};

/* What a turn says, by reader.  The driver posts it. */
struct outbox {
	struct list store, mgmt;
	struct list *io; /* io_count lists */
	unsigned io_count;
};

struct proc *proc_new(const struct proc_config *);
/* Handles one batch and timers that are due.  Takes the messages of `batch`, but for those that come after a
 * great many replies: then they want another turn at once, and what is said should be posted meanwhile.
 * Returns when, on the monotonic clock, the next turn is due, or NEVER. */
nsec_t proc_turn(struct proc *, struct list *batch, struct instant now, struct outbox *out) RUNS_ON(proc_role);
/* Walks the whole state and CHECKs it.  Slow: tests and fuzzers. */
void proc_audit(const struct proc *) RUNS_ON(proc_role);
void proc_free(struct proc **);

void outbox_init(struct outbox *, unsigned io_count);
void outbox_fini(struct outbox *); /* frees what was not posted */

#endif
