/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The memcached queue: background jobs as items of one memcached or several.
 *
 * Runs on:  the store thread.
 * Owns:     the store, from open to close.
 */
#include <ctype.h>

#include <sodium.h>

#include "queue_memcached.h"

#define STORE_MAGIC       0x71636d65u /* "emcq" */
#define LOOK_EVERY        INT64_C(10000000000)
#define SAY_AT_MOST_EVERY INT64_C(600000000000) /* ns */

struct mc_store *
mc_store_of(void *store)
{
	return GM_STORE(struct mc_store, store, STORE_MAGIC);
}

/* In the list of settings "evictions" is "on" or "off", in the other one a number. */
static memcached_return_t
take_stat(const memcached_instance_st *server, const char *key, size_t key_len, const char *value, size_t len, void *to)
{
	(void)server, (void)key_len, (void)len;
	if (strcmp(key, "evictions") == 0)
		*(uint64_t *)to = strncmp(value, "on", 2) == 0 ? 1 : strtoull(value, NULL, 10);
	return MEMCACHED_SUCCESS;
}

bool
mc_look(struct mc_store *s, struct gearmand_error *err)
{
	const struct gearmand_host *host = s->host;
	int64_t now = host->monotonic();
	bool is_time = s->said_at == 0 || now - s->said_at >= SAY_AT_MOST_EVERY;

	for (struct mc_node *n = s->nodes; n < s->end && now >= s->look_at; n++) {
		struct mc_link *l = &n->link[MC_TALK];
		uint64_t evictions = 0, evicts = 0;

		if (!mc_went_well(l, memcached_stat_execute(l->m, NULL, take_stat, &evictions), MEMCACHED_SUCCESS, err))
			return false;
		if (s->look_at == 0) { /* the store is being opened */
			(void)memcached_stat_execute(l->m, "settings", take_stat, &evicts);
			n->evictions = evictions;
		}
		if (evicts != 0)
			host->log(host, GEARMAND_LOG_NOTICE,
			    "memcached %s evicts jobs when it is full; started with -M it refuses new ones instead",
			    n->name);
		if (evictions > n->evictions && is_time) {
			host->log(host, GEARMAND_LOG_WARNING,
			    "memcached %s is full and has evicted %llu items, perhaps jobs: those run, but do not "
			    "survive a restart of this server; give it more memory (-m), and -M to have it refuse",
			    n->name, (unsigned long long)(evictions - n->evictions));
			n->evictions = evictions;
			s->said_at = now;
		}
	}
	s->look_at = now >= s->look_at ? now + LOOK_EVERY : s->look_at;
	return true;
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
	mc_pool_close(s);
	gm_bytes_free(&s->value);
	s->magic = 0;
	s->host->release(s);
}

static bool
mc_open(const struct gearmand_host *host, struct gearmand_opening *opening, void **store_r, struct gearmand_error *err)
{
	struct mc_store *s = host->allocate(sizeof(*s));
	void *store = s;
	bool is_well = sodium_init() >= 0;

	if (opening->memory == NULL) {
		opening->memory = host->allocate(sizeof(struct mc_memory));
		((struct mc_memory *)opening->memory)->sequence = (uint64_t)host->wall();
	}
	*s = (struct mc_store){
		.magic = STORE_MAGIC, .host = host, .memory = opening->memory, .prefix = "", .claim.stop.fd = -1
	};
	if (host->option(host, "libmemcached-prefix") != NULL)
		s->prefix = host->option(host, "libmemcached-prefix");
	s->prefix_len = strlen(s->prefix);
	for (const char *p = s->prefix; *p != '\0'; p++)
		is_well = is_well && isgraph((unsigned char)*p) && s->prefix_len <= MC_PREFIX_MOST;
	if (!is_well)
		gm_fail(err, GEARMAND_WHY_LASTING,
		    "--libmemcached-prefix takes up to %d printable characters, no blanks", (int)MC_PREFIX_MOST);
	if (is_well && mc_pool_open(s, err) && mc_lock_open(s, err) && mc_look(s, err)) {
		*store_r = s;
		return true;
	}
	if (err->why == GEARMAND_WHY_PASSING)
		gm_standby_away(&s->memory->standby);
	mc_close(&store);
	return false;
}

static void
mc_forget(void **memory)
{
	struct mc_memory *m = *memory;

	*memory = NULL;
	for (size_t i = 0; i < MC_COUNT(m->cut, int); i++)
		close(MC_ALL(m->cut, int)[i]);
	gm_bytes_free(&m->cut);
	free(m);
}

static enum gearmand_commit
mc_check(void *store, struct gearmand_error *err)
{
	return mc_commit(store, NULL, 0, err);
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
	.forget = mc_forget,
};

GEARMAND_QUEUE_PLUGIN(
    "memcached", mc_aliases, "0.1.0", "keeps background jobs in the memory of memcached servers", mc_options, &mc_ops);
