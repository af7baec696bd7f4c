/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The JSON API: functions, all that match, sorted and cut as asked, or one.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 */
#include "api.h"

#include "monitor.h"
#include "sheet.h"
#include "text.h"

static uint64_t
waiting_of(const struct sheet *s, const struct sheet_row *row)
{
	static const char *const names[] = { "ready_high", "ready_normal", "ready_low" };
	uint64_t sum = 0;

	for (size_t i = 0; i < GM_COUNT(names); i++) {
		int column = sheet_column(s, names[i]);

		sum += column < 0 ? 0 : row->numbers[column];
	}
	return sum;
}

/* Where the name does not say its bytes: these, as a path has them. */
static void
add_id(struct gm_bytes *out, struct gearmand_slice name)
{
	struct gm_bytes id = { .len = 0 };

	if (text_is_plain(name))
		return;
	for (size_t i = 0; i < name.len; i++)
		gm_addf(&id, "%%%02X", (unsigned char)name.data[i]);
	json_text(out, "id", gm_bytes_slice(&id));
	gm_bytes_free(&id);
}

/* Flat, so that a reader can name a number; times in seconds. */
static void
add_members(struct gm_bytes *out, const struct sheet *s, const struct sheet_row *row)
{
	json_text(out, "name", row->name);
	add_id(out, row->name);
	json_u64(out, "waiting", waiting_of(s, row));
	for (unsigned i = 0; i < s->column_count; i++) {
		struct gearmand_slice name = gm_slice(s->columns[i]);
		bool is_ns = name.len > 3 && strcmp(name.data + name.len - 3, "_ns") == 0;
		bool is_sum = is_ns && !gm_begins(name, "oldest_");

		name.len -= is_ns ? 3 : 0;
		json_name(out, name, is_sum ? "_seconds" : "");
		if (is_ns)
			text_add_seconds(out, row->numbers[i]);
		else
			text_add_u64(out, row->numbers[i]);
	}
}

void
api_add_function(struct gm_bytes *out, const struct sheet *s, const struct sheet_row *row)
{
	json_open(out, NULL, '{');
	add_members(out, s, row);
	json_close(out, '}');
}

/* A row, and what it is sorted by. */
struct ranked {
	const struct sheet_row *row;
	uint64_t by;
};

/* The greatest first. */
static int
by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return x->by != y->by ? (x->by < y->by) - (x->by > y->by) : gm_compare(x->row->name, y->row->name);
}

static uint64_t
rank_of(const struct sheet *s, const struct sheet_row *row, const char *sort)
{
	char column[70];

	if (strcmp(sort, "waiting") == 0)
		return waiting_of(s, row);
	snprintf(column, sizeof(column), "%s_ns", sort);
	if (sheet_column(s, column) < 0)
		column[strlen(sort)] = '\0';
	return sheet_column(s, column) < 0 ? 0 : row->numbers[sheet_column(s, column)];
}

/* All but what stands for functions that are no more. */
static struct ranked *
rank_rows(const struct sheet *s, const char *sort, size_t *count_r)
{
	size_t rows = sheet_row_count(s);
	struct ranked *ranked = calloc(rows + 1, sizeof(*ranked));

	*count_r = 0;
	for (size_t i = 0; ranked != NULL && i < rows; i++) {
		const struct sheet_row *row = sheet_row(s, i);

		if (row->order > 0)
			ranked[(*count_r)++] = (struct ranked){ row, rank_of(s, row, sort) };
	}
	if (*count_r > 0)
		qsort(ranked, *count_r, sizeof(*ranked), by_rank);
	return ranked;
}

struct list_wish {
	struct gm_bytes sort, after, limit;
};

static bool
read_wish(struct mon_conn *c, struct list_wish *w)
{
	if (mon_parameter(&c->request, "sort", &w->sort) && mon_parameter(&c->request, "after", &w->after) &&
	    mon_parameter(&c->request, "limit", &w->limit) && w->sort.len < 60) {
		gm_add(&w->sort, "", 1);
		gm_add(&w->limit, "", 1);
		return true;
	}
	mon_refuse(c, 400, "a parameter is malformed");
	return false;
}

static void
add_functions(struct gm_bytes *out, const struct sheet *s, const struct list_wish *w)
{
	size_t limit = strtoul(w->limit.data, NULL, 10), at = 0, count;
	struct ranked *ranked = rank_rows(s, w->sort.data, &count);

	if (w->after.len > 0) {
		while (at < count && !gm_same(ranked[at].row->name, gm_bytes_slice(&w->after)))
			at++;
		at++;
	}
	json_u64(out, "total", count);
	json_open(out, "functions", '[');
	for (size_t end = limit == 0 || limit > count ? count : at + limit; at < count && at < end; at++)
		api_add_function(out, s, ranked[at].row);
	json_close(out, ']');
	free(ranked);
}

void
mon_on_functions(struct mon_conn *c, struct gearmand_slice answer)
{
	struct list_wish wish = { .sort = { .len = 0 } };
	struct gm_bytes out = { .len = 0 };
	struct sheet s;

	if (!mon_read_sheet(c, &s, answer))
		return;
	if (read_wish(c, &wish)) {
		json_open(&out, NULL, '{');
		add_functions(&out, &s, &wish);
		json_close(&out, '}');
		mon_answer_bytes(c, JSON, &out);
	}
	sheet_fini(&s);
	gm_bytes_free(&wish.sort);
	gm_bytes_free(&wish.after);
	gm_bytes_free(&wish.limit);
}

static const struct sheet_row *
find_row(const struct sheet *s, struct gearmand_slice name)
{
	for (size_t i = 0; i < sheet_row_count(s); i++)
		if (sheet_row(s, i)->order > 0 && gm_same(sheet_row(s, i)->name, name))
			return sheet_row(s, i);
	return NULL;
}

/* The name was asked for as a pattern.  Before that came "OK line N PATTERN SETTINGS". */
void
mon_on_function(struct mon_conn *c, struct gearmand_slice answer)
{
	struct gearmand_slice policy = gm_bytes_slice(&c->first);
	struct gm_bytes out = { .len = 0 };
	const struct sheet_row *row;
	struct sheet s;

	if (!mon_read_sheet(c, &s, answer))
		return;
	row = find_row(&s, gm_bytes_slice(&c->name));
	if (row == NULL) {
		mon_refuse(c, 404, "there is no function of that name");
	} else {
		json_open(&out, NULL, '{');
		add_members(&out, &s, row);
		if (gm_begins(policy, "OK ")) {
			text_cut(&policy, ' ');
			json_text(&out, "policy", text_cut(&policy, '\n'));
		}
		json_close(&out, '}');
		mon_answer_bytes(c, JSON, &out);
	}
	sheet_fini(&s);
}
