/* SPDX-License-Identifier: BSD-3-Clause
 *
 * kit.h - what is being checked, and how a case says what it found.
 *
 * Runs on:  each case in a process of its own, so that a module that crashes or hangs costs one case.
 * Owns:     the report, in memory that parent and case share.
 */
#ifndef CHECK_KIT_H
#define CHECK_KIT_H

#include <gearmand/plugin.h>

enum { PATIENCE = 60 }; /* seconds after which what is awaited will not come */

struct words { /* of the command line */
	char **at;
	int count;
};

struct kit {
	const char *file;                     /* of the module */
	const struct gearmand_plugin *plugin; /* NULL: the server would refuse it ... */
	struct gearmand_error refusal;        /* ... with this sentence */
	struct words options;                 /* the module's */
	struct words inputs;                  /* files with what a peer may say */
	const char *only;                     /* name of the one case to run, or NULL */
	const char *store_kill, *store_start; /* commands that end and start the store's process, or NULL */
	bool in_part;                         /* the store has no transactions: a crash may leave a part of a batch */
	bool dead_apart; /* what a batch says of dead jobs is a transaction of its own, the first */
	bool forgets;    /* the store is empty when its process has been killed */
	bool in_server;  /* it is the memory of the module itself */
	int limit;       /* seconds for a case */
	bool wants_help;
};

#define SAYS(string, first) __attribute__((format(printf, string, first)))

/* These end the process of the case. */
void fail(const char *format, ...) SAYS(1, 2) __attribute__((noreturn));
void skip(const char *format, ...) SAYS(1, 2) __attribute__((noreturn)); /* nothing to check here, and why */
#define MUST(truth, ...) \
	do { \
		if (!(truth)) \
			fail(__VA_ARGS__); \
	} while (0)

/* A line for the reader, whatever becomes of the case; one that is of interest when it fails. */
void note(const char *format, ...) SAYS(1, 2);
void note_if_failed(const char *format, ...) SAYS(1, 2);

/* Runs `function` in a process of its own and waits for it; a failure there is one here. */
struct rig;
void apart(struct rig *, void (*function)(struct rig *, void *), void *arg);

void kit_list(void); /* prints the table of cases */
bool kit_has(const char *name);
/* Runs every case that is chosen, prints TAP; true when none failed. */
bool kit_run(const struct kit *);

#endif
