/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Codes and texts of ERROR packets, made from the table.
 *
 * Runs on:  any thread; pure.
 */
#include <stddef.h>

#include "base/check.h"
#include "wire/error_code.h"

static const struct {
	const char *code, *text;
} errors[] = {
#define X(name, code, text) [WIRE_##name] = { code, text },
	WIRE_ERRORS(X)
#undef X
};

const char *
wire_error_code(enum wire_error error)
{
	CHECK((unsigned)error < WIRE_ERROR_COUNT);
	return errors[error].code;
}

const char *
wire_error_text(enum wire_error error)
{
	CHECK((unsigned)error < WIRE_ERROR_COUNT);
	return errors[error].text;
}
