/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What protocol and transport modules may ask of their connection, as plugin.h has it.
 *
 * Runs on:  the connection's I/O thread, from a callback of the module.
 * Owns:     nothing; each is a line that leads to the connection.
 */
#include "base/mem.h"
#include "cross/log.h"
#include "io/conn.h"
#include "wire/access.h"

static struct conn *
conn_of(struct gearmand_conn *handle)
{
	return (struct conn *)(void *)handle;
}

static const struct conn *
host_conn(const struct gearmand_conn *handle)
{
	return (const struct conn *)(const void *)handle;
}

static void
host_request(struct gearmand_conn *handle, const struct gearmand_packet *packet)
{
	role_assume(&io_role);
	conn_request(conn_of(handle), packet);
}

static void
host_body_begin(struct gearmand_conn *handle, uint32_t type, size_t size, uint64_t tag)
{
	role_assume(&io_role);
	conn_body_begin(conn_of(handle), type, size);
	conn_of(handle)->body->tag = tag;
}

static bool
host_body_add(struct gearmand_conn *handle, struct gearmand_slice bytes)
{
	role_assume(&io_role);
	return conn_body_add(conn_of(handle), bytes);
}

static void
host_body_end(struct gearmand_conn *handle)
{
	struct conn *c = conn_of(handle);

	role_assume(&io_role);
	if (c->life != CONN_OPEN)
		conn_drop_body(c);
	else if (c->body != NULL && pkt_info(c->body->type) == NULL && c->body->type != PKT_TEXT)
		conn_refuse(c, WIRE_INVALID_COMMAND);
	else
		conn_body_end(c);
}

static void
host_body_drop(struct gearmand_conn *handle)
{
	role_assume(&io_role);
	conn_drop_body(conn_of(handle));
}

static void
host_write(struct gearmand_conn *handle, struct gearmand_slice bytes)
{
	struct conn *c = conn_of(handle);

	role_assume(&io_role);
	if (c->extra->in_transport)
		conn_transport_wire(c, bytes);
	else if (c->life < CONN_SHUT)
		conn_write(c, bytes);
}

static bool
is_within(const struct blob *b, struct slice s)
{
	return b != NULL && (uintptr_t)s.data >= (uintptr_t)b->data &&
	       (uintptr_t)s.data + s.len <= (uintptr_t)b->data + b->len;
}

enum { WORTH_A_REFERENCE = 256 };

/* Small data is cheaper copied, and what is no part of the blob must be. */
static IO void
write_part(struct conn *c, struct blob *blob, struct slice data)
{
	struct msg_reply *part;

	if (data.len < WORTH_A_REFERENCE || c->life >= CONN_SHUT || conn_has_transport(c) || !is_within(blob, data)) {
		host_write((struct gearmand_conn *)(void *)c, data);
		return;
	}
	part = msg_reply_new(PKT_TEXT, conn_number(c), 0);
	msg_reply_data(part, blob, data);
	conn_put(c, part);
}

static void
host_write_data(struct gearmand_conn *handle, struct gearmand_slice data)
{
	struct conn *c = conn_of(handle);

	role_assume(&io_role);
	write_part(c, c->extra->sending != NULL ? c->extra->sending->msg.blob : NULL, data);
}

/* Data that a module keeps.  It counts as what waits for peers does. */
struct gearmand_kept {
	struct blob *blob; /* NULL: the bytes are in `copy` */
	struct slice data;
	char copy[];
};

static void
io_count_kept(struct io *io, const struct gearmand_kept *kept, bool is_kept)
{
	size_t shared = kept->blob != NULL ? kept->data.len : 0, own = kept->data.len - shared + MESSAGE_COST;

	io->shared += is_kept ? shared : -shared;
	io->unsent += is_kept ? own : -own;
}

static struct gearmand_kept *
host_keep(struct gearmand_conn *handle, struct gearmand_slice data)
{
	struct conn *c = conn_of(handle);
	struct blob *blob = c->extra->sending != NULL ? c->extra->sending->msg.blob : NULL;
	bool shares = data.len >= BLOB_CAP_COUNTED && is_within(blob, data);
	struct gearmand_kept *kept;

	role_assume(&io_role);
	if (c->io->config.max_unsent > 0 &&
	    io_unsent(c->io) + MESSAGE_COST + (shares ? 0 : data.len) > c->io->config.max_unsent)
		return NULL;
	kept = mem_new(sizeof *kept + (shares ? 0 : data.len));
	kept->blob = shares ? blob_ref(blob) : NULL;
	kept->data = shares ? data : slice_of(kept->copy, data.len);
	if (!shares)
		memcpy(kept->copy, data.data, data.len);
	io_count_kept(c->io, kept, true);
	return kept;
}

static void
host_drop_kept(struct gearmand_conn *handle, struct gearmand_kept **keptp)
{
	struct gearmand_kept *kept = *keptp;

	*keptp = NULL;
	if (kept == NULL)
		return;
	io_count_kept(conn_of(handle)->io, kept, false);
	blob_unref(&kept->blob);
	mem_free(kept);
}

