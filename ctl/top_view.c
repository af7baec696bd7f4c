/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `top`: the screen.
 *
 * Runs on:  the only thread.
 * Owns:     nothing; curses has the screen.
 */
#include "config.h"

#include <curses.h>
#include <stdlib.h>
#include <time.h>
#include <wchar.h>

#include "text.h"
#include "top.h"

struct top_column {
	const char *title;
	int width; /* 0: what is left */
	bool right;
};

static const struct top_column columns[VIEW_COUNT][TOP_COLUMNS] = {
	[VIEW_FUNCTIONS] = { { "SERVER", 22, false }, { "FUNCTION", 0, false }, { "WAITING", 9, true },
	    { "RUNNING", 9, true }, { "WORKERS", 9, true }, { "OLDEST", 8, true }, { "CHANGE/S", 10, true } },
	[VIEW_WORKERS] = { { "SERVER", 22, false }, { "ID", 18, false }, { "ADDRESS", 16, false }, { "FD", 6, true },
	    { "NUMBER", 8, true }, { "FUNCTIONS", 0, false }, { "", -1, false } },
};

static const char keys[] = "q quit  f functions  w workers  < > sort by  r reverse  arrows, pages scroll  space now";

/* Writes at most so many columns of what a server sent, or of ours. */
static void
put(int y, int x, int width, bool right, const char *text)
{
	struct buf shown = { 0 };
	int used = 0;
	size_t at = 0;

	text_add_shown(&shown, slice_str(text), false);
	buf_add_char(&shown, '\0');
	while (shown.data[at] != '\0') {
		wchar_t c = 0;
		int n = mbtowc(&c, shown.data + at, shown.len - at), columns_of = wcwidth(c);

		n = n > 0 ? n : 1;
		columns_of = columns_of >= 0 ? columns_of : 1;
		if (used + columns_of > width)
			break;
		used += columns_of;
		at += (size_t)n;
	}
	if (y >= 0 && y < LINES && x < COLS)
		mvaddnstr(y, right ? x + width - used : x, shown.data, (int)at);
	buf_fini(&shown);
}

static int
width_of(enum top_view view, unsigned i)
{
	int left = COLS;

	if (columns[view][i].width > 0)
		return columns[view][i].width;
	for (unsigned k = 0; k < TOP_COLUMNS; k++)
		left -= columns[view][k].width + 1;
	return left > 8 ? left : 8;
}

static void
put_cells(int y, enum top_view view, const char *const texts[TOP_COLUMNS])
{
	int x = 0;

	for (unsigned i = 0; i < TOP_COLUMNS; i++) {
		int width = width_of(view, i);

		put(y, x, x + width > COLS ? COLS - x : width, columns[view][i].right, texts[i]);
		x += width + 1;
	}
}

/* Seconds, as two units at most: 42s, 3m05s, 7h12m, 9d23h. */
static void
age_text(char *text, size_t room, uint64_t seconds)
{
	static const struct {
		uint64_t seconds;
		char large, small;
		uint64_t part;
	} units[] = { { 86400, 'd', 'h', 3600 }, { 3600, 'h', 'm', 60 }, { 60, 'm', 's', 1 } };

	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (seconds >= units[i].seconds) {
			snprintf(text, room, "%llu%c%02llu%c", (unsigned long long)(seconds / units[i].seconds),
			    units[i].large, (unsigned long long)(seconds % units[i].seconds / units[i].part),
			    units[i].small);
			return;
		}
	}
	snprintf(text, room, seconds == 0 ? "-" : "%llus", (unsigned long long)seconds);
}

