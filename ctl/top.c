/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `top`: functions or workers of all servers, looked at again and again.
 *
 * Runs on:  the only thread; one poll for the servers and the keyboard.
 * Owns:     struct top, and the terminal while it runs.
 */
#include "config.h"

#include <curses.h>
#include <unistd.h>

#include "base/mem.h"
#include "runs.h"
#include "top.h"

static void
scroll_to(struct top *top, int64_t first)
{
	int64_t most = (int64_t)top->now.count - top_lines(top);

	first = first > most ? most : first;
	top->first = first < 0 ? 0 : (unsigned)first;
}

static void
sort_by(struct top *top, int step)
{
	enum top_view view = top->now.view;

	top->sort[view] = (top->sort[view] + TOP_COLUMNS + (unsigned)step) % TOP_COLUMNS;
	top_sort(top);
}

/* False: leave.  *again_r: look now. */
static bool
on_key(struct top *top, int key, bool *again_r)
{
	unsigned page = top_lines(top);

	switch (key) {
	case 'q':
	case 'Q':
		return false;
	case 'f':
	case 'w':
		top->view = key == 'f' ? VIEW_FUNCTIONS : VIEW_WORKERS;
		*again_r = true;
		break;
	case ' ':
		*again_r = true;
		break;
	case '<':
	case KEY_LEFT:
		sort_by(top, -1);
		break;
	case '>':
	case KEY_RIGHT:
		sort_by(top, 1);
		break;
	case 'r':
		top->reverse[top->now.view] = !top->reverse[top->now.view];
		top_sort(top);
		break;
	case KEY_UP:
		scroll_to(top, (int64_t)top->first - 1);
		break;
	case KEY_DOWN:
		scroll_to(top, (int64_t)top->first + 1);
		break;
	case KEY_PPAGE:
		scroll_to(top, (int64_t)top->first - page);
		break;
	case KEY_NPAGE:
		scroll_to(top, (int64_t)top->first + page);
		break;
	case KEY_HOME:
		scroll_to(top, 0);
		break;
	case KEY_END:
		scroll_to(top, top->now.count);
		break;
	default:
		break;
	}
	return true;
}

/* False: leave.  The keyboard's end is the terminal's. */
static bool
read_keys(struct top *top, bool *again_r)
{
	int key;

	while ((key = getch()) != ERR)
		if (!on_key(top, key, again_r))
			return false;
	return true;
}

static void
watch(struct top *top)
{
	unsigned links = 2 * top->options->targets.count;
	bool looking = true, again = false;
	int64_t next = 0;

	top_ask(top);
	top_draw(top);
	do {
		if (looking && top_heard(top)) {
			looking = false;
			next = now_ms() + top->options->interval;
			top_keep(top);
			scroll_to(top, top->first);
			top_draw(top);
		} else if (!looking && (again || now_ms() >= next)) {
			looking = true;
			again = false;
			top_ask(top);
		} else {
			asks_turn(top->asks, links, STDIN_FILENO, looking ? 0 : next);
			if (!read_keys(top, &again) || isatty(STDIN_FILENO) == 0)
				return;
			if (top->now.at != 0)
				top_draw(top);
		}
	} while (true);
}

int
top_run(const struct options *o, const struct command *c, char **words, unsigned count)
{
	struct top top = { .options = o, .sort = { 2, 1 } };
	SCREEN *screen = NULL;

	(void)c;
	(void)words;
	(void)count;
	if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		screen = newterm(NULL, stdout, stdin);
	if (screen == NULL) {
		fputs("gearmanctl: top needs a terminal\n", stderr);
		return CTL_USAGE;
	}
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	top.asks = mem_new(2 * o->targets.count * sizeof *top.asks);
	for (unsigned i = 0; i < 2 * o->targets.count; i++)
		top.asks[i].link.fd = -1;
	watch(&top);
	endwin();
	delscreen(screen);
	top_fini(&top);
	return CTL_OK;
}
