/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fake_host.h - the check kit's host for a queue module without a server, for tests and the bench.
 *
 * Runs on:  the test's thread.
 * Owns:     the loaded module, its options, and the latest log line.
 */
#ifndef TESTS_FAKE_HOST_H
#define TESTS_FAKE_HOST_H

#include "sdk/check/host.h"

/* Loads `file`, which must export a queue module; ends the process with a sentence when it does not. */
void fake_host_load(struct host *, const char *file);
void fake_host_set(struct host *, const char *option, const char *value);

/* What the server does with refusals, and with reasons when a batch is over. */
void fake_host_changes_clear(struct gearmand_change *, size_t count);

#endif
