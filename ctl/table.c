/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tables on standard output.
 *
 * Runs on:  the only thread.
 * Owns:     rows that wait for their widths.
 */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "options.h"
#include "table.h"
#include "text.h"

enum table_form { TABLE_ALIGNED, TABLE_TABS, TABLE_JSON };
enum { HELD_ROWS = 1000, HELD_BYTES = 1 << 20, GAP = 2, CELLS_MAX = COLUMNS_MAX + 1 };

struct cell {
	size_t at, len; /* in the table's text */
	unsigned width; /* columns of the terminal */
};

struct table {
	enum table_form form;
	const struct column *columns;
	unsigned count; /* columns, the server's not counted */
	bool server_column, header;
	bool begun;           /* aligned: the widths are settled; JSON: a row is out */
	struct cell *cells;   /* held rows, one after the other */
	unsigned rows, width; /* rows held; cells in a row */
	struct buf text;
	unsigned widths[CELLS_MAX];
};

/* Lines are for programs, also when a person looks at them. */
static bool
has_lines(const struct column *columns)
{
	return columns != NULL && columns[0].name != NULL && columns[0].type == COLUMN_LINE;
}

struct table *
table_for(const struct options *o, const struct command *command)
{
	struct table *t = mem_new(sizeof *t);

	t->columns = command->columns;
	t->count = column_count(t->columns);
	t->form = o->json ? TABLE_JSON : isatty(STDOUT_FILENO) && !has_lines(t->columns) ? TABLE_ALIGNED : TABLE_TABS;
	t->server_column = o->targets.count > 1;
	t->header = command->text == NULL || command->shape == ANSWER_LISTING;
	t->width = t->count + t->server_column;
	if (t->form == TABLE_JSON)
		fputs("[", stdout);
	return t;
}

/* ---- JSON */

/* Bytes that are not UTF-8 become \xHH, as text. */
static json_t *
json_text(struct slice s)
{
	json_t *text = json_stringn(s.len > 0 ? s.data : "", s.len);
	struct buf out = { 0 };

	for (size_t at = 0, n; text == NULL && at < s.len; at += n) {
		json_t *piece = NULL;
		char hex[8];

		for (n = 1; piece == NULL && n <= 4 && n <= s.len - at; n++)
			piece = json_stringn(s.data + at, n);
		n = piece == NULL ? 1 : n - 1;
		if (piece != NULL)
			buf_add(&out, s.data + at, n);
		else
			buf_add(&out, hex,
			    (size_t)snprintf(hex, sizeof hex, "\\x%02X", (unsigned)(unsigned char)s.data[at]));
		json_decref(piece);
	}
	if (text == NULL)
		text = json_stringn(out.data, out.len);
	buf_fini(&out);
	return text;
}

static json_t *
json_list(struct slice s)
{
	json_t *list = json_array();

	for (size_t at = 0; at < s.len;) {
		const char *space = memchr(s.data + at, ' ', s.len - at);
		size_t len = space == NULL ? s.len - at : (size_t)(space - s.data) - at;

		json_array_append_new(list, json_text(slice_of(s.data + at, len)));
		at += len + 1;
	}
	return list;
}

static json_t *
json_cell(enum column_type type, struct slice s)
{
	uint64_t number;

	if (type == COLUMN_FLAG)
		return json_boolean(slice_is(s, "1"));
	if (type == COLUMN_LIST)
		return json_list(s);
	if ((type == COLUMN_NUMBER || type == COLUMN_EITHER) && slice_to_u64(s, INT64_MAX, &number))
		return json_integer((json_int_t)number);
	return json_text(s);
}

static void
json_row(struct table *t, const char *server, const struct slice *cells)
{
	json_t *row = json_object();

	json_object_set_new(row, "server", json_text(slice_str(server)));
	for (unsigned i = 0; i < t->count; i++)
		json_object_set_new(row, t->columns[i].name, json_cell(t->columns[i].type, cells[i]));
	fputs(t->begun ? ",\n " : "\n ", stdout);
	json_dumpf(row, stdout, JSON_COMPACT);
	json_decref(row);
	t->begun = true;
}

/* ---- tabs */

