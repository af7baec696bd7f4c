/* SPDX-License-Identifier: BSD-3-Clause
 *
 * result.h - what a server sends of a job: its result to standard output, warnings and what an exception says to
 * standard error, as they come.
 */
#ifndef GEARMANCTL_RESULT_H
#define GEARMANCTL_RESULT_H

#include "link.h"

struct result;
/* As link_take_f, from `in`; *used grows. */
typedef enum link_verdict result_line_f(struct result *, struct slice in, size_t *used);

struct result {
	struct link link;
	bool background;          /* the handle is all that is wanted */
	bool shows_progress;      /* on standard error */
	result_line_f *take_line; /* of text, while one is owed; else NULL */
	char *handle;             /* once it is known */
	uint32_t left;            /* of the data of a result, still to come */
	uint32_t left_type;       /* what it is the data of */
	bool failed;              /* the job, or its submission; link.why has a sentence */
};

void result_ask_exceptions(struct buf *out);      /* to be sent first */
enum link_verdict result_take(struct link *);     /* of a struct result, zeroed but for what is wanted */
enum link_verdict result_is_bad(struct result *); /* a server of Gearman does not say that */
int result_status(const struct result *);         /* CTL_*, when it has ended */
void result_fini(struct result *);

#endif
