/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Metrics as Prometheus reads them: text 0.0.4, or OpenMetrics 1.0.0.
 *
 * Runs on:  the I/O thread of the connection that asked.
 * Owns:     nothing.
 *
 * A family is written as a whole, for all functions, before the next begins.  Names, labels and their values are the
 * same in both formats.  Functions beyond the bound, in the order in which they were made, are added up as "(other)",
 * with those that are gone: sums over all functions never fall.
 */
#include "exposition.h"

#include <gearmand/plugin.h>

#include "families.h"
#include "process.h"
#include "sheet.h"
#include "text.h"
#include "writer.h"

static const char *const type_names[][2] = {
	[GAUGE] = { "gauge", "gauge" },
	[COUNTER] = { "counter", "counter" },
	[INFO] = { "gauge", "info" },
	[STATESET] = { "gauge", "stateset" },
	[SUMMARY] = { "summary", "summary" },
	[HISTOGRAM] = { "histogram", "histogram" },
};

const char *
exposition_type(bool openmetrics)
{
	return openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			   : "text/plain; version=0.0.4; charset=utf-8";
}

/* ---- Samples ---------------------------------------------------------------------------------------- */

static void
add_name(struct writer *w, const struct family *f, const char *suffix)
{
	gm_add_text(w->out, w->prefix);
	gm_add_text(w->out, f->name);
	gm_add_text(w->out, suffix);
}

static const char *
suffix_of(const struct family *f)
{
	return f->type == COUNTER ? "_total" : f->type == INFO ? "_info" : "";
}

static void
add_head(struct writer *w, const struct family *f)
{
	const char *suffix = w->e->openmetrics ? "" : suffix_of(f);

	gm_add_text(w->out, "# HELP ");
	add_name(w, f, suffix);
	gm_add_text(w->out, " ");
	gm_add_text(w->out, f->help);
	gm_add_text(w->out, "\n# TYPE ");
	add_name(w, f, suffix);
	gm_add_text(w->out, " ");
	gm_add_text(w->out, type_names[f->type][w->e->openmetrics]);
	gm_add_text(w->out, "\n");
}

void
writer_begin(
    struct writer *w, const struct family *f, const char *suffix, struct gearmand_slice labels, const char *more)
{
	bool has_more = more != NULL && more[0] != '\0';

	add_name(w, f, suffix == NULL ? suffix_of(f) : suffix);
	if (labels.len > 0 || has_more) {
		gm_add(w->out, "{", 1);
		gm_add_slice(w->out, labels);
		if (labels.len > 0 && has_more)
			gm_add(w->out, ",", 1);
		if (has_more)
			gm_add_text(w->out, more);
		gm_add(w->out, "}", 1);
	}
	gm_add(w->out, " ", 1);
}

void
writer_end(struct writer *w)
{
	gm_add(w->out, "\n", 1);
}

static void
end_with(struct writer *w, uint64_t n, bool is_ns)
{
	if (is_ns)
		text_add_seconds(w->out, n);
	else
		text_add_u64(w->out, n);
	writer_end(w);
}

void
writer_u64(struct writer *w, const struct family *f, const char *labels, uint64_t n)
{
	writer_begin(w, f, NULL, gm_slice(labels), NULL);
	end_with(w, n, (f->flags & IN_NS) != 0);
}

/* ---- Functions -------------------------------------------------------------------------------------- */

/* A function as it is shown. */
struct shown {
	size_t label_at, label_len; /* in writer.labels */
	const uint64_t *numbers;
};

static void
show(struct writer *w, struct gearmand_slice name, const uint64_t *numbers)
{
	struct shown shown = { .label_at = w->labels.len, .numbers = numbers };

	gm_add_text(&w->labels, "function=\"");
	text_add_name(&w->labels, name, '\\');
	gm_add_text(&w->labels, "\"");
	shown.label_len = w->labels.len - shown.label_at;
	gm_add(&w->shown, &shown, sizeof(shown));
}

static void
fold(struct writer *w, const struct sheet_row *row)
{
	const struct sheet *s = w->e->sheet;

	for (unsigned i = 0; i < s->column_count; i++) {
		if (!gm_begins(gm_slice(s->columns[i]), "oldest_"))
			w->other[i] += row->numbers[i];
		else if (row->numbers[i] > w->other[i])
			w->other[i] = row->numbers[i];
	}
}

