/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the settings mean for the core and for I/O; see class_config.h.
 *
 * Runs on:  main thread, while starting.
 * Owns:     nothing.
 */
#include "class_config.h"

#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cross/loop.h"
#include "mgmt/access_file.h"
#include "mgmt/fail.h"
#include "mgmt/policy_file.h"
#include "mgmt/settings.h"
#include "wire/policy.h"

enum {
	MESSAGES_WAITING = 16384,    /* from one I/O thread, before it waits for the core */
	PAUSE_OUTPUT = 4 << 20,      /* unsent bytes of a connection past which it is not read */
	BESIDE_JOBS = 32 << 20,      /* bytes of bodies that are in no job, at least */
	UNSENT_LEAST = 4 << 20,      /* of an I/O thread, before anybody is closed for what others hold */
	HANDLE_BITS_PER_SECOND = 20, /* of job numbers: what a second of life leaves room for */
};

void
class_config_handle_prefix(const struct settings *s, char *prefix, size_t size)
{
	struct utsname host;

	if (s->job_handle_prefix != NULL)
		snprintf(prefix, size, "%s", s->job_handle_prefix);
	else
		snprintf(prefix, size, "H:%.*s", (int)size - 3, uname(&host) == 0 ? host.nodename : "localhost");
}

uint64_t
class_config_first_handle(void)
{
	uint64_t now = (uint64_t)clock_wall(), part = now % A_SECOND;

	return (now / A_SECOND << HANDLE_BITS_PER_SECOND) + (part << HANDLE_BITS_PER_SECOND) / A_SECOND;
}

static size_t
pause_output(const struct settings *s)
{
	return s->max_output / 4 < PAUSE_OUTPUT ? (size_t)s->max_output / 4 : PAUSE_OUTPUT;
}

static int64_t
at_least(int64_t n, int64_t least)
{
	return n > least ? n : least;
}

static int64_t
at_most(int64_t n, int64_t most)
{
	return n < most ? n : most;
}

bool
class_config_proc(const struct settings *s, const struct plugins *plugins, uint8_t seed[PROC_SEED_BYTES],
    struct proc_config *p, struct gearmand_error *err)
{
	const struct policy base = policy_of_options(s->job_retries, s->status_keep);

	p->first_handle = class_config_first_handle();
	if (getrandom(seed, PROC_SEED_BYTES, 0) != PROC_SEED_BYTES)
		return error_fail(err, "the system does not give random numbers");
	memcpy(p->seed, seed, PROC_SEED_BYTES);
	p->policies = policy_file_read(s->policy_file, &base, err);
	if (p->policies == NULL)
		return false;
	p->access = access_file_load(s->access_file, plugins, err);
	if (p->access == NULL) {
		policies_free(&p->policies);
		return false;
	}
	p->dead_keep = s->dead_keep * A_SECOND;
	p->dead_max = (uint64_t)s->dead_max;
	p->dead_max_bytes = (uint64_t)at_most(s->dead_max_bytes, s->max_memory / 4); /* the living come first */
	p->status_max_bytes = (uint64_t)at_most(s->status_max_bytes, s->max_memory / 4);
	p->job_retries = s->job_retries < 0 ? 0 : (uint32_t)s->job_retries;
	p->wakeups = (uint32_t)s->worker_wakeup;
	p->strict_order = s->strict_order;
	p->exceptions = s->exceptions;
	p->timeout_requeues = s->timeout_requeues;
	p->queue_timeout = s->queue_timeout * A_SECOND;
	p->max_jobs = (uint64_t)s->max_jobs;
	p->max_memory = (uint64_t)s->max_memory;
	p->max_functions = (uint64_t)s->max_functions;
	p->max_abilities = (uint64_t)s->max_abilities;
	p->max_storing = (uint64_t)s->max_storing;
	p->pause_held = pause_output(s);
	p->max_held = (uint64_t)s->max_output;
	p->log_level = s->verbose;
	p->version = GEARMAND_VERSION;
	p->verbose = level_name(s->verbose);
	p->pid = (int)getpid();
	p->started = clock_wall() / A_SECOND;
	p->threads = (int)s->threads;
	return true;
}

/* What waits in all connections of an I/O thread: its share of a quarter of what jobs may take. */
static size_t
max_unsent(const struct settings *s, unsigned io_count)
{
	return (size_t)at_least(at_least(s->max_memory / 4, BESIDE_JOBS / 2) / io_count, UNSENT_LEAST);
}

/* Bodies may take a quarter more than jobs: requests half of that. */
struct io_config
class_config_io(const struct settings *s, const uint8_t seed[PROC_SEED_BYTES], unsigned number, unsigned io_count)
{
	int64_t beside = at_least(s->max_memory / 4, BESIDE_JOBS);
	struct io_config config = {
		.number = number,
		.max_packet = (size_t)s->max_packet,
		.max_line = (size_t)s->max_line,
		.max_output = (size_t)s->max_output,
		.max_unsent = max_unsent(s, io_count),
		.pause_output = pause_output(s),
		.max_waiting = MESSAGES_WAITING,
		.max_bodies = { (size_t)(s->max_memory + beside / 2), (size_t)(s->max_memory + beside) },
		.queue_timeout = (uint32_t)s->queue_timeout * 1000,
	};

	memcpy(config.hash_key, seed, sizeof config.hash_key);
	return config;
}
