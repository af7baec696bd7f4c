/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the check kit's host does in a test or a bench when a module breaks its contract: it says so and aborts.
 *
 * Runs on:  any thread.  Owns nothing.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sdk/check/kit.h"

void
fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

void
note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void
note_if_failed(const char *format, ...)
{
	(void)format;
}
