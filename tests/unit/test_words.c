/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Administrative lines as words.
 */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "wire/words.h"

/* The words, each in brackets, and the count. */
static void
expect(const char *line, size_t n, const char *wanted)
{
	struct words words;
	struct buf b = { 0 };
	char *copy = malloc(n); /* exactly as long, for the sanitizer */

	if (n > 0)
		memcpy(copy, line, n);
	words_split(slice_of(copy, n), &words);
	buf_add_u64(&b, words.count);
	for (unsigned i = 0; i < words.count && i < WORDS_MAX; i++) {
		buf_add_char(&b, '[');
		buf_add_escaped(&b, words.at[i]);
		buf_add_char(&b, ']');
	}
	buf_add_char(&b, '\0');
	cr_assert_str_eq(b.data, wanted, "'%s' gave %s, not %s", line, b.data, wanted);
	buf_fini(&b);
	free(copy);
}

Test(words, a_line_comes_apart_at_spaces)
{
	static const struct {
		const char *line, *words;
	} rows[] = {
		{ "status", "1[status]" },
		{ "status\r", "1[status]" },
		{ "status\r\r", "1[status\\x0D]" },
		{ "sta\rtus", "1[sta\\x0Dtus]" },
		{ "show unique jobs", "3[show][unique][jobs]" },
		{ "show   unique  jobs", "3[show][unique][jobs]" },
		{ "a\tb c", "2[a\\x09b][c]" },
		{ "", "1[]" },
		{ "\r", "1[]" },
		{ " ", "2[][]" },
		{ "   ", "2[][]" },
		{ " status", "2[][status]" },
		{ "   status", "2[][status]" },
		{ "status ", "2[status][]" },
		{ "status   \r", "2[status][]" },
		{ "maxqueue f 1 2 3", "5[maxqueue][f][1][2][3]" },
		{ "maxqueue f 1 2 3\r", "5[maxqueue][f][1][2][3]" },
		{ "maxqueue f 1 2 3 ", "6[maxqueue][f][1][2][3]" },
		{ "maxqueue f 1 2 3 4", "6[maxqueue][f][1][2][3]" },
		{ "a b c d e f g h i j", "6[a][b][c][d][e]" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(rows[i].line, strlen(rows[i].line), rows[i].words);
}

Test(words, bytes_of_any_kind_are_part_of_a_word)
{
	expect("a\0b c\xff", 6, "2[a\\x00b][c\xff]");
	expect("\0", 1, "1[\\x00]");
	expect(NULL, 0, "1[]");
}
