/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The sentence that says why something could not be done; it is cut where its room ends.
 *
 * Runs on:  any thread.
 */
#include "mgmt/fail.h"

#include <stdio.h>

bool
error_fail(struct gearmand_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof err->text, format, args);
	va_end(args);
	return false;
}
