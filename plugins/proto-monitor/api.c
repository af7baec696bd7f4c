/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The JSON API: what the core says in lines, in JSON.  openapi.json describes it.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 */
#include "api.h"

#include "monitor.h"
#include "process.h"
#include "sheet.h"
#include "text.h"

/* The next piece of `rest` up to the byte, which goes too. */
static struct gearmand_slice
cut(struct gearmand_slice *rest, char at)
{
	const char *end = rest->len == 0 ? NULL : memchr(rest->data, at, rest->len);
	struct gearmand_slice piece = { rest->data, end == NULL ? rest->len : (size_t)(end - rest->data) };

	rest->data += piece.len + (end != NULL);
	rest->len -= piece.len + (end != NULL);
	return piece;
}

/* The next line of a listing; false at its end. */
static bool
next_line(struct gearmand_slice *rest, struct gearmand_slice *line_r)
{
	*line_r = cut(rest, '\n');
	return line_r->len > 0 && !gm_is(*line_r, ".");
}

/* ---- Refusals of the core --------------------------------------------------------------------------- */

static unsigned
status_of(struct gearmand_slice code)
{
	if (gm_begins(code, "UNKNOWN_JOB") || gm_begins(code, "UNKNOWN_FUNCTION"))
		return 404;
	if (gm_is(code, "NOT_ALLOWED"))
		return 403;
	if (gm_is(code, "QUEUE_ERROR") || gm_is(code, "TOO_MANY_FUNCTIONS"))
		return 503;
	return gm_is(code, "INVALID_ARGUMENTS") ? 400 : 409;
}

bool
mon_is_refused(struct mon_conn *c, struct gearmand_slice answer)
{
	struct gearmand_slice text = answer;
	char why[256];

	if (!gm_begins(answer, "ERR "))
		return false;
	cut(&text, ' ');
	while (text.len > 0 && (unsigned char)text.data[text.len - 1] <= ' ')
		text.len--;
	snprintf(why, sizeof(why), "%.*s", (int)text.len, text.data);
	for (char *plus = why; (plus = strchr(plus, '+')) != NULL;)
		*plus = ' ';
	mon_refuse(c, status_of(cut(&text, ' ')), why);
	return true;
}

bool
mon_read_sheet(struct mon_conn *c, struct sheet *s, struct gearmand_slice answer)
{
	if (mon_is_refused(c, answer))
		return false;
	if (sheet_read(s, answer))
		return true;
	sheet_fini(s);
	mon_refuse(c, 503, "out of memory");
	return false;
}

/* ---- The server -------------------------------------------------------------------------------------- */

/* Times in seconds; of the sizes of batches the number itself. */
static void
json_bound(struct gm_bytes *out, const char *key, uint64_t n, bool is_ns)
{
	if (is_ns)
		json_seconds(out, key, n);
	else
		json_u64(out, key, n);
}

static void
add_histograms(struct gm_bytes *out, const struct sheet *s)
{
	const struct sheet_histogram *h = (const struct sheet_histogram *)(const void *)s->histograms.data;

	json_open(out, "histograms", '{');
	for (size_t i = 0; i < s->histograms.len / sizeof(*h); i++) {
		bool is_ns = strcmp(h[i].name, "store_batch") != 0;

		json_open(out, h[i].name, '{');
		json_bound(out, "sum", h[i].sum, is_ns);
		json_open(out, "bounds", '[');
		for (unsigned k = 0; k < h[i].count; k++)
			json_bound(out, NULL, h[i].bounds[k], is_ns);
		json_close(out, ']');
		json_open(out, "counts", '[');
		for (unsigned k = 0; k <= h[i].count; k++)
			json_u64(out, NULL, h[i].numbers[k]);
		json_close(out, ']');
		json_close(out, '}');
	}
	json_close(out, '}');
}

static void
add_process(struct gm_bytes *out)
{
	struct process p;

	process_read(&p);
	json_open(out, "process", '{');
	json_seconds(out, "cpu_seconds", (uint64_t)(p.cpu * 1e9));
	json_u64(out, "resident_bytes", p.resident);
	json_u64(out, "open_fds", p.fds);
	json_u64(out, "max_fds", p.max_fds);
	json_close(out, '}');
	json_open(out, "threads", '{');
	for (unsigned i = 0; i < p.thread_count; i++)
		json_seconds(out, p.threads[i].name, (uint64_t)(p.threads[i].cpu * 1e9));
	json_close(out, '}');
}

