/* SPDX-License-Identifier: BSD-3-Clause
 *
 * new-transport - a transport module of gearmand: stands between the socket and a protocol, and passes bytes on.
 *
 * Runs on:  the main thread at start-up; connections on their I/O threads, which must never block.
 * Owns:     the module's state, which nobody writes once it is open, and one of each connection.
 *
 * The server is written in C: no exception may leave a function that it calls.
 *
 * Fill in: what becomes of the bytes on the way in and on the way out, and in input/ what peers may say, for the check.
 */
#include <new>

#include <gearmand/listen.h>

namespace
{

class new_transport_conn
{
      public:
	new_transport_conn(const gearmand_host *h, gearmand_conn *c) : host(h), conn(c)
	{
	}

	/* From the socket.  All bytes must be used; false closes the connection. */
	bool
	receive(gearmand_slice in)
	{
		if (in.len == 0)
			host->deliver_end(conn);
		else
			host->deliver(conn, in);
		return true;
	}

	/* From the protocol above. */
	bool
	send(gearmand_slice out)
	{
		host->write(conn, out);
		return true;
	}

      private:
	const gearmand_host *host;
	gearmand_conn *conn;
};

/* ---- Operations --------------------------------------------------------------------- */

struct new_transport {
	const gearmand_host *host;
};

/* "gear" is the protocol above; host->cover would put the transport under listeners that a protocol has already. */
bool
new_transport_open(const gearmand_host *host, void **module_r, gearmand_error *error)
{
	if (!gm_listen(host, "gear", "new-transport-listen", error))
		return false;
	*module_r = new (std::nothrow) new_transport{ host };
	return *module_r != nullptr || gm_fail(error, GEARMAND_WHY_PASSING, "new-transport: out of memory");
}

void
new_transport_close(void **module)
{
	delete static_cast<new_transport *>(*module);
	*module = nullptr;
}

/* Without memory the connection is refused. */
void *
new_transport_conn_new(void *module, gearmand_conn *conn)
{
	return new (std::nothrow) new_transport_conn(static_cast<const new_transport *>(module)->host, conn);
}

bool
new_transport_receive(void *state, gearmand_slice in)
{
	return static_cast<new_transport_conn *>(state)->receive(in);
}

bool
new_transport_send(void *state, gearmand_slice out)
{
	return static_cast<new_transport_conn *>(state)->send(out);
}

void
new_transport_conn_free(void **state)
{
	delete static_cast<new_transport_conn *>(*state);
	*state = nullptr;
}

/* ---- The descriptor ----------------------------------------------------------------- */

/* Fill in: all modules share one command line, so names begin with the module's. */
const gearmand_option options[] = {
	{ .name = "new-transport-listen",
	    .type = GEARMAND_OPT_STRING,
	    .dflt = "127.0.0.1:4740",
	    .value_name = "ADDRESS:PORT,...",
	    .help = "where peers connect" },
	{},
};

const gearmand_transport_ops ops = {
	.size = sizeof(ops),
	.open = new_transport_open,
	.close = new_transport_close,
	.conn_new = new_transport_conn_new,
	.receive = new_transport_receive,
	.send = new_transport_send,
	.conn_free = new_transport_conn_free,
};

} // namespace

GEARMAND_TRANSPORT_PLUGIN("new-transport", nullptr, "0.1", "passes bytes on", options, &ops, nullptr);
