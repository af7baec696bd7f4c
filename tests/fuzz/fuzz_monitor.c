/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any bytes to a connection of the monitor: nothing breaks, and it does not matter how they are cut.
 *
 * Single-threaded.  The module is linked in, so that the fuzzer sees its branches.
 */
#include <stdlib.h>
#include <string.h>

#include "sdk/check/story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct gearmand_plugin gearmand_plugin;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct host host;
	struct gearmand_error err = { .text = "" };
	struct gearmand_slice said = { (const char *)data, size };
	size_t cut = size > 0 ? (data[size / 2] * 257u + data[size - 1]) % size : 0;
	struct pile whole;

	if (!host.plugin) {
		host_init(&host, &gearmand_plugin);
		if (!host_set(&host, "monitor-host", strlen("monitor-host"), "h", &err) || !host_open(&host, &err))
			abort();
	}
	whole = story_of(&host, said, (struct cut){ 0 });
	if (!story_is(&host, &whole, said, (struct cut){ .piece = 1 }) ||
	    !story_is(&host, &whole, said, (struct cut){ .first = cut }) ||
	    !story_is(&host, &whole, said, (struct cut){ .late = true }))
		abort();
	pile_free(&whole);
	return 0;
}
