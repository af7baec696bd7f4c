/* SPDX-License-Identifier: BSD-3-Clause
 *
 * level.h - log levels, their names on the command line and in the log.
 */
#ifndef GEARMAND_WIRE_LEVEL_H
#define GEARMAND_WIRE_LEVEL_H

#include <stdbool.h>

#include <gearmand/level.h>

const char *level_name(enum gearmand_level);                      /* "FATAL" ... "DEBUG" */
bool level_parse(const char *name, enum gearmand_level *level_r); /* exact upper-case name */

#endif
