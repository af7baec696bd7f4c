/* SPDX-License-Identifier: BSD-3-Clause
 *
 * new-protocol - a protocol module of gearmand: a line is a job, and its answer is a line.
 *
 * A peer says FUNCTION WORKLOAD, and hears OK RESULT, FAILED or ERROR SENTENCE.
 *
 * Runs on:  the main thread at start-up; connections on their I/O threads, which must never block.
 * Owns:     the module's state, which nobody writes once it is open, and one of each connection.
 *
 * The server is written in C: no exception may leave a function that it calls.
 *
 * Fill in: your protocol in the place of the lines, and in input/ what its peers may say, for the check.
 */
#include <new>
#include <string_view>

#include <gearmand/listen.h>
#include <gearmand/packet.h>

namespace
{

/* Bytes that a peer sends without a line's end.  At most GEARMAND_UNUSED_MOST. */
constexpr size_t line_most = 16384;

gearmand_slice
new_protocol_slice(std::string_view text)
{
	return { text.data(), text.size() };
}

class new_protocol_conn
{
      public:
	new_protocol_conn(const gearmand_host *h, gearmand_conn *c) : host(h), conn(c)
	{
	}
	size_t receive(std::string_view in);
	void send(const gearmand_packet &pkt);

      private:
	const gearmand_host *host;
	gearmand_conn *conn;
	bool waits = false; /* for the answer to its last line */

	void request(std::string_view line);
	void answer(std::string_view word, gearmand_slice text);
};

/* ---- From the peer ------------------------------------------------------------------ */

void
new_protocol_conn::request(std::string_view line)
{
	const size_t blank = line.find(' ');
	gearmand_packet pkt = {};

	pkt.type = GEARMAND_SUBMIT_JOB;
	pkt.argc = 2;
	pkt.arg[0] = new_protocol_slice(line.substr(0, blank));
	pkt.arg[1] = new_protocol_slice(""); /* no unique: each line is a job of its own */
	if (blank != line.npos)
		pkt.data = new_protocol_slice(line.substr(blank + 1));
	waits = true;
	host->request(conn, &pkt);
}

/* What is not used comes again with more, or after an answer. */
size_t
new_protocol_conn::receive(std::string_view in)
{
	size_t used = 0;

	while (!waits) {
		const std::string_view rest = in.substr(used);
		const size_t lf = rest.find('\n');
		const std::string_view line = rest.substr(0, lf);

		if (line.size() > line_most) {
			host->write(conn, new_protocol_slice("ERROR the line is too long\n"));
			host->close(conn);
			return in.size();
		}
		if (lf == rest.npos)
			break;
		used += lf + 1;
		request(line);
	}
	return used;
}

/* ---- From the server ---------------------------------------------------------------- */

void
new_protocol_conn::answer(std::string_view word, gearmand_slice text)
{
	host->write(conn, new_protocol_slice(word));
	host->write(conn, text);
	host->write(conn, new_protocol_slice("\n"));
	waits = false;
}

/* Fill in: parts of results (WORK_DATA), progress (WORK_STATUS), and how bytes are written that have a line's end. */
void
new_protocol_conn::send(const gearmand_packet &pkt)
{
	if (!waits)
		return;
	if (pkt.type == GEARMAND_WORK_COMPLETE)
		answer("OK ", pkt.data);
	else if (pkt.type == GEARMAND_WORK_FAIL)
		answer("FAILED", new_protocol_slice(""));
	else if (pkt.type == GEARMAND_ERROR)
		answer("ERROR ", pkt.arg[1]);
}

/* ---- Operations --------------------------------------------------------------------- */

struct new_protocol {
	const gearmand_host *host;
};

bool
new_protocol_open(const gearmand_host *host, void **module_r, gearmand_error *error)
{
	if (!gm_listen(host, nullptr, "new-protocol-listen", error))
		return false;
	*module_r = new (std::nothrow) new_protocol{ host };
	return *module_r != nullptr || gm_fail(error, GEARMAND_WHY_PASSING, "new-protocol: out of memory");
}

void
new_protocol_close(void **module)
{
	delete static_cast<new_protocol *>(*module);
	*module = nullptr;
}

/* Without memory the connection is refused. */
void *
new_protocol_conn_new(void *module, void *, gearmand_conn *conn)
{
	return new (std::nothrow) new_protocol_conn(static_cast<const new_protocol *>(module)->host, conn);
}

size_t
new_protocol_receive(void *state, gearmand_slice in)
{
	return static_cast<new_protocol_conn *>(state)->receive({ in.data, in.len });
}

void
new_protocol_send(void *state, const gearmand_packet *pkt)
{
	static_cast<new_protocol_conn *>(state)->send(*pkt);
}

void
new_protocol_conn_free(void **state)
{
	delete static_cast<new_protocol_conn *>(*state);
	*state = nullptr;
}

/* ---- The descriptor ----------------------------------------------------------------- */

/* Fill in: all modules share one command line, so names begin with the module's. */
const gearmand_option options[] = {
	{ .name = "new-protocol-listen",
	    .type = GEARMAND_OPT_STRING,
	    .dflt = "127.0.0.1:4740",
	    .value_name = "ADDRESS:PORT,...",
	    .help = "where peers connect" },
	{},
};

const gearmand_protocol_ops ops = {
	.size = sizeof(ops),
	.open = new_protocol_open,
	.close = new_protocol_close,
	.conn_new = new_protocol_conn_new,
	.receive = new_protocol_receive,
	.send = new_protocol_send,
	.conn_free = new_protocol_conn_free,
};

} // namespace

GEARMAND_PROTOCOL_PLUGIN("new-protocol", nullptr, "0.1", "jobs as lines", options, &ops, nullptr);
