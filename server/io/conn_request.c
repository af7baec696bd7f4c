/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Requests of a protocol on their way to the core: one blob each, and views into it.
 *
 * Runs on:  its I/O thread.
 * Owns:     the body of the request that is being received.
 *
 * Bodies have a bound of the server, wherever they are: on their way, in jobs, in answers.  A result may fill it; other
 * requests leave some room for results.  Past it a large body that is still being received makes room for one of
 * a connection that holds less; else the new one is refused.
 */
#include "base/mem.h"
#include "cross/log.h"
#include "io/conn.h"
#include "wire/sched.h"

enum { SCHED_FIELDS_AT = 2, UNIQUE_AT = 1, JUDGED_BODIES = 64 };

static bool
pkt_is_result(uint32_t type)
{
	return (type >= PKT_WORK_STATUS && type <= PKT_WORK_FAIL) ||
	       (type >= PKT_WORK_DATA && type <= PKT_WORK_WARNING) || type == PKT_WORK_EXCEPTION;
}

static bool
pkt_is_background(uint32_t type)
{
	return type == PKT_SUBMIT_JOB_BG || type == PKT_SUBMIT_JOB_HIGH_BG || type == PKT_SUBMIT_JOB_LOW_BG ||
	       type == PKT_SUBMIT_JOB_SCHED || type == PKT_SUBMIT_JOB_EPOCH || type == PKT_SUBMIT_REDUCE_JOB_BACKGROUND;
}

static bool
pkt_is_submission(uint32_t type)
{
	return type == PKT_SUBMIT_JOB || type == PKT_SUBMIT_JOB_HIGH || type == PKT_SUBMIT_JOB_LOW ||
	       type == PKT_SUBMIT_REDUCE_JOB || pkt_is_background(type);
}

void
conn_refuse(struct conn *c, enum wire_error error)
{
	struct msg_refuse *refuse = msg_new_sized(MSG_REFUSE, conn_number(c), sizeof *refuse);
	struct msg *m = &refuse->msg;

	m->type = (uint16_t)error;
	refuse->tag = c->io->tag;
	conn_post(c, &m);
}

void
conn_close_in_order(struct conn *c)
{
	struct msg *m = msg_new(MSG_CLOSE_ME, conn_number(c));

	conn_move(c, CONN_DEAF);
	conn_watch(c);
	conn_post(c, &m);
}

bool
conn_must_wait(struct conn *c, uint32_t type)
{
	bool for_store = (c->pauses & (PAUSED_CORE | PAUSED_ALL)) == 0;

	if ((c->pauses & (PAUSED_CORE | PAUSED_SUBMISSIONS | PAUSED_ALL)) == 0)
		return false;
	if (pkt_is_result(type) && (c->pauses & PAUSED_ALL) == 0)
		return false;
	if (for_store && (!pkt_is_background(type) || c->impatient))
		return false;
	c->pauses |= PAUSED_REQUEST;
	if (for_store)
		conn_timer(c, c->io->config.queue_timeout);
	conn_watch(c);
	return true;
}

/* ---- Room -------------------------------------------------------------------------------- */

/* Of the bodies that have been coming for longest, the largest. */
static IO struct body *
io_largest_body(const struct io *io)
{
	struct body *found = NULL;
	int looked = 0;

	LIST_EACH(node, &io->bodies) {
		struct body *b = LIST_ENTRY(node, struct body, in_io);

		if (found == NULL || b->blob->cap > found->blob->cap)
			found = b;
		if (++looked == JUDGED_BODIES)
			break;
	}
	return found;
}

/* Is there room for `more` bytes on a connection that has `has` of the same body? */
static IO bool
conn_has_room(struct conn *c, uint32_t type, size_t has, size_t more)
{
	struct io *io = c->io;
	size_t bound = io->config.max_bodies[pkt_is_result(type)];
	struct body *b;

	if (!io->bodies_full && (bound == 0 || blob_bytes() + more <= bound))
		return true;
	while (bound > 0 && blob_bytes() + more > bound) {
		b = io_largest_body(io);
		if (b == NULL || b->conn == c || b->blob->cap <= has + more) {
			io_count(io, STAT_refused_full, 1);
			if (!io->bodies_full)
				log_post(GEARMAND_LOG_ERROR,
				    "packets are refused: all bodies take %zu bytes, as many as --max-memory allows",
				    blob_bytes());
			io->bodies_full = true;
			return false;
		}
		conn_drop_body(b->conn);
	}
	io->bodies_full &= blob_bytes() > bound / 2;
	return true;
}

/* ---- Posting ------------------------------------------------------------------------------- */

/* Takes the blob, which may be NULL for an empty body.  The answers to two requests change places
 * when one is posted late, so a bad one takes its place in the same line. */
