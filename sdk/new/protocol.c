/* SPDX-License-Identifier: BSD-3-Clause
 *
 * new-protocol - a protocol module of gearmand: a line is a job, and its answer is a line.
 *
 * A peer says FUNCTION WORKLOAD, and hears OK RESULT, FAILED or ERROR SENTENCE.
 *
 * Runs on:  the main thread at start-up; connections on their I/O threads, which must never block.
 * Owns:     the module's state, which nobody writes once it is open, and one of each connection.
 *
 * Fill in: your protocol in the place of the lines, and in input/ what its peers may say, for the check.
 */
#include <gearmand/listen.h>
#include <gearmand/packet.h>

/* Bytes that a peer sends without a line's end.  At most GEARMAND_UNUSED_MOST. */
enum { NEW_PROTOCOL_LINE_MOST = 16384 };

struct new_protocol {
	const struct gearmand_host *host;
};

struct new_protocol_conn {
	const struct gearmand_host *host;
	struct gearmand_conn *conn;
	bool waits; /* for the answer to its last line */
};

/* ---- The module --------------------------------------------------------------------- */

static bool
new_protocol_open(const struct gearmand_host *host, void **module_r, struct gearmand_error *error)
{
	struct new_protocol *p;

	if (!gm_listen(host, NULL, "new-protocol-listen", error))
		return false;
	p = host->allocate(sizeof(*p));
	p->host = host;
	*module_r = p;
	return true;
}

static void
new_protocol_close(void **module)
{
	struct new_protocol *p = *module;

	*module = NULL;
	p->host->release(p);
}

/* ---- Connections -------------------------------------------------------------------- */

static void *
new_protocol_conn_new(void *module, void *thread, struct gearmand_conn *conn)
{
	const struct new_protocol *p = module;
	struct new_protocol_conn *c = p->host->allocate(sizeof(*c));

	(void)thread;
	c->host = p->host;
	c->conn = conn;
	return c;
}

static void
new_protocol_conn_free(void **state)
{
	struct new_protocol_conn *c = *state;

	*state = NULL;
	c->host->release(c);
}

/* ---- From the peer ------------------------------------------------------------------ */

static void
new_protocol_line(struct new_protocol_conn *c, struct gearmand_slice line)
{
	const char *end = line.data + line.len, *blank = line.len > 0 ? memchr(line.data, ' ', line.len) : NULL;
	struct gearmand_packet pkt = { .type = GEARMAND_SUBMIT_JOB, .argc = 2 };

	pkt.arg[0] = (struct gearmand_slice){ line.data, (size_t)((blank != NULL ? blank : end) - line.data) };
	pkt.arg[1] = gm_slice(""); /* no unique: each line is a job of its own */
	if (blank != NULL)
		pkt.data = (struct gearmand_slice){ blank + 1, (size_t)(end - blank - 1) };
	c->waits = true;
	c->host->request(c->conn, &pkt);
}

/* What is not used comes again with more, or after an answer. */
static size_t
new_protocol_receive(void *state, struct gearmand_slice in)
{
	struct new_protocol_conn *c = state;
	const char *at = in.data, *end = in.data + in.len;

	while (!c->waits) {
		const char *lf = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
		struct gearmand_slice line = { at, (size_t)((lf != NULL ? lf : end) - at) };

		if (line.len > NEW_PROTOCOL_LINE_MOST) {
			c->host->write(c->conn, gm_slice("ERROR the line is too long\n"));
			c->host->close(c->conn);
			return in.len;
		}
		if (lf == NULL)
			break;
		at = lf + 1;
		new_protocol_line(c, line);
	}
	return (size_t)(at - in.data);
}

/* ---- From the server ---------------------------------------------------------------- */

static void
new_protocol_answer(struct new_protocol_conn *c, const char *word, struct gearmand_slice text)
{
	c->host->write(c->conn, gm_slice(word));
	c->host->write(c->conn, text);
	c->host->write(c->conn, gm_slice("\n"));
	c->waits = false;
}

/* Fill in: parts of results (WORK_DATA), progress (WORK_STATUS), and how bytes are written that have a line's end. */
static void
new_protocol_send(void *state, const struct gearmand_packet *pkt)
{
	struct new_protocol_conn *c = state;

	if (!c->waits)
		return;
	if (pkt->type == GEARMAND_WORK_COMPLETE)
		new_protocol_answer(c, "OK ", pkt->data);
	else if (pkt->type == GEARMAND_WORK_FAIL)
		new_protocol_answer(c, "FAILED", gm_slice(""));
	else if (pkt->type == GEARMAND_ERROR)
		new_protocol_answer(c, "ERROR ", pkt->arg[1]);
}

/* ---- The descriptor ----------------------------------------------------------------- */

/* Fill in: all modules share one command line, so names begin with the module's. */
static const struct gearmand_option options[] = {
	{ .name = "new-protocol-listen",
	    .type = GEARMAND_OPT_STRING,
	    .dflt = "127.0.0.1:4740",
	    .value_name = "ADDRESS:PORT,...",
	    .help = "where peers connect" },
	{ 0 },
};

static const struct gearmand_protocol_ops ops = {
	.size = sizeof(ops),
	.open = new_protocol_open,
	.close = new_protocol_close,
	.conn_new = new_protocol_conn_new,
	.receive = new_protocol_receive,
	.send = new_protocol_send,
	.conn_free = new_protocol_conn_free,
};

GEARMAND_PROTOCOL_PLUGIN("new-protocol", NULL, "0.1", "jobs as lines", options, &ops, NULL);
