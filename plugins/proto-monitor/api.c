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

/* The next line of a listing; false at its end. */
static bool
next_line(struct gearmand_slice *rest, struct gearmand_slice *line_r)
{
	*line_r = text_cut(rest, '\n');
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
	text_cut(&text, ' ');
	while (text.len > 0 && (unsigned char)text.data[text.len - 1] <= ' ')
		text.len--;
	snprintf(why, sizeof(why), "%.*s", (int)text.len, text.data);
	for (char *plus = why; (plus = strchr(plus, '+')) != NULL;)
		*plus = ' ';
	mon_refuse(c, status_of(text_cut(&text, ' ')), why);
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
		text_cut(&line, '\t');
		while (line.len > 0) {
			struct gearmand_slice word = text_cut(&line, ' ');

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
	char words[128], *rest = words, *name;

	snprintf(words, sizeof(words), "%s", fields);
	strsep(&rest, " ");
	json_open(out, NULL, '{');
	while ((name = strsep(&rest, " ")) != NULL) {
		struct gearmand_slice value = text_cut(&line, '\t');
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
		struct gearmand_slice name = text_cut(&line, '\t');
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

/* What the data begin with goes as digits: it may be anything. */
void
mon_on_data(struct mon_conn *c, struct gearmand_slice answer)
{
	struct gm_bytes out = { .len = 0 }, data = { .len = 0 }, hex = { .len = 0 };
	struct gearmand_slice line;

	if (mon_is_refused(c, answer))
		return;
	json_open(&out, NULL, '{');
	while (next_line(&answer, &line)) {
		struct gearmand_slice name = text_cut(&line, '\t');

		if (gm_is(name, "handle"))
			json_text(&out, "handle", line);
		else if (gm_is(name, "bytes"))
			add_number(&out, "bytes", line);
		else if (gm_is(name, "data"))
			gm_add_slice(&data, line);
	}
	data.len = data.len == 0 ? 0 : sheet_unescape(data.data, data.len);
	for (size_t i = 0; i < data.len; i++)
		gm_addf(&hex, "%02x", (unsigned char)data.data[i]);
	json_text(&out, "hex", gm_bytes_slice(&hex));
	out.failed |= data.failed || hex.failed;
	json_close(&out, '}');
	gm_bytes_free(&data);
	gm_bytes_free(&hex);
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
		add_number(&out, "fd", text_cut(&line, ' '));
		json_text(&out, "address", text_cut(&line, ' '));
		json_text(&out, "id", text_cut(&line, ' '));
		json_open(&out, "functions", '[');
		for (text_cut(&line, ' '); line.len > 0;)
			json_text(&out, NULL, text_cut(&line, ' '));
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
		text_cut(&answer, ' ');
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
