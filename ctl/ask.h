/* SPDX-License-Identifier: BSD-3-Clause
 *
 * ask.h - one text command to a number of servers at once, its rows as they come.
 */
#ifndef GEARMANCTL_ASK_H
#define GEARMANCTL_ASK_H

#include "commands.h"
#include "link.h"

struct ask;
typedef void ask_row_f(void *user, const struct ask *, const struct slice *cells);

struct ask {
	struct link link;
	const struct command *command;
	struct answer answer;
	ask_row_f *on_row;
	void *user;
	bool refused;  /* by the server; link.why has its sentence */
	uint64_t rows; /* so far */
};

/* `asks`: zeroed, one for each target. */
void asks_start(struct ask *asks, const struct targets *, const struct command *, const char *text, int64_t timeout,
    ask_row_f *, void *user);
/* As links_turn(). */
bool asks_turn(struct ask *asks, unsigned count, int extra_fd, int64_t until);
/* CTL_OK, CTL_REFUSED or CTL_FAILED, for one that has ended. */
int ask_status(const struct ask *);
/* Says on stderr what went wrong, and returns the highest status. */
int asks_report(const struct ask *asks, unsigned count);
void asks_fini(struct ask *asks, unsigned count);

/* What a server's line behind "ERR " says, in link->why. */
void ask_keep_refusal(struct link *, struct slice line);
/* A space and an argument of a text command, which has no quoting; false: it cannot be said, and that was told. */
bool ask_add_word(struct buf *text, const char *word);
/* `server: sentence`, made fit for a terminal. */
void report(const struct target *, const char *sentence);

#endif
