/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any bytes to an HTTP connection: nothing breaks, and it does not matter how they are cut.
 *
 * Single-threaded.  The module is linked in, so that the fuzzer sees its branches.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/plugins/http_twin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct gearmand_plugin gearmand_plugin;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	struct twin whole = twin_run(&gearmand_plugin, bytes, size, 0, 0);
	size_t cut = size > 0 ? (data[size / 2] * 257u + data[size - 1]) % size : 0;
	bool same = twin_compare(&gearmand_plugin, &whole, bytes, size, 0, 1) &&
		    twin_compare(&gearmand_plugin, &whole, bytes, size, cut, 0);

	twin_free(&whole);
	if (!same)
		abort();
	return 0;
}
