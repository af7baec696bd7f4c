/* SPDX-License-Identifier: BSD-3-Clause
 *
 * http_twin.h - the same bytes twice, cut differently, must come to the same.
 *
 * A worker of sorts serves each job at once, and what it does depends on the function's first
 * letter: f fails, e raises, d sends data first, b sends too much of it, q is refused by the queue, u is refused
 * for its unique; all others return the workload.
 *
 * Single-threaded; shared by the unit tests and the fuzzer.
 */
#ifndef TESTS_HTTP_TWIN_H
#define TESTS_HTTP_TWIN_H

#include "tests/plugins/proto_host.h"

/* All that happened on one connection, as text. */
struct twin {
	struct fake_text story;
};

/* `first` bytes first (0 = no such cut), then pieces of `piece` (0 = all the rest).  When all is said, time runs out.
 */
struct twin twin_run(const struct gearmand_plugin *, const char *bytes, size_t len, size_t first, size_t piece);
/* Runs again; says on stderr what differs. */
bool twin_compare(
    const struct gearmand_plugin *, const struct twin *, const char *bytes, size_t len, size_t first, size_t piece);
void twin_free(struct twin *);

#endif
