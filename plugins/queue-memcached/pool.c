/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The servers of --libmemcached-servers: libmemcached reads the list, and says which of them has a key.
 *
 * Runs on:  the store thread.
 * Owns:     the nodes and links of the store.
 *
 * Keys are spread as libmemcached does by itself, and as gearmand 1.1 had it: by a hash and the number of servers.
 * None is ever left out because it is down: its keys would be looked for elsewhere afterwards.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmemcached/memcached.h>

#include "queue_memcached.h"

enum { SERVERS_MOST = 256 };

static bool
fail(const struct mc_store *s, struct gearmand_error *err, const char *text)
{
	s->host->error_set(err, "%s", text);
	err->why = GEARMAND_WHY_LASTING;
	return false;
}

/* "[::1]" is written so because of the port behind it. */
static void
take_node(struct mc_node *n, const memcached_instance_st *server)
{
	const char *host = memcached_server_name(server);
	size_t len = strlen(host);

	if (host[0] == '[' && len > 2 && host[len - 1] == ']')
		snprintf(n->host, sizeof(n->host), "%.*s", (int)len - 2, host + 1);
	else
		snprintf(n->host, sizeof(n->host), "%s", host);
	snprintf(n->port, sizeof(n->port), "%u", (unsigned)memcached_server_port(server));
	if (host[0] == '/')
		snprintf(n->name, sizeof(n->name), "%s", n->host);
	else
		snprintf(n->name, sizeof(n->name), "%.250s:%s", host, n->port);
}

static bool
take_servers(struct mc_store *s, const char *list)
{
	memcached_server_st *servers = memcached_servers_parse(list);
	size_t count;

	s->names = memcached_create(NULL);
	if (servers == NULL || s->names == NULL || memcached_server_push(s->names, servers) != MEMCACHED_SUCCESS) {
		memcached_server_list_free(servers);
		return false;
	}
	memcached_server_list_free(servers);
	count = memcached_server_count(s->names);
	if (count == 0 || count > SERVERS_MOST)
		return false;
	s->nodes = s->host->allocate(count * sizeof(*s->nodes));
	s->pool.links = s->host->allocate(count * sizeof(*s->pool.links));
	s->pool.count = count;
	for (size_t i = 0; i < count; i++) {
		take_node(&s->nodes[i], memcached_server_instance_by_position(s->names, (uint32_t)i));
		s->pool.links[i] = (struct mc_link){ .node = &s->nodes[i], .fd = -1 };
	}
	return true;
}

bool
mc_pool_make(struct mc_store *s, struct gearmand_error *err)
{
	const char *list = s->host->option(s->host, "libmemcached-servers");

	s->pool.patience = 1000 * (int)s->host->option_number(s->host, "libmemcached-timeout");
	s->pool.stop_fd = -1;
	if (list == NULL || list[0] == '\0')
		return fail(s, err, "the memcached queue needs --libmemcached-servers=HOST:PORT[,HOST:PORT...]");
	if (!take_servers(s, list))
		return fail(s, err, "--libmemcached-servers is no list of servers, HOST:PORT[,HOST:PORT...]");
	return true;
}

bool
mc_pool_connect(struct mc_store *s, struct gearmand_error *err)
{
	for (size_t i = 0; i < s->pool.count; i++) {
		enum mc_state state = mc_link_open(&s->pool, &s->pool.links[i]);

		if (state != MC_WELL) {
			mc_sentence(s, &s->pool.links[i], state, err);
			return false;
		}
	}
	return true;
}

void
mc_pool_free(struct mc_store *s)
{
	for (size_t i = 0; i < s->pool.count; i++)
		mc_link_free(&s->pool.links[i]);
	s->host->release(s->pool.links);
	s->host->release(s->nodes);
	if (s->names != NULL)
		memcached_free(s->names);
	s->names = NULL;
	s->nodes = NULL;
	s->pool = (struct mc_pool){ .links = NULL };
}

size_t
mc_node_of(const struct mc_store *s, const char *key, size_t len)
{
	return s->pool.count == 1 ? 0 : memcached_generate_hash(s->names, key, len);
}
