/* SPDX-License-Identifier: BSD-3-Clause
 *
 * answer.h - the server's answers to text commands: lines, and lines as cells.  Pure.
 */
#ifndef GEARMANCTL_ANSWER_H
#define GEARMANCTL_ANSWER_H

#include "base/slice.h"

/* Longest line that is taken; a worker with thousands of functions has a long one. */
enum { ANSWER_LINE_MAX = 16 << 20, COLUMNS_MAX = 16 };

/* How an answer ends.  LISTING: rows, each ended by LF, then "." alone.  VALUE: one line, "OK" or "OK value".
 * EACH: some lines "OK" or "ERR ...", ended by the answer to a getpid behind the command, "OK number". */
enum answer_shape { ANSWER_LISTING, ANSWER_VALUE, ANSWER_EACH };

/* NUMBER and FLAG (0, 1) are what --json tells apart from text; EITHER is a number when it looks like one; LIST is
 * words with spaces between them.  LINE, the only column of its row, is words with tabs between them. */
enum column_type { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_FLAG, COLUMN_EITHER, COLUMN_LIST, COLUMN_LINE };

struct column {
	const char *name; /* NULL ends the columns */
	enum column_type type;
};

/* How a row is parted.  TABS: the first column takes what tabs are too many.  WORKER: `FD IP ID : FUNCTION ...` */
enum row_form { ROW_TABS, ROW_WORKER };

enum answer_verdict {
	ANSWER_MORE, /* no whole line yet */
	ANSWER_ROW,  /* a row, or what follows "OK " */
	ANSWER_END,
	ANSWER_ERR, /* the line is what follows "ERR " */
	ANSWER_BAD, /* that is no answer of a Gearman server */
	ANSWER_LONG /* the line is longer than ANSWER_LINE_MAX */
};

struct answer {
	enum answer_shape shape;
	bool begun, ended; /* ended: ROW and ERR can be the last as well as END */
};

/* The next line at the start of `in`; *used_r bytes are behind us then. */
enum answer_verdict answer_next(struct answer *, struct slice in, size_t *used_r, struct slice *line_r);

unsigned column_count(const struct column *);
/* Views into the line; false when it does not have the columns. */
bool row_split(enum row_form, const struct column *, struct slice line, struct slice cells[COLUMNS_MAX]);

#endif
