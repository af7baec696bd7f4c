/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any bytes as an administrative line: words are inside it, in order, with nothing but spaces
 * between them.
 *
 * Runs on:  one thread; keeps nothing between inputs.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "wire/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
count_spaces(const char *at, const char *end)
{
	size_t n = 0;

	while (at + n < end && at[n] == ' ')
		n++;
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice line = slice_of(data, size);
	struct words words;
	unsigned given;

	words_split(line, &words);
	CHECK(words.count >= 1 && words.count <= WORDS_MAX + 1);
	given = words.count > WORDS_MAX ? WORDS_MAX : words.count;

	const char *at = line.data, *end = line.data + line.len;

	if (line.len > 0 && end[-1] == '\r')
		end--;
	for (unsigned i = 0; i < given; i++) {
		struct slice word = words.at[i];

		CHECK(word.data == at && word.len <= (size_t)(end - at));
		CHECK(word.len == 0 || memchr(word.data, ' ', word.len) == NULL);
		CHECK(word.len > 0 || i == 0 || i + 1 == words.count);
		at += word.len;

		size_t spaces = count_spaces(at, end);

		CHECK((spaces > 0) == (i + 1 < words.count));
		at += spaces;
	}
	CHECK(words.count > WORDS_MAX || at == end);
	return 0;
}
