/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto-http: jobs over HTTP.  A request is a job, its response the job's result.
 *
 * Runs on:  the main thread at start-up; connections (conn.h) on their I/O threads.
 * Owns:     the module's settings, which nobody writes once it is open.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"

static const struct gearmand_option options[] = {
	{ .name = "http-port", .type = GEARMAND_OPT_PORT, .dflt = "8080", .help = "port of the HTTP service" },
	{ .name = "http-listen",
	    .type = GEARMAND_OPT_STRING,
	    .dflt = "localhost",
	    .value_name = "ADDRESS,...",
	    .help = "addresses of the HTTP service; '*' means all" },
	{ .name = "http-max-header",
	    .type = GEARMAND_OPT_SIZE,
	    .dflt = "8K",
	    .min = "512",
	    .max = "1M",
	    .help = "bytes of a request's line and headers before it is refused" },
	{ .name = "http-idle-timeout",
	    .type = GEARMAND_OPT_INT,
	    .dflt = "60",
	    .min = "0",
	    .max = "86400",
	    .value_name = "SECONDS",
	    .help = "how long an HTTP connection may be silent, or its request incomplete; 0 means for ever" },
	{ 0 }
};

/* A machine without IPv6 is no reason to refuse a start that nobody asked IPv6 of. */
static bool
has_ipv6_loopback(void)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd < 0)
		return false;
	ok = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return ok;
}

static bool
listen_one(const struct gearmand_host *host, struct gearmand_slice name, const char *port, struct gearmand_error *err)
{
	char address[256];

	if (name.len == 0 || name.len >= sizeof(address)) {
		host->error_set(err, "http-listen: an address is %s", name.len == 0 ? "empty" : "too long");
		return false;
	}
	memcpy(address, name.data, name.len);
	address[name.len] = '\0';
	if (!web_is_word(name, "localhost"))
		return host->listen(host, NULL, address, port, NULL, err);
	return host->listen(host, NULL, "127.0.0.1", port, NULL, err) &&
	       (!has_ipv6_loopback() || host->listen(host, NULL, "::1", port, NULL, err));
}

static bool
listen_all(const struct gearmand_host *host, struct gearmand_error *err)
{
	const char *port = host->option(host, "http-port"), *list = host->option(host, "http-listen");

	for (;;) {
		size_t len = strcspn(list, ",");

		if (!listen_one(host, (struct gearmand_slice){ list, len }, port, err))
			return false;
		if (list[len] == '\0')
			return true;
		list += len + 1;
	}
}

static bool
http_open(const struct gearmand_host *host, void **module_r, struct gearmand_error *err)
{
	struct web_module *m;

	if (!listen_all(host, err))
		return false;
	m = host->allocate(sizeof(*m));
	m->host = host;
	m->max_header = (size_t)host->option_number(host, "http-max-header");
	m->idle_ms = (uint32_t)host->option_number(host, "http-idle-timeout") * 1000;
	web_parser_setup(m->max_header);
	*module_r = m;
	return true;
}

static void
http_close(void **module)
{
	struct web_module *m = *module;

	*module = NULL;
	if (m)
		m->host->release(m);
}

static const struct gearmand_protocol_ops ops = {
	.size = sizeof(struct gearmand_protocol_ops),
	.open = http_open,
	.close = http_close,
	.conn_new = web_conn_new,
	.receive = web_conn_receive,
	.send = web_conn_send,
	.tick = web_conn_tick,
	.conn_free = web_conn_free,
};

GEARMAND_PROTOCOL_PLUGIN("http", NULL, "1.0", "jobs over HTTP", options, &ops, NULL);
