/* SPDX-License-Identifier: BSD-3-Clause
 *
 * stage.h - the core and the model side by side, and what the files of this test share.
 *
 * Runs on:  a plain main(), which plays the processing thread, all peers, the store and the clock.
 * Owns:     the core, the model, and the rows that the store has committed.
 */
#ifndef GEARMAND_TESTS_STAGE_H
#define GEARMAND_TESTS_STAGE_H

#include "cross/msg.h"
#include "proc/proc.h"
#include "tests/model/model.h"

#include <gearmand/plugin.h>

enum { LIVE_JOBS = 150, ROWS = 4096, HISTORY = 40 };

struct row {
	struct mjob job; /* the model's view */
	char function[TEXT], key[TEXT], handle[TEXT], data[TEXT];
	int64_t run_at, changed_at;
	uint32_t attempts;
	uint8_t priority, flags;
};

struct stage {
	uint64_t random;
	struct proc *proc;
	struct outbox out;
	struct instant now;
	struct model *model;
	struct list changes; /* told by the core, in order; the store has not looked at them */
	struct row rows[ROWS], dead[ROWS];
	int row_count, dead_count;
	bool full;        /* the store, ... */
	struct list held; /* ... in which dead jobs have no room: they and their removals, in order */
	uint64_t next_peer;
	bool has_policies; /* they change, and operators do things */
	bool named[FUNCS]; /* an operator has named the function since the start */
	long step;
	char history[HISTORY][TEXT * 2];
};

extern struct stage t;

/* A random number, always the same for the same seed. */
uint64_t draw(uint64_t below);
/* Says what is wrong and what the last steps were, and ends the process. */
void wrong(const char *what, const char *expected, const char *got) __attribute__((noreturn));
void note(const char *what, int peer, long a, long b); /* this step, for wrong() */

/* A request of a peer: its arguments, in order. */
void send_words(int peer, enum pkt_type, const char *const *words);
#define SEND(peer, type, ...) send_words(peer, type, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
/* A job's: mostly one that this peer works on, sometimes any other. */
uint64_t some_number(int peer);

/* One turn of the core; everything it says is held against the model, which has been told before. */
void turn(struct msg *);

/* Steps of a history. */
int some_peer(void); /* -1 when there is none */
void step_new_peer(void);
void step_gone(int peer);
void step_submit(int peer);
void step_ability(int peer);
void step_grab(int peer);
void step_sleep(int peer);
void step_report(int peer);
void step_ask(int peer);
void step_time(void);
void pass_time(int64_t ms);
void step_manage(int peer);
void step_policies(void);

/* The store. */
void commit(uint64_t commits); /* at most that many of the changes told; their outcomes go back one by one */
void commit_half_a_move(void); /* to or from the dead: up to the first change of the two */
void set_full(bool);
void check_durable(void); /* whatever was acknowledged and has not ended must be in the store, dead jobs too */
void check_settled(void); /* all is committed, and then the store has these and no others */

/* Life. */
void start(void);
void replay(void);
void stop(void);
void crash(void);

#endif
