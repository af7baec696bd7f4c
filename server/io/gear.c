/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The Gearman protocol: binary packets and text lines, mixed as the peer likes.
 *
 * Runs on:  the connection's I/O thread.
 * Owns:     how far into a packet's body the connection is; it keeps that in struct conn.
 *
 * It has the operations of a module's protocol, but it is a part of the connection: it refuses packets with any ERROR,
 * stops in front of requests that must wait, and has no `send`, since the core's messages are in this
 * protocol's form already.
 *
 * What is wrong with a packet, and what comes of it:
 *   the framing is lost (magic, type, a line without end)   the core closes, in order, after one log line
 *   the size tells where the next packet begins             ERROR, in order; the body is passed over
 *
 * A TLS handshake looks like the beginning of a long line, and its client would wait for ever.
 *
 * A text line of a few bytes may be answered with a listing of any size, so what stands behind a line is not
 * looked at before its reply is there.
 */
#include "cross/log.h"
#include "io/conn.h"

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
	(void)module;
	(void)thread;
	return handle;
}

static void
gear_conn_free(void **state)
{
	*state = NULL;
}

static IO void
gear_give_up(struct conn *c, enum statistic stat, const char *why)
{
	log_post(GEARMAND_LOG_WARNING, "%s: closed: %s", conn_address(c), why);
	io_count(c->io, stat, 1);
	conn_close_in_order(c);
}

/* The next `size` bytes are of no use. */
static IO void
gear_pass_over(struct conn *c, uint32_t size)
{
	c->body_left = size;
	c->passes_over = size > 0;
}

static IO void
gear_refuse(struct conn *c, const struct pkt_head *head, enum wire_error error)
{
	conn_refuse(c, error);
	gear_pass_over(c, head->size);
}

/* Returns how many bytes of `in` belong to the body. */
static IO size_t
gear_body(struct conn *c, struct slice in)
{
	size_t n = in.len < c->body_left ? in.len : c->body_left;

	c->body_left -= (uint32_t)n;
	if (!c->passes_over && !conn_body_add(c, slice_of(in.data, n))) {
		conn_refuse(c, WIRE_BODIES_FULL);
		c->passes_over = true;
	}
	if (c->body_left > 0)
		return n;
	if (!c->passes_over)
		conn_body_end(c);
	c->passes_over = false;
	return n;
}

/* Is the packet refused, or complete without its body?  Then the body is passed over. */
static IO bool
gear_is_settled(struct conn *c, const struct pkt_head *head, const struct pkt_info *info)
{
	enum wire_error why;

	if (head->is_response) {
		io_count(c->io, STAT_bad_packets, 1);
		gear_refuse(c, head, WIRE_INVALID_MAGIC);
	} else if (info->way == PKT_WAY_NONE || info->way == PKT_WAY_RES) {
		gear_refuse(c, head, WIRE_INVALID_COMMAND);
	} else if (head->size > c->io->config.max_packet) {
		io_count(c->io, STAT_packets_too_large, 1);
		gear_refuse(c, head, WIRE_PACKET_TOO_LARGE);
	} else if (info->last == PKT_LAST_TEXT && head->size > PKT_ARG_BYTES_MAX) {
		io_count(c->io, STAT_bad_packets, 1);
		gear_refuse(c, head, WIRE_ARGUMENT_TOO_LARGE);
	} else if (info->last == PKT_LAST_NOTHING) {
		conn_packet(c, head->type, slice_of("", 0));
		gear_pass_over(c, head->size);
	} else if (!conn_may_take(c, head->type, head->size, &why)) {
		gear_refuse(c, head, why);
	} else {
		return false;
	}
	return true;
}

/* Returns how many bytes it used; 0 when more are needed, or it must wait. */
static IO size_t
gear_packet(struct conn *c, struct slice in)
{
	struct pkt_head head;
	const struct pkt_info *info;
	enum pkt_verdict verdict = pkt_head_parse(in, &head);

	if (verdict == PKT_MORE)
		return 0;
	info = verdict == PKT_OK ? pkt_info(head.type) : NULL;
	if (info == NULL) {
		gear_give_up(
		    c, STAT_bad_packets, verdict == PKT_OK ? "packet of unknown type" : "packet with wrong magic");
		return in.len;
	}
	if (conn_must_wait(c, head.type))
		return 0;
	if (gear_is_settled(c, &head, info))
		return PKT_HEAD;
	if (head.size <= in.len - PKT_HEAD) {
		conn_packet(c, head.type, slice_of(in.data + PKT_HEAD, head.size));
		return PKT_HEAD + (size_t)head.size;
	}
	c->body_left = head.size;
	conn_body_begin(c, head.type, head.size);
	return PKT_HEAD;
}

/* The same.  The CR before the LF stays. */
static IO size_t
gear_line(struct conn *c, struct slice in)
{
	size_t max = c->io->config.max_line;
	size_t look = in.len < max ? in.len : max;
	const char *lf = memchr(in.data, '\n', look);

	if (in.len >= 2 && in.data[0] == 0x16 && in.data[1] == 0x03) {
		gear_give_up(c, STAT_bad_packets, "it speaks TLS, and this port does not");
		return in.len;
	}
	if (lf != NULL) {
		if (conn_must_wait(c, PKT_TEXT))
			return 0;
		conn_packet(c, PKT_TEXT, slice_of(in.data, (size_t)(lf - in.data)));
		return (size_t)(lf - in.data) + 1;
	}
	if (in.len < max)
		return 0;
	gear_give_up(c, STAT_lines_too_long, "text line is too long");
	return in.len;
}

static size_t
gear_receive(void *state, struct slice in)
{
	struct conn *c = state;
	size_t used = 0, n = 1;

	role_assume(&io_role);
	while (used < in.len && n > 0 && c->life == CONN_OPEN && !c->text_open) {
		struct slice left = slice_of(in.data + used, in.len - used);

		if (c->body_left > 0)
			n = gear_body(c, left);
		else if (left.data[0] == '\0')
			n = gear_packet(c, left);
		else
			n = gear_line(c, left);
		used += n;
	}
	return c->life == CONN_OPEN ? used : in.len;
}

const struct gearmand_protocol_ops gear_protocol = {
	.size = sizeof gear_protocol,
	.open = gear_open,
	.close = gear_close,
	.conn_new = gear_conn_new,
	.receive = gear_receive,
	.conn_free = gear_conn_free,
};
