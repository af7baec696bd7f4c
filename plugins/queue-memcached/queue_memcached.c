/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The memcached queue: background jobs as items of one memcached or several.
 *
 * Runs on:  the store thread.
 * Owns:     the store, from open to close, and its connections.
 *
 * libmemcached reads the list of servers and tells which of them has a key, as it did for gearmand 1.1: by a hash and
 * the number of servers.  No server is ever left out because it is down: its keys would be looked for elsewhere
 * afterwards.
 *
 * What memcached has received when a connection breaks it may still do, and a late "delete" could hit a job that was
 * stored anew.  So before the store is opened again, memcached must have ended such connections, which it does behind
 * the last command.
 */
#include <ctype.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <sys/socket.h>

#include "queue_memcached.h"

#define STORE_MAGIC       0x71636d65u /* "emcq" */
#define LOOK_EVERY        INT64_C(10000000000)
#define SAY_AT_MOST_EVERY INT64_C(600000000000) /* ns */

enum { LOOK_AGAIN = 5, GIVE_UP = 60000 /* ms */ };

struct mc_store *
mc_store_of(void *store)
{
	return GM_STORE(struct mc_store, store, STORE_MAGIC);
}

static bool
take_servers(struct mc_store *s, const char *list)
{
	memcached_server_st *servers = memcached_servers_parse(list);
	size_t count = 0;

	s->names = memcached_create(NULL);
	if (s->names != NULL && servers != NULL && memcached_server_push(s->names, servers) == MEMCACHED_SUCCESS)
		count = memcached_server_count(s->names);
	memcached_server_list_free(servers);
	if (count == 0)
		return false;
	s->nodes = s->host->allocate(count * sizeof(*s->nodes));
	s->end = s->nodes + count;
	for (struct mc_node *n = s->nodes; n < s->end; n++) {
		const memcached_instance_st *server =
		    memcached_server_instance_by_position(s->names, (uint32_t)(n - s->nodes));
		const char *host = memcached_server_name(server);
		size_t brackets = host[0] == '['; /* "[::1]" is written so because of the port behind it */

		snprintf(n->host, sizeof(n->host), "%.*s", (int)(strlen(host) - 2 * brackets), host + brackets);
		n->port = memcached_server_port(server);
		snprintf(n->name, sizeof(n->name), host[0] == '/' ? "%s" : "%s:%u", host, (unsigned)n->port);
		n->timeout = (int)s->host->option_number(s->host, "libmemcached-timeout");
	}
	return true;
}

static bool
pool_open(struct mc_store *s, struct gearmand_error *err)
{
	const char *list = s->host->option(s->host, "libmemcached-servers");
	struct gm_bytes *cut = &s->memory->cut;
	int waited = 0;

	if (list == NULL || list[0] == '\0' || !take_servers(s, list))
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "the memcached queue needs --libmemcached-servers=HOST:PORT[,HOST:PORT...]");
	while (cut->len > 0) {
		int fd = MC_ALL(*cut, int)[MC_COUNT(*cut, int) - 1];
		char dropped[4096];
		ssize_t n = recv(fd, dropped, sizeof(dropped), MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			close(fd);
			cut->len -= sizeof(fd);
		} else if (n < 0 && waited >= s->nodes[0].timeout * 1000) {
			return gm_fail(err, GEARMAND_WHY_PASSING,
			    "memcached %s: it does not answer: it has not done yet what it was sent before", list);
		} else if (n < 0) {
			gm_pause(LOOK_AGAIN);
			waited += LOOK_AGAIN;
		}
	}
	for (struct mc_node *n = s->nodes; n < s->end; n++) {
		if (!mc_wire_open(&n->wire, n, err))
			return false;
	}
	return true;
}

static void
pool_close(struct mc_store *s)
{
	const int give_up = GIVE_UP;

	for (struct mc_node *n = s->nodes; n < s->end; n++) {
		if (s->is_broken && n->wire.node != NULL) {
			setsockopt(n->wire.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &give_up, sizeof(give_up));
			shutdown(n->wire.fd, SHUT_WR);
			gm_add(&s->memory->cut, &n->wire.fd, sizeof(n->wire.fd));
			n->wire.fd = -1;
		}
		mc_wire_close(&n->wire);
	}
	s->host->release(s->nodes);
	memcached_free(s->names);
}

