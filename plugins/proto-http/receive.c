/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The way in: bytes of a connection become a job.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     the request until its job is given to the host.
 *
 * The request line is kept until it is whole; headers go to the parser as they come, and the body from the parser to
 * the host.  Where lines end is looked at here, too: http_parser, as it is packaged, takes any byte for the LF behind a
 * CR, any two for the end of a chunk, and an LF for a part of a chunk's extension, and has no setting against it.  A
 * program in front of this one would see other requests in such bytes.
 *
 * Every function here may end the connection, and then there is no request any more.
 */
#include "conn.h"

#include <string.h>

#include "answer.h"

void
web_trouble(struct web_conn *c, const struct web_refusal *why)
{
	if (!c->request->trouble)
		c->request->trouble = why;
}

/* ---- What the parser tells ------------------------------------------------------------ */

/* Headers behind a chunked body mean nothing here. */
static int
on_field(web_parser *p, const char *at, size_t len)
{
	struct web_request *r = ((struct web_conn *)p->data)->request;

	if (!r->head_done)
		web_head_field(&r->head, (struct gearmand_slice){ at, len });
	return 0;
}

static int
on_value(web_parser *p, const char *at, size_t len)
{
	struct web_request *r = ((struct web_conn *)p->data)->request;

	if (!r->head_done)
		web_head_value(&r->head, (struct gearmand_slice){ at, len });
	return 0;
}

static int
on_headers_complete(web_parser *p)
{
	struct web_conn *c = p->data;

	c->request->head_done = true;
	c->request->method = p->method;
	c->request->length = p->content_length;
	c->keep_alive = web_parser_keep_alive(p);
	return 0;
}

static int
on_chunk_header(web_parser *p)
{
	struct web_conn *c = p->data;
	size_t most = web_host(c)->max_packet(c->peer);

	/* The bytes that were passed over to get here are looked at before that is told. */
	c->request->chunk_too_large = c->request->offered > most || p->content_length > most - c->request->offered;
	return c->request->chunk_too_large ? WEB_STOP : 0;
}

/* Bytes of a chunked body that are no data: chunk heads, trailers. */
static void
read_quiet(struct web_conn *c, const char *until)
{
	struct web_request *r = c->request;
	size_t room = c->module->max_header - r->quiet, len = (size_t)(until - r->unused);

	for (const char *at = r->unused; at < until && at < r->unused + room; at++) {
		if (r->after_cr != (*at == '\n') || (r->after_chunk && *at != '\r'))
			web_trouble(c, &web_not_http);
		r->after_cr = *at == '\r';
		r->after_chunk = false;
	}
	if (len > room)
		web_trouble(c, &web_noisy_body);
	else
		r->quiet += len;
}

static int
on_body(web_parser *p, const char *at, size_t len)
{
	struct web_conn *c = p->data;
	struct web_request *r = c->request;

	if (c->state != WEB_BODY) { /* the head ended where we saw no end */
		web_trouble(c, &web_not_http);
		return WEB_STOP;
	}
	read_quiet(c, at);
	r->quiet = 0;
	r->after_chunk = r->head.chunked;
	r->unused = at + len;
	if (r->begun && !r->trouble)
		web_job_add(c, (struct gearmand_slice){ at, len });
	return r->trouble ? WEB_STOP : 0;
}

static int
on_message_complete(web_parser *p)
{
	((struct web_conn *)p->data)->request->whole = true;
	return WEB_STOP;
}

