/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Connections to a protocol or transport module.  See conn.h.
 *
 * Runs on:  the thread that calls it.
 * Owns:     see conn.h; the module gets struct conn as its connection.
 */
#include "conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit.h"

static struct conn *
conn_of(struct gearmand_conn *handle)
{
	return (struct conn *)(void *)handle;
}

static const struct conn *
conn_of_const(const struct gearmand_conn *handle)
{
	return (const struct conn *)(const void *)handle;
}

static struct gearmand_conn *
handle_of(struct conn *c)
{
	return (struct gearmand_conn *)(void *)c;
}

static bool
is_transport(const struct conn *c)
{
	return c->host->plugin->kind == GEARMAND_KIND_TRANSPORT;
}

/* ---- What modules may ask of a connection ------------------------------------------------- */

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

static void
requested(struct conn *c, uint32_t type, struct pile *body, uint64_t tag)
{
	c->requests = realloc(c->requests, (c->request_count + 1) * sizeof(*c->requests));
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

	MUST(!is_transport(c), "tick_in is for protocols; transport_tick_in is meant");
	MUST(ms == 0 || c->host->plugin->protocol->tick, "tick_in by a module without tick");
	c->tick_ms = ms;
}

static void
service_transport_tick_in(struct gearmand_conn *handle, uint32_t ms)
{
	struct conn *c = conn_of(handle);

	MUST(is_transport(c), "transport_tick_in is for transports");
	MUST(ms == 0 || c->host->plugin->transport->tick, "transport_tick_in by a module without tick");
	c->tick_ms = ms;
}

static size_t
service_max_packet(const struct gearmand_conn *handle)
{
	return conn_of_const(handle)->max_packet;
}

