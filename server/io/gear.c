/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The Gearman protocol: binary packets and text lines, mixed as the peer likes.
 *
 * Runs on:  the connection's I/O thread.
 * Owns:     how far into a packet's body the connection is.
 *
 * Written like a module's protocol, but for two things: it may refuse a packet with any ERROR, and it has
 * no `send`, since the core's messages are in this protocol's form already.
 *
 * What is wrong with a packet, and what comes of it:
 *   the framing is lost (magic, type, a line without end)   the core closes, in order, after one log line
 *   the size tells where the next packet begins             ERROR, in order; the body is passed over
 *
 * A text line of a few bytes may be answered with a listing of any size, so what stands behind a line is not
 * looked at before its reply is on its way out.
 */
#include "base/mem.h"
#include "cross/log.h"
#include "io/conn.h"

struct gear {
	struct conn *conn;
	uint32_t size; /* of the body that is being received */
	uint32_t left; /* bytes of it that have not come */
	bool passing_over;
};

static bool
gear_open(const struct gearmand_host *host, void **module_r, struct gearmand_error *error)
{
	(void)host;
	(void)module_r;
	(void)error;
	return true;
}

static void
gear_close(void **module)
{
	*module = NULL;
}

static void *
gear_conn_new(void *module, void *thread, struct gearmand_conn *handle)
{
	struct gear *g = mem_new(sizeof *g);

	(void)module;
	(void)thread;
	g->conn = (struct conn *)(void *)handle;
	return g;
}

static void
gear_conn_free(void **state)
{
	mem_free(*state);
	*state = NULL;
}

static IO void
gear_give_up(struct gear *g, enum statistic stat, const char *why)
{
	log_post(GEARMAND_LOG_WARNING, "%s: closed: %s", g->conn->address, why);
	io_count(g->conn->io, stat, 1);
	conn_close_in_order(g->conn);
}

/* The next `size` bytes are of no use. */
static void
gear_pass_over(struct gear *g, uint32_t size)
{
	g->left = size;
	g->passing_over = size > 0;
}

static IO void
gear_refuse(struct gear *g, const struct pkt_head *head, enum wire_error error)
{
	conn_refuse(g->conn, error);
	gear_pass_over(g, head->size);
}

/* Returns how many bytes of `in` belong to the body. */
static IO size_t
gear_body(struct gear *g, struct slice in)
{
	size_t n = in.len < g->left ? in.len : g->left;

	g->left -= (uint32_t)n;
	if (!g->passing_over && !conn_body_add(g->conn, slice_of(in.data, n), g->size)) {
		conn_refuse(g->conn, WIRE_NO_MEMORY);
		g->passing_over = true;
	}
	if (g->left > 0)
		return n;
	if (!g->passing_over)
		conn_body_end(g->conn);
	g->passing_over = false;
	return n;
}

/* Is the packet refused, or complete without its body?  Then the body is passed over. */
static IO bool
gear_is_settled(struct gear *g, const struct pkt_head *head, const struct pkt_info *info)
{
	if (head->is_response) {
		io_count(g->conn->io, STAT_bad_packets, 1);
		gear_refuse(g, head, WIRE_INVALID_MAGIC);
	} else if (info->way == PKT_WAY_NONE || info->way == PKT_WAY_RES) {
		gear_refuse(g, head, WIRE_INVALID_COMMAND);
	} else if (head->size > g->conn->io->config.max_packet) {
		io_count(g->conn->io, STAT_packets_too_large, 1);
		gear_refuse(g, head, WIRE_PACKET_TOO_LARGE);
	} else if (info->last == PKT_LAST_TEXT && head->size > PKT_ARG_BYTES_MAX) {
		io_count(g->conn->io, STAT_bad_packets, 1);
		gear_refuse(g, head, WIRE_ARGUMENT_TOO_LARGE);
	} else if (info->last == PKT_LAST_NOTHING) {
		conn_packet(g->conn, head->type, slice_of("", 0));
		gear_pass_over(g, head->size);
	} else {
		return false;
	}
	return true;
}

/* Returns how many bytes it used; 0 when more are needed. */
static IO size_t
gear_packet(struct gear *g, struct slice in)
{
	struct pkt_head head;
	const struct pkt_info *info;
	enum pkt_verdict verdict = pkt_head_parse(in, &head);

	if (verdict == PKT_MORE)
		return 0;
	info = verdict == PKT_OK ? pkt_info(head.type) : NULL;
	if (info == NULL) {
		gear_give_up(
		    g, STAT_bad_packets, verdict == PKT_OK ? "packet of unknown type" : "packet with wrong magic");
		return in.len;
	}
	if (gear_is_settled(g, &head, info))
		return PKT_HEAD;
	if (head.size <= in.len - PKT_HEAD) {
		conn_packet(g->conn, head.type, slice_of(in.data + PKT_HEAD, head.size));
		return PKT_HEAD + (size_t)head.size;
	}
	g->size = g->left = head.size;
	conn_body_begin(g->conn, head.type, head.size);
	return PKT_HEAD;
}

/* The same.  The CR before the LF stays. */
static IO size_t
gear_line(struct gear *g, struct slice in)
{
	size_t max = g->conn->io->config.max_line;
	size_t look = in.len < max ? in.len : max;
	const char *lf = memchr(in.data, '\n', look);

	if (lf != NULL) {
		conn_packet(g->conn, PKT_TEXT, slice_of(in.data, (size_t)(lf - in.data)));
		return (size_t)(lf - in.data) + 1;
	}
	if (in.len < max)
		return 0;
	gear_give_up(g, STAT_lines_too_long, "text line is too long");
	return in.len;
}

static size_t
gear_receive(void *state, struct slice in)
{
	struct gear *g = state;
	size_t used = 0, n = 1;

	role_assume(&io_role);
	while (used < in.len && n > 0 && !g->conn->deaf && !g->conn->text_open) {
		struct slice rest = slice_of(in.data + used, in.len - used);

		if (g->left > 0)
			n = gear_body(g, rest);
		else if (rest.data[0] == '\0')
			n = gear_packet(g, rest);
		else
			n = gear_line(g, rest);
		used += n;
	}
	return g->conn->deaf ? in.len : used;
}

const struct gearmand_protocol_ops gear_protocol = {
	.size = sizeof gear_protocol,
	.open = gear_open,
	.close = gear_close,
	.conn_new = gear_conn_new,
	.receive = gear_receive,
	.conn_free = gear_conn_free,
};