/* The level in what `whoami` says: submitting and working have nothing to do with the monitor. */
static const char *
level_of(struct gearmand_slice whoami)
{
	static const char *const words[][2] = { { "all", "admin" }, { "admin", "admin" }, { "manage", "manage" },
		{ "see", "see" } };
	struct gearmand_slice line;

	while (next_line(&whoami, &line)) {
		if (!gm_begins(line, "rights\t"))
			continue;
		cut(&line, '\t');
		while (line.len > 0) {
			struct gearmand_slice word = cut(&line, ' ');

			for (size_t i = 0; i < GM_COUNT(words); i++)
				if (gm_is(word, words[i][0]))
					return words[i][1];
		}
	}
	return "none";
}

void
api_add_status(struct gm_bytes *out, const struct sheet *s, const struct mon_conn *c)
{
	const struct sheet_fact *f = (const struct sheet_fact *)(const void *)s->facts.data;
	size_t count = s->facts.len / sizeof(*f);

	json_text(out, "state", gm_slice(mon_host(c)->phase()));
	json_text(out, "rights", gm_slice(level_of(gm_bytes_slice(&c->first))));
	json_u64(out, "now", (uint64_t)mon_host(c)->wall() / 1000000000);
	json_u64(out, "started", sheet_value(s, "start_wall"));
	json_u64(out, "store_since", sheet_value(s, "store_since"));
	for (size_t i = 0; i < count; i++)
		if (f[i].is_text && strcmp(f[i].name, "state") != 0)
			json_text(out, f[i].name, gm_slice(f[i].text));
	json_open(out, "values", '{');
	for (size_t i = 0; i < count; i++)
		if (!f[i].is_text)
			json_u64(out, f[i].name, strtoull(f[i].text, NULL, 10));
	json_close(out, '}');
	add_histograms(out, s);
	add_process(out);
}

void
mon_on_status(struct mon_conn *c, struct gearmand_slice answer)
{
	struct gm_bytes out = { .len = 0 };
	struct sheet s;

	if (!mon_read_sheet(c, &s, answer))
		return;
	json_open(&out, NULL, '{');
	api_add_status(&out, &s, c);
	json_close(&out, '}');
	sheet_fini(&s);
	mon_answer_bytes(c, JSON, &out);
}

/* ---- Functions --------------------------------------------------------------------------------------- */

static uint64_t
waiting_of(const struct sheet *s, const struct sheet_row *row)
{
	static const char *const names[] = { "ready_high", "ready_normal", "ready_low" };
	uint64_t sum = 0;

	for (size_t i = 0; i < GM_COUNT(names); i++)
		sum += sheet_column(s, names[i]) < 0 ? 0 : row->numbers[sheet_column(s, names[i])];
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
		size_t len = strlen(s->columns[i]);
		bool is_ns = len > 3 && strcmp(s->columns[i] + len - 3, "_ns") == 0;
		bool is_sum = is_ns && !gm_begins(gm_slice(s->columns[i]), "oldest_");
		char name[70];

		snprintf(name, sizeof(name), "%.*s%s", (int)(is_ns ? len - 3 : len), s->columns[i],
		    is_sum ? "_seconds" : "");
		if (is_ns)
			json_seconds(out, name, row->numbers[i]);
		else
			json_u64(out, name, row->numbers[i]);
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
			cut(&policy, ' ');
			json_text(&out, "policy", cut(&policy, '\n'));
		}
		json_close(&out, '}');
		mon_answer_bytes(c, JSON, &out);
	}
	sheet_fini(&s);
}

/* ---- Listings ---------------------------------------------------------------------------------------- */

static bool
is_listed(const char *words, struct gearmand_slice name)
{
	size_t len;

	for (; *words != '\0'; words += len + (words[len] == ' ')) {
		len = strcspn(words, " ");
		if (gm_same((struct gearmand_slice){ words, len }, name))
			return true;
	}
	return false;
}

