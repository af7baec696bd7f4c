/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `top`: what the servers say, this time and the time before.
 *
 * Runs on:  the only thread.
 * Owns:     samples: rows, their words, counters.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "top.h"

static void
sample_fini(struct sample *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		mem_free(s->rows[i].name);
		mem_free(s->rows[i].more);
		mem_free(s->rows[i].where);
	}
	mem_free(s->rows);
	mem_free(s->servers);
	*s = (struct sample){ 0 };
}

static uint64_t
number_of(struct slice cell)
{
	uint64_t value;

	return slice_to_u64(cell, UINT64_MAX, &value) ? value : 0;
}

static struct top_row *
add_row(struct top *top, const struct ask *ask, struct slice name)
{
	struct sample *s = &top->coming;
	struct top_row *row;

	if (s->count == TOP_ROWS_MAX) {
		s->left_out++;
		return NULL;
	}
	if (s->count == s->room) {
		s->room = s->room == 0 ? 64 : 2 * s->room;
		s->rows = mem_grow(s->rows, s->room * sizeof *s->rows);
	}
	row = &s->rows[s->count++];
	*row = (struct top_row){ .server = (unsigned)(ask - top->asks), .name = mem_dup(name.data, name.len) };
	return row;
}

static void
on_function(void *user, const struct ask *ask, const struct slice *cells)
{
	struct top_row *row = add_row(user, ask, cells[0]);

	if (row == NULL)
		return;
	for (int i = 1; i <= 4; i++)
		row->waiting += number_of(cells[i]); /* ready, by priority, and delayed */
	row->running = number_of(cells[5]);
	row->jobs = row->waiting + row->running;
	row->workers = number_of(cells[7]);
	row->oldest = number_of(cells[9]);
}

static void
on_worker(void *user, const struct ask *ask, const struct slice *cells)
{
	enum { SHOWN = 512 };
	struct slice functions = cells[3];
	struct top_row *row;

	if (functions.len == 0)
		return; /* a client */
	row = add_row(user, ask, cells[2]);
	if (row == NULL)
		return;
	row->jobs = number_of(cells[0]);
	row->where = mem_dup(cells[1].data, cells[1].len);
	row->workers = 1;
	for (size_t i = 0; i < functions.len; i++)
		row->workers += functions.data[i] == ' ';
	row->more = mem_dup(functions.data, functions.len < SHOWN ? functions.len : SHOWN);
}

static void
on_counter(void *user, const struct ask *ask, const struct slice *cells)
{
	struct top *top = user;
	struct top_server *s = &top->coming.servers[(unsigned)(ask - top->asks) - top->options->targets.count];

	s->known = true;
	if (slice_is(cells[0], "jobs_submitted"))
		s->submitted = number_of(cells[1]);
	else if (slice_is(cells[0], "jobs_completed") || slice_is(cells[0], "jobs_failed"))
		s->ended += number_of(cells[1]);
	else if (slice_is(cells[0], "jobs_now"))
		s->jobs = number_of(cells[1]);
	else if (slice_is(cells[0], "connections_now"))
		s->connections = number_of(cells[1]);
	else if (slice_is(cells[0], "store"))
		snprintf(
		    s->store, sizeof s->store, "%.*s", (int)(cells[1].len < 31 ? cells[1].len : 31), cells[1].data);
}

static void
top_ask_one(struct top *top, struct ask *asks, const char *name, ask_row_f *on_row)
{
	unsigned used;
	char word[16];
	const struct command *c;

	snprintf(word, sizeof word, "%s", name);
	c = command_find((char *[]){ word }, 1, &used);
	asks_start(asks, &top->options->targets, c, c->text, top->options->timeout, on_row, top);
}