static void
draw_row(const struct top *top, int y, const struct top_row *row)
{
	const char *server = top->options->targets.at[row->server].name;
	char a[32], b[32], c[32], d[32], e[32];

	if (top->now.view == VIEW_WORKERS) {
		snprintf(a, sizeof a, "%llu", (unsigned long long)row->jobs);
		snprintf(b, sizeof b, "%llu", (unsigned long long)row->workers);
		put_cells(y, VIEW_WORKERS, (const char *const[]){ server, row->name, row->where, a, b, row->more, "" });
		return;
	}
	snprintf(a, sizeof a, "%llu", (unsigned long long)row->waiting);
	snprintf(b, sizeof b, "%llu", (unsigned long long)row->running);
	snprintf(c, sizeof c, "%llu", (unsigned long long)row->workers);
	age_text(d, sizeof d, row->oldest);
	snprintf(e, sizeof e, row->change == 0 ? "-" : "%+.1f", row->change);
	if (row->waiting > 0 && row->workers == 0)
		attron(A_BOLD);
	put_cells(y, VIEW_FUNCTIONS, (const char *const[]){ server, row->name, a, b, c, d, e });
	attroff(A_BOLD);
}

static void
draw_server(const struct top *top, int y, unsigned i)
{
	const struct top_server *now = &top->now.servers[i],
				*before = top->before.servers == NULL ? NULL : &top->before.servers[i];
	const char *name = top->options->targets.at[i].name;
	char text[512];

	if (now->why[0] != '\0')
		snprintf(text, sizeof text, "%s: %s", name, now->why);
	else if (!now->known)
		snprintf(text, sizeof text, "%s: this server has no counters", name);
	else
		snprintf(text, sizeof text, "%s: %llu jobs, %.1f/s in, %.1f/s done, %llu connections, store %s", name,
		    (unsigned long long)now->jobs,
		    before != NULL && before->known ? top_rate(top, now->submitted, before->submitted) : 0,
		    before != NULL && before->known ? top_rate(top, now->ended, before->ended) : 0,
		    (unsigned long long)now->connections, now->store);
	put(y, 0, COLS, false, text);
}

/* Lines of the screen for servers: a third of it at most. */
static unsigned
server_lines(const struct top *top)
{
	unsigned most = LINES > 6 ? (unsigned)LINES / 3 : 1;

	return top->options->targets.count < most ? top->options->targets.count : most;
}

unsigned
top_lines(const struct top *top)
{
	int lines = LINES - 3 - (int)server_lines(top);

	return lines > 0 ? (unsigned)lines : 1;
}

static void
draw_titles(const struct top *top, int y)
{
	const char *titles[TOP_COLUMNS];
	char sorted[32];
	unsigned by = top->sort[top->now.view];

	for (unsigned i = 0; i < TOP_COLUMNS; i++)
		titles[i] = columns[top->now.view][i].title;
	snprintf(sorted, sizeof sorted, "%s%s", titles[by], top->reverse[top->now.view] ? "^" : "*");
	titles[by] = sorted;
	attron(A_REVERSE);
	mvhline(y, 0, ' ', COLS);
	put_cells(y, top->now.view, titles);
	attroff(A_REVERSE);
}

void
top_draw(const struct top *top)
{
	unsigned servers = server_lines(top), lines = top_lines(top);
	char line[160], clock[16];
	time_t now = time(NULL);
	struct tm tm;

	erase();
	strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &tm));
	snprintf(line, sizeof line, "gearmanctl top - %s, %u %s, every %lld s", clock,
	    top->now.count + top->now.left_out, top->now.view == VIEW_FUNCTIONS ? "functions" : "workers",
	    (long long)(top->options->interval / 1000));
	put(0, 0, COLS, false, top->now.at == 0 ? "gearmanctl top - waiting for the servers" : line);
	for (unsigned i = 0; i < servers && top->now.at != 0; i++)
		draw_server(top, 1 + (int)i, i);
	draw_titles(top, 1 + (int)servers);
	for (unsigned i = 0; i < lines && top->first + i < top->now.count; i++)
		draw_row(top, 2 + (int)(servers + i), &top->now.rows[top->first + i]);
	put(LINES - 1, 0, COLS - 1, false, keys);
	refresh();
}
