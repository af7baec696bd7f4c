/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A connection: reads requests, asks the core, keeps time.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     the connection's state.
 *
 * The host keeps what is not used yet, so a request is taken when its head is whole.  Bodies mean nothing here and are
 * thrown away as they come.
 */
#include "monitor.h"

const struct gearmand_host *
mon_host(const struct mon_conn *c)
{
	return c->module->host;
}

static void
conn_arm(struct mon_conn *c, uint32_t ms)
{
	mon_host(c)->tick_in(c->peer, ms);
}

void
mon_rest(struct mon_conn *c, uint32_t ms)
{
	c->state = MON_REST;
	conn_arm(c, ms);
}

void *
mon_conn_new(void *module, void *thread, struct gearmand_conn *peer)
{
	struct mon_module *m = module;
	struct mon_conn *c = m->host->allocate(sizeof(*c));

	(void)thread;
	c->magic = MON_CONN_MAGIC;
	c->state = MON_READ;
	c->module = m;
	c->peer = peer;
	c->is_own = m->host->listener_tag(peer) == m;
	if (c->is_own) {
		c->route = &mon_own_route;
		mon_rest(c, 1);
	} else {
		conn_arm(c, MON_IDLE_MS);
	}
	return c;
}

static void
request_end(struct mon_conn *c)
{
	mon_request_fini(&c->request);
	gm_bytes_free(&c->name);
	gm_bytes_free(&c->first);
	mon_stream_drop(c);
}

void
mon_conn_free(void **conn)
{
	struct mon_conn *c = *conn;

	*conn = NULL;
	if (c == NULL)
		return;
	request_end(c);
	c->magic = 0;
	mon_host(c)->release(c);
}

void
mon_conn_close(struct mon_conn *c)
{
	c->state = MON_CLOSED;
	mon_host(c)->close(c->peer);
}

void
mon_conn_next(struct mon_conn *c)
{
	bool keep_alive = c->request.keep_alive;

	request_end(c);
	c->partial = false;
	c->state = MON_READ;
	if (keep_alive)
		conn_arm(c, MON_IDLE_MS);
	else
		mon_conn_close(c);
}

static void
refuse_and_close(struct mon_conn *c, unsigned status, const char *why)
{
	c->request.keep_alive = false;
	mon_refuse(c, status, why);
}

/* ---- Reading ---------------------------------------------------------------------------------------- */

static void
serve_head(struct mon_conn *c, struct gearmand_slice head)
{
	struct mon_request *r = &c->request;

	mon_request_read(r, head, c->module->names);
	c->body_left = r->body;
	if (r->framing_lost)
		r->keep_alive = false;
	if (r->fault != 0)
		mon_refuse(c, r->fault, r->why);
	else
		mon_route(c);
}

/* Returns how many bytes it used; 0 = more are needed. */
static size_t
read_head(struct mon_conn *c, struct gearmand_slice in)
{
	size_t len = mon_head_len((struct gearmand_slice){ in.data, in.len < MON_HEAD_MOST ? in.len : MON_HEAD_MOST });

	if (in.data[0] == '\r' || in.data[0] == '\n')
		return 1;
	if (in.data[0] < 'A' || in.data[0] > 'Z') {
		refuse_and_close(c, 400, "this is not HTTP: a request line is GET /metrics HTTP/1.1");
		return in.len;
	}
	if (len > 0) {
		serve_head(c, (struct gearmand_slice){ in.data, len });
		return len;
	}
	if (in.len >= MON_HEAD_MOST) {
		refuse_and_close(c, 431, "the request line and headers are longer than 8 KB");
		return in.len;
	}
	if (!c->partial)
		conn_arm(c, MON_HEAD_MS);
	c->partial = true;
	return 0;
}

static size_t
pass_over_body(struct mon_conn *c, size_t len)
{
	size_t n = len < c->body_left ? len : (size_t)c->body_left;

	c->body_left -= n;
	return n;
}

size_t
mon_conn_receive(void *conn, struct gearmand_slice in)
{
	struct mon_conn *c = GM_STORE(struct mon_conn, conn, MON_CONN_MAGIC);
	size_t used = 0, n = 1;

	while (used < in.len && n > 0 && c->state == MON_READ) {
		struct gearmand_slice rest = { in.data + used, in.len - used };

		n = c->body_left > 0 ? pass_over_body(c, rest.len) : read_head(c, rest);
		used += n;
	}
	return c->state == MON_CLOSED || c->is_stream ? in.len : used;
}

/* ---- The core --------------------------------------------------------------------------------------- */

void
mon_ask(struct mon_conn *c, struct gearmand_slice command, uint32_t ms,
    void (*on_answer)(struct mon_conn *, struct gearmand_slice))
{
	struct gearmand_packet packet = { .type = GEARMAND_TEXT, .data = command };

	c->state = MON_WAIT;
	c->on_answer = on_answer;
	c->asked_at = mon_host(c)->monotonic();
	conn_arm(c, ms);
	mon_host(c)->request(c->peer, &packet);
}

/* An ERROR instead of the text: the server had no room for the question. */
void
mon_conn_send(void *conn, const struct gearmand_packet *packet)
{
	struct mon_conn *c = GM_STORE(struct mon_conn, conn, MON_CONN_MAGIC);

	if (c->state != MON_WAIT)
		return;
	if (packet->type == GEARMAND_TEXT && !c->is_stream && gm_begins(packet->data, "ERR NOT_ALLOWED"))
		mon_refuse(c, 403, "the access rules do not let this connection see that");
	else if (packet->type == GEARMAND_TEXT)
		c->on_answer(c, packet->data);
	else if (c->is_own)
		mon_rest(c, MON_SECOND_MS);
	else if (c->is_stream)
		mon_conn_close(c);
	else
		refuse_and_close(c, 503, "the server has no room for the question now");
}

/* ---- Time ------------------------------------------------------------------------------------------- */

static void
core_is_silent(struct mon_conn *c)
{
	char why[96];

	snprintf(why, sizeof(why), "the processing thread has not answered for %.1f seconds",
	    (double)(mon_host(c)->monotonic() - c->asked_at) / 1e9);
	refuse_and_close(c, 503, why);
}

void
mon_conn_tick(void *conn)
{
	struct mon_conn *c = GM_STORE(struct mon_conn, conn, MON_CONN_MAGIC);

	if (c->state == MON_REST)
		mon_ask_route(c);
	else if (c->is_own)
		conn_arm(c, MON_CORE_MS);
	else if (c->state == MON_WAIT && !c->is_stream)
		core_is_silent(c);
	else if (c->state == MON_READ && c->partial)
		refuse_and_close(c, 408, "the request did not come in time");
	else if (c->state != MON_CLOSED)
		mon_conn_close(c);
}
