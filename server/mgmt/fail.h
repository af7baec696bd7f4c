/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fail.h - the sentence that says why something could not be done.  Any thread; pure.
 */
#ifndef GEARMAND_MGMT_FAIL_H
#define GEARMAND_MGMT_FAIL_H

#include <stdbool.h>

#include <gearmand/plugin.h>

/* Always false, so that a function can end with `return error_fail(err, ...)`. */
bool error_fail(struct gearmand_error *, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
