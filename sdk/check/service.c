/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a protocol or transport module may ask of the host, for a connection or for itself.  See conn.h.
 *
 * Runs on:  the thread that calls it.
 * Owns:     nothing; what is asked for is written down in struct conn, which the module knows as its connection.
 */
#include "conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit.h"

/* The module gives back what it was given, `const` or not. */
static struct conn *
conn_of(const struct gearmand_conn *handle)
{
	return (struct conn *)(uintptr_t)handle;
}

static bool
service_listen(const struct gearmand_host *table, const char *protocol, const char *address, const char *port,
    void *tag, struct gearmand_error *err)
{
	struct host *h = table->own;

	(void)tag;
	MUST(h->is_opening, "the module calls listen() outside of open()");
	if (strcmp(address, "192.0.2.1") == 0) {
		table->error_set(err, "cannot listen on %s", address);
		return false;
	}
	pile_add(&h->listens, protocol ? protocol : "", protocol ? strlen(protocol) : 0);
	pile_add(&h->listens, " ", protocol ? 1 : 0);
	pile_add(&h->listens, address, strlen(address));
	pile_add(&h->listens, " ", 1);
	pile_add(&h->listens, port, strlen(port));
	pile_add(&h->listens, "\n", 1);
	return true;
}

static bool
service_cover(const struct gearmand_host *table, const char *protocol, struct gearmand_error *err)
{
	return service_listen(table, protocol, "cover", "", NULL, err);
}

static bool
service_attend(const struct gearmand_host *table, void *tag, struct gearmand_error *err)
{
	const struct host *h = table->own;

	(void)tag;
	(void)err;
	MUST(h->is_opening, "the module calls attend() outside of open()");
	return true;
}

static void
requested(struct conn *c, uint32_t type, struct pile *body, uint64_t tag)
{
	if ((c->request_count & (c->request_count - 1)) == 0) /* at each power of two it doubles */
		c->requests = realloc(c->requests, 2 * (c->request_count + 1) * sizeof(*c->requests));
	MUST(c->requests, "no memory for the test");
	c->requests[c->request_count++] = (struct conn_request){ type, *body, tag };
	*body = (struct pile){ 0 };
	if (type != GEARMAND_OPTION_REQ)
		c->waiting++;
}

static void
service_request(struct gearmand_conn *handle, const struct gearmand_packet *pkt)
{
	struct conn *c = conn_of(handle);
	struct pile body = { 0 };

	MUST(!c->closed, "a packet after close");
	MUST(pkt->argc <= 8, "a packet with %u arguments", pkt->argc);
	for (uint32_t i = 0; i < pkt->argc; i++) {
		pile_add(&body, "", i > 0 ? 1 : 0);
		pile_add(&body, pkt->arg[i].data, pkt->arg[i].len);
	}
	if (pkt->argc > 0 && pkt->data.len > 0)
		pile_add(&body, "", 1);
	pile_add(&body, pkt->data.data, pkt->data.len);
	requested(c, pkt->type, &body, pkt->tag);
}

static void
service_body_begin(struct gearmand_conn *handle, uint32_t type, size_t size, uint64_t tag)
{
	struct conn *c = conn_of(handle);

	(void)size;
	MUST(!c->closed, "a packet after close");
	MUST(!c->in_body, "body_begin twice");
	c->in_body = true;
	c->body_type = type;
	c->body_tag = tag;
}

static bool
service_body_add(struct gearmand_conn *handle, struct gearmand_slice bytes)
{
	struct conn *c = conn_of(handle);

	MUST(c->in_body, "body_add without body_begin");
	if (bytes.len <= c->max_packet - c->body.len && bytes.len <= c->memory - c->body.len) {
		pile_add(&c->body, bytes.data, bytes.len);
		return true;
	}
	c->in_body = false;
	pile_cut(&c->body, c->body.len);
	return false;
}