/* Its tabs part words, so they stay. */
static void
add_line(struct buf *b, struct slice line)
{
	for (size_t at = 0; at < line.len; at++) {
		if (line.data[at] == '\t')
			buf_add_char(b, '\t');
		else
			buf_add_escaped(b, slice_of(line.data + at, 1));
	}
}

static void
tabs_row(const struct table *t, const char *server, const struct slice *cells)
{
	struct buf line = { 0 };

	if (t->server_column) {
		buf_add_str(&line, server);
		buf_add_char(&line, '\t');
	}
	for (unsigned i = 0; i < t->count; i++) {
		if (t->columns[i].type == COLUMN_LINE)
			add_line(&line, cells[i]);
		else
			buf_add_escaped(&line, cells[i]);
		buf_add_char(&line, i + 1 < t->count ? '\t' : '\n');
	}
	fwrite(line.data, 1, line.len, stdout);
	buf_fini(&line);
}

/* ---- aligned */

static void
pad(unsigned width)
{
	fprintf(stdout, "%*s", (int)width, "");
}

static void
print_cell(const struct table *t, unsigned at, const char *text, size_t len, unsigned width)
{
	unsigned room = t->widths[at] > width ? t->widths[at] - width : 0;
	bool right = at >= t->server_column && t->columns[at - t->server_column].type == COLUMN_NUMBER;

	if (right)
		pad(room);
	fwrite(text, 1, len, stdout);
	if (at + 1 == t->width)
		fputc('\n', stdout);
	else
		pad(GAP + (right ? 0 : room));
}

static const char *
title(const struct table *t, unsigned at)
{
	return at < t->server_column ? "server" : t->columns[at - t->server_column].name;
}

static void
print_header(const struct table *t)
{
	for (unsigned i = 0; i < t->width; i++) {
		char upper[64];
		size_t len = strlen(title(t, i));

		len = len < sizeof upper ? len : sizeof upper;
		for (size_t k = 0; k < len; k++)
			upper[k] = title(t, i)[k] == '_' ? ' ' : (char)toupper((unsigned char)title(t, i)[k]);
		print_cell(t, i, upper, len, (unsigned)len);
	}
}

static void
print_held(struct table *t)
{
	if (!t->begun && t->header) {
		for (unsigned i = 0; i < t->width; i++)
			if (t->widths[i] < strlen(title(t, i)))
				t->widths[i] = (unsigned)strlen(title(t, i));
		print_header(t);
	}
	t->begun = true;
	for (unsigned i = 0; i < t->rows * t->width; i++)
		print_cell(t, i % t->width, t->text.data + t->cells[i].at, t->cells[i].len, t->cells[i].width);
	t->rows = 0;
	t->text.len = 0;
}

static void
hold_cell(struct table *t, unsigned at, struct slice text)
{
	struct cell *cell = &t->cells[t->rows * t->width + at];

	cell->at = t->text.len;
	cell->width = text_add_shown(&t->text, text, false);
	cell->len = t->text.len - cell->at;
	if (!t->begun && cell->width > t->widths[at])
		t->widths[at] = cell->width;
}

static void
aligned_row(struct table *t, const char *server, const struct slice *cells)
{
	if (t->cells == NULL)
		t->cells = mem_new(HELD_ROWS * t->width * sizeof *t->cells);
	if (t->server_column)
		hold_cell(t, 0, slice_str(server));
	for (unsigned i = 0; i < t->count; i++)
		hold_cell(t, i + t->server_column, cells[i]);
	if (++t->rows == HELD_ROWS || t->text.len >= HELD_BYTES || t->begun)
		print_held(t);
}

void
table_row(struct table *t, const char *server, const struct slice *cells)
{
	if (t->form == TABLE_JSON)
		json_row(t, server, cells);
	else if (t->form == TABLE_TABS)
		tabs_row(t, server, cells);
	else
		aligned_row(t, server, cells);
}

void
table_free(struct table **t_p)
{
	struct table *t = *t_p;

	*t_p = NULL;
	if (t->form == TABLE_JSON)
		fputs(t->begun ? "\n]\n" : "]\n", stdout);
	if (t->form == TABLE_ALIGNED && (t->rows > 0 || (!t->begun && t->header)))
		print_held(t);
	buf_fini(&t->text);
	mem_free(t->cells);
	mem_free(t);
}