static IO void
conn_post_body(struct conn *c, uint32_t type, struct blob **body)
{
	struct msg_packet *packet = msg_packet_new(conn_number(c));
	struct msg *m = &packet->msg;
	enum wire_error error;
	bool good = true;

	m->type = (uint16_t)type;
	packet->tag = c->io->tag;
	m->blob = *body;
	*body = NULL;
	if (type == PKT_TEXT) {
		packet->pkt.type = type;
		packet->pkt.argc = 0;
		packet->pkt.data = blob_slice(m->blob);
	} else if (!pkt_split(type, blob_slice(m->blob), &packet->pkt, &error)) {
		io_count(c->io, STAT_bad_packets, 1);
		good = false;
	} else if (type == PKT_SUBMIT_JOB_SCHED) {
		error = WIRE_BAD_SCHEDULE;
		good = sched_next(&packet->pkt.arg[SCHED_FIELDS_AT], clock_wall() / A_SECOND, &packet->run_at);
	}
	if (good && pkt_is_submission(type) && slice_is(packet->pkt.arg[UNIQUE_AT], "-"))
		packet->data_hash = hash_bytes(packet->pkt.data, c->io->config.hash_key);
	if (good) {
		c->text_open |= type == PKT_TEXT;
		conn_post(c, &m);
		return;
	}
	msg_free(&m);
	conn_refuse(c, error);
}

bool
conn_may_take(struct conn *c, uint32_t type, size_t size, enum wire_error *why_r)
{
	size_t bound = c->io->config.max_bodies[pkt_is_result(type)];

	if (c->impatient && pkt_is_background(type)) {
		io_count(c->io, STAT_store_timeouts, 1);
		*why_r = WIRE_QUEUE_TIMEOUT;
		return false;
	}
	if (bound > 0 && size > bound) {
		io_count(c->io, STAT_refused_full, 1);
		*why_r = WIRE_BODIES_FULL;
		return false;
	}
	return true;
}

void
conn_packet(struct conn *c, uint32_t type, struct slice body)
{
	struct blob *b = NULL;

	if (!conn_has_room(c, type, 0, body.len))
		conn_refuse(c, WIRE_BODIES_FULL);
	else if (body.len > 0 && (b = blob_copy(body)) == NULL)
		conn_refuse(c, WIRE_NO_MEMORY);
	else
		conn_post_body(c, type, &b);
}

void
conn_body_begin(struct conn *c, uint32_t type, size_t size)
{
	conn_drop_body(c);
	c->body = mem_new(sizeof *c->body);
	list_init(&c->body->in_io);
	c->body->conn = c;
	c->body->type = type;
	c->body->size = size;
	if (size > 0)
		c->body->blob = blob_new(size < BODY_FIRST_BYTES ? size : BODY_FIRST_BYTES);
}

/* Memory follows what came: at most twice that, and not more than was announced, as long as that holds. */
static IO bool
body_room(struct conn *c, struct body *body, size_t need)
{
	size_t has = body->blob == NULL ? 0 : body->blob->cap, cap = has * 2;

	if (need <= has && body->blob != NULL)
		return true;
	if (need <= body->size && cap > body->size)
		cap = body->size;
	if (cap < need)
		cap = need;
	if (!conn_has_room(c, body->type, has, cap - has))
		return false;
	if (body->blob == NULL)
		body->blob = blob_new(cap);
	else if (!blob_reserve(&body->blob, cap))
		return false;
	if (cap >= BODY_LARGE_BYTES && !list_is_linked(&body->in_io))
		list_push(&c->io->bodies, &body->in_io);
	return body->blob != NULL;
}

bool
conn_body_add(struct conn *c, struct slice bytes)
{
	struct body *body = c->body;
	size_t need;

	if (body == NULL)
		return false;
	need = blob_slice(body->blob).len + bytes.len;
	if (need <= c->io->config.max_packet && need <= UINT32_MAX && body_room(c, body, need) &&
	    blob_add(&body->blob, bytes))
		return true;
	conn_drop_body(c);
	return false;
}

void
conn_body_end(struct conn *c)
{
	struct body *body = c->body;
	struct blob *b;

	if (body == NULL)
		return;
	b = body->blob;
	body->blob = NULL;
	if (b != NULL && b->len == 0)
		blob_unref(&b);
	c->io->tag = body->tag;
	conn_post_body(c, body->type, &b);
	c->io->tag = 0;
	conn_drop_body(c);
}

/* ---- A module's packets ------------------------------------------------------------------------- */

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
static IO void
conn_request_tagged(struct conn *c, const struct gearmand_packet *packet)
{
	const struct pkt_info *info = pkt_info(packet->type);
	size_t size = packet_size(packet);
	struct blob *b = NULL;
	enum wire_error why = WIRE_BODIES_FULL;
	bool whole;

	if (!packet_is_sound(packet)) {
		conn_refuse(c, WIRE_INVALID_COMMAND);
		return;
	}
	if (size > c->io->config.max_packet) {
		io_count(c->io, STAT_packets_too_large, 1);
		conn_refuse(c, WIRE_PACKET_TOO_LARGE);
		return;
	}
	whole = conn_may_take(c, packet->type, size, &why) && conn_has_room(c, packet->type, 0, size);
	if (whole && size > 0)
		whole = (b = blob_new(size)) != NULL;
	for (uint32_t i = 0; whole && i < packet->argc; i++) {
		bool last = i + 1 == packet->argc && info->last == PKT_LAST_TEXT;

		whole = blob_add(&b, packet->arg[i]) && (last || blob_add(&b, slice_of("", 1)));
	}
	if (whole && packet->data.len > 0)
		whole = blob_add(&b, packet->data);
	if (whole)
		conn_post_body(c, packet->type, &b);
	else
		conn_refuse(c, why);
	blob_unref(&b);
}

void
conn_request(struct conn *c, const struct gearmand_packet *packet)
{
	if (c->life != CONN_OPEN)
		return;
	c->io->tag = packet->tag;
	conn_request_tagged(c, packet);
	c->io->tag = 0;
}