static void
service_body_end(struct gearmand_conn *handle)
{
	struct conn *c = conn_of(handle);

	MUST(c->in_body, "body_end without a whole body");
	c->in_body = false;
	requested(c, c->body_type, &c->body, c->body_tag);
}

static void
service_body_drop(struct gearmand_conn *handle)
{
	struct conn *c = conn_of(handle);

	c->in_body = false;
	pile_cut(&c->body, c->body.len);
}

static void
service_write(struct gearmand_conn *handle, struct gearmand_slice bytes)
{
	struct conn *c = conn_of(handle);

	MUST(!c->closed, "bytes after close");
	pile_add(&c->out, bytes.data, bytes.len);
}

static void
must_be_of_packet(const struct conn *c, struct gearmand_slice bytes, const char *what)
{
	uintptr_t at = (uintptr_t)bytes.data, from = (uintptr_t)c->sending.data;

	MUST(at >= from && at + bytes.len <= from + c->sending.len, "%s of what is not the packet's data", what);
}

static void
service_write_data(struct gearmand_conn *handle, struct gearmand_slice bytes)
{
	must_be_of_packet(conn_of(handle), bytes, "write_data");
	service_write(handle, bytes);
}

struct gearmand_kept {
	struct pile bytes;
};

static struct gearmand_kept *
service_keep(struct gearmand_conn *handle, struct gearmand_slice bytes)
{
	struct conn *c = conn_of(handle);
	struct gearmand_kept *kept;

	must_be_of_packet(c, bytes, "keep");
	if (bytes.len > c->kept_most - c->kept_bytes)
		return NULL;
	kept = calloc(1, sizeof(*kept));
	MUST(kept, "no memory for the test");
	pile_add(&kept->bytes, bytes.data, bytes.len);
	c->kept_bytes += bytes.len;
	c->kept_count++;
	return kept;
}

static void
service_drop_kept(struct gearmand_conn *handle, struct gearmand_kept **kept)
{
	struct conn *c = conn_of(handle);

	if (!*kept)
		return;
	MUST(c->kept_count > 0, "more is dropped than was kept");
	c->kept_count--;
	c->kept_bytes -= (*kept)->bytes.len;
	pile_free(&(*kept)->bytes);
	free(*kept);
	*kept = NULL;
}

static void
service_write_kept(struct gearmand_conn *handle, struct gearmand_kept **kept)
{
	service_write(handle, pile_slice(&(*kept)->bytes));
	service_drop_kept(handle, kept);
}

static void
service_close(struct gearmand_conn *handle)
{
	conn_of(handle)->closed = true;
}

static void
service_tick_in(struct gearmand_conn *handle, uint32_t ms)
{
	struct conn *c = conn_of(handle);

	MUST(!conn_is_transport(c), "tick_in is for protocols; transport_tick_in is meant");
	MUST(ms == 0 || c->host->plugin->protocol->tick, "tick_in by a module without tick");
	c->tick_ms = ms;
}

static void
service_transport_tick_in(struct gearmand_conn *handle, uint32_t ms)
{
	struct conn *c = conn_of(handle);

	MUST(conn_is_transport(c), "transport_tick_in is for transports");
	MUST(ms == 0 || c->host->plugin->transport->tick, "transport_tick_in by a module without tick");
	c->tick_ms = ms;
}

static size_t
service_max_packet(const struct gearmand_conn *handle)
{
	return conn_of(handle)->max_packet;
}

static const char *
service_peer_address(const struct gearmand_conn *handle)
{
	return conn_of(handle)->address;
}

static struct gearmand_slice
service_identity(const struct gearmand_conn *handle)
{
	(void)handle;
	return (struct gearmand_slice){ "", 0 };
}

static const char *
service_name(const struct gearmand_conn *handle)
{
	(void)handle;
	return "gear";
}

static void *
service_listener_tag(const struct gearmand_conn *handle)
{
	(void)handle;
	return NULL;
}

