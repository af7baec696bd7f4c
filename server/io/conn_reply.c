/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Packets of the core on their way to the peer: through the protocol.
 *
 * Runs on:  its I/O thread.
 * Owns:     the message while the protocol looks at it.
 *
 * A protocol without `send` is the gear protocol: its packets are the core's messages, once
 * their heads are filled in.  For all others a packet is taken apart again.
 */
#include "base/buf.h"
#include "io/conn.h"

#include <gearmand/packet.h>

static void
packet_of_text(struct gearmand_packet *packet, const struct msg_reply *reply, struct buf *joined)
{
	struct slice head = slice_of(reply->head + PKT_HEAD, reply->head_len - PKT_HEAD);

	packet->data = reply->data.len == 0 ? head : reply->data;
	if (head.len == 0 || reply->data.len == 0)
		return;
	buf_add_slice(joined, head);
	buf_add_slice(joined, reply->data);
	packet->data = buf_slice(joined);
}

static void
packet_of_reply(struct gearmand_packet *packet, const struct msg_reply *reply)
{
	struct slice body = slice_of(reply->head + PKT_HEAD, reply->head_len - PKT_HEAD);
	struct pkt pkt;
	enum wire_error error;
	bool whole;

	if (reply->msg.type == GEARMAND_ATTEMPT_VOID) {
		packet->argc = 1;
		packet->arg[0] = body;
		return;
	}
	whole = pkt_split(reply->msg.type, body, &pkt, &error);
	CHECK(whole);
	packet->argc = pkt.argc;
	for (uint32_t i = 0; i < pkt.argc; i++)
		packet->arg[i] = pkt.arg[i];
	packet->data = reply->data;
}

static IO void
conn_reply_module(struct conn *c, struct msg_reply *reply)
{
	struct gearmand_packet packet = { .type = reply->msg.type, .tag = reply->tag };
	struct msg *m = &reply->msg;
	struct buf joined = { 0 };

	if (m->type == PKT_TEXT)
		packet_of_text(&packet, reply, &joined);
	else
		packet_of_reply(&packet, reply);
	conn_end_packet(c); /* what it wrote before */
	c->extra->sending = reply;
	c->service->protocol->send(conn_protocol(c), &packet);
	c->extra->sending = NULL;
	conn_end_packet(c);
	buf_fini(&joined);
	msg_free(&m);
	c->again = true;
	conn_mark_dirty(c);
}

void
conn_reply(struct conn *c, struct msg *m)
{
	struct msg_reply *reply = MSG_AS(msg_reply, m);

	if (c->life >= CONN_SHUT) {
		msg_free(&m);
		return;
	}
	io_count(c->io, STAT_packets_out, 1);
	c->replies++;
	if (m->type == PKT_TEXT) {
		c->text_open = false;
		c->again = true;
		c->gathers = c->rest.len > 0;
	}
	if (!conn_speaks_gear(c)) {
		conn_reply_module(c, MSG_AS(msg_reply, m));
		return;
	}
	if (m->type != PKT_TEXT)
		pkt_head_write(reply->head, true, m->type, (uint32_t)(reply->head_len - PKT_HEAD + reply->data.len));
	conn_put(c, reply);
}

/* The core makes the next one when this one is sent; when nobody reads what a peer gets that has ended, it is broken
 * off. */
void
conn_reply_part(struct conn *c, struct msg *m)
{
	CHECK(!c->part_open && conn_speaks_gear(c));
	c->part_open = true;
	c->gathers = false;
	if (c->life >= CONN_SHUT) {
		msg_free(&m);
		conn_part_taken(c, true);
		return;
	}
	conn_put(c, MSG_AS(msg_reply, m));
	if (c->life == CONN_GONE)
		conn_timer(c, DRAIN_SECONDS * 1000);
}
