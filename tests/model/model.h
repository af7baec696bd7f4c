/* SPDX-License-Identifier: BSD-3-Clause
 *
 * model.h - what the core should do, said again in the simplest way that is surely right.
 *
 * Runs on:  the test's thread.
 * Owns:     plain arrays that are searched from end to end; nothing is clever, nothing is shared
 *           with the server's code but the numbers of packets.
 *
 * Each model_ function says what one request does: it changes the model and appends to what
 * each peer should hear and what the store should be told.  NOOPs are left out: they
 * depend on timing; the driver checks them by rule.
 */
#ifndef GEARMAND_TESTS_MODEL_H
#define GEARMAND_TESTS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PEERS = 12, /* at the same time */
	FUNCS = 4,
	UNIQUES = 5,   /* 0 = none, 1 = "-", others are names */
	JOBS = 1024,   /* alive at the same time */
	ENDED = 4096,  /* known at the same time */
	DEAD_MAX = 20, /* jobs on the dead list ... */
	DEAD_KEEP = 5, /* ... and seconds that one is there */
	PURGES = 64,   /* not answered yet */
	HEARS = 16384, /* things a peer has not heard yet */
	TELLS = 65536, /* changes the store has not been told yet */
	TEXT = 96,
	ERROR = 16
};

enum mstate { M_FREE, M_STORING, M_DELAYED, M_READY, M_RUNNING, M_BURIED, M_DEAD };
enum mloss { M_LOST = 1, M_TIMEOUT = 2, M_FAIL = 4, M_EXCEPTION = 8 };
enum mverdict { M_NONE, M_RETRY, M_BURY_IT };

struct mjob {
	enum mstate state;
	uint64_t number; /* of the handle */
	int func, unique, data, priority;
	int64_t due;           /* wall seconds ... */
	int64_t run_at;        /* ... as it was submitted; 0 = at once ... */
	int64_t retry_at;      /* ... and of the next attempt; 0 = at once */
	uint64_t born;         /* larger is newer, replayed jobs included */
	uint64_t queued;       /* place in the queue: smaller is earlier */
	int worker;            /* RUNNING */
	int clients[PEERS];    /* how many times each peer waits for it ... */
	uint64_t waits[PEERS]; /* ... and in which order it began to, the last time */
	int followers[PEERS];
	int open; /* submissions that wait for the commit */
	bool background, adding, stored, held;
	bool add_again; /* the ADD under way is out of date */
	bool own;       /* sent again from the dead list: the server itself waits for the commit ... */
	bool kicked;    /* ... and for the store it is dead until then */
	bool in_dead;   /* the store has been told that it is dead */
	int tries;
	int64_t changed_at; /* wall seconds: when it last failed, died or was sent again */
	int64_t died_at;    /* M_BURIED: wall seconds */
	char error[ERROR];  /* of its last exception, or what stands for it */
	bool threw;         /* that exception is what ends it */
	bool in_memory;     /* it is dead, and the store has refused to keep it */
	int64_t limit;      /* RUNNING: monotonic ms when it is out of time; 0 = none */
	int64_t since;      /* READY: monotonic ms */
	enum mverdict verdict;
	int verdict_s;   /* M_RETRY */
	uint64_t buried; /* M_BURIED: smaller is longer dead */
	uint32_t num, den;
	char key[TEXT]; /* in the store; learnt from the ADD when the unique is none */
};

struct mhear {            /* one thing a peer should hear */
	bool open;        /* a JOB_CREATED that waits for the commit of `job`, or an OK that waits for a removal */
	bool in_line;     /* that OK is in model.purges, too */
	int job;          /* -1 for an OK */
	uint64_t removal; /* number of that removal */
	int holds;        /* a job that is queued when this is heard, -1 for none */
	uint64_t opened;  /* larger is later */
	int64_t deadline; /* monotonic ms */
	char text[TEXT];  /* "TYPE arg arg ..." */
};

struct mpeer {
	bool used, gone, asleep, exceptions;
	bool unsure; /* replies are open: a NOOP may wait behind them, so `asleep` says little */
	uint64_t number;
	bool can[FUNCS];
	int64_t turn[FUNCS];
	int limit_ms[FUNCS];
	uint64_t excepted;
	struct mhear *hears;
	int first, count;
};

enum mtold { M_ADD, M_REMOVE, M_BURY, M_UNBURY };

struct mtell { /* as the job was when the store was told */
	enum mtold what;
	int job; /* ADD, BURY: index */
	int func;
	char key[TEXT]; /* empty: a made-up key that is not known yet */
	uint64_t number;
	int64_t run_at, changed_at;
	int attempts;
	char error[ERROR];
};

