/* SPDX-License-Identifier: BSD-3-Clause
 *
 * top.h - what `top` knows, between its three files: top.c runs it, top_data.c asks the servers, top_view.c draws.
 */
#ifndef GEARMANCTL_TOP_H
#define GEARMANCTL_TOP_H

#include "ask.h"
#include "options.h"

/* Rows beyond are counted only. */
enum { TOP_ROWS_MAX = 20000, TOP_COLUMNS = 7 };

enum top_view { VIEW_FUNCTIONS, VIEW_WORKERS, VIEW_COUNT };

struct top_row {
	unsigned server;
	char *name;  /* function, or a worker's id */
	char *more;  /* WORKERS: its functions */
	char *where; /* WORKERS: its address */
	uint64_t waiting, running, workers,
	    jobs;        /* FUNCTIONS; WORKERS: jobs is the descriptor, workers the functions' number */
	uint64_t oldest; /* FUNCTIONS: seconds that the oldest job has waited for a worker */
	double change;   /* jobs a second more than at the last look */
};

/* A server's counters; `known`: it told them. */
struct top_server {
	bool known;
	char why[256]; /* empty: it answered */
	uint64_t submitted, ended, jobs, connections;
	char store[32];
};

struct sample {
	int64_t at; /* milliseconds */
	enum top_view view;
	struct top_row *rows;
	unsigned count, room, left_out;
	struct top_server *servers;
};

struct top {
	const struct options *options;
	struct ask *asks; /* of rows, then of counters: one each for every server */
	struct sample now, before, coming;
	enum top_view view;
	unsigned sort[VIEW_COUNT]; /* a column */
	bool reverse[VIEW_COUNT];
	unsigned first; /* row on the screen */
};

/* top_data.c */
void top_ask(struct top *);   /* begins to look */
bool top_heard(struct top *); /* has everybody answered or failed? */
void top_keep(struct top *);  /* what came is the present now */
void top_sort(struct top *);
void top_fini(struct top *);
/* Of two samples of a server: what grew, in a second. */
double top_rate(const struct top *, uint64_t now, uint64_t before);

/* top_view.c */
void top_draw(const struct top *);
unsigned top_lines(const struct top *); /* rows on a screen */

#endif