static void
service_count(struct gearmand_conn *handle, unsigned counter, uint64_t n)
{
	const struct gearmand_counter *table = conn_of(handle)->host->plugin->counters;

	(void)n;
	for (unsigned i = 0; i <= counter; i++)
		MUST(table && table[i].name, "the module counts with number %u, which is not in its table", counter);
}

static void
service_show(const struct gearmand_host *table, unsigned counter, uint64_t value)
{
	const struct gearmand_counter *counters = ((struct host *)table->own)->plugin->counters;

	(void)value;
	for (unsigned i = 0; i <= counter; i++)
		MUST(counters && counters[i].name, "the module shows number %u, which is not in its table", counter);
}

/* The protocol above writes everything back. */
static void
service_deliver(struct gearmand_conn *handle, struct gearmand_slice bytes)
{
	struct conn *c = conn_of(handle);

	MUST(!c->ended, "bytes delivered after deliver_end");
	MUST(bytes.len > 0, "an empty delivery");
	pile_add(&c->delivered, bytes.data, bytes.len);
	if (!c->closed && !c->host->plugin->transport->send(c->state, bytes))
		c->closed = true;
}

static void
service_deliver_end(struct gearmand_conn *handle)
{
	struct conn *c = conn_of(handle);

	MUST(!c->ended, "deliver_end twice");
	c->ended = true;
}

static void
service_aside(struct gearmand_conn *handle)
{
	struct conn *c = conn_of(handle);

	MUST(conn_is_transport(c) && c->host->plugin->transport->work && c->host->plugin->transport->worked,
	    "aside is for transports with work and worked");
	MUST(!c->is_aside, "aside twice");
	c->is_aside = true;
}

static void
service_set_identity(struct gearmand_conn *handle, struct gearmand_slice tokens)
{
	MUST(conn_of(handle)->delivered.len == 0, "set_identity after the first delivery");
	MUST(tokens.len == 0 || tokens.data[tokens.len - 1] == '\0', "set_identity: a token has no NUL behind it");
}

static void
service_set_peer(struct gearmand_conn *handle, const char *address, const char *port)
{
	struct conn *c = conn_of(handle);

	MUST(c->delivered.len == 0, "set_peer after the first delivery");
	MUST(strlen(address) <= 63 && strlen(port) <= 7, "set_peer with a longer address than there is");
	snprintf(c->peer, sizeof(c->peer), "%s %s", address, port);
}

static void
service_thread_tick_in(struct gearmand_thread *thread, uint32_t ms)
{
	(void)thread, (void)ms;
}

/* Time stands still, so that a story that has a time in it can be told again. */
static int64_t
service_wall(void)
{
	return INT64_C(1800000000) * 1000000000;
}

void
conn_services(struct gearmand_host *t)
{
	t->wall = service_wall;
	t->listen = service_listen;
	t->cover = service_cover;
	t->attend = service_attend;
	t->show = service_show;
	t->request = service_request;
	t->body_begin = service_body_begin;
	t->body_add = service_body_add;
	t->body_end = service_body_end;
	t->body_drop = service_body_drop;
	t->write = service_write;
	t->write_data = service_write_data;
	t->keep = service_keep;
	t->write_kept = service_write_kept;
	t->drop_kept = service_drop_kept;
	t->close = service_close;
	t->tick_in = service_tick_in;
	t->max_packet = service_max_packet;
	t->peer_address = service_peer_address;
	t->identity_of = service_identity;
	t->listener = service_name;
	t->listener_tag = service_listener_tag;
	t->protocol_name = service_name;
	t->count = service_count;
	t->thread_tick_in = service_thread_tick_in;
	t->deliver = service_deliver;
	t->deliver_end = service_deliver_end;
	t->transport_tick_in = service_transport_tick_in;
	t->set_identity = service_set_identity;
	t->set_peer = service_set_peer;
	t->aside = service_aside;
}