static void
choose_functions(struct writer *w)
{
	size_t count = sheet_row_count(w->e->sheet), shown = 0;

	show(w, gm_slice("(other)"), w->other);
	for (size_t i = 0; i < count; i++) {
		const struct sheet_row *row = sheet_row(w->e->sheet, i);

		if (gm_is(row->name, "(other)")) {
			fold(w, row);
		} else if (shown < w->e->max_functions) {
			show(w, row->name, row->numbers);
			shown++;
		} else {
			fold(w, row);
			w->folded++;
		}
	}
}

/* The columns that a key adds up. */
struct columns {
	int at[16];
	unsigned count;
};

static struct columns
columns_of(const struct sheet *s, const char *key)
{
	struct columns c = { .count = 0 };
	char name[64];

	for (size_t len; *key != '\0' && c.count < GM_COUNT(c.at); key += len + (key[len] == '+')) {
		len = strcspn(key, "+");
		snprintf(name, sizeof(name), "%.*s", (int)len, key);
		c.at[c.count] = sheet_column(s, name);
		c.count += c.at[c.count] >= 0;
	}
	return c;
}

static uint64_t
sum_of(const struct columns *c, const uint64_t *numbers)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < c->count; i++)
		sum += numbers[c->at[i]];
	return sum;
}

static void
write_functions(struct writer *w, const struct family *f)
{
	const struct shown *shown = (const struct shown *)(const void *)w->shown.data;
	size_t shown_count = w->shown.len / sizeof(*shown);
	struct columns columns[GM_COUNT(f->members)];
	unsigned count = 0;

	for (; count < GM_COUNT(f->members) && f->members[count].key != NULL; count++)
		columns[count] = columns_of(w->e->sheet, f->members[count].key);
	for (size_t i = 0; i < shown_count; i++) {
		struct gearmand_slice label = { w->labels.data + shown[i].label_at, shown[i].label_len };

		for (unsigned k = 0; k < count; k++) {
			const struct member *m = &f->members[k];
			bool is_count = f->type == SUMMARY && strcmp(m->labels, "_count") == 0;

			writer_begin(
			    w, f, f->type == SUMMARY ? m->labels : NULL, label, f->type == SUMMARY ? NULL : m->labels);
			end_with(w, sum_of(&columns[k], shown[i].numbers), (f->flags & IN_NS) != 0 && !is_count);
		}
	}
}

/* ---- The server ------------------------------------------------------------------------------------- */

/* NAME.PART.PART -> label="PART",label="PART" */
static void
add_labels(struct gm_bytes *out, const char *labels, const char *parts)
{
	while (*labels != '\0') {
		size_t label_len = strcspn(labels, ","), part_len = strcspn(parts, ".");

		if (out->len > 0)
			gm_add(out, ",", 1);
		gm_add(out, labels, label_len);
		gm_add_text(out, "=\"");
		text_add_name(out, (struct gearmand_slice){ parts, part_len }, '\\');
		gm_add_text(out, "\"");
		labels += label_len + (labels[label_len] == ',');
		parts += part_len + (parts[part_len] == '.');
	}
}

static void
write_by_labels(struct writer *w, const struct family *f)
{
	const struct sheet_fact *facts = (const struct sheet_fact *)(const void *)w->e->sheet->facts.data;
	size_t count = w->e->sheet->facts.len / sizeof(*facts), len = strlen(f->members[0].key);

	for (size_t i = 0; i < count; i++) {
		struct gm_bytes labels = { .len = 0 };

		if (strncmp(facts[i].name, f->members[0].key, len) != 0 || facts[i].name[len] != '.')
			continue;
		add_labels(&labels, f->labels, facts[i].name + len + 1);
		writer_begin(w, f, NULL, gm_bytes_slice(&labels), NULL);
		end_with(w, strtoull(facts[i].text, NULL, 10), (f->flags & IN_NS) != 0);
		gm_bytes_free(&labels);
	}
}

/* "1.0" and not "1": what a bound is called must not depend on the format. */
static void
add_bound(struct gm_bytes *out, uint64_t bound, bool is_ns)
{
	bool has_point = is_ns && bound % 1000000000 != 0;

	gm_add_text(out, "le=\"");
	if (is_ns)
		text_add_seconds(out, bound);
	else
		text_add_u64(out, bound);
	gm_add_text(out, has_point ? "\"" : ".0\"");
}

/* The labels of all buckets, parted by NULs; the empty one is behind the last. */
static void
add_bounds(struct gm_bytes *out, const struct sheet_histogram *h, bool is_ns)
{
	for (unsigned i = 0; i < h->count; i++) {
		add_bound(out, h->bounds[i], is_ns);
		gm_add(out, "", 1);
	}
	gm_add(out, "le=\"+Inf\"\0", 11);
}

