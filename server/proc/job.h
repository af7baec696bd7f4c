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

#include "proc/state.h"

struct func;
struct job_extra;
struct slot;

#define JOB_STATES(X) X(NEW) X(STORING) X(DELAYED) X(READY) X(RUNNING) X(BURIED) X(DEAD)
/*              from     to */
/* clang-format off */
#define JOB_MOVES(X) \
	X(NEW,     STORING) /* a durable background submission; or one that waits for such of its connection */ \
	X(NEW,     DELAYED) \
	X(NEW,     READY) \
	X(NEW,     BURIED)  /* it was dead in the store */ \
	X(STORING, DELAYED) /* committed */ \
	X(STORING, READY)   /* committed; or refused, but a foreground client waits */ \
	X(STORING, BURIED)  /* it was to be sent again, and the store refused it */ \
	X(STORING, DEAD)    /* refused, timed out, cancelled */ \
	X(DELAYED, READY)   /* due */ \
	X(DELAYED, STORING) /* due, but the store does not know yet of the attempt before */ \
	X(DELAYED, DEAD)    /* cancelled, or its last client left */ \
	X(READY,   RUNNING) \
	X(READY,   DEAD)    /* cancelled, or its last client left */ \
	X(RUNNING, READY)   /* its worker was lost */ \
	X(RUNNING, DELAYED) /* the same, and it is tried again later */ \
	X(RUNNING, STORING) /* the same, and it is tried again when the store knows of the attempt */ \
	X(RUNNING, DEAD)    /* done, failed, cancelled, given up */ \
	X(RUNNING, BURIED)  /* given up, or an operator said so: it is on the dead list */ \
	X(READY,   BURIED) \
	X(DELAYED, BURIED) \
	X(BURIED,  READY)   /* an operator sends it again ... */ \
	X(BURIED,  STORING) /* ... and it goes through the store */ \
	X(BURIED,  DEAD)    /* cancelled, or the dead list is full or old */
/* clang-format on */

enum job_state {
#define X(name) JOB_##name,
	JOB_STATES(X)
#undef X
	    JOB_STATE_COUNT
};

enum { JOB_MAGIC = 0x4a4f4221 };

struct job {
	uint32_t magic;
	uint8_t state OWNED_BY(proc_role); /* enum job_state; written by job_move() only */
	uint8_t priority;
	uint8_t flags;              /* GEARMAND_JOB_NO_UNIQUE, GEARMAND_JOB_UNIQUE_IS_DATA */
	uint8_t unique_len;         /* the unique is in the body, behind the function and a NUL */
	struct list link;           /* READY: func.ready; RUNNING: ability.running; BURIED: func.dead */
	struct hash_node by_handle; /* proc.handles; not when DEAD */
	nsec_t since;               /* monotonic: when it became READY, or RUNNING */
	struct func *func;
	struct blob *body;             /* function NUL unique NUL (reducer NUL) ... data */
	const struct job_extra *extra; /* to read; without one of its own it has that which is all zero */
	uint32_t data_at;              /* where the data starts in the body; it ends with it */
	uint16_t prefix;               /* of the handle */
	uint8_t reducer_len : 7;
	bool is_own : 1;      /* the server itself wants it, until it is stored */
	bool has_key : 1;     /* struct job_key lies behind this struct */
	bool key_in_body : 1; /* a made-up key of an earlier process: it stands in the unique's place */
	bool background : 1;  /* somebody was told that it is a background job */
	bool adding : 1;      /* an ADD is under way */
	bool stored : 1;      /* the store has it, not among the dead */
	bool removed : 1;     /* REMOVE is posted */
	bool newest : 1;      /* it stands for its unique in proc.uniques */
	bool has_twin : 1;    /* a job of another function has, or had, the same unique: struct twin stands for it */
};

/* The only writer of job.state; CHECKs the table of moves and keeps the function's counts. */
void job_move(struct proc *, struct job *, enum job_state) RUNS_ON(proc_role);
/* NEW or STORING or DELAYED: to READY, or DELAYED when its time has not come. */
void job_place(struct proc *, struct job *) RUNS_ON(proc_role);
/* RUNNING or DELAYED: it may be tried again now.  To READY, or to STORING while a store that is well still writes down
 * what became of it. */
void job_place_again(struct proc *, struct job *) RUNS_ON(proc_role);
/* Places jobs that waited for earlier ones of their connection. */
void jobs_place_held(struct proc *) RUNS_ON(proc_role);
/* The first submitter that waits for the commit, or NULL. */
struct slot *job_waiting_slot(const struct job *) RUNS_ON(proc_role);
/* Takes it out of every table and the store; clients must have been told.  Freed now, or, while an
 * ADD is under way, when that is back: until then its bytes count. */
void job_end(struct proc *, struct job *, enum outcome) RUNS_ON(proc_role);
/* Who listens gets WORK_FAIL, and it ends. */
void job_cancel(struct proc *, struct job *, enum outcome) RUNS_ON(proc_role);
/* Ends, but it stays in the store. */
void job_leave_in_store(struct proc *, struct job *) RUNS_ON(proc_role);
/* A client has left, or its commit is back: it ends when nobody wants it and no worker has it; in a graceful shutdown
 * it stays in the store alone when it is there and nobody waits for it. */
void job_settle(struct proc *, struct job *) RUNS_ON(proc_role);
bool job_is_wanted(const struct job *) RUNS_ON(proc_role);
/* Memory only; must be out of all lists. */
void job_free(struct proc *, struct job **) RUNS_ON(proc_role);
void job_set_background(struct proc *, struct job *) RUNS_ON(proc_role);

/* WORK_FAIL to everybody who listens: clients and followers. */
void job_tell_failed(struct proc *, const struct job *) RUNS_ON(proc_role);
/* WORK_FAIL to the clients, who wait no more; followers stay. */
void job_fail_clients(struct proc *, struct job *) RUNS_ON(proc_role);
/* The clients wait no more, nothing is said; followers stay. */
void job_drop_clients(struct proc *, struct job *) RUNS_ON(proc_role);
void job_drop_listeners(struct proc *, struct job *) RUNS_ON(proc_role); /* the same, and followers */

#endif
