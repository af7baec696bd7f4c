/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The memcached queue: background jobs as items of one memcached or several.
 *
 * Runs on:  the store thread.
 * Owns:     the store, from open to close.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "queue_memcached.h"

#define STORE_MAGIC 0x71636d65u /* "emcq" */

struct mc_store *
mc_store_of(void *store)
{
	struct mc_store *s = store;

	if (s == NULL || s->magic != STORE_MAGIC)
		abort();
	return s;
}

void
mc_sentence(const struct mc_store *s, const struct mc_link *l, enum mc_state state, struct gearmand_error *err)
{
	s->host->error_set(
	    err, "memcached %s: %s", l->node->name, state == MC_LATE ? "it does not answer" : l->trouble);
	err->why = GEARMAND_WHY_PASSING;
}

static void
mc_close(void **store)
{
	struct mc_store *s;

	if (*store == NULL)
		return;
	s = mc_store_of(*store);
	*store = NULL;
	mc_lock_close(s);
	mc_pool_free(s);
	s->host->release(s->watches);
	s->magic = 0;
	s->host->release(s);
}

static bool
check_prefix(struct mc_store *s, struct gearmand_error *err)
{
	const char *prefix = s->host->option(s->host, "libmemcached-prefix");

	s->prefix = prefix == NULL ? "" : prefix;
	s->prefix_len = strlen(s->prefix);
	for (const char *p = s->prefix; *p != '\0'; p++) {
		if (!isgraph((unsigned char)*p) || s->prefix_len > MC_PREFIX_MOST) {
			s->host->error_set(err, "--libmemcached-prefix takes up to %d printable characters, no blanks",
			    (int)MC_PREFIX_MOST);
			err->why = GEARMAND_WHY_LASTING;
			return false;
		}
	}
	return true;
}

static bool
mc_open(const struct gearmand_host *host, struct gearmand_opening *opening, void **store_r, struct gearmand_error *err)
{
	struct mc_store *s;
	void *store;

	(void)opening;
	err->why = GEARMAND_WHY_PASSING;
	if (sodium_init() < 0) {
		host->error_set(err, "the memcached queue: libsodium cannot be initialised");
		return false;
	}
	store = s = host->allocate(sizeof(*s));
	s->magic = STORE_MAGIC;
	s->host = host;
	if (!check_prefix(s, err) || !mc_pool_make(s, err) || !mc_pool_connect(s, err) || !mc_watch_open(s, err) ||
	    !mc_lock_open(s, err)) {
		mc_close(&store);
		return false;
	}
	*store_r = s;
	return true;
}

static const struct gearmand_option mc_options[] = {
	{ "libmemcached-servers", GEARMAND_OPT_STRING, .value_name = "LIST",
	    .help = "Servers of the pool, HOST:PORT or the path of a socket, separated by commas" },
	{ "libmemcached-prefix", GEARMAND_OPT_STRING, .dflt = "gear_", .value_name = "TEXT",
	    .help = "What the keys of this server's items begin with" },
	{ "libmemcached-timeout", GEARMAND_OPT_INT, .dflt = "5", .min = "1", .max = "3600", .value_name = "SECONDS",
	    .help = "Seconds after which a memcached that sends nothing counts as stalled" },
	{ "libmemcached-lease", GEARMAND_OPT_INT, .dflt = "5", .min = "2", .max = "3600", .value_name = "SECONDS",
	    .help = "Seconds after which the jobs of a server that died may be taken over" },
	{ 0 }
};

static const char *const mc_aliases[] = { "libmemcached", NULL };

static const struct gearmand_queue_ops mc_ops = {
	.size = sizeof(struct gearmand_queue_ops),
	.open = mc_open,
	.replay = mc_replay,
	.commit = mc_commit,
	.close = mc_close,
	.check = mc_check,
};

GEARMAND_QUEUE_PLUGIN(
    "memcached", mc_aliases, "0.1.0", "keeps background jobs in the memory of memcached servers", mc_options, &mc_ops);
