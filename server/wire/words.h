/* SPDX-License-Identifier: BSD-3-Clause
 *
 * words.h - text lines as words: administrative ones, and those of files.  Any thread; pure.
 */
#ifndef GEARMAND_WIRE_WORDS_H
#define GEARMAND_WIRE_WORDS_H

#include "base/slice.h"

enum { WORDS_MAX = 5 }; /* as 1.1; a sixth word is answered with ERR */

struct words {
	unsigned count; /* WORDS_MAX + 1 when there are more than WORDS_MAX */
	struct slice at[WORDS_MAX];
};

/* `line` comes without its LF; a CR at its end is dropped.  Words are parted by runs of spaces
 * only; tab is an ordinary byte.  A leading space makes the first word empty, a trailing space
 * adds an empty last word, an empty line is one empty word: all as 1.1 does. */
void words_split(struct slice line, struct words *words_r);

/* The next word of a line of a file, from *at on, which goes on behind it; an empty one at the end.  Words are parted
 * by blanks and tabs; what stands in double quotes belongs to one word, which in place becomes one without its quotes.
 * False when a quote stays open. */
bool file_word(char **at, char *end, struct slice *word_r);

#endif
