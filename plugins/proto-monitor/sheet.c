/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Takes apart what the command `metrics` answers.  Rows are read by the names of their columns, so that a server may
 * have further ones.
 *
 * Runs on:  the I/O thread of the connection that asked.
 * Owns:     nothing.
 */
#include "sheet.h"

/* One line, cut at its tabs. */
struct line {
	char *at, *end;
};

/* The next word as a string; "" at the end of the line. */
static char *
next_word(struct line *l)
{
	char *word = l->at, *tab = memchr(word, '\t', (size_t)(l->end - word));

	if (tab == NULL)
		tab = l->end;
	l->at = tab < l->end ? tab + 1 : tab;
	*tab = '\0';
	return word;
}

static uint64_t
next_number(struct line *l)
{
	uint64_t n = 0;

	for (; l->at < l->end && *l->at != '\t'; l->at++)
		if (*l->at >= '0' && *l->at <= '9')
			n = n * 10 + (uint64_t)(*l->at - '0');
	l->at += l->at < l->end;
	return n;
}

static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t
sheet_unescape(char *text, size_t len)
{
	size_t to = 0;

	for (size_t i = 0; i < len; i++) {
		bool is_escape = i + 3 < len && text[i] == '\\' && text[i + 1] == 'x' && digit_of(text[i + 2]) >= 0 &&
				 digit_of(text[i + 3]) >= 0;

		text[to++] = is_escape ? (char)(digit_of(text[i + 2]) * 16 + digit_of(text[i + 3])) : text[i];
		i += is_escape ? 3 : 0;
	}
	return to;
}

static struct sheet_histogram *
histogram_of(struct sheet *s, const char *name)
{
	struct sheet_histogram *h = (struct sheet_histogram *)(void *)s->histograms.data, fresh = { .name = name };

	for (size_t i = 0; i < s->histograms.len / sizeof(*h); i++)
		if (strcmp(h[i].name, name) == 0)
			return &h[i];
	gm_add(&s->histograms, &fresh, sizeof(fresh));
	h = (struct sheet_histogram *)(void *)s->histograms.data;
	return s->histograms.failed ? NULL : &h[s->histograms.len / sizeof(*h) - 1];
}

static void
read_bounds(struct sheet *s, struct line *l)
{
	struct sheet_histogram *h = histogram_of(s, next_word(l));

	while (h != NULL && l->at < l->end && h->count < SHEET_BUCKETS)
		h->bounds[h->count++] = next_number(l);
}

static void
read_histogram(struct sheet *s, struct line *l)
{
	struct sheet_histogram *h = histogram_of(s, next_word(l));

	if (h == NULL)
		return;
	h->sum = next_number(l);
	for (unsigned i = 0; l->at < l->end && i <= h->count; i++)
		h->numbers[i] = next_number(l);
}

static void
read_columns(struct sheet *s, struct line *l)
{
	next_word(l); /* the name */
	while (l->at < l->end && s->column_count < SHEET_COLUMNS)
		s->columns[s->column_count++] = next_word(l);
}

static void
read_row(struct sheet *s, struct line *l)
{
	struct sheet_row row = { .numbers = NULL };
	uint64_t numbers[SHEET_COLUMNS];
	char *name = next_word(l);

	row.name = (struct gearmand_slice){ name, sheet_unescape(name, strlen(name)) };
	for (unsigned i = 0; i < s->column_count; i++)
		numbers[i] = next_number(l);
	gm_add(&s->numbers, numbers, s->column_count * sizeof(*numbers));
	gm_add(&s->rows, &row, sizeof(row));
}

static void
read_fact(struct sheet *s, struct line *l, bool is_text)
{
	struct sheet_fact fact = { .name = next_word(l), .is_text = is_text };

	fact.text = next_word(l);
	gm_add(&s->facts, &fact, sizeof(fact));
}

static void
read_value(struct sheet *s, struct line *l)
{
	read_fact(s, l, false);
}

