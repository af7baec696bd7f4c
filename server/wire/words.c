/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Text lines as words.
 *
 * Runs on:  any thread; pure.  The words are views into the line.
 */
#include "wire/words.h"

/* The word at the start of `rest`, which is cut down to what follows the run of spaces behind
 * it.  False when it was the last: no space follows. */
static bool
cut_word(struct slice *rest, struct slice *word_r)
{
	size_t n = 0;

	while (n < rest->len && rest->data[n] != ' ')
		n++;
	*word_r = slice_of(rest->data, n);
	if (n == rest->len)
		return false;
	while (n < rest->len && rest->data[n] == ' ')
		n++;
	*rest = slice_of(rest->data + n, rest->len - n);
	return true;
}

void
words_split(struct slice line, struct words *words_r)
{
	struct slice word;
	bool more = true;

	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	for (words_r->count = 0; more && words_r->count <= WORDS_MAX; words_r->count++) {
		more = cut_word(&line, &word);
		if (words_r->count < WORDS_MAX)
			words_r->at[words_r->count] = word;
	}
}

bool
file_word(char **at, char *end, struct slice *word_r)
{
	char *from = *at, *to;
	bool quoted = false;

	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	to = *at = from;
	for (; *at < end && (quoted || (**at != ' ' && **at != '\t')); ++*at) {
		if (**at == '"')
			quoted = !quoted;
		else
			*to++ = **at;
	}
	*word_r = slice_of(from, (size_t)(to - from));
	return !quoted;
}
