/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue_fail.h - what the files of the failing queue share.
 *
 * A real queue module, which keeps jobs as the SDK's example does, with two kinds of trouble on request:
 *
 *   rules    the n-th call of an operation fails, stalls, answers late or is refused, as stores do.  A server must
 *            live with that; so must the kit.
 *   a wrong  something that no module may do.  The kit must find it.
 *
 * Runs on:  the store thread.
 * Owns:     nothing that is shared; each file has its own.
 */
#ifndef TESTS_QUEUE_FAIL_H
#define TESTS_QUEUE_FAIL_H

#include <pthread.h>

#include <gearmand/plugin.h>

struct fail_store {
	const struct gearmand_host *host;
	struct gearmand_host inner_host; /* the same, but for `refuse`: a batch is a copy here */
	void *inner;                     /* the journal */
	pthread_t opener;
	bool is_replayed;
};

/* journal.c: the example, as the store that all this is about. */
extern const struct gearmand_queue_ops *const inner_ops;
void inner_unlock(void *inner);

/* ---- rules.c ------------------------------------------------------------------------ */

/* A rule is "OP WHICH ACTION [ARGUMENT]"; rules are parted by ';' or line ends.
 *
 *   OP      open, replay, commit, close, check; add, remove: a change within a commit
 *   WHICH   *, 3, 3-5, 3-: calls of that kind since the process began, from 1; =TEXT: the change with this unique
 *   ACTION  any op:  stall MS   wait before
 *                    late MS    wait after
 *                    hold       wait before, until no rule says so any more
 *                    crash      kill -9 of itself, before
 *           open:    passing TEXT, lasting TEXT, in-use TEXT
 *           replay:  fail TEXT, which lasts; partly TEXT: after the first job, which may pass
 *           commit:  again TEXT, broken TEXT: nothing is stored
 *                    full TEXT: nothing is stored, for want of room
 *                    half TEXT: the first half is stored, then as again
 *                    unknown TEXT: all is stored, then as broken
 *           check:   again TEXT, broken TEXT
 *           add, remove, bury, unbury:
 *                    refuse TEXT
 *                    full TEXT: nothing of its commit is stored, for want of room
 *
 * They are in --fail-rules, and in the file of --fail-control, which is read at each call. */
enum op { OP_OPEN, OP_REPLAY, OP_COMMIT, OP_CLOSE, OP_CHECK, OP_ADD, OP_REMOVE, OP_BURY, OP_UNBURY };

enum action {
	DO_NOTHING,
	DO_PASSING, /* the same order as enum gearmand_why */
	DO_LASTING,
	DO_IN_USE,
	DO_FAIL,
	DO_PARTLY,
	DO_AGAIN,
	DO_BROKEN,
	DO_HALF,
	DO_UNKNOWN,
	DO_REFUSE,
	DO_FULL
};

struct verdict {
	enum action action; /* of the first rule that has one */
	unsigned late;      /* ms to wait after */
	char text[256];
};

/* Counts the call, waits as the rules say, and tells what to do.  `change`: for add and remove. */
struct verdict rules_ask(const struct gearmand_host *, enum op, const struct gearmand_change *change);
void rules_wait(unsigned ms);

/* ---- wrong.c ------------------------------------------------------------------------ */

