/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto-monitor: metrics, health and a view of the server over HTTP.
 *
 * Runs on:  the main thread at start-up; connections (monitor.h) on their I/O threads.
 * Owns:     the module's settings, which nobody writes once it is open.
 */
#include <gearmand/listen.h>

#include "history.h"
#include "monitor.h"

static const struct gearmand_option options[] = {
	{ .name = "monitor-port", .type = GEARMAND_OPT_PORT, .dflt = "4731", .help = "port of the monitor" },
	{ .name = "monitor-listen",
	    .type = GEARMAND_OPT_STRING,
	    .dflt = "localhost",
	    .value_name = "ADDRESS,...",
	    .help = "addresses of the monitor; '*' means all" },
	{ .name = "monitor-host",
	    .type = GEARMAND_OPT_STRING,
	    .value_name = "NAME,...",
	    .help = "names that the monitor goes by, besides its addresses and localhost" },
	{ .name = "monitor-max-functions",
	    .type = GEARMAND_OPT_INT,
	    .dflt = "1000",
	    .min = "0",
	    .max = "1000000",
	    .help = "functions in /metrics with numbers of their own; further ones are added up" },
	{ 0 }
};

static bool
monitor_open(const struct gearmand_host *host, void **module_r, struct gearmand_error *err)
{
	struct mon_module *m;

	if (!gm_listen_port(host, "monitor-listen", "monitor-port", NULL, err))
		return false;
	m = host->allocate(sizeof(*m));
	if (!host->attend(host, m, err)) {
		host->release(m);
		return false;
	}
	m->host = host;
	m->names = host->option(host, "monitor-host");
	m->max_functions = (size_t)host->option_number(host, "monitor-max-functions");
	m->history = history_new();
	*module_r = m;
	return true;
}

static void
monitor_close(void **module)
{
	struct mon_module *m = *module;

	*module = NULL;
	if (m == NULL)
		return;
	history_free(&m->history);
	m->host->release(m);
}

static const struct gearmand_protocol_ops ops = {
	.size = sizeof(struct gearmand_protocol_ops),
	.open = monitor_open,
	.close = monitor_close,
	.conn_new = mon_conn_new,
	.receive = mon_conn_receive,
	.send = mon_conn_send,
	.tick = mon_conn_tick,
	.conn_free = mon_conn_free,
	.early = true,
};

GEARMAND_PROTOCOL_PLUGIN("monitor", NULL, "1.0", "metrics and health over HTTP", options, &ops, NULL);
