/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any bytes to a connection of a protocol or transport: nothing breaks, and it does not matter how they are cut.
 *
 * Single-threaded.  Each program of this source has one module linked in, so that the fuzzer sees its branches.
 */
#include <stdlib.h>
#include <string.h>

#include "sdk/check/story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct gearmand_plugin gearmand_plugin;

/* Without these a module does not open, or has less to do. */
static const struct {
	const char *option, *value;
} settings[] = {
	{ "http-host", "h" },
	{ "http-allow-origin", "http://p" },
	{ "monitor-host", "h" },
	{ "proxy-listen", "127.0.0.1:0" },
};

static bool
open_module(struct host *host)
{
	struct gearmand_error err = { .text = "" };

	host_init(host, &gearmand_plugin);
	for (const struct gearmand_option *o = gearmand_plugin.options; o->name != NULL; o++) {
		for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
			const char *name = settings[i].option;

			if (strcmp(o->name, name) == 0 && !host_set(host, name, strlen(name), settings[i].value, &err))
				return false;
		}
	}
	return host_open(host, &err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct host host;
	struct gearmand_slice said = { (const char *)data, size };
	size_t cut = size > 0 ? (data[size / 2] * 257u + data[size - 1]) % size : 0;
	struct pile whole;

	if (!host.plugin && !open_module(&host))
		abort();
	whole = story_of(&host, said, (struct cut){ 0 });
	if (!story_is(&host, &whole, said, (struct cut){ .piece = 1 }) ||
	    !story_is(&host, &whole, said, (struct cut){ .first = cut }) ||
	    !story_is(&host, &whole, said, (struct cut){ .late = true }))
		abort();
	pile_free(&whole);
	return 0;
}