struct mc_node *
mc_node_of(const struct mc_store *s, const struct mc_key *key)
{
	return s->nodes + (s->end - s->nodes == 1 ? 0 : memcached_generate_hash(s->names, key->text, key->len));
}

/* In the list of settings "evictions" is "on" or "off", in the other one a number. */
static bool
ask_for_evictions(struct mc_node *n, const char *command, uint64_t *count_r, struct gearmand_error *err)
{
	const char name[] = "STAT evictions ";
	char *line;

	for (; mc_wire_line(&n->wire, command, &line, err); command = "") {
		if (strcmp(line, "END") == 0)
			return true;
		if (!gm_begins(gm_slice(line), "STAT "))
			return mc_wire_is_odd(&n->wire, line, err);
		if (gm_begins(gm_slice(line), name))
			*count_r = strcmp(line + strlen(name), "on") == 0 ? 1 : strtoull(line + strlen(name), NULL, 10);
	}
	return false;
}

bool
mc_look(struct mc_store *s, struct gearmand_error *err)
{
	const struct gearmand_host *host = s->host;
	int64_t now = host->monotonic();
	bool is_opening = s->look_at == 0, is_time = s->said_at == 0 || now - s->said_at >= SAY_AT_MOST_EVERY;

	if (now < s->look_at)
		return true;
	for (struct mc_node *n = s->nodes; n < s->end; n++) {
		uint64_t evictions = 0, evicts = 0;

		if (!ask_for_evictions(n, "stats\r\n", &evictions, err) ||
		    (is_opening && !ask_for_evictions(n, "stats settings\r\n", &evicts, err)))
			return false;
		if (evicts != 0)
			host->log(host, GEARMAND_LOG_NOTICE,
			    "memcached %s evicts jobs when it is full; started with -M it refuses new ones instead",
			    n->name);
		if (is_opening)
			n->evictions = evictions;
		if (evictions <= n->evictions || !is_time)
			continue;
		host->log(host, GEARMAND_LOG_WARNING,
		    "memcached %s is full and has evicted %llu items, perhaps jobs: those run, but do not "
		    "survive a restart of this server; give it more memory (-m), and -M to have it refuse",
		    n->name, (unsigned long long)(evictions - n->evictions));
		n->evictions = evictions;
		s->said_at = now;
	}
	s->look_at = now + LOOK_EVERY;
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
	pool_close(s);
	gm_bytes_free(&s->sent);
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
	*s = (struct mc_store){ .magic = STORE_MAGIC, .host = host, .memory = opening->memory, .stop.fd = -1 };
	s->prefix = host->option(host, "libmemcached-prefix");
	s->prefix_len = strlen(s->prefix);
	for (const char *p = s->prefix; *p != '\0'; p++)
		is_well = is_well && isgraph((unsigned char)*p) && s->prefix_len <= MC_PREFIX_MOST;
	if (!is_well)
		gm_fail(err, GEARMAND_WHY_LASTING,
		    "--libmemcached-prefix takes up to %d printable characters, no blanks", (int)MC_PREFIX_MOST);
	if (is_well && pool_open(s, err) && mc_lock_open(s, err) && mc_look(s, err)) {
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

	for (size_t i = 0; i < MC_COUNT(m->cut, int); i++)
		close(MC_ALL(m->cut, int)[i]);
	gm_bytes_free(&m->cut);
	gm_forget(memory);
}

static enum gearmand_commit
mc_check(void *store, struct gearmand_error *err)
{
	return mc_commit(store, NULL, 0, err);
}

static const struct gearmand_option mc_options[] = {
	{ "libmemcached-servers", GEARMAND_OPT_STRING, .value_name = "LIST",
	    .help = "servers of the pool, HOST:PORT or the path of a socket, separated by commas" },
	{ "libmemcached-prefix", GEARMAND_OPT_STRING, .dflt = "gear_", .value_name = "TEXT",
	    .help = "what the keys of this server's items begin with" },
	{ "libmemcached-timeout", GEARMAND_OPT_INT, .dflt = "5", .min = "1", .max = "3600", .value_name = "SECONDS",
	    .help = "seconds after which a memcached that sends nothing counts as stalled" },
	{ "libmemcached-lease", GEARMAND_OPT_INT, .dflt = "5", .min = "2", .max = "3600", .value_name = "SECONDS",
	    .help = "seconds after which the jobs of a server that died may be taken over" },
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