static void
add_number(struct gm_bytes *out, const char *key, struct gearmand_slice text)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
		n = n * 10 + (uint64_t)(text.data[i] - '0');
	json_u64(out, key, n);
}

/* The route's fields: the name of the list, then those of the columns. */
static void
add_row(struct gm_bytes *out, const char *fields, struct gearmand_slice line)
{
	char words[96], *rest = words, *name;

	snprintf(words, sizeof(words), "%s", fields);
	strsep(&rest, " ");
	json_open(out, NULL, '{');
	while ((name = strsep(&rest, " ")) != NULL) {
		struct gearmand_slice value = cut(&line, '\t');
		char *kind = strchr(name, ':');

		if (kind != NULL)
			*kind = '\0';
		if (kind != NULL)
			add_number(out, name, value);
		else if (name[0] != '-')
			json_text(out, name, value);
	}
	json_close(out, '}');
}

void
mon_on_rows(struct mon_conn *c, struct gearmand_slice answer)
{
	struct gm_bytes out = { .len = 0 };
	struct gearmand_slice line;
	char list[16];

	if (mon_is_refused(c, answer))
		return;
	snprintf(list, sizeof(list), "%.*s", (int)strcspn(c->route->fields, " "), c->route->fields);
	json_open(&out, NULL, '{');
	json_open(&out, list, '[');
	while (next_line(&answer, &line))
		add_row(&out, c->route->fields, line);
	json_close(&out, ']');
	json_close(&out, '}');
	mon_answer_bytes(c, JSON, &out);
}

/* Of the names, those that the route lists have numbers. */
void
mon_on_facts(struct mon_conn *c, struct gearmand_slice answer)
{
	struct gm_bytes out = { .len = 0 };
	struct gearmand_slice line;

	if (mon_is_refused(c, answer))
		return;
	json_open(&out, NULL, '{');
	while (next_line(&answer, &line)) {
		struct gearmand_slice name = cut(&line, '\t');
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)name.len, name.data);
		if (is_listed(c->route->fields, name))
			add_number(&out, key, line);
		else
			json_text(&out, key, line);
	}
	json_close(&out, '}');
	mon_answer_bytes(c, JSON, &out);
}

/* FD ADDRESS ID : FUNCTION ... */
void
mon_on_workers(struct mon_conn *c, struct gearmand_slice answer)
{
	struct gm_bytes out = { .len = 0 };
	struct gearmand_slice line;

	if (mon_is_refused(c, answer))
		return;
	json_open(&out, NULL, '{');
	json_open(&out, "workers", '[');
	while (next_line(&answer, &line)) {
		json_open(&out, NULL, '{');
		add_number(&out, "fd", cut(&line, ' '));
		json_text(&out, "address", cut(&line, ' '));
		json_text(&out, "id", cut(&line, ' '));
		json_open(&out, "functions", '[');
		for (cut(&line, ' '); line.len > 0;)
			json_text(&out, NULL, cut(&line, ' '));
		json_close(&out, ']');
		json_close(&out, '}');
	}
	json_close(&out, ']');
	json_close(&out, '}');
	mon_answer_bytes(c, JSON, &out);
}

/* ---- Actions ----------------------------------------------------------------------------------------- */

/* "OK", or "OK N". */
void
mon_on_done(struct mon_conn *c, struct gearmand_slice answer)
{
	struct gm_bytes out = { .len = 0 };
	struct gearmand_slice path = c->request.path;

	if (mon_is_refused(c, answer))
		return;
	mon_host(c)->log(mon_host(c), GEARMAND_LOG_NOTICE, "%s: %.*s", mon_host(c)->peer_address(c->peer),
	    path.len > 400 ? 400 : (int)path.len, path.data);
	json_open(&out, NULL, '{');
	if (gm_begins(answer, "OK ")) {
		cut(&answer, ' ');
		add_number(&out, "count", answer);
	} else {
		json_u64(&out, "count", 1);
	}
	json_close(&out, '}');
	mon_answer_bytes(c, JSON, &out);
}

extern const unsigned char mon_openapi[];
extern const unsigned long mon_openapi_len;

void
mon_serve_openapi(struct mon_conn *c)
{
	mon_answer(c, 200, JSON, (struct gearmand_slice){ (const char *)mon_openapi, mon_openapi_len });
}
