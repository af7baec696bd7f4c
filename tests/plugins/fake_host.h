/* SPDX-License-Identifier: BSD-3-Clause
 *
 * fake_host.h - a host for a queue module without a server, for tests and the bench.
 *
 * Runs on:  the test's thread.
 * Owns:     the loaded module, its options, and the latest log line.
 */
#ifndef TESTS_FAKE_HOST_H
#define TESTS_FAKE_HOST_H

#include <gearmand/plugin.h>

struct fake_host {
	struct gearmand_host table;
	struct gearmand_opening opening;
	const struct gearmand_plugin *plugin;
	const struct gearmand_queue_ops *ops; /* of the plugin */
	struct {
		const char *name;
		char value[512];
	} set[8];
	int set_count;
	char log[1024]; /* "" when nothing was logged */
};

/* Loads `file`, which must export a queue module; ends the process with a sentence when it does not. */
void fake_host_load(struct fake_host *, const char *file);
void fake_host_set(struct fake_host *, const char *option, const char *value);

/* What the server does with refusals, and with reasons when a batch is over. */
void fake_host_changes_clear(struct gearmand_change *, size_t count);

#endif
