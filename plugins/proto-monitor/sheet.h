/* SPDX-License-Identifier: BSD-3-Clause
 *
 * sheet.h - the answer to the command `metrics`, taken apart.
 *
 * Runs on:  the I/O thread of the connection that asked.
 * Owns:     a copy of the answer; all strings are in it.
 */
#ifndef PROTO_MONITOR_SHEET_H
#define PROTO_MONITOR_SHEET_H

#include <gearmand/module.h>

enum { SHEET_COLUMNS = 64, SHEET_BUCKETS = 32 };

/* `value NAME NUMBER` and `text NAME TEXT`. */
struct sheet_fact {
	const char *name, *text;
	bool is_text;
};

/* Nanoseconds, or plain numbers; `count` bounds, and one number more: of what is above all. */
struct sheet_histogram {
	const char *name;
	unsigned count;
	uint64_t bounds[SHEET_BUCKETS], numbers[SHEET_BUCKETS + 1], sum;
};

struct sheet_row {
	struct gearmand_slice name; /* of the function, its own bytes */
	const uint64_t *numbers;    /* by column */
	uint64_t order;
};

struct sheet {
	struct gm_bytes text, facts, histograms, rows, numbers;
	const char *columns[SHEET_COLUMNS];
	unsigned column_count;
};

/* False: this is no such answer, or memory ran out. */
bool sheet_read(struct sheet *, struct gearmand_slice answer);
void sheet_fini(struct sheet *);

uint64_t sheet_value(const struct sheet *, const char *name);                          /* 0 when there is none */
const char *sheet_text(const struct sheet *, const char *name);                        /* "" when there is none */
int sheet_column(const struct sheet *, const char *name);                              /* -1 when there is none */
const struct sheet_histogram *sheet_histogram(const struct sheet *, const char *name); /* may be NULL */
/* In the order in which the functions were made; what stands for those that are gone comes first. */
size_t sheet_row_count(const struct sheet *);
const struct sheet_row *sheet_row(const struct sheet *, size_t);

/* \xHH as listings of the server have it -> the byte, in place; returns the new length. */
size_t sheet_unescape(char *, size_t len);

#endif
