/* SPDX-License-Identifier: BSD-3-Clause
 *
 * transport-proxy: connections that come through a proxy, with the address of the real peer in front (PROXY protocol).
 *
 * Runs on:  the main thread at start-up; connections on their I/O threads.
 * Owns:     the module's settings, which nobody writes once it is open; of each connection the header, until it is
 * whole.
 *
 * Whoever sends a header can take any address, so the header is read from trusted networks only, and others are
 * refused: to take their first bytes for Gearman packets would let them choose.  Behind the header bytes pass as they
 * are.
 */
#include "header.h"
#include "network.h"

#include <gearmand/listen.h>

enum { PROXY_MAGIC = 0x70726f78 };

struct proxy {
	const struct gearmand_host *host;
	struct networks from;
	uint32_t timeout_ms; /* 0 = none */
};

struct proxy_conn {
	uint32_t magic;
	const struct proxy *proxy;
	struct gearmand_conn *conn;
	bool open;            /* the header is behind us */
	struct gm_bytes head; /* what came of it */
};

enum counter { COUNT_HEADERS, COUNT_BAD, COUNT_UNTRUSTED, COUNT_LATE };

static const struct gearmand_counter counters[] = {
	{ "headers", "connections whose header was read" },
	{ "bad_headers", "connections that were closed for a malformed header" },
	{ "untrusted", "connections that were refused for their network" },
	{ "late_headers", "connections whose header did not come in time" },
	{ NULL, NULL },
};

static const struct gearmand_option options[] = {
	{ .name = "proxy-listen",
	    .type = GEARMAND_OPT_STRING,
	    .value_name = "ADDRESS:PORT,...",
	    .help = "where proxies bring connections of Gearman clients and workers" },
	{ .name = "proxy-http-listen",
	    .type = GEARMAND_OPT_STRING,
	    .value_name = "ADDRESS:PORT,...",
	    .help = "where proxies bring connections of HTTP clients" },
	{ .name = "proxy-from",
	    .type = GEARMAND_OPT_STRING,
	    .dflt = "127.0.0.0/8,::1",
	    .value_name = "NETWORK,...",
	    .help = "networks of the proxies; others are refused" },
	{ .name = "proxy-timeout",
	    .type = GEARMAND_OPT_INT,
	    .dflt = "5",
	    .min = "0",
	    .max = "3600",
	    .value_name = "SECONDS",
	    .help = "how long a proxy may take to send the header; 0 means for ever" },
	{ 0 },
};

/* ---- Start ---------------------------------------------------------------------------- */

static bool
read_networks(struct proxy *p, struct gearmand_error *error)
{
	const char *given = p->host->option(p->host, "proxy-from"), *bad;
	char *text = strdup(given ? given : "");
	bool good = networks_parse(&p->from, text, &bad);

	if (!good && bad)
		gm_fail(error, GEARMAND_WHY_LASTING,
		    "proxy-from: '%s' is no network, such as 192.0.2.0/24 or 2001:db8::/32", bad);
	else if (!good)
		gm_fail(error, GEARMAND_WHY_LASTING, "proxy-from: more than %d networks", NETWORKS_MOST);
	free(text);
	return good;
}

static bool
proxy_open(const struct gearmand_host *host, void **module_r, struct gearmand_error *error)
{
	struct proxy *p = host->allocate(sizeof(*p));

	p->host = host;
	p->timeout_ms = (uint32_t)host->option_number(host, "proxy-timeout") * 1000;
	if (!host->option(host, "proxy-listen") && !host->option(host, "proxy-http-listen"))
		gm_fail(error, GEARMAND_WHY_LASTING, "transport proxy needs --proxy-listen or --proxy-http-listen");
	else if (read_networks(p, error) && gm_listen(host, "gear", "proxy-listen", error) &&
		 gm_listen(host, "http", "proxy-http-listen", error)) {
		*module_r = p;
		return true;
	}
	host->release(p);
	return false;
}

static void
proxy_close(void **module)
{
	struct proxy *p = *module;

	*module = NULL;
	if (p)
		p->host->release(p);
}

