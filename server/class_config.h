/* SPDX-License-Identifier: BSD-3-Clause
 *
 * class_config.h - what the settings mean for the core and for I/O.
 *
 * Runs on:  main thread, while starting.
 * Owns:     nothing; the core takes the policies and access rules of its configuration.
 */
#ifndef GEARMAND_CLASS_CONFIG_H
#define GEARMAND_CLASS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/io.h"
#include "proc/proc.h"

#include <gearmand/plugin.h>

struct plugins;
struct settings;

/* Random bytes that core and I/O have in common: a key of their hash tables. */
enum { PROC_SEED_BYTES = sizeof((struct proc_config *)NULL)->seed };

/* What was given fits: settings_read() saw to it.  A long host name is cut. */
void class_config_handle_prefix(const struct settings *, char *prefix, size_t size);
/* Grows with the time of day, finer than a restart takes, so that no handle is given twice. */
uint64_t class_config_first_handle(void);
/* All but the names of handle and queue, `plugins`, `durable` and `io_count`; makes the seed.  False: error says why.
 */
bool class_config_proc(const struct settings *, const struct plugins *, uint8_t seed[PROC_SEED_BYTES],
    struct proc_config *, struct gearmand_error *);
/* All but `aside`, for the I/O thread of that number. */
struct io_config class_config_io(
    const struct settings *, const uint8_t seed[PROC_SEED_BYTES], unsigned number, unsigned io_count);

#endif
