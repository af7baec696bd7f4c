/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Answers to text commands.
 *
 * Runs on:  the only thread; pure.
 * Owns:     nothing: all are views into what was read.
 */
#include "answer.h"

static struct slice
from(struct slice s, size_t skip)
{
	return slice_of(s.data + skip, s.len - skip);
}

static bool
begins(struct slice s, const char *with)
{
	size_t len = strlen(with);

	return s.len >= len && memcmp(s.data, with, len) == 0;
}

static enum answer_verdict
status_line(struct answer *a, struct slice *line)
{
	uint64_t pid;

	a->ended = a->shape != ANSWER_EACH;
	if (begins(*line, "ERR ")) {
		*line = from(*line, 4);
		return ANSWER_ERR;
	}
	if (slice_is(*line, "OK")) {
		*line = from(*line, 2);
		return ANSWER_ROW;
	}
	a->ended = true;
	if (!begins(*line, "OK "))
		return ANSWER_BAD;
	*line = from(*line, 3);
	if (a->shape == ANSWER_EACH)
		return slice_to_u64(*line, UINT64_MAX, &pid) ? ANSWER_END : ANSWER_BAD;
	return ANSWER_ROW;
}

enum answer_verdict
answer_next(struct answer *a, struct slice in, size_t *used_r, struct slice *line_r)
{
	const char *lf = in.len == 0 ? NULL : memchr(in.data, '\n', in.len);
	bool first = !a->begun, cr;
	struct slice line;

	*used_r = 0;
	if (lf == NULL)
		return in.len > ANSWER_LINE_MAX ? ANSWER_LONG : ANSWER_MORE;
	*used_r = (size_t)(lf - in.data) + 1;
	line = slice_of(in.data, *used_r - 1);
	if (line.len > ANSWER_LINE_MAX)
		return ANSWER_LONG;
	cr = line.len > 0 && line.data[line.len - 1] == '\r';
	if (cr)
		line.len--;
	a->begun = true;
	*line_r = line;
	if (a->shape != ANSWER_LISTING)
		return status_line(a, line_r);
	/* Rows end with LF alone, so a function named "ERR x" is no refusal. */
	if (first && cr && begins(line, "ERR ")) {
		*line_r = from(line, 4);
		a->ended = true;
		return ANSWER_ERR;
	}
	if (slice_is(line, ".")) {
		a->ended = true;
		return ANSWER_END;
	}
	return ANSWER_ROW;
}

unsigned
column_count(const struct column *columns)
{
	unsigned n = 0;

	while (columns[n].name != NULL)
		n++;
	return n;
}

static bool
is_number(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
	return s.len > 0;
}

static bool
cell_fits(const struct column *column, struct slice cell)
{
	if (column->type == COLUMN_FLAG)
		return slice_is(cell, "0") || slice_is(cell, "1");
	return column->type != COLUMN_NUMBER || is_number(cell);
}

/* Cuts the part behind the last tab off. */
static bool
cut_last(struct slice *line, struct slice *cell_r)
{
	size_t at = line->len;

	while (at > 0 && line->data[at - 1] != '\t')
		at--;
	if (at == 0)
		return false;
	*cell_r = from(*line, at);
	line->len = at - 1;
	return true;
}

static bool
split_tabs(struct slice line, unsigned count, struct slice cells[])
{
	for (unsigned i = count; i-- > 1;)
		if (!cut_last(&line, &cells[i]))
			return false;
	cells[0] = line;
	return true;
}

static bool
cut_word(struct slice *line, struct slice *cell_r)
{
	const char *space = line->len == 0 ? NULL : memchr(line->data, ' ', line->len);

	if (space == NULL)
		return false;
	*cell_r = slice_of(line->data, (size_t)(space - line->data));
	*line = from(*line, cell_r->len + 1);
	return true;
}

/* An id may have spaces, and colons; the first " : " ends it, or " :" at the end of the line. */
static bool
split_worker(struct slice line, struct slice cells[])
{
	if (!cut_word(&line, &cells[0]) || !cut_word(&line, &cells[1]))
		return false;
	for (size_t i = 0; i + 2 <= line.len; i++) {
		if (memcmp(line.data + i, " :", 2) != 0 || (i + 2 < line.len && line.data[i + 2] != ' '))
			continue;
		cells[2] = slice_of(line.data, i);
		cells[3] = from(line, i + 2 < line.len ? i + 3 : i + 2);
		return true;
	}
	return false;
}

bool
row_split(enum row_form form, const struct column *columns, struct slice line, struct slice cells[COLUMNS_MAX])
{
	unsigned count = column_count(columns);

	if (form == ROW_WORKER ? !split_worker(line, cells) : !split_tabs(line, count, cells))
		return false;
	for (unsigned i = 0; i < count; i++)
		if (!cell_fits(&columns[i], cells[i]))
			return false;
	return true;
}
