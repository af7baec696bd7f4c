/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Requests of a protocol on their way to the core: one blob each, and views into it.
 *
 * Runs on:  its I/O thread.
 * Owns:     the body of the request that is being received.
 */
#include "base/mem.h"
#include "io/conn.h"
#include "wire/sched.h"

enum { SCHED_FIELDS_AT = 2 };

void
conn_refuse(struct conn *c, enum wire_error error)
{
	struct msg *m = msg_new(MSG_REFUSE, c->number);

	m->type = (uint16_t)error;
	io_post(c->io, &m);
}

void
conn_close_in_order(struct conn *c)
{
	struct msg *m = msg_new(MSG_CLOSE_ME, c->number);

	c->deaf = true;
	conn_watch(c);
	io_post(c->io, &m);
}

static enum wire_error
split_error(const char *why)
{
	return why == wire_error_text(WIRE_ARGUMENT_TOO_LARGE) ? WIRE_ARGUMENT_TOO_LARGE : WIRE_TOO_FEW_ARGUMENTS;
}

/* Takes the blob, which may be NULL for an empty body.  The answers to two requests change places
 * when one is posted late, so a bad one takes its place in the same line. */
static IO void
conn_post_body(struct conn *c, uint32_t type, struct blob **body)
{
	struct msg_packet *packet = msg_packet_new(c->number);
	struct msg *m = &packet->msg;
	enum wire_error error = WIRE_BAD_SCHEDULE;
	const char *why;
	bool good = true;

	m->type = (uint16_t)type;
	m->blob = *body;
	*body = NULL;
	if (type == PKT_TEXT) {
		packet->pkt.type = type;
		packet->pkt.argc = 0;
		packet->pkt.data = blob_slice(m->blob);
	} else if (pkt_split(type, blob_slice(m->blob), &packet->pkt, &why) != PKT_OK) {
		error = split_error(why);
		io_count(c->io, STAT_bad_packets, 1);
		good = false;
	} else if (type == PKT_SUBMIT_JOB_SCHED) {
		good = sched_next(&packet->pkt.arg[SCHED_FIELDS_AT], clock_wall() / 1000000000, &packet->run_at);
	}
	if (good) {
		c->text_open |= type == PKT_TEXT;
		io_post(c->io, &m);
		return;
	}
	msg_free(&m);
	conn_refuse(c, error);
}

void
conn_packet(struct conn *c, uint32_t type, struct slice body)
{
	struct blob *b = NULL;

	if (body.len > 0 && (b = blob_copy(body)) == NULL)
		conn_refuse(c, WIRE_NO_MEMORY);
	else
		conn_post_body(c, type, &b);
}

void
conn_body_drop(struct conn *c)
{
	c->body_begun = false;
	blob_unref(&c->body);
}

void
conn_body_begin(struct conn *c, uint32_t type, size_t size)
{
	conn_body_drop(c);
	c->body_begun = true;
	c->body_type = type;
	if (size > 0)
		c->body = blob_new(size < BLOB_FIRST_BYTES ? size : BLOB_FIRST_BYTES);
}

/* Memory follows what came: at most twice that, and not more than was announced. */
static bool
body_room(struct blob **b, size_t need, size_t size)
{
	size_t cap = *b == NULL ? 0 : (size_t)(*b)->cap * 2;

	if (*b != NULL && need <= (*b)->cap)
		return true;
	if (size > 0 && cap > size)
		cap = size;
	if (cap < need)
		cap = need;
	if (*b != NULL)
		return blob_reserve(b, cap);
	*b = blob_new(cap);
	return *b != NULL;
}

bool
conn_body_add(struct conn *c, struct slice bytes, size_t size)
{
	size_t need = blob_slice(c->body).len + bytes.len;

	if (!c->body_begun)
		return false;
	if (need <= c->io->config.max_packet && need <= UINT32_MAX && body_room(&c->body, need, size) &&
	    blob_add(&c->body, bytes))
		return true;
	conn_body_drop(c);
	return false;
}

void
conn_body_end(struct conn *c)
{
	struct blob *b = c->body;

	if (!c->body_begun)
		return;
	c->body = NULL;
	c->body_begun = false;
	if (b != NULL && b->len == 0)
		blob_unref(&b);
	conn_post_body(c, c->body_type, &b);
}

static size_t
packet_size(const struct gearmand_packet *packet)
{
	size_t size = packet->data.len;

	for (uint32_t i = 0; i < packet->argc; i++)
		size += packet->arg[i].len + 1;
	return size;
}

/* An argument of a module may hold no NUL: it would end there. */
static bool
packet_is_sound(const struct gearmand_packet *packet)
{
	const struct pkt_info *info = pkt_info(packet->type);

	if (packet->type == PKT_TEXT)
		return packet->argc == 0;
	if (info == NULL || info->way == PKT_WAY_NONE || info->way == PKT_WAY_RES || packet->argc != info->args)
		return false;
	for (uint32_t i = 0; i < packet->argc; i++)
		if (packet->arg[i].len > 0 && memchr(packet->arg[i].data, '\0', packet->arg[i].len) != NULL)
			return false;
	return true;
}

/* Puts the packet into wire form, and views into that: the same way as any other from there. */
void
conn_request(struct conn *c, const struct gearmand_packet *packet)
{
	const struct pkt_info *info = pkt_info(packet->type);
	size_t size;

	if (c->deaf)
		return;
	if (!packet_is_sound(packet)) {
		conn_refuse(c, WIRE_INVALID_COMMAND);
		return;
	}
	size = packet_size(packet);
	if (size > c->io->config.max_packet) {
		io_count(c->io, STAT_packets_too_large, 1);
		conn_refuse(c, WIRE_PACKET_TOO_LARGE);
		return;
	}
	conn_body_begin(c, packet->type, size);
	for (uint32_t i = 0; i < packet->argc; i++) {
		bool last = i + 1 == packet->argc && info->last == PKT_LAST_TEXT;

		conn_body_add(c, packet->arg[i], size);
		if (!last)
			conn_body_add(c, slice_of("", 1), size);
	}
	if (conn_body_add(c, packet->data, size))
		conn_body_end(c);
	else
		conn_refuse(c, WIRE_NO_MEMORY);
}
