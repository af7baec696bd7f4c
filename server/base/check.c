/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a broken invariant ends the process: one line on stderr, then SIGABRT.
 *
 * Runs on:  any thread.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

void
check_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "gearmand: internal error at %s:%d: %s does not hold\n", file, line, what);
	abort();
}
