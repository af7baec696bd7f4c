/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any bytes as a server's answer to gearmanctl: lines and cells are inside them, each line is taken once, and what
 * comes in pieces is read as what comes at once.  The first byte says which answer is expected.
 *
 * Runs on:  one thread; keeps nothing between inputs.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "ctl/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct column *const tables[] = {
	(const struct column[]){ { "text", COLUMN_TEXT }, { 0 } },
	(const struct column[]){ { "text", COLUMN_TEXT }, { "number", COLUMN_NUMBER }, { "flag", COLUMN_FLAG }, { 0 } },
	(const struct column[]){ { "fd", COLUMN_NUMBER }, { "address", COLUMN_TEXT }, { "id", COLUMN_TEXT },
	    { "functions", COLUMN_LIST }, { 0 } },
};

static void
check_inside(struct slice part, struct slice whole)
{
	CHECK(part.len == 0 || (part.data >= whole.data && part.data + part.len <= whole.data + whole.len));
}

static void
check_row(enum row_form form, const struct column *columns, struct slice line)
{
	struct slice cells[COLUMNS_MAX];

	if (!row_split(form, columns, line, cells))
		return;
	for (unsigned i = 0; i < column_count(columns); i++) {
		check_inside(cells[i], line);
		CHECK(i == 0 || cells[i].data >= cells[i - 1].data + cells[i - 1].len);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer whole = { 0 }, pieces;
	size_t at = 0, used;

	if (size == 0)
		return 0;
	whole.shape = (enum answer_shape)(data[0] % 3);
	pieces = whole;

	enum row_form form = data[0] & 4 ? ROW_WORKER : ROW_TABS;
	const struct column *columns = form == ROW_WORKER ? tables[2] : tables[data[0] >> 3 & 1];

	data++;
	size--;
	while (!whole.ended) {
		struct slice rest = slice_of(data + at, size - at), line = { 0 }, again = { 0 };
		enum answer_verdict verdict = answer_next(&whole, rest, &used, &line);
		size_t none;

		CHECK((verdict == ANSWER_MORE) == (used == 0 && verdict != ANSWER_LONG) && used <= rest.len);
		if (verdict == ANSWER_MORE || verdict == ANSWER_LONG)
			break;
		check_inside(line, slice_of(rest.data, used));
		CHECK(line.len == 0 || memchr(line.data, '\n', line.len) == NULL);
		CHECK(answer_next(&pieces, slice_of(rest.data, used - 1), &none, &again) == ANSWER_MORE && none == 0);
		CHECK(answer_next(&pieces, slice_of(rest.data, used), &none, &again) == verdict && none == used &&
		      slice_eq(line, again));
		CHECK(pieces.ended == whole.ended);
		if (verdict == ANSWER_ROW)
			check_row(form, columns, line);
		at += used;
	}
	return 0;
}
