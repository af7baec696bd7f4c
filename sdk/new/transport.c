/* SPDX-License-Identifier: BSD-3-Clause
 *
 * new-transport - a transport module of gearmand: stands between the socket and a protocol, and passes bytes on.
 *
 * Runs on:  the main thread at start-up; connections on their I/O threads, which must never block.
 * Owns:     the module's state, which nobody writes once it is open, and one of each connection.
 *
 * Fill in: what becomes of the bytes on the way in and on the way out, and in input/ what peers may say, for the check.
 */
#include <gearmand/listen.h>

struct new_transport {
	const struct gearmand_host *host;
};

struct new_transport_conn {
	const struct gearmand_host *host;
	struct gearmand_conn *conn;
};

/* ---- The module --------------------------------------------------------------------- */

/* "gear" is the protocol above; host->cover would put the transport under listeners that a protocol has already. */
static bool
new_transport_open(const struct gearmand_host *host, void **module_r, struct gearmand_error *error)
{
	struct new_transport *t;

	if (!gm_listen(host, "gear", "new-transport-listen", error))
		return false;
	t = host->allocate(sizeof(*t));
	t->host = host;
	*module_r = t;
	return true;
}

static void
new_transport_close(void **module)
{
	struct new_transport *t = *module;

	*module = NULL;
	t->host->release(t);
}

/* ---- Connections -------------------------------------------------------------------- */

static void *
new_transport_conn_new(void *module, struct gearmand_conn *conn)
{
	const struct new_transport *t = module;
	struct new_transport_conn *c = t->host->allocate(sizeof(*c));

	c->host = t->host;
	c->conn = conn;
	return c;
}

static void
new_transport_conn_free(void **state)
{
	struct new_transport_conn *c = *state;

	*state = NULL;
	c->host->release(c);
}

/* From the socket.  All bytes must be used; false closes the connection. */
static bool
new_transport_receive(void *state, struct gearmand_slice in)
{
	struct new_transport_conn *c = state;

	if (in.len == 0)
		c->host->deliver_end(c->conn);
	else
		c->host->deliver(c->conn, in);
	return true;
}

/* From the protocol above. */
static bool
new_transport_send(void *state, struct gearmand_slice out)
{
	struct new_transport_conn *c = state;

	c->host->write(c->conn, out);
	return true;
}

/* ---- The descriptor ----------------------------------------------------------------- */

/* Fill in: all modules share one command line, so names begin with the module's. */
static const struct gearmand_option options[] = {
	{ .name = "new-transport-listen",
	    .type = GEARMAND_OPT_STRING,
	    .dflt = "127.0.0.1:4740",
	    .value_name = "ADDRESS:PORT,...",
	    .help = "where peers connect" },
	{ 0 },
};

static const struct gearmand_transport_ops ops = {
	.size = sizeof(ops),
	.open = new_transport_open,
	.close = new_transport_close,
	.conn_new = new_transport_conn_new,
	.receive = new_transport_receive,
	.send = new_transport_send,
	.conn_free = new_transport_conn_free,
};

GEARMAND_TRANSPORT_PLUGIN("new-transport", NULL, "0.1", "passes bytes on", options, &ops, NULL);