static void
read_text(struct sheet *s, struct line *l)
{
	read_fact(s, l, true);
}

static const struct {
	const char *word;
	void (*read)(struct sheet *, struct line *);
} kinds[] = {
	{ "function", read_row },
	{ "value", read_value },
	{ "text", read_text },
	{ "bounds", read_bounds },
	{ "histogram", read_histogram },
	{ "columns", read_columns },
};

/* ---- Order ------------------------------------------------------------------------------------------ */

static int
by_creation(const void *a, const void *b)
{
	uint64_t x = ((const struct sheet_row *)a)->order, y = ((const struct sheet_row *)b)->order;

	return (x > y) - (x < y);
}

static void
finish_rows(struct sheet *s)
{
	struct sheet_row *rows = (struct sheet_row *)(void *)s->rows.data;
	size_t count = sheet_row_count(s);
	int column = sheet_column(s, "number");

	for (size_t i = 0; i < count; i++) {
		rows[i].numbers = (const uint64_t *)(const void *)s->numbers.data + i * s->column_count;
		rows[i].order = column < 0 ? i : rows[i].numbers[column];
	}
	if (count > 0)
		qsort(rows, count, sizeof(*rows), by_creation);
}

bool
sheet_read(struct sheet *s, struct gearmand_slice answer)
{
	char *at, *end;

	*s = (struct sheet){ .column_count = 0 };
	gm_add_slice(&s->text, answer);
	if (s->text.failed || answer.len == 0)
		return false;
	at = s->text.data;
	for (end = at + s->text.len; at < end && *at != '.';) {
		char *lf = memchr(at, '\n', (size_t)(end - at));
		struct line l = { at, lf };
		const char *word;

		if (lf == NULL)
			return false;
		word = next_word(&l);
		for (size_t i = 0; i < GM_COUNT(kinds); i++) {
			if (strcmp(kinds[i].word, word) == 0) {
				kinds[i].read(s, &l);
				break;
			}
		}
		at = lf + 1;
	}
	if (at == end || s->facts.len == 0 || s->facts.failed || s->rows.failed || s->numbers.failed ||
	    s->histograms.failed)
		return false;
	finish_rows(s);
	return true;
}

void
sheet_fini(struct sheet *s)
{
	gm_bytes_free(&s->text);
	gm_bytes_free(&s->facts);
	gm_bytes_free(&s->histograms);
	gm_bytes_free(&s->rows);
	gm_bytes_free(&s->numbers);
}

/* ---- Looking up ------------------------------------------------------------------------------------- */

const char *
sheet_text(const struct sheet *s, const char *name)
{
	const struct sheet_fact *f = (const struct sheet_fact *)(const void *)s->facts.data;

	for (size_t i = 0; i < s->facts.len / sizeof(*f); i++)
		if (strcmp(f[i].name, name) == 0)
			return f[i].text;
	return "";
}

uint64_t
sheet_value(const struct sheet *s, const char *name)
{
	return strtoull(sheet_text(s, name), NULL, 10);
}

int
sheet_column(const struct sheet *s, const char *name)
{
	for (unsigned i = 0; i < s->column_count; i++)
		if (strcmp(s->columns[i], name) == 0)
			return (int)i;
	return -1;
}

const struct sheet_histogram *
sheet_histogram(const struct sheet *s, const char *name)
{
	const struct sheet_histogram *h = (const struct sheet_histogram *)(const void *)s->histograms.data;

	for (size_t i = 0; i < s->histograms.len / sizeof(*h); i++)
		if (strcmp(h[i].name, name) == 0)
			return &h[i];
	return NULL;
}

size_t
sheet_row_count(const struct sheet *s)
{
	return s->rows.len / sizeof(struct sheet_row);
}

const struct sheet_row *
sheet_row(const struct sheet *s, size_t i)
{
	return (const struct sheet_row *)(const void *)s->rows.data + i;
}
