/* SPDX-License-Identifier: BSD-3-Clause
 *
 * scene.h - the core alone on a stage: scripted peers, scripted store, scripted time.
 *
 * Runs on:  the test's thread, which plays the processing class.
 * Owns:     the core, and everything it said that the test has not looked at yet.
 *
 * Every tell() is one turn, followed by an audit.  Peers are small numbers.  The first handle
 * is H:test:1.  In expectations "*" stands for any text.
 */
#ifndef GEARMAND_TESTS_SCENE_H
#define GEARMAND_TESTS_SCENE_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "cross/msg.h"
#include "proc/proc.h"
#include "wire/packet.h"

struct scene;

/* Options, parted by spaces: --job-retries=N --dead-max=N --dead-keep=SECONDS --status-max-bytes=N --wakeups=N
 * --strict-order --exceptions
 * --timeout-requeues --durable
 * --adds-at-shutdown --keeps-dead --queue-timeout=MS --max-jobs=N --max-memory=N --max-functions=N --max-abilities=N
 * --max-storing=N --pause-held=N --max-held=N --prefix=TEXT --io=N */
struct scene *scene_new(const char *options);
void scene_free(struct scene **); /* audits; what nobody looked at is fine */

/* A policy file is read, as at a reload; "" = none. */
void scene_policies(struct scene *, const char *file);
/* The same with an access file, that knows the user bob, 1000. */
void scene_access(struct scene *, const char *file);

int scene_peer(struct scene *);
int scene_module_peer(struct scene *);                  /* one that speaks the protocol of a module */
int scene_peer_as(struct scene *, struct msg_conn *);   /* takes: what it says of the peer, and an address */
int scene_worker(struct scene *, const char *function); /* a peer that said CAN_DO */
void scene_hangup(struct scene *, int peer);
void scene_wait(struct scene *, int64_t ms);           /* time goes by in one step */
void scene_stand_still(struct scene *, int64_t ms);    /* the same, and what came meanwhile has not been read */
void scene_set_clock(struct scene *, int64_t seconds); /* the wall clock, since 1970 */
void scene_post(struct scene *, struct msg *);         /* any other message, and a turn */
/* What is told from here on comes in one batch, with scene_turn(); that also takes a turn without anything. */
void scene_gather(struct scene *);
nsec_t scene_turn(struct scene *); /* returns when the core wants the next */
struct proc *scene_core(struct scene *);

void scene_set_tag(struct scene *, uint64_t tag); /* of the requests from here on */
void expect_tag_(struct scene *, int peer, uint64_t tag, const char *file, int line);
#define expect_tag(s, peer, tag) expect_tag_(s, peer, tag, __FILE__, __LINE__) /* the next thing said has it */

/* A request: arguments in order, then the data if the packet has any. */
#define tell(s, peer, type, ...) tell_(s, peer, PKT_##type, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
/* The next thing said to that peer. */
#define expect(s, peer, type, ...) \
	expect_(s, peer, PKT_##type, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL }, __FILE__, __LINE__)
#define expect_silence(s, peer)    expect_silence_(s, peer, __FILE__, __LINE__)
#define expect_kind(s, peer, kind) expect_kind_(s, peer, MSG_##kind, __FILE__, __LINE__)
#define expect_text(s, peer, text) expect_text_(s, peer, text, "", __FILE__, __LINE__)
/* An administrative line and its whole answer. */
#define ask(s, peer, line, answer) ask_(s, peer, line, answer, __FILE__, __LINE__)

void tell_(struct scene *, int peer, enum pkt_type, const char *const *words);
void tell_bytes(struct scene *, int peer, enum pkt_type, struct slice body);
void expect_(struct scene *, int peer, enum pkt_type, const char *const *words, const char *file, int line);
void expect_silence_(struct scene *, int peer, const char *file, int line);
void expect_kind_(struct scene *, int peer, enum msg_kind, const char *file, int line);
void expect_text_(struct scene *, int peer, const char *text, const char *line, const char *file, int at);
void ask_(struct scene *, int peer, const char *line, const char *answer, const char *file, int at);
bool answer_has(struct scene *, int peer, const char *line, const char *part);
uint64_t scene_counter(struct scene *, int peer, const char *name); /* as `counters` says */
bool scene_logged(struct scene *, const char *part);                /* takes the line */
struct msg_reply *next_reply(struct scene *, int peer);             /* NULL when there is none; freed by the caller */

/* Takes turns until a listing is there, and each part of it; what it says goes to `text`, if that is not NULL.  Returns
 * its lines. */
int read_listing(struct scene *, int peer, int *turns_r, struct buf *text);

/* The store: changes wait here in order until the test decides. */
#define expect_add(s, function, unique)    expect_change_(s, MSG_ADD, function, unique, __FILE__, __LINE__)
#define expect_remove(s, function, unique) expect_change_(s, MSG_REMOVE, function, unique, __FILE__, __LINE__)
#define expect_bury(s, handle)             expect_dead_(s, MSG_BURY, handle, __FILE__, __LINE__)
#define expect_unbury(s, handle)           expect_dead_(s, MSG_UNBURY, handle, __FILE__, __LINE__)
/* The next change posted; it then waits for store_commit() or store_refuse(), and is there as long as that. */
struct msg_store *expect_change_(
    struct scene *, enum msg_kind, const char *function, const char *unique, const char *file, int line);
struct msg_store *expect_dead_(struct scene *, enum msg_kind, const char *handle, const char *file, int line);
void expect_no_change(struct scene *);
void store_commit(struct scene *);                     /* all ADDs so far are stored, all else is done */
void store_says(struct scene *, const char *trouble);  /* "" = it is well again */
void store_refuse(struct scene *, const char *reason); /* all ADDs so far are refused */
void store_replay(struct scene *, const char *function, const char *unique, const char *data, const char *handle);
struct past { /* of a job that the store has */
	const char *error;
	uint32_t attempts;
	int64_t run_at, changed_at, expires_at;
	bool is_dead;
};
void store_replay_past(struct scene *, const char *function, const char *unique, const char *data, const char *handle,
    const struct past *);
void store_replayed_all(struct scene *);                  /* the server is at work from here on */
bool scene_management_got(struct scene *, enum msg_kind); /* and takes it */

#endif
