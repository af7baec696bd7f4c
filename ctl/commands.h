/* SPDX-License-Identifier: BSD-3-Clause
 *
 * commands.h - the table of commands: help, completion, dispatch and the check of the manual are made from it.
 *
 * To add a command of the server, add one row to commands.c:
 *
 *     { "kick job", "HANDLE", "send a dead job again", .destroys = false, .text = "kick job", .shape = ANSWER_VALUE,
 * .columns = answer },
 *
 * and its paragraph in gearmanctl.1.rst (tests/lint/manual.py compares the two).  The name is one word or two.  An
 * argument in brackets may be left out.  FUNCTION and HANDLE are completed from what the server has.  `text` is what is
 * sent, the arguments behind it.  A listing names its columns; `OK n` is ANSWER_VALUE with one column.  What takes jobs
 * away for good has
 * `.destroys`.  A command that does more than ask has a function of its own instead of `text`, in a file of its own.
 */
#ifndef GEARMANCTL_COMMANDS_H
#define GEARMANCTL_COMMANDS_H

#include "answer.h"

struct command;
struct options;

/* `words`: `count` arguments, as many as the table allows.  Returns the exit status. */
typedef int command_run_f(const struct options *, const struct command *, char **words, unsigned count);

struct command {
	const char *name, *args, *help;
	bool destroys, numbers; /* numbers: all arguments but the first are whole numbers */
	const char *text;       /* what is sent to the server, or NULL */
	enum answer_shape shape;
	enum row_form form;
	const struct column *columns;
	command_run_f *run; /* without a text */
};

extern const struct command commands[]; /* ends with a name of NULL */

/* The command whose name the words begin with; *used_r words are its name.  NULL: none. */
const struct command *command_find(char **words, unsigned count, unsigned *used_r);
/* How many arguments it takes. */
void command_args(const struct command *, unsigned *least_r, unsigned *most_r);

#endif
