/* SPDX-License-Identifier: BSD-3-Clause
 *
 * level.h - how much a log line matters; smaller is worse.
 */
#ifndef GEARMAND_LEVEL_H
#define GEARMAND_LEVEL_H

/* In the order of --verbose. */
enum gearmand_level {
	GEARMAND_LOG_FATAL,
	GEARMAND_LOG_ALERT,
	GEARMAND_LOG_CRITICAL,
	GEARMAND_LOG_ERROR, /* what is logged by default: this and worse */
	GEARMAND_LOG_WARNING,
	GEARMAND_LOG_NOTICE,
	GEARMAND_LOG_INFO,
	GEARMAND_LOG_DEBUG
};

#endif
