/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names of the counters: the server's own, then those of modules.
 *
 * Runs on:  any thread reads; modules' counters are added at start-up, before there is another thread.
 * Owns:     the names of modules' counters, for good.
 */
#include "cross/stats.h"

#include <string.h>

#include <gearmand/plugin.h>

#include "base/check.h"
#include "base/mem.h"

static const char *names[STAT_ALL] = {
#define X(name, meaning) #name,
	STATS(X)
#undef X
};
static unsigned used = STAT_COUNT;

const char *
stat_name(unsigned s)
{
	CHECK(s < used);
	return names[s];
}

unsigned
stats_used(void)
{
	return used;
}

unsigned
stats_add(const char *module, const struct gearmand_counter *counters)
{
	unsigned first = used;

	for (; counters != NULL && counters->name != NULL; counters++) {
		size_t module_len = strlen(module), len = strlen(counters->name);
		char *name;

		if (used == STAT_ALL)
			return 0;
		name = mem_new(module_len + 1 + len + 1);
		memcpy(name, module, module_len);
		name[module_len] = '_';
		memcpy(name + module_len + 1, counters->name, len);
		names[used++] = name;
	}
	return first;
}
