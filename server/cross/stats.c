/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names and meanings of the counters.  Any thread; constants only.
 */
#include "cross/stats.h"

#include "base/check.h"

static const struct {
	const char *name, *meaning;
} stats[STAT_COUNT] = {
#define X(name_, meaning_) [STAT_##name_] = { #name_, meaning_ },
	STATS(X)
#undef X
};

const char *
stat_name(enum statistic s)
{
	CHECK((unsigned)s < STAT_COUNT);
	return stats[s].name;
}

const char *
stat_meaning(enum statistic s)
{
	CHECK((unsigned)s < STAT_COUNT);
	return stats[s].meaning;
}