static const web_parser_settings settings = {
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_headers_complete,
	.on_chunk_header = on_chunk_header,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

/* ---- Reading ---------------------------------------------------------------------------- */

static void
on_fault(struct web_conn *c, int fault)
{
	if (fault == HPE_INVALID_METHOD)
		web_refuse_and_close(c, web_bad_method);
	else
		web_refuse_and_close(c, fault == HPE_INVALID_HEADER_TOKEN ? web_bad_header : web_not_http);
}

static void
end_body(struct web_conn *c)
{
	if (c->request->answered) {
		web_conn_next(c);
		return;
	}
	web_begin(c);
}

static size_t
read_body(struct web_conn *c, struct gearmand_slice in)
{
	struct web_request *r = c->request;
	size_t used;
	int fault;

	c->progress = true;
	r->unused = in.data;
	fault = web_parser_feed(&c->parser, &settings, in, &used);
	if (!r->trouble)
		read_quiet(c, in.data + used);
	if (r->chunk_too_large)
		web_trouble(c, &web_job_too_large);
	if (r->trouble)
		web_refuse_and_close(c, *r->trouble);
	else if (r->whole)
		end_body(c);
	else if (fault != HPE_OK)
		on_fault(c, fault);
	return used;
}

/* Up to the empty line that ends the head, which the parser must see in the same place. */
static size_t
read_headers(struct web_conn *c, struct gearmand_slice in)
{
	struct web_request *r = c->request;
	size_t room = c->module->max_header - r->head_bytes, n = 0, used = 0;
	bool end = false, bare_cr;
	int fault;

	while (n < in.len && n < room && !end) {
		char byte = in.data[n];

		if (r->after_cr && byte != '\n')
			break;
		end = byte == '\n' && r->line_is_empty;
		r->after_cr = byte == '\r';
		if (byte != '\r')
			r->line_is_empty = byte == '\n';
		n++;
	}
	bare_cr = n < in.len && n < room && !end;
	r->head_bytes += n;
	fault = n > 0 ? web_parser_feed(&c->parser, &settings, (struct gearmand_slice){ in.data, n }, &used) : HPE_OK;
	if (r->trouble) {
		web_refuse_and_close(c, *r->trouble);
	} else if (end && r->head_done && (used == n || !r->whole)) {
		web_admit(c);
		if (c->state != WEB_BODY)
			return n;
		if (r->trouble)
			web_refuse_and_close(c, *r->trouble);
		else if (r->whole)
			end_body(c);
		else if (fault != HPE_OK)
			on_fault(c, fault);
	} else if (fault != HPE_OK && !r->whole) {
		on_fault(c, fault);
	} else if (end || bare_cr || r->head_done) {
		web_refuse_and_close(c, web_not_http);
	} else if (r->head_bytes >= c->module->max_header) {
		web_refuse_and_close(c, web_long_head);
	}
	return n;
}

static size_t
read_line(struct web_conn *c, struct gearmand_slice in)
{
	struct web_request *r = c->request;
	size_t room = c->module->max_header - r->head_bytes, n = in.len < room ? in.len : room, used;
	const char *lf = memchr(in.data, '\n', n);
	struct web_refusal why;
	int fault;

	n = lf ? (size_t)(lf - in.data) + 1 : n;
	r->head_bytes += n;
	why = web_head_line(&r->head, (struct gearmand_slice){ in.data, n }, &c->minor);
	if (why.status) {
		web_refuse_and_close(c, why);
	} else if (lf) {
		c->state = WEB_HEADERS;
		r->line_is_empty = true;
		fault = web_parser_feed(&c->parser, &settings, gm_bytes_slice(&r->head.line), &used);
		if (fault != HPE_OK)
			on_fault(c, fault);
	} else if (r->head_bytes >= c->module->max_header) {
		web_refuse_and_close(c, web_long_head);
	}
	return n;
}

/* Empty lines before a request are skipped. */
static size_t
begin_request(struct web_conn *c, struct gearmand_slice in)
{
	if (in.data[0] == '\r' || in.data[0] == '\n')
		return 1;
	c->request = web_host(c)->allocate(sizeof(*c->request));
	web_head_init(&c->request->head);
	c->request->wants_body = true;
	web_parser_init(&c->parser, &settings, c);
	c->serial++;
	c->minor = 1;
	c->keep_alive = false;
	c->state = WEB_LINE;
	web_conn_arm(c, c->module->idle_ms);
	return 0;
}

size_t
web_conn_receive(void *conn, struct gearmand_slice in)
{
	static size_t (*const read[])(struct web_conn *, struct gearmand_slice) = {
		[WEB_IDLE] = begin_request,
		[WEB_LINE] = read_line,
		[WEB_HEADERS] = read_headers,
		[WEB_BODY] = read_body,
	};
	struct web_conn *c = conn;
	size_t used = 0;

	while (used < in.len && c->state < WEB_WAIT)
		used += read[c->state](c, (struct gearmand_slice){ in.data + used, in.len - used });
	return c->state == WEB_CLOSED ? in.len : used;
}

/* ---- Time ------------------------------------------------------------------------------- */

void
web_conn_tick(void *conn)
{
	struct web_conn *c = conn;

	if (c->state >= WEB_WAIT) {
		if (c->state == WEB_WAIT && c->request->manner->tick)
			c->request->manner->tick(c);
		return;
	}
	if (c->progress)
		web_conn_arm(c, c->module->idle_ms);
	else if (c->request)
		web_refuse_and_close(c, (struct web_refusal){ 408, "the request did not come in time" });
	else
		web_conn_close(c);
}
