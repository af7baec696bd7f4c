/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Connections to a protocol or transport module.  See conn.h.
 *
 * Runs on:  the thread that calls it.
 * Owns:     see conn.h; the module gets struct conn as its connection.
 */
#include "conn.h"

#include <stdlib.h>
#include <string.h>

#include "kit.h"

static struct gearmand_conn *
handle_of(struct conn *c)
{
	return (struct gearmand_conn *)(void *)c;
}

/* ---- The module ----------------------------------------------------------------------------- */

bool
host_open(struct host *h, struct gearmand_error *err)
{
	const struct gearmand_plugin *p = h->plugin;
	bool good;

	conn_services(&h->table);
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
	c->state = conn_is_transport(c) ? h->plugin->transport->conn_new(h->module, handle_of(c))
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
	if (c->state && conn_is_transport(c))
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

/* What the server has another thread do. */
static void
work_aside(struct conn *c)
{
	const struct gearmand_transport_ops *ops = c->host->plugin->transport;

	while (c->is_aside && !c->closed) {
		ops->work(c->state);
		c->is_aside = false;
		if (!ops->worked(c->state))
			c->closed = true;
	}
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
	if (!conn_is_transport(c)) {
		used = p->protocol->receive(c->state, (struct gearmand_slice){ copy, len });
	} else if (!p->transport->receive(c->state, (struct gearmand_slice){ copy, len })) {
		c->closed = true;
	}
	free(copy);
	MUST(used <= len, "%zu of %zu bytes are used", used, len);
	pile_cut(&c->in, used);
	work_aside(c);
}

void
conn_run(struct conn *c)
{
	for (bool moved = true; moved;) {
		moved = false;
		if (c->in.len > 0 && !c->closed) {
			receive_once(c);
			MUST(c->closed || c->in.len <= GEARMAND_UNUSED_MOST || c->waiting > 0 || c->tick_ms > 0,
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
	if (conn_is_transport(c) && !c->host->plugin->transport->receive(c->state, (struct gearmand_slice){ "", 0 }))
		c->closed = true;
	MUST(!conn_is_transport(c) || c->closed || c->ended, "the end of file is not passed on by deliver_end");
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
	if (!conn_is_transport(c))
		c->host->plugin->protocol->tick(c->state);
	else if (!c->host->plugin->transport->tick(c->state))
		c->closed = true;
	if (c->on_request)
		conn_run(c);
	return true;
}