/* What --fail-wrong may say. */
/* clang-format off */
#define WRONGS(X) \
	/* A change is stored as something else. */ \
	X(loses_the_last, "the last ADD of a batch is not stored") \
	X(cuts_at_nul, "a payload ends at its first NUL") \
	X(cuts_large, "a payload of more than 1 MiB loses its last byte") \
	X(alters_a_byte, "one byte of a payload of 60,000 and more is changed") \
	X(forgets_priority, "all jobs become normal") \
	X(time_in_32_bits, "times go up to 2038") \
	X(cuts_handles, "handles have 16 bytes at most") \
	X(forgets_reducers, "no job has a reducer") \
	X(turns_flags, "one flag becomes the other") \
	X(drops_backslashes, "backslashes vanish from uniques") \
	X(cuts_functions, "functions have 255 bytes at most") \
	X(cuts_long_functions, "functions have 4,096 bytes at most") \
	X(passes_over_no_name, "a job of the function \"\" is passed over by replay") \
	X(ignores_case, "letters of uniques become small") \
	X(trims, "blanks at the end of uniques vanish") \
	/* Batches are taken as something else. */ \
	X(key_is_unique, "a unique belongs to one function only") \
	X(first_add_counts, "an ADD of a key that is there changes nothing") \
	X(forgets_errors, "no job has an error") \
	X(sticky_attempts, "an ADD without attempts keeps those of the ADD before") \
	X(buries_alive, "a BURY is an ADD") \
	X(bury_takes_key, "a BURY removes what lives under its key") \
	X(refuses_unbury, "an UNBURY is refused") \
	X(buries_one, "of several BURYs in a batch one is stored") \
	X(removes_first, "REMOVEs are stored before the rest of their batch") \
	X(refuses_unknown, "a REMOVE of the unknown is refused") \
	X(refuses_known, "an ADD of a key that is there is refused") \
	X(refuses_all, "a payload of more than 1 MiB has the whole batch refused") \
	X(refuses_without_reason, "a payload of more than 1 MiB is refused behind the host's back") \
	X(reads_all_of_remove, "the payload of a REMOVE is read") \
	X(keeps_pointers, "a batch is written when the next one comes") \
	X(answers_early, "a batch is copied, and written when the next one comes") \
	X(stores_4096, "what is behind the 4,096th change is not stored") \
	X(one_by_one, "each change is stored by itself") \
	X(needs_replay, "commits do nothing before a replay") \
	/* Replay. */ \
	X(swaps, "two jobs at a time come back in reverse") \
	X(does_not_stop, "replay goes on when told to stop") \
	X(hoards, "replay keeps a copy of each job in memory") \
	/* Opening. */ \
	X(starts_over, "the file is emptied by open") \
	X(one_thread, "ends the process when used on another thread") \
	X(leaks, "each open leaves a descriptor behind") \
	X(no_lock, "two may open at the same time") \
	X(in_use_is_passing, "a store in use is said to be a passing trouble") \
	X(lock_file, "a lock that outlives its process") \
	X(asks, "asks for an option that it does not have") \
	X(prints, "writes to stderr") \
	X(done_when_full, "says DONE though the file could not be written") \
	X(again_when_full, "says AGAIN when the file could not be written") \
	/* With rules. */ \
	X(done_while_down, "says DONE when a rule says broken") \
	X(well_while_down, "check says DONE when a rule says broken") \
	X(lasting_while_down, "says that it will last when a rule says passing") \
	X(starts_over_when_broken, "the file is emptied when a rule says broken")
/* clang-format on */

enum wrong {
	RIGHT,
#define X(name, sentence) WRONG_##name,
	WRONGS(X)
#undef X
};

/* The one that --fail-wrong names; false: there is none of that name. */
bool wrong_read(const struct gearmand_host *, struct gearmand_error *);
bool wrong_is(enum wrong);

/* Refuses a change of a copied batch. */
void wrong_refuse(struct gearmand_change *, const char *format, ...) GEARMAND_PRINTF(2, 3);
bool wrong_open(struct fail_store *, struct gearmand_error *); /* opens `inner` */
void wrong_close(struct fail_store *);
enum gearmand_commit wrong_commit(struct fail_store *, struct gearmand_change *, size_t count, struct gearmand_error *);
bool wrong_replay(struct fail_store *, gearmand_replay_f *, void *sink, struct gearmand_error *);
void wrong_empty(struct fail_store *);

/* ---- wrong_alter.c ------------------------------------------------------------------ */

enum { WRONG_LARGE = 1 << 20 }; /* bytes of a payload from which some cut it or refuse it */

/* Strings of the job may lie in memory of ours after that, until wrong_alter_end(). */
void wrong_alter_key(struct gearmand_job *);
void wrong_alter_job(struct gearmand_job *); /* all but its key */
void wrong_alter_end(void);

#endif
