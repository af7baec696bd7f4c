/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The servers of --libmemcached-servers, and connections to them.
 *
 * Runs on:  the store thread; the thread that renews the lock has a connection of its own.
 * Owns:     the nodes of the store and their connections.
 *
 * Keys are spread as libmemcached does by itself, and as gearmand 1.1 had it: by a hash and the number of servers.  No
 * server is ever left out because it is down: its keys would be looked for elsewhere afterwards.
 *
 * After any failure a connection is dropped, for libmemcached may have sent a part of a command.  What memcached has
 * received by then it may still do, and a late "delete" could hit a job that was stored anew; so before the store is
 * opened again, memcached must have ended such connections, which it does behind the last command.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "queue_memcached.h"

enum { SERVERS_MOST = 256, LOOK_AGAIN = 5, GIVE_UP = 60000 /* ms */ };

/* libmemcached's own sentence is "(address) CODE, what the server said, host: name:port -> file:line". */
bool
mc_went_well(struct mc_link *l, memcached_return_t rc, memcached_return_t fine, struct gearmand_error *err)
{
	const char *said, *text, *begin, *name = l->node->name;
	int number;

	if (rc == MEMCACHED_SUCCESS || rc == fine)
		return true;
	l->is_asking = l->has_value = false;
	number = memcached_last_error_errno(l->m);
	text = memcached_strerror(l->m, rc);
	said = memcached_last_error_message(l->m);
	begin = strstr(said, text) == NULL ? said + strcspn(said, " ") : strstr(said, text) + strlen(text);
	begin += strspn(begin, ", ");
	if (rc == MEMCACHED_TIMEOUT || memcached_last_error(l->m) == MEMCACHED_TIMEOUT)
		text = "it does not answer";
	else if (number != 0)
		text = strerror(number);
	else if (rc == MEMCACHED_CONNECTION_FAILURE)
		text = "it closed the connection";
	else if (strstr(begin, " host: ") > begin)
		return gm_fail(err, strstr(said, "unauthenticated") ? GEARMAND_WHY_LASTING : GEARMAND_WHY_PASSING,
		    "memcached %s: it says \"%.*s\"", name, (int)strcspn(begin, ",\r\n"), begin);
	return gm_fail(err, GEARMAND_WHY_PASSING, "memcached %s: %s", name, text);
}

