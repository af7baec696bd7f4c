/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A host for a queue module without a server: options from the module's table, and a memory of what was said.
 *
 * Runs on:  the test's thread.
 * Owns:     see fake_host.h.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/plugins/fake_host.h"

static struct fake_host *
fake_of(const struct gearmand_host *host)
{
	return host->own;
}

static void fake_log(const struct gearmand_host *, enum gearmand_level, const char *, ...) GEARMAND_PRINTF(3, 4);
static void fake_error_set(struct gearmand_error *, const char *, ...) GEARMAND_PRINTF(2, 3);
static void fake_refuse(struct gearmand_change *, const char *, ...) GEARMAND_PRINTF(2, 3);

static void
fake_log(const struct gearmand_host *host, enum gearmand_level level, const char *format, ...)
{
	struct fake_host *h = fake_of(host);
	va_list args;

	(void)level;
	va_start(args, format);
	vsnprintf(h->log, sizeof(h->log), format, args);
	va_end(args);
}

static void
fake_error_set(struct gearmand_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
}

static int64_t
now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t
fake_monotonic(void)
{
	return now(CLOCK_MONOTONIC);
}

static int64_t
fake_wall(void)
{
	return now(CLOCK_REALTIME);
}

static const char *
fake_option(const struct gearmand_host *host, const char *name)
{
	struct fake_host *h = fake_of(host);

	for (int i = 0; i < h->set_count; i++) {
		if (strcmp(h->set[i].name, name) == 0)
			return h->set[i].value;
	}
	for (const struct gearmand_option *o = h->plugin->options; o->name != NULL; o++) {
		if (strcmp(o->name, name) == 0)
			return o->dflt;
	}
	fprintf(stderr, "the module asks for --%s, which it does not declare\n", name);
	abort();
}

static int64_t
fake_option_number(const struct gearmand_host *host, const char *name)
{
	const char *value = fake_option(host, name);

	return value == NULL ? 0 : strtoll(value, NULL, 10);
}

static void *
fake_allocate(size_t size)
{
	void *p = calloc(1, size);

	if (p == NULL)
		abort();
	return p;
}

static void
fake_refuse(struct gearmand_change *c, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	free(c->reason);
	c->reason = strdup(text);
	c->outcome = GEARMAND_REFUSED;
}

void
fake_host_changes_clear(struct gearmand_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(changes[i].reason);
		changes[i].reason = NULL;
		changes[i].outcome = GEARMAND_STORED;
	}
}

void
fake_host_set(struct fake_host *h, const char *option, const char *value)
{
	int i = 0;

	while (i < h->set_count && strcmp(h->set[i].name, option) != 0)
		i++;
	if (i == h->set_count)
		h->set_count++;
	h->set[i].name = option;
	snprintf(h->set[i].value, sizeof(h->set[i].value), "%s", value);
}

void
fake_host_load(struct fake_host *h, const char *file)
{
	void *module = dlopen(file, RTLD_NOW | RTLD_LOCAL);

	memset(h, 0, sizeof(*h));
	h->plugin = module == NULL ? NULL : dlsym(module, "gearmand_plugin");
	if (h->plugin == NULL || h->plugin->magic != GEARMAND_PLUGIN_MAGIC || h->plugin->kind != GEARMAND_KIND_QUEUE) {
		fprintf(stderr, "%s: not a queue module: %s\n", file, dlerror());
		exit(1);
	}
	h->ops = h->plugin->queue;
	h->opening = (struct gearmand_opening){ .size = sizeof(h->opening), .is_first = true };
	h->table = (struct gearmand_host){
		.size = sizeof(struct gearmand_host),
		.own = h,
		.server_version = "0.1.0",
		.identity = "0123456789abcdef0123456789abcdef",
		.log = fake_log,
		.error_set = fake_error_set,
		.monotonic = fake_monotonic,
		.wall = fake_wall,
		.option = fake_option,
		.option_number = fake_option_number,
		.allocate = fake_allocate,
		.release = free,
		.refuse = fake_refuse,
	};
}