static const char *
service_peer_address(const struct gearmand_conn *handle)
{
	return conn_of_const(handle)->address;
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

/* ---- The module ----------------------------------------------------------------------------- */

static void
add_services(struct gearmand_host *t)
{
	t->listen = service_listen;
	t->cover = service_cover;
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
}

bool
host_open(struct host *h, struct gearmand_error *err)
{
	const struct gearmand_plugin *p = h->plugin;
	bool good;

	add_services(&h->table);
	h->is_opening = true;
	good = p->protocol ? p->protocol->open(&h->table, &h->module, err)
			   : p->transport->open(&h->table, &h->module, err);
	h->is_opening = false;
	h->is_open = good;
	MUST(good || err->text[0] != '\0', "open failed and does not say why");
	if (good && p->protocol && p->protocol->thread_new)
		h->thread = p->protocol->thread_new(h->module, (struct gearmand_thread *)(void *)h);
	return good;
}

void
host_close(struct host *h)
{
	const struct gearmand_plugin *p = h->plugin;

	if (p->protocol && p->protocol->thread_free && h->thread)
		p->protocol->thread_free(&h->thread);
	if (p->protocol)
		p->protocol->close(&h->module);
	else
		p->transport->close(&h->module);
	MUST(!h->module, "close takes the module, but did not set the caller's pointer to NULL");
	pile_free(&h->listens);
	h->is_open = false;
}

void
host_free(struct host **host)
{
	struct host *h = *host;

	*host = NULL;
	if (h->is_open)
		host_close(h);
	host_free_values(h);
	pile_free(&h->listens);
	free(h);
}

/* ---- Connections ------------------------------------------------------------------------------ */

struct conn *
conn_new(struct host *h, const char *address)
{
	struct conn *c = calloc(1, sizeof(*c));

	MUST(c, "no memory for the test");
	c->host = h;
	c->address = address;
	c->max_packet = 64u << 20;
	c->memory = c->kept_most = SIZE_MAX;
	pile_add(&c->out, "", 0);
	pile_add(&c->in, "", 0);
	c->state = is_transport(c) ? h->plugin->transport->conn_new(h->module, handle_of(c))
				   : h->plugin->protocol->conn_new(h->module, h->thread, handle_of(c));
	if (!c->state)
		conn_free(&c);
	return c;
}

void
conn_free(struct conn **conn)
{
	struct conn *c = *conn;

	*conn = NULL;
	if (c->state && is_transport(c))
		c->host->plugin->transport->conn_free(&c->state);
	else if (c->state)
		c->host->plugin->protocol->conn_free(&c->state);
	MUST(!c->state, "conn_free leaves its pointer");
	MUST(c->kept_count == 0, "%zu pieces that were kept are neither written nor dropped", c->kept_count);
	MUST(!c->in_body, "a body is neither ended nor dropped");
	for (size_t i = 0; i < c->request_count; i++)
		pile_free(&c->requests[i].body);
	free(c->requests);
	pile_free(&c->out);
	pile_free(&c->in);
	pile_free(&c->body);
	pile_free(&c->delivered);
	free(c);
}

/* Presents what there is, in memory of exactly that size, so that a sanitizer sees each byte too many. */
static void
receive_once(struct conn *c)
{
	const struct gearmand_plugin *p = c->host->plugin;
	size_t len = c->in.len, used = len;
	char *copy = malloc(len);

	MUST(copy, "no memory for the test");
	memcpy(copy, c->in.data, len);
	if (!is_transport(c)) {
		used = p->protocol->receive(c->state, (struct gearmand_slice){ copy, len });
	} else if (!p->transport->receive(c->state, (struct gearmand_slice){ copy, len })) {
		c->closed = true;
	}
	free(copy);
	MUST(used <= len, "%zu of %zu bytes are used", used, len);
	pile_cut(&c->in, used);
}

void
conn_run(struct conn *c)
{
	for (bool moved = true; moved;) {
		moved = false;
		if (c->in.len > 0 && !c->closed) {
			receive_once(c);
			MUST(c->closed || c->in.len <= GEARMAND_UNUSED_MOST || c->waiting > 0,
			    "%zu bytes are left unused though nothing is awaited", c->in.len);
		}
		while (c->on_request && c->served < c->request_count) {
			struct conn_request request = c->requests[c->served++];

			c->on_request(c, &request);
			moved = true;
		}
	}
}

void
conn_say(struct conn *c, const void *bytes, size_t len, size_t piece)
{
	const char *at = bytes;

	while (len > 0 && !c->closed) {
		size_t n = piece > 0 && piece < len ? piece : len;

		pile_add(&c->in, at, n);
		conn_run(c);
		at += n;
		len -= n;
	}
}

void
conn_end(struct conn *c)
{
	if (c->at_end || c->closed)
		return;
	c->at_end = true;
	if (is_transport(c) && !c->host->plugin->transport->receive(c->state, (struct gearmand_slice){ "", 0 }))
		c->closed = true;
	MUST(!is_transport(c) || c->closed || c->ended, "the end of file is not passed on by deliver_end");
}

static bool
is_background(uint32_t type)
{
	return type == GEARMAND_SUBMIT_JOB_BG || type == GEARMAND_SUBMIT_JOB_HIGH_BG ||
	       type == GEARMAND_SUBMIT_JOB_LOW_BG || type == GEARMAND_SUBMIT_JOB_EPOCH;
}

void
conn_send(struct conn *c, uint32_t type, const char *const *args, struct gearmand_slice data)
{
	struct gearmand_packet pkt = { .type = type, .data = data };

	if (c->closed)
		return;
	for (; args[pkt.argc]; pkt.argc++)
		pkt.arg[pkt.argc] = (struct gearmand_slice){ args[pkt.argc], strlen(args[pkt.argc]) };
	if (c->request_count > 0)
		pkt.tag = c->requests[c->served > 0 ? c->served - 1 : c->request_count - 1].tag;
	switch (type) {
	case GEARMAND_WORK_DATA:
	case GEARMAND_WORK_WARNING:
	case GEARMAND_WORK_STATUS:
	case GEARMAND_ATTEMPT_VOID:
	case GEARMAND_OPTION_RES:
		break;
	case GEARMAND_JOB_CREATED:
		if (c->request_count == 0 || !is_background(c->requests[c->request_count - 1].type))
			break;
		/* fall through */
	default:
		c->waiting = 0;
	}
	c->sending = data;
	c->host->plugin->protocol->send(c->state, &pkt);
	c->sending = (struct gearmand_slice){ NULL, 0 };
	if (!c->on_request)
		conn_run(c);
}

bool
conn_tick(struct conn *c)
{
	if (c->tick_ms == 0 || c->closed)
		return false;
	c->tick_ms = 0;
	if (!is_transport(c))
		c->host->plugin->protocol->tick(c->state);
	else if (!c->host->plugin->transport->tick(c->state))
		c->closed = true;
	return true;
}