static void
write_buckets(struct writer *w, const struct family *f, struct gearmand_slice labels, const char *bound,
    const uint64_t *numbers, uint64_t sum)
{
	uint64_t count = 0;

	for (; *bound != '\0'; bound += strlen(bound) + 1) {
		count += *numbers++;
		writer_begin(w, f, "_bucket", labels, bound);
		end_with(w, count, false);
	}
	writer_begin(w, f, "_sum", labels, NULL);
	end_with(w, sum, (f->flags & IN_NS) != 0);
	writer_begin(w, f, "_count", labels, NULL);
	end_with(w, count, false);
}

/* Of a function the numbers are in columns: wait_0, wait_1 and on. */
static void
write_function_buckets(struct writer *w, const struct family *f, const struct sheet_histogram *h, const char *bounds)
{
	const struct shown *shown = (const struct shown *)(const void *)w->shown.data;
	size_t shown_count = w->shown.len / sizeof(*shown);
	struct columns sum = columns_of(w->e->sheet, f->members[1].key), columns[SHEET_BUCKETS + 1];
	uint64_t numbers[SHEET_BUCKETS + 1];
	char name[64];

	for (unsigned i = 0; i <= h->count; i++) {
		snprintf(name, sizeof(name), "%s%u", f->members[2].key, i);
		columns[i] = columns_of(w->e->sheet, name);
	}
	for (; shown_count > 0; shown++, shown_count--) {
		struct gearmand_slice label = { w->labels.data + shown->label_at, shown->label_len };

		for (unsigned i = 0; i <= h->count; i++)
			numbers[i] = sum_of(&columns[i], shown->numbers);
		write_buckets(w, f, label, bounds, numbers, sum_of(&sum, shown->numbers));
	}
}

static void
write_histogram(struct writer *w, const struct family *f)
{
	static const struct sheet_histogram none;
	const struct sheet_histogram *found = sheet_histogram(w->e->sheet, f->members[0].key);
	const struct sheet_histogram *h = found == NULL ? &none : found;
	struct gm_bytes bounds = { .len = 0 };

	add_bounds(&bounds, h, (f->flags & IN_NS) != 0);
	if (bounds.failed)
		w->out->failed = true;
	else if ((f->flags & OF_FUNCTION) != 0)
		write_function_buckets(w, f, h, bounds.data);
	else
		write_buckets(w, f, gm_slice(""), bounds.data, h->numbers, h->sum);
	gm_bytes_free(&bounds);
}

static void
write_values(struct writer *w, const struct family *f)
{
	for (unsigned i = 0; i < GM_COUNT(f->members) && f->members[i].key != NULL; i++) {
		const struct member *m = &f->members[i];

		writer_u64(w, f, m->labels == NULL ? "" : m->labels, sheet_value(w->e->sheet, m->key));
	}
}

/* ---- All of them ------------------------------------------------------------------------------------ */

static void
write_family(struct writer *w, const struct family *f)
{
	add_head(w, f);
	if (f->write != NULL)
		f->write(w, f);
	else if (f->type == HISTOGRAM)
		write_histogram(w, f);
	else if (f->labels != NULL)
		write_by_labels(w, f);
	else if ((f->flags & OF_FUNCTION) != 0)
		write_functions(w, f);
	else
		write_values(w, f);
}

/* How long a function's jobs took is a summary in /metrics, and a histogram in /metrics/functions. */
static bool
is_shown(const struct exposition *e, const struct family *f)
{
	bool of_function = (f->flags & OF_FUNCTION) != 0;

	return e->functions_only ? of_function && f->type != SUMMARY : !of_function || f->type != HISTOGRAM;
}

void
exposition_write(struct gm_bytes *out, const struct exposition *e)
{
	struct writer w = { .out = out, .e = e };

	choose_functions(&w);
	for (size_t i = 0; i < family_count; i++) {
		struct family f = families[i];

		if (!is_shown(e, &f))
			continue;
		if (e->functions_only && gm_begins(gm_slice(f.name), "function_"))
			f.name += strlen("function_");
		w.prefix = e->functions_only ? "gearman_function_" : (f.flags & BARE_NAME) != 0 ? "" : "gearman_";
		write_family(&w, &f);
	}
	if (e->openmetrics)
		gm_add_text(out, "# EOF\n");
	out->failed |= w.labels.failed || w.shown.failed;
	gm_bytes_free(&w.labels);
	gm_bytes_free(&w.shown);
}