static void
host_write_kept(struct gearmand_conn *handle, struct gearmand_kept **keptp)
{
	role_assume(&io_role);
	write_part(conn_of(handle), (*keptp)->blob, (*keptp)->data);
	host_drop_kept(handle, keptp);
}

static void
host_close(struct gearmand_conn *handle)
{
	role_assume(&io_role);
	conn_close(conn_of(handle));
}

static void
host_tick_in(struct gearmand_conn *handle, uint32_t ms)
{
	struct conn *c = conn_of(handle);

	role_assume(&io_role);
	if (c->life < CONN_SHUT)
		conn_timer(c, ms);
}

static size_t
host_max_packet(const struct gearmand_conn *handle)
{
	return host_conn(handle)->io->config.max_packet;
}

static const char *
host_peer_address(const struct gearmand_conn *handle)
{
	return conn_address(host_conn(handle));
}

static struct gearmand_slice
host_identity_of(const struct gearmand_conn *handle)
{
	return buf_slice(&host_conn(handle)->extra->identity);
}

static const char *
host_listener(const struct gearmand_conn *handle)
{
	return host_conn(handle)->extra->listener;
}

static void *
host_listener_tag(const struct gearmand_conn *handle)
{
	const struct conn *c = host_conn(handle);
	const struct service *s = c->service;
	const void *caller = c->extra->in_transport ? s->transport_module : s->protocol_module;

	return s->tag_module == caller ? s->tag : NULL;
}

static const char *
host_protocol_name(const struct gearmand_conn *handle)
{
	return host_conn(handle)->service->name;
}

/* A number beyond the module's table is no counter of anybody's, or another module's: only the first is seen here. */
static void
host_count(struct gearmand_conn *handle, unsigned counter, uint64_t n)
{
	struct conn *c = conn_of(handle);
	unsigned first = c->extra->in_transport ? c->service->transport_counters : c->service->protocol_counters;

	role_assume(&io_role);
	if (first > 0 && counter < stats_used() - first)
		io_count(c->io, (enum statistic)(first + counter), n);
}

static void
host_thread_tick_in(struct gearmand_thread *thread, uint32_t ms)
{
	role_assume(&io_role);
	io_thread_timer(thread, ms);
}

/* ---- Transports ---------------------------------------------------------------------------------- */

/* The protocol above may write at once: what it writes is for the transport again. */
static void
host_deliver(struct gearmand_conn *handle, struct gearmand_slice plain)
{
	struct conn *c = conn_of(handle);
	bool was = c->extra->in_transport;

	role_assume(&io_role);
	if (c->life != CONN_OPEN || c->ended)
		return;
	conn_introduce(c);
	c->extra->in_transport = false;
	conn_present(c, plain);
	c->extra->in_transport = was;
}

static void
host_deliver_end(struct gearmand_conn *handle)
{
	struct conn *c = conn_of(handle);

	role_assume(&io_role);
	if (c->life != CONN_OPEN || c->ended)
		return;
	conn_end_of_file(c);
	conn_watch(c);
}

static void
host_transport_tick_in(struct gearmand_conn *handle, uint32_t ms)
{
	role_assume(&io_role);
	conn_transport_timer(conn_of(handle), ms);
}

static void
host_aside(struct gearmand_conn *handle)
{
	role_assume(&io_role);
	conn_transport_aside(conn_of(handle));
}

static void
host_set_identity(struct gearmand_conn *handle, struct gearmand_slice tokens)
{
	struct conn *c = conn_of(handle);
	struct buf *identity = &c->extra->identity;

	role_assume(&io_role);
	buf_fini(identity);
	while (tokens.len > 0)
		access_add_identity(identity, slice_split(tokens, '\0', &tokens));
	if (identity->len > IDENTITY_MAX) {
		log_post(GEARMAND_LOG_WARNING, "%s: closed: its names take %zu bytes, more than %d", conn_address(c),
		    identity->len, IDENTITY_MAX);
		buf_fini(identity);
		conn_close(c);
	} else {
		conn_transport_proves(c);
	}
}

static void
host_set_peer(struct gearmand_conn *handle, const char *address, const char *port)
{
	role_assume(&io_role);
	conn_transport_peer(conn_of(handle), address, port);
}

void
io_host_services(struct gearmand_host *host)
{
	host->request = host_request;
	host->body_begin = host_body_begin;
	host->body_add = host_body_add;
	host->body_end = host_body_end;
	host->body_drop = host_body_drop;
	host->write = host_write;
	host->write_data = host_write_data;
	host->keep = host_keep;
	host->write_kept = host_write_kept;
	host->drop_kept = host_drop_kept;
	host->close = host_close;
	host->tick_in = host_tick_in;
	host->max_packet = host_max_packet;
	host->peer_address = host_peer_address;
	host->identity_of = host_identity_of;
	host->listener = host_listener;
	host->listener_tag = host_listener_tag;
	host->protocol_name = host_protocol_name;
	host->count = host_count;
	host->thread_tick_in = host_thread_tick_in;
	host->deliver = host_deliver;
	host->deliver_end = host_deliver_end;
	host->transport_tick_in = host_transport_tick_in;
	host->set_identity = host_set_identity;
	host->set_peer = host_set_peer;
	host->aside = host_aside;
}
