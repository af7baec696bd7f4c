/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names of the log levels.
 *
 * Runs on:  any thread; pure.
 */
#include <stddef.h>
#include <string.h>

#include "base/check.h"
#include "wire/level.h"

static const char *const names[] = {
	[GEARMAND_LOG_FATAL] = "FATAL",
	[GEARMAND_LOG_ALERT] = "ALERT",
	[GEARMAND_LOG_CRITICAL] = "CRITICAL",
	[GEARMAND_LOG_ERROR] = "ERROR",
	[GEARMAND_LOG_WARNING] = "WARNING",
	[GEARMAND_LOG_NOTICE] = "NOTICE",
	[GEARMAND_LOG_INFO] = "INFO",
	[GEARMAND_LOG_DEBUG] = "DEBUG",
};

enum { LEVELS = sizeof(names) / sizeof(names[0]) };

const char *
level_name(enum gearmand_level level)
{
	CHECK((unsigned)level < LEVELS);
	return names[level];
}

bool
level_parse(const char *name, enum gearmand_level *level_r)
{
	for (unsigned i = 0; i < LEVELS; i++) {
		if (strcmp(name, names[i]) == 0) {
			*level_r = (enum gearmand_level)i;
			return true;
		}
	}
	return false;
}
