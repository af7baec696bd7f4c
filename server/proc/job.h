/* SPDX-License-Identifier: BSD-3-Clause
 *
 * job.h - a job: its life, who wants it, and where it is stored.
 *
 * Runs on:  processing thread.
 * Owns:     the struct (one allocation), a reference to its body, and its extra.
 *
 * There may be millions of jobs that just wait for a worker: what only others need is in struct job_extra.
 */
#ifndef GEARMAND_PROC_JOB_H
#define GEARMAND_PROC_JOB_H

#include <gearmand/plugin.h>

#include "proc/state.h"

struct client;
struct func;
struct peer;
struct slot;

#define JOB_STATES(X) X(NEW) X(STORING) X(DELAYED) X(READY) X(RUNNING) X(DEAD)
/*              from     to */
/* clang-format off */
#define JOB_MOVES(X) \
	X(NEW,     STORING) /* a durable background submission; or one that waits for such of its connection */ \
	X(NEW,     DELAYED) \
	X(NEW,     READY) \
	X(STORING, DELAYED) /* committed */ \
	X(STORING, READY)   /* committed; or refused, but a foreground client waits */ \
	X(STORING, DEAD)    /* refused, timed out, cancelled */ \
	X(DELAYED, READY)   /* due */ \
	X(DELAYED, DEAD)    /* cancelled, or its last client left */ \
	X(READY,   RUNNING) \
	X(READY,   DEAD)    /* cancelled, or its last client left */ \
	X(RUNNING, READY)   /* its worker was lost */ \
	X(RUNNING, DEAD)    /* done, failed, cancelled, given up */
/* clang-format on */

enum job_state {
#define X(name) JOB_##name,
	JOB_STATES(X)
#undef X
	    JOB_STATE_COUNT
};

struct job {
	uint32_t magic;
	uint8_t state OWNED_BY(proc_role); /* enum job_state; written by job_move() only */
	uint8_t priority;
	uint8_t flags;              /* GEARMAND_JOB_NO_UNIQUE, GEARMAND_JOB_UNIQUE_IS_DATA */
	uint8_t unique_len;         /* the unique is in the body, behind the function and a NUL */
	struct list link;           /* READY: func.ready; RUNNING: ability.running */
	struct hash_node by_handle; /* proc.handles; not when DEAD */
	struct func *func;
	struct blob *body;             /* function NUL unique NUL (reducer NUL) ... data */
	const struct job_extra *extra; /* to read; without one of its own it has that which is all zero */
	uint32_t data_at;              /* where the data starts in the body; it ends with it */
	uint16_t prefix;               /* of the handle */
	uint8_t reducer_len;
	bool has_key : 1;     /* struct job_key lies behind this struct */
	bool key_in_body : 1; /* a made-up key of an earlier process: it stands in the unique's place */
	bool background : 1;  /* somebody was told that it is a background job */
	bool adding : 1;      /* an ADD is under way */
	bool stored : 1;      /* the store has it */
	bool removed : 1;     /* REMOVE is posted */
	bool newest : 1;      /* it stands for its unique in proc.uniques */
	bool has_twin : 1;    /* a job of another function has, or had, the same unique: struct twin stands for it */
};

/* What a job has that somebody waits for, or that runs, ran before, or is to run later. */
struct job_extra {
	struct job *job;
	struct heap_node timer; /* DELAYED: proc.delays; RUNNING: proc.limits */
	struct peer *worker;    /* RUNNING */
	struct client *clients;
	struct slot *slots;              /* background submitters that wait for the commit */
	int64_t run_at;                  /* seconds since 1970; 0 = at once */
	uint32_t numerator, denominator; /* WORK_STATUS */
	uint32_t tries;                  /* attempts lost */
	uint16_t client_count;           /* of `clients` */
};

/* Only jobs with a unique have it. */
struct job_key {
	struct hash_node
	    node; /* proc.uniques, the newest job with that unique; or proc.data_keys, when its data is the key */
};

/* What a submission asks for; slices view into `body`. */
struct job_request {
	struct blob *body;
	struct slice unique, reducer, data;
	uint64_t key_hash; /* hash_bytes() of the unique, or of `data` where that is the key; 0 = not known */
	int64_t run_at;
	enum gearmand_priority priority;
	bool background;
};

/* Clients of one job: what its worker sends goes to each of them. */
enum { JOB_MAGIC = 0x4a4f4221, JOB_CLIENTS_MAX = 10000 };

/* In the tables, state NEW; takes a reference to the body. */
struct job *job_new(struct proc *, struct func *, const struct job_request *) RUNS_ON(proc_role);
/* The same for a replayed job whose handle is known ("" = it gets a new one); flags as stored. */
struct job *job_new_replayed(
    struct proc *, struct func *, const struct job_request *, struct slice handle, uint8_t flags) RUNS_ON(proc_role);