struct mpolicy {
	int attempts; /* 0 = no limit */
	unsigned retry_on;
	int delay_s;
	bool keep_dead;
	int expire_ms, run_limit_ms, keep_ms; /* 0 = none */
	int running;                          /* -1 = no limit */
};

struct mended {
	uint64_t number;
	int unique;
	bool completed, threw;
	char error[ERROR];
	bool newest;   /* with its unique */
	int64_t until; /* monotonic ms */
};

struct mpurge { /* answered in turn */
	struct mhear *answer;
	int peer;
	uint64_t removal; /* 0 = none is waited for */
	int64_t deadline;
};

struct model {
	bool durable, keeps_dead;
	int retries;
	struct mpolicy policies[FUNCS];
	int64_t paused_until[FUNCS]; /* monotonic ms; 0 = is not */
	int64_t expiry[FUNCS];       /* monotonic ms: no job expires before; 0 = not set */
	uint64_t expiry_order[FUNCS], last_order;
	struct mended ended[ENDED]; /* oldest first */
	int ended_count;
	int64_t mono_ms, wall_s, queue_timeout_ms;
	uint64_t next_number, next_queued, last_born, last_opened;
	uint64_t removes_told, removes_done; /* all that are no ADDs */
	struct mpurge purges[PURGES];
	int purge_count;
	bool trouble;                     /* the store says that it is full */
	int waiting;                      /* changes on their way into the store */
	int64_t heard_ms;                 /* while some are: since when it has said nothing ... */
	bool slow;                        /* ... which is long ago */
	int placing[JOBS], placing_count; /* held jobs that may be queued now, in order */
	int64_t first_turn, last_turn;
	struct mjob jobs[JOBS];
	struct mpeer peers[PEERS];
	struct mtell tells[TELLS];
	int first_tell, tell_count;
};

#define FULL_STORE "no room" /* what it says then */

struct submission {
	int func, unique, data, priority;
	int64_t due;
	bool background;
};

void model_init(struct model *, bool durable, bool keeps_dead, int retries, uint64_t first_number);
void model_fini(struct model *);

void model_peer_new(struct model *, int peer, uint64_t number);
void model_peer_gone(struct model *, int peer);
void model_can_do(struct model *, int peer, int func, int limit_ms);
void model_cant_do(struct model *, int peer, int func);
void model_reset(struct model *, int peer);
void model_submit(struct model *, int peer, const struct submission *);
void model_grab(struct model *, int peer, int type);
void model_report(struct model *, int peer, int type, uint64_t number, int data);
void model_get_status(struct model *, int peer, uint64_t number);
void model_get_status_unique(struct model *, int peer, int unique);
void model_exceptions(struct model *, int peer);
void model_echo(struct model *, int peer, int data);
void model_cancel(struct model *, int peer, uint64_t number);
void model_follow(struct model *, int peer, uint64_t number);
void model_unfollow(struct model *, int peer, uint64_t number);
void model_added(struct model *, int job, bool stored);
void model_removed(struct model *); /* the store has done the next change that is no ADD */
void model_trouble(struct model *, bool is_full);
void model_time(struct model *, int64_t ms);
void model_turn_ends(struct model *);
/* What an operator says. */
void model_policy(struct model *, int func, const struct mpolicy *); /* after all functions have theirs, ... */
void model_policies_end(struct model *);                             /* ... this */
void model_pause(struct model *, int peer, int func, int seconds);   /* 0 = until it is resumed */
void model_resume(struct model *, int peer, int func);
void model_kick(struct model *, int peer, uint64_t number);
void model_kick_func(struct model *, int peer, int func, int most);
void model_bury(struct model *, int peer, uint64_t number);
void model_retry(struct model *, int peer, uint64_t number, int seconds);
void model_purge(struct model *, int peer, int func); /* its ready jobs */
void model_purge_dead(struct model *, int peer, int func);
/* A job found in the store at start; all that are dead come last. */
void model_replayed(struct model *, const struct mjob *row);
void model_replayed_dead(struct model *, const struct mjob *row);

bool model_is_open(const struct model *, int func); /* its jobs may be given away */
bool model_has_work_for(const struct model *, int peer);
bool model_has_ready(const struct model *, int func);
int model_find(const struct model *, uint64_t number); /* -1 when there is none */
const char *model_func(int func);
const char *model_unique(int unique);

/* The next thing the peer should hear by now; NULL when there is none. */
const char *model_hears(struct model *, int peer);

#endif
