/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto-http: jobs over HTTP.  A request is a job, its response the job's result.
 *
 * Runs on:  the main thread at start-up; connections (conn.h) on their I/O threads.
 * Owns:     the module's settings, which nobody writes once it is open.
 */
#include <gearmand/listen.h>

#include "conn.h"
#include "origin.h"

static const struct gearmand_option options[] = {
	{ .name = "http-port", .type = GEARMAND_OPT_PORT, .dflt = "8080", .help = "port of the HTTP service" },
	{ .name = "http-listen",
	    .type = GEARMAND_OPT_STRING,
	    .dflt = "localhost",
	    .value_name = "ADDRESS,...",
	    .help = "addresses of the HTTP service; '*' means all" },
	{ .name = "http-host",
	    .type = GEARMAND_OPT_STRING,
	    .value_name = "NAME,...",
	    .help = "names that the HTTP service goes by, besides its addresses and localhost; '*' means any" },
	{ .name = "http-allow-origin",
	    .type = GEARMAND_OPT_STRING,
	    .value_name = "ORIGIN,...",
	    .help = "origins whose pages may use the HTTP service from a browser; '*' means all" },
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

static bool
http_open(const struct gearmand_host *host, void **module_r, struct gearmand_error *err)
{
	struct web_module *m;

	if (!web_names_are_well(host, err) || !gm_listen_port(host, "http-listen", "http-port", NULL, err))
		return false;
	m = host->allocate(sizeof(*m));
	m->host = host;
	m->names = host->option(host, "http-host");
	m->origins = host->option(host, "http-allow-origin");
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
