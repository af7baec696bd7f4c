/* SPDX-License-Identifier: BSD-3-Clause
 *
 * turner.h - a transport for tests: every bit is turned over; a 'q' on the wire is an error.
 *
 * Runs on:  the test's thread, which plays all classes.
 * Owns:     what it has counted; the test clears it.
 */
#ifndef GEARMAND_TESTS_TURNER_H
#define GEARMAND_TESTS_TURNER_H

#include "tests/unit/io_rig.h"

#include <gearmand/plugin.h>

struct turner {
	int sends; /* calls of send */
	int ends;  /* of finish */
	int ticks;
	int receives, works, workeds;
	bool tick_says, worked_says;
};

extern struct turner turner;
extern struct gearmand_host turner_host; /* io_host_services() fills it */
extern const struct gearmand_transport_ops turner_ops;

struct buf turn_over(struct slice); /* freed by the caller */

#endif