/* The only writer of job.state; CHECKs the table of moves and keeps the function's counts. */
void job_move(struct proc *, struct job *, enum job_state) RUNS_ON(proc_role);
/* NEW or STORING or DELAYED: to READY, or DELAYED when its time has not come. */
void job_place(struct proc *, struct job *) RUNS_ON(proc_role);
/* Places jobs that waited for earlier ones of their connection. */
void jobs_place_held(struct proc *) RUNS_ON(proc_role);
/* The first submitter that waits for the commit, or NULL. */
struct slot *job_waiting_slot(const struct job *) RUNS_ON(proc_role);
/* RUNNING: the worker is lost (or out of time).  Queued again, or dropped at the retry limit, or ended because
 * nobody wants it. */
void job_attempt_lost(struct proc *, struct job *) RUNS_ON(proc_role);
/* Takes it out of every table and the store; clients must have been told.  Freed now, or, while an
 * ADD is under way, when that is back: until then its bytes count. */
void job_end(struct proc *, struct job *) RUNS_ON(proc_role);
/* The same, but it stays in the store. */
void job_leave_in_store(struct proc *, struct job *) RUNS_ON(proc_role);
/* A client has left, or its commit is back: it ends when nobody wants it and no worker has it; in a graceful shutdown
 * it stays in the store alone when it is there and nobody waits for it. */
void job_settle(struct proc *, struct job *) RUNS_ON(proc_role);
bool job_is_wanted(const struct job *) RUNS_ON(proc_role);
void job_extra_init(struct proc *, struct job *, int64_t run_at) RUNS_ON(proc_role);
/* Its own extra, to write. */
struct job_extra *job_extra(struct proc *, struct job *) RUNS_ON(proc_role);
void job_extra_free(struct proc *, struct job *) RUNS_ON(proc_role);
size_t job_extra_bytes(const struct job *); /* counted in proc.memory beside job_bytes() */
/* Call after something in it became zero: it goes when nothing is left in it. */
void job_extra_tidy(struct proc *, struct job *) RUNS_ON(proc_role);
/* Memory only; must be out of all lists. */
void job_free(struct proc *, struct job **) RUNS_ON(proc_role);
void job_set_background(struct proc *, struct job *) RUNS_ON(proc_role);

/* WORK_FAIL to everybody who waits. */
void job_tell_failed(struct proc *, const struct job *) RUNS_ON(proc_role);
/* Nobody waits for it any more; nothing is said. */
void job_drop_clients(struct proc *, struct job *) RUNS_ON(proc_role);

/* Handles. */
struct handle_text {
	char at[HANDLE_MAX + 1];
	uint8_t len;
};
void handle_write(const struct proc *, uint64_t number, unsigned prefix, struct handle_text *) RUNS_ON(proc_role);
void job_handle(const struct proc *, const struct job *, struct handle_text *) RUNS_ON(proc_role);
/* Its number in proc.handles, where numbers of other prefixes stand, too. */
static inline uint64_t
handle_key(uint64_t number, unsigned prefix)
{
	return number ^ (uint64_t)prefix << 48;
}
static inline uint64_t
job_number(const struct job *job) /* of the handle */
{
	return handle_key(job->by_handle.hash, job->prefix);
}
struct prefix *prefix_add(struct proc *, struct slice text); /* of handles; new; also before the core has a thread */
struct job *job_find(struct proc *, struct slice handle) RUNS_ON(proc_role); /* a trailing NUL is tolerated */

struct slice job_unique(const struct job *); /* as the client sent it: "", "-" or the key */
struct slice job_data(const struct job *);
struct slice job_reducer(const struct job *);
uint64_t job_bytes(const struct job *);

/* Uniques.  What belongs into request.key_hash, for both of these. */
uint64_t key_hash(const struct proc *, const struct job_request *) RUNS_ON(proc_role);
/* The live job that a submission joins, or NULL. */
struct job *key_find(struct proc *, const struct func *, const struct job_request *) RUNS_ON(proc_role);
struct job *unique_find(struct proc *, struct slice unique) RUNS_ON(proc_role); /* the newest of any function */
void key_add(struct proc *, struct job *, uint64_t key_hash)
    RUNS_ON(proc_role); /* no-op without a key; hash 0 = not known */
void key_remove(struct proc *, struct job *) RUNS_ON(proc_role);

/* The store. */
void job_store(struct proc *, struct job *) RUNS_ON(proc_role);
void job_unstore(struct proc *, struct job *) RUNS_ON(proc_role);

#endif
