/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A host for a queue module without a server: the check kit's.
 *
 * Runs on:  the test's thread.
 * Owns:     see fake_host.h.
 */
#include "tests/plugins/fake_host.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/check/kit.h"

void
fake_host_changes_clear(struct gearmand_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(changes[i].reason);
		changes[i].reason = NULL;
		changes[i].outcome = GEARMAND_STORED;
	}
}

/* Bounds do not count: a test may be less patient than an operator. */
void
fake_host_set(struct host *h, const char *option, const char *value)
{
	int i = 0;

	while (i < h->value_count && strcmp(h->values[i].option->name, option) != 0)
		i++;
	if (i == h->value_count)
		fail("there is no option --%s", option);
	free(h->values[i].text);
	h->values[i].text = strdup(value);
	h->values[i].number = strtoll(value, NULL, 10);
}

void
fake_host_load(struct host *h, const char *file)
{
	void *module = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	const struct gearmand_plugin *plugin = module == NULL ? NULL : dlsym(module, "gearmand_plugin");

	if (plugin == NULL || plugin->magic != GEARMAND_PLUGIN_MAGIC || plugin->kind != GEARMAND_KIND_QUEUE) {
		fprintf(stderr, "%s: not a queue module: %s\n", file, dlerror());
		exit(1);
	}
	host_init(h, plugin);
	h->ops = plugin->queue;
	h->opening = (struct gearmand_opening){ .size = sizeof(h->opening), .is_first = true };
}
