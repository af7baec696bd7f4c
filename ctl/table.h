/* SPDX-License-Identifier: BSD-3-Clause
 *
 * table.h - rows on standard output: aligned columns for a terminal, tabs for a pipe, or JSON.
 *
 * Runs on:  the only thread.
 * Owns:     the first rows of an aligned table, until their widths are known.
 *
 * Rows go out as they come; an aligned table keeps the first thousand, and those behind them have their widths.
 */
#ifndef GEARMANCTL_TABLE_H
#define GEARMANCTL_TABLE_H

#include "answer.h"

struct command;
struct options;
struct table;

/* For the rows of this command, as the options and standard output say.  JSON always has the member "server"; else
 * there is a column when there is more than one server. */
struct table *table_for(const struct options *, const struct command *);
void table_row(struct table *, const char *server, const struct slice *cells);
void table_free(struct table **); /* prints the rest */

#endif
