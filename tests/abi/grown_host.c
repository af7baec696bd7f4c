/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A server of a later minor number, as small as can be: it loads a module that was built against the headers of 1.0,
 * and puts it to work.
 *
 * Compiled by abi.py together with the server's own loader, against headers in which every struct that may grow has
 * grown.  Prints "well", or says what is not.
 */
#include <ltdl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mgmt/plugin_check.h"

#define MUST(truth) \
	do { \
		if (!(truth)) { \
			printf("not true: %s\n", #truth); \
			exit(1); \
		} \
	} while (0)

static const char *path;

static const char *
host_option(const struct gearmand_host *host, const char *name)
{
	(void)host;
	return strcmp(name, "journal-file") == 0 ? path : NULL;
}

static int64_t
host_option_number(const struct gearmand_host *host, const char *name)
{
	(void)host, (void)name;
	return 1 << 30;
}

static void
host_error_set(struct gearmand_error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
}

static void *
host_allocate(size_t size)
{
	return calloc(1, size);
}

static bool
on_job(void *sink, const struct gearmand_job *job)
{
	static const uint64_t nothing[sizeof(job->reserved) / sizeof(uint64_t)];

	MUST(memcmp(job->reserved, nothing, sizeof(nothing)) == 0 && job->attempts == 0 && job->error.len == 0);
	MUST(job->data.len == 3 && memcmp(job->data.data, "abc", 3) == 0 && job->run_at == 77);
	++*(int *)sink;
	return true;
}

static const struct gearmand_plugin *
load(const char *file)
{
	struct gearmand_error err = { .text = "" };
	const struct gearmand_plugin *theirs, *p;

	MUST(lt_dlinit() == 0);
	theirs = plugin_open_file(file, &err);
	if (theirs == NULL || !plugin_head_check(theirs, &err) || !plugin_sizes_check(theirs, &err)) {
		printf("refused: %s\n", err.text);
		exit(1);
	}
	p = plugin_copy(theirs);
	MUST(theirs->size < sizeof(*p) && theirs->queue->size < sizeof(*p->queue));
	MUST(theirs->option_size < sizeof(*p->options));
	if (!plugin_ops_check(p, &err) || !plugin_options_check(p, &err)) {
		printf("refused: %s\n", err.text);
		exit(1);
	}
	return p;
}

int
main(int argc, char **argv)
{
	struct gearmand_host host = {
		.size = sizeof(host),
		.option = host_option,
		.option_number = host_option_number,
		.error_set = host_error_set,
		.allocate = host_allocate,
		.release = free,
	};
	struct gearmand_opening opening = { .size = sizeof(opening), .is_first = true };
	struct gearmand_change change[2] = { { .op = GEARMAND_ADD }, { .op = GEARMAND_ADD } };
	struct gearmand_error err = { .text = "" };
	const struct gearmand_plugin *p;
	void *store;
	int jobs = 0;

	MUST(argc == 3);
	path = argv[2];
	p = load(argv[1]);
	MUST(p->grown == 0 && p->queue->grown == 0);
	for (const struct gearmand_option *o = p->options; o->name != NULL; o++)
		MUST(o->grown == 0 && strncmp(o->name, "journal-", 8) == 0);
	for (int i = 0; i < 2; i++) {
		change[i].job = (struct gearmand_job){ .run_at = 77, .priority = GEARMAND_NORMAL };
		change[i].job.function = (struct gearmand_slice){ "f", 1 };
		change[i].job.unique = (struct gearmand_slice){ i == 0 ? "one" : "two", 3 };
		change[i].job.data = (struct gearmand_slice){ "abc", 3 };
	}
	MUST(p->queue->open(&host, &opening, &store, &err));
	MUST(p->queue->commit(store, change, 2, &err) == GEARMAND_COMMIT_DONE);
	p->queue->close(&store);
	MUST(p->queue->open(&host, &opening, &store, &err));
	MUST(p->queue->replay(store, on_job, &jobs, &err) && jobs == 2);
	p->queue->close(&store);
	printf("well\n");
	return 0;
}