/* ---- Connections -------------------------------------------------------------------------- */

static void *
proxy_conn_new(void *module, struct gearmand_conn *conn)
{
	const struct proxy *p = module;
	const struct gearmand_host *host = p->host;
	const char *peer = host->peer_address(conn);
	struct proxy_conn *c = host->allocate(sizeof(*c));

	*c = (struct proxy_conn){ .magic = PROXY_MAGIC, .proxy = p, .conn = conn };
	if (networks_have(&p->from, peer)) {
		host->transport_tick_in(conn, p->timeout_ms);
		return c;
	}
	host->log(host, GEARMAND_LOG_WARNING, "%s: refused: it is in no network of --proxy-from", peer);
	host->count(conn, COUNT_UNTRUSTED, 1);
	host->close(conn);
	return c;
}

static bool
give_up(struct proxy_conn *c, enum counter counter, const char *why)
{
	const struct gearmand_host *host = c->proxy->host;

	host->log(host, GEARMAND_LOG_WARNING, "%s: closed: PROXY header: %s", host->peer_address(c->conn), why);
	host->count(c->conn, counter, 1);
	return false;
}

/* The header is whole: what stands behind it is the peer's. */
static void
begin(struct proxy_conn *c, const struct header *h)
{
	const struct gearmand_host *host = c->proxy->host;
	struct gm_bytes head = c->head;

	c->open = true;
	c->head = (struct gm_bytes){ 0 };
	host->transport_tick_in(c->conn, 0);
	host->count(c->conn, COUNT_HEADERS, 1);
	if (h->has_peer)
		host->set_peer(c->conn, h->address, h->port);
	if (head.len > h->len)
		host->deliver(c->conn, (struct gearmand_slice){ head.data + h->len, head.len - h->len });
	gm_bytes_free(&head);
}

static bool
proxy_receive(void *state, struct gearmand_slice in)
{
	struct proxy_conn *c = GM_STORE(struct proxy_conn, state, PROXY_MAGIC);
	const struct gearmand_host *host = c->proxy->host;
	struct header h;
	const char *why = NULL;

	if (in.len == 0 && c->open)
		host->deliver_end(c->conn);
	else if (c->open)
		host->deliver(c->conn, in);
	if (c->open)
		return true;
	if (in.len == 0)
		return false; /* somebody looked whether the port is open */
	gm_add_slice(&c->head, in);
	switch (c->head.failed ? HEADER_BAD : header_parse(gm_bytes_slice(&c->head), &h, &why)) {
	case HEADER_MORE:
		return true;
	case HEADER_DONE:
		begin(c, &h);
		return true;
	default:
		return give_up(c, COUNT_BAD, why ? why : "out of memory");
	}
}

static bool
proxy_send(void *state, struct gearmand_slice bytes)
{
	const struct proxy_conn *c = GM_STORE(const struct proxy_conn, state, PROXY_MAGIC);

	c->proxy->host->write(c->conn, bytes);
	return true;
}

static bool
proxy_tick(void *state)
{
	struct proxy_conn *c = GM_STORE(struct proxy_conn, state, PROXY_MAGIC);

	return c->open || give_up(c, COUNT_LATE, "it did not come in time");
}

static void
proxy_conn_free(void **state)
{
	struct proxy_conn *c = GM_STORE(struct proxy_conn, *state, PROXY_MAGIC);

	*state = NULL;
	c->magic = 0;
	gm_bytes_free(&c->head);
	c->proxy->host->release(c);
}

static const struct gearmand_transport_ops ops = {
	.size = sizeof(ops),
	.open = proxy_open,
	.close = proxy_close,
	.conn_new = proxy_conn_new,
	.receive = proxy_receive,
	.send = proxy_send,
	.conn_free = proxy_conn_free,
	.tick = proxy_tick,
};

GEARMAND_TRANSPORT_PLUGIN(
    "proxy", NULL, "1.0", "real addresses behind proxies (PROXY protocol)", options, &ops, counters);
