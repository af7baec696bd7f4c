/* SPDX-License-Identifier: BSD-3-Clause
 *
 * exposition.h - metrics as Prometheus reads them.
 *
 * Runs on:  the I/O thread of the connection that asked.
 * Owns:     nothing.
 */
#ifndef PROTO_MONITOR_EXPOSITION_H
#define PROTO_MONITOR_EXPOSITION_H

#include <gearmand/module.h>

struct process;
struct sheet;

struct exposition {
	const struct sheet *sheet;
	const struct process *process;
	const char *state;    /* of the server: "serving", "standby"; see host->phase */
	size_t max_functions; /* the others are shown as one */
	double last_seconds;  /* that the last exposition took */
	bool openmetrics;     /* else the text format 0.0.4 */
	bool functions_only;  /* what there is of functions, under names of its own */
};

/* Family by family. */
void exposition_write(struct gm_bytes *out, const struct exposition *);
const char *exposition_type(bool openmetrics); /* for Content-Type */

#endif