void
top_ask(struct top *top)
{
	unsigned n = top->options->targets.count;
	bool functions = top->view == VIEW_FUNCTIONS;

	sample_fini(&top->coming);
	asks_fini(top->asks, 2 * n);
	top->coming.view = top->view;
	top->coming.servers = mem_new(n * sizeof *top->coming.servers);
	top_ask_one(top, top->asks, functions ? "functions" : "workers", functions ? on_function : on_worker);
	top_ask_one(top, top->asks + n, "counters", on_counter);
}

bool
top_heard(struct top *top)
{
	for (unsigned i = 0; i < 2 * top->options->targets.count; i++)
		if (!link_has_ended(&top->asks[i].link))
			return false;
	return true;
}

static int
by_name(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	if (x->server != y->server)
		return x->server < y->server ? -1 : 1;
	return strcmp(x->name, y->name);
}

double
top_rate(const struct top *top, uint64_t now, uint64_t before)
{
	double seconds = (double)(top->now.at - top->before.at) / 1000;

	return top->before.at == 0 || seconds <= 0 ? 0 : ((double)now - (double)before) / seconds;
}

/* Both are sorted by name. */
static void
compare_samples(struct top *top)
{
	unsigned k = 0;

	for (unsigned i = 0; i < top->now.count; i++) {
		struct top_row *row = &top->now.rows[i];

		while (k < top->before.count && by_name(&top->before.rows[k], row) < 0)
			k++;
		if (k < top->before.count && by_name(&top->before.rows[k], row) == 0)
			row->change = top_rate(top, row->jobs, top->before.rows[k].jobs);
	}
}

void
top_keep(struct top *top)
{
	for (unsigned i = 0; i < top->options->targets.count; i++)
		if (ask_status(&top->asks[i]) == CTL_FAILED)
			memcpy(top->coming.servers[i].why, top->asks[i].link.why, sizeof top->coming.servers[i].why);
	sample_fini(&top->before);
	top->before = top->now;
	top->now = top->coming;
	top->coming = (struct sample){ 0 };
	top->now.at = now_ms();
	if (top->before.count > 0)
		qsort(top->before.rows, top->before.count, sizeof *top->before.rows, by_name);
	if (top->now.count > 0)
		qsort(top->now.rows, top->now.count, sizeof *top->now.rows, by_name);
	if (top->before.view == top->now.view && top->now.view == VIEW_FUNCTIONS)
		compare_samples(top);
	top_sort(top);
}

/* Columns are those of top_view.c: what is compared of a row, by view and column. */
static double
number_at(enum top_view view, unsigned column, const struct top_row *row)
{
	if (view == VIEW_WORKERS)
		return column == 3 ? (double)row->jobs : (double)row->workers;
	switch (column) {
	case 2:
		return (double)row->waiting;
	case 3:
		return (double)row->running;
	case 4:
		return (double)row->workers;
	case 5:
		return (double)row->oldest;
	default:
		return row->change;
	}
}

static int
by_column(const void *a, const void *b, void *user)
{
	const struct top *top = user;
	const struct top_row *x = a, *y = b;
	unsigned column = top->sort[top->now.view];
	int order = 0;

	if (column == 1)
		order = strcmp(x->name, y->name);
	else if (column == 2 && top->now.view == VIEW_WORKERS)
		order = strcmp(x->where, y->where);
	else if (column > 1) {
		double p = number_at(top->now.view, column, x), q = number_at(top->now.view, column, y);

		order = p > q ? -1 : p < q; /* the most first */
	}
	if (order == 0)
		order = by_name(x, y);
	return top->reverse[top->now.view] ? -order : order;
}

void
top_sort(struct top *top)
{
	if (top->now.count > 0)
		qsort_r(top->now.rows, top->now.count, sizeof *top->now.rows, by_column, top);
}

void
top_fini(struct top *top)
{
	sample_fini(&top->now);
	sample_fini(&top->before);
	sample_fini(&top->coming);
	asks_fini(top->asks, 2 * top->options->targets.count);
	mem_free(top->asks);
}