/* libmemcached tells the port of a TCP connection, and not its descriptor. */
static int
duplicate(const struct mc_link *l)
{
	const memcached_instance_st *server = memcached_server_instance_by_position(l->m, 0);
	long most = l->node->host[0] == '/' ? 0 : sysconf(_SC_OPEN_MAX);
	struct sockaddr_in6 own, peer; /* AF_INET has the port at the same place */

	for (int fd = 0; fd < most; fd++) {
		socklen_t len = sizeof(own), peer_len = sizeof(peer);

		if (getsockname(fd, (struct sockaddr *)&own, &len) == 0 && own.sin6_family != AF_UNIX &&
		    getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 &&
		    ntohs(own.sin6_port) == memcached_server_srcport(server) && ntohs(peer.sin6_port) == l->node->port)
			return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	return -1;
}

/* To connect, a command is needed that does nothing and tells what goes wrong; a "get" does not tell. */
bool
mc_link_open(struct mc_link *l, const struct mc_node *n, enum mc_kind kind, struct gearmand_error *err)
{
	static const char nothing[] = "gearmand.connects";
	memcached_return_t rc;

	*l = (struct mc_link){ .node = n, .m = memcached_create(NULL), .fd = -1 };
	if (l->m == NULL)
		return gm_fail(err, GEARMAND_WHY_PASSING, "memcached: out of memory");
	memcached_behavior_set(l->m, MEMCACHED_BEHAVIOR_NO_BLOCK, 1);
	memcached_behavior_set(l->m, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
	memcached_behavior_set(l->m, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, (uint64_t)n->timeout * 1000);
	memcached_behavior_set(l->m, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, (uint64_t)n->timeout * 1000);
	memcached_behavior_set(l->m, MEMCACHED_BEHAVIOR_NOREPLY, kind == MC_BULK);
	memcached_behavior_set(l->m, MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, kind == MC_BULK);
	memcached_behavior_set(l->m, MEMCACHED_BEHAVIOR_SUPPORT_CAS, kind == MC_TALK);
	memcached_result_create(l->m, &l->result);
	rc = n->host[0] == '/' ? memcached_server_add_unix_socket(l->m, n->host)
			       : memcached_server_add(l->m, n->host, n->port);
	if (rc == MEMCACHED_SUCCESS)
		rc = memcached_delete(l->m, nothing, strlen(nothing), 0);
	if (!mc_went_well(l, rc, kind == MC_BULK ? MEMCACHED_BUFFERED : MEMCACHED_NOTFOUND, err))
		return false;
	l->fd = duplicate(l);
	return true;
}

void
mc_link_close(struct mc_link *l)
{
	if (l->m == NULL)
		return;
	memcached_result_free(&l->result);
	memcached_free(l->m);
	if (l->fd >= 0)
		close(l->fd);
	gm_bytes_free(&l->keys);
	gm_bytes_free(&l->lens);
	l->m = NULL;
}

void
mc_want(struct mc_link *l, const struct mc_key *key)
{
	const char *text = key->text;

	gm_add(&l->keys, &text, sizeof(text));
	gm_add(&l->lens, &key->len, sizeof(key->len));
}

bool
mc_ask(struct mc_link *l, struct gearmand_error *err)
{
	size_t count = MC_COUNT(l->lens, size_t);
	memcached_return_t rc = MEMCACHED_SUCCESS;

	if (l->keys.failed || l->lens.failed)
		rc = MEMCACHED_MEMORY_ALLOCATION_FAILURE;
	else if (count > 0)
		rc = memcached_mget(l->m, MC_ALL(l->keys, const char *), MC_ALL(l->lens, const size_t), count);
	l->is_asking = count > 0;
	l->keys.len = l->lens.len = 0;
	return mc_went_well(l, rc, MEMCACHED_SUCCESS, err);
}

/* Whatever the failure, libmemcached calls it "not found" while its count of values is 0. */
bool
mc_next(struct mc_link *l, const struct mc_key *key, struct mc_value *v, struct gearmand_error *err)
{
	memcached_result_st *r = &l->result;
	memcached_return_t rc;

	*v = (struct mc_value){ .is_there = false };
	if (!l->has_value && l->is_asking) {
		r->count = 1;
		l->has_value = memcached_fetch_result(l->m, r, &rc) != NULL;
		l->is_asking = l->has_value;
		if (!l->has_value && !mc_went_well(l, rc, MEMCACHED_END, err))
			return false;
	}
	if (!l->has_value || memcached_result_key_length(r) != key->len ||
	    memcmp(memcached_result_key_value(r), key->text, key->len) != 0)
		return true; /* this one is missing: what came is of a key behind it */
	l->has_value = false;
	*v = (struct mc_value){ true, memcached_result_flags(r), memcached_result_cas(r),
		{ memcached_result_value(r), memcached_result_length(r) } };
	return true;
}

bool
mc_ended(struct mc_link *l, struct gearmand_error *err)
{
	const struct mc_key none = { .len = 0 };
	struct mc_value v;

	for (l->has_value = false; l->is_asking; l->has_value = false) {
		if (!mc_next(l, &none, &v, err))
			return false;
	}
	return true;
}

bool
mc_get(struct mc_link *l, const struct mc_key *key, struct mc_value *v, struct gearmand_error *err)
{
	mc_want(l, key);
	return mc_ask(l, err) && mc_next(l, key, v, err) && mc_ended(l, err);
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
	if (count == 0 || count > SERVERS_MOST)
		return false;
	s->nodes = s->host->allocate(count * sizeof(*s->nodes));
	for (s->end = s->nodes; s->end < s->nodes + count; s->end++) {
		uint32_t at = (uint32_t)(s->end - s->nodes);
		const memcached_instance_st *server = memcached_server_instance_by_position(s->names, at);
		const char *host = memcached_server_name(server);
		size_t brackets = host[0] == '['; /* "[::1]" is written so because of the port behind it */

		snprintf(
		    s->end->host, sizeof(s->end->host), "%.*s", (int)(strlen(host) - 2 * brackets), host + brackets);
		s->end->port = memcached_server_port(server);
		snprintf(
		    s->end->name, sizeof(s->end->name), host[0] == '/' ? "%s" : "%s:%u", host, (unsigned)s->end->port);
		s->end->timeout = (int)s->host->option_number(s->host, "libmemcached-timeout");
	}
	return true;
}

bool
mc_pool_open(struct mc_store *s, struct gearmand_error *err)
{
	const char *list = s->host->option(s->host, "libmemcached-servers");
	struct gm_bytes *cut = &s->memory->cut;
	bool is_well = true;

	if (list == NULL || list[0] == '\0' || !take_servers(s, list))
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "the memcached queue needs --libmemcached-servers=HOST:PORT[,HOST:PORT...]");
	for (int waited = 0; cut->len > 0; waited += LOOK_AGAIN) {
		int fd = MC_ALL(*cut, int)[MC_COUNT(*cut, int) - 1];
		struct tcp_info info = { .tcpi_state = TCP_CLOSE };
		socklen_t len = sizeof(info);

		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
		    (info.tcpi_state != TCP_ESTABLISHED && info.tcpi_state != TCP_FIN_WAIT1 &&
			info.tcpi_state != TCP_FIN_WAIT2)) {
			close(fd);
			cut->len -= sizeof(fd);
		} else if (waited >= s->nodes[0].timeout * 1000) {
			return gm_fail(err, GEARMAND_WHY_PASSING,
			    "memcached %s: it does not answer: it has not done yet what it was sent before", list);
		} else {
			gm_pause(LOOK_AGAIN);
		}
	}
	for (struct mc_node *n = s->nodes; n < s->end && is_well; n++)
		is_well = mc_link_open(&n->link[MC_TALK], n, MC_TALK, err) &&
			  mc_link_open(&n->link[MC_BULK], n, MC_BULK, err);
	return is_well;
}

/* memcached_free() sends what it still has, and "quit" behind that: not where a part of a command was sent. */
void
mc_pool_close(struct mc_store *s)
{
	const int give_up = GIVE_UP;

	for (struct mc_node *n = s->nodes; n < s->end; n++) {
		for (struct mc_link *l = n->link; l < n->link + MC_KINDS; l++) {
			if (s->is_broken && l->m != NULL && l->fd >= 0) {
				setsockopt(l->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &give_up, sizeof(give_up));
				shutdown(l->fd, SHUT_RDWR);
				gm_add(&s->memory->cut, &l->fd, sizeof(l->fd));
				l->fd = -1;
			}
			mc_link_close(l);
		}
		gm_bytes_free(&n->asked);
	}
	s->host->release(s->nodes);
	memcached_free(s->names);
}

struct mc_node *
mc_node_of(const struct mc_store *s, const struct mc_key *key)
{
	return s->nodes + (s->end - s->nodes == 1 ? 0 : memcached_generate_hash(s->names, key->text, key->len));
}
