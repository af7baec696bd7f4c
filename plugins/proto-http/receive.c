/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The way in: bytes of a connection become a job.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     the request until its job is given to the host.
 *
 * A body goes from the parser to the host as it comes; nothing of it is kept here.  Every function here may
 * end the connection, and then there is no request any more.
 */
#include "conn.h"

#include <string.h>

/* ---- What the parser tells ------------------------------------------------------------ */

static void
on_url(void *owner, struct gearmand_slice piece)
{
	struct web_conn *c = owner;

	web_head_url(&c->request->head, piece);
}

/* Headers behind a chunked body mean nothing here. */
static void
on_field(void *owner, struct gearmand_slice piece)
{
	struct web_conn *c = owner;

	if (c->state == WEB_HEAD_STATE)
		web_head_field(&c->request->head, piece);
}

static void
on_value(void *owner, struct gearmand_slice piece)
{
	struct web_conn *c = owner;

	if (c->state == WEB_HEAD_STATE)
		web_head_value(&c->request->head, piece);
}

void
web_trouble(struct web_conn *c, const struct web_refusal *why)
{
	if (!c->request->trouble)
		c->request->trouble = why;
}

/* http_parser takes any byte for the LF behind a CR, and any two for the end of a chunk.  A program in front
 * of this one would see other requests in such bytes. */
static void
check_lines(struct web_conn *c, const char *from, const char *until)
{
	struct web_request *r = c->request;

	for (; from < until; from++) {
		if ((r->after_cr && *from != '\n') || (r->after_chunk && *from != '\r'))
			web_trouble(c, &web_not_http);
		r->after_cr = *from == '\r';
		r->after_chunk = false;
	}
}

static void
read_quiet(struct web_conn *c, const char *until)
{
	struct web_request *r = c->request;

	size_t room = c->module->max_header - r->quiet, len = (size_t)(until - r->unused);

	if (r->trouble)
		return;
	check_lines(c, r->unused, r->unused + (len < room ? len : room));
	if (len > room)
		web_trouble(c, &web_noisy_body);
	else
		r->quiet += len;
}

static void
on_body(void *owner, struct gearmand_slice piece)
{
	struct web_conn *c = owner;
	struct web_request *r = c->request;

	read_quiet(c, piece.data);
	r->quiet = 0;
	r->after_chunk = r->head.chunked;
	r->unused = piece.data + piece.len;
	if (r->begun && !r->trouble)
		web_job_add(c, piece);
}

static const struct web_listener listener = { on_url, on_field, on_value, on_body };

/* ---- Reading ---------------------------------------------------------------------------- */

/* The byte that fits no method tells an unknown one from what is not HTTP at all. */
static bool
is_token_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static void
on_bad(struct web_conn *c, struct gearmand_slice rest)
{
	struct web_refusal why = web_not_http;

	switch (web_parser_fault(&c->parser)) {
	case WEB_FAULT_METHOD:
		if (rest.len > 0 && is_token_byte(rest.data[0]))
			why = web_bad_method;
		break;
	case WEB_FAULT_VERSION:
		why = web_bad_version;
		break;
	case WEB_FAULT_TOO_LARGE:
		why = web_long_head;
		break;
	case WEB_FAULT_SYNTAX:
		break;
	}
	web_refuse_and_close(c, why);
}

static void
end_body(struct web_conn *c)
{
	if (c->request->answered) {
		web_conn_next(c);
		return;
	}
	c->request->begun = false;
	c->state = WEB_WAIT;
	web_conn_arm(c, 0);
	web_host(c)->body_end(c->peer);
}

static size_t
read_body(struct web_conn *c, struct gearmand_slice in)
{
	size_t used;
	enum web_verdict verdict;

	c->progress = true;
	c->request->unused = in.data;
	verdict = web_parser_feed(&c->parser, in, &used);
	read_quiet(c, in.data + used);
	if (c->request->trouble)
		web_refuse_and_close(c, *c->request->trouble);
	else if (verdict == WEB_BAD)
		on_bad(c, (struct gearmand_slice){ in.data + used, in.len - used });
	else if (verdict == WEB_DONE)
		end_body(c);
	return used;
}

static size_t
read_head(struct web_conn *c, struct gearmand_slice in)
{
	size_t room = c->module->max_header - c->request->head_bytes, used;
	enum web_verdict verdict =
	    web_parser_feed(&c->parser, (struct gearmand_slice){ in.data, in.len < room ? in.len : room }, &used);
	struct gearmand_slice rest = { in.data + used, in.len - used };

	check_lines(c, in.data, in.data + used);
	c->request->head_bytes += used;
	if (c->request->trouble) {
		web_refuse_and_close(c, *c->request->trouble);
	} else if (verdict == WEB_HEADERS) {
		web_admit(c);
		if (c->state == WEB_BODY)
			used += read_body(c, rest);
	} else if (verdict != WEB_MORE) {
		on_bad(c, rest);
	} else if (c->request->head_bytes >= c->module->max_header) {
		web_refuse_and_close(c, web_long_head);
	}
	return used;
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
	web_parser_init(&c->parser, &listener, c);
	c->minor = 1;
	c->keep_alive = false;
	c->state = WEB_HEAD_STATE;
	web_conn_arm(c, c->module->idle_ms);
	return 0;
}

size_t
web_conn_receive(void *conn, struct gearmand_slice in)
{
	struct web_conn *c = conn;
	size_t used = 0;

	while (used < in.len && c->state != WEB_WAIT && c->state != WEB_CLOSED) {
		struct gearmand_slice rest = { in.data + used, in.len - used };

		if (c->state == WEB_IDLE)
			used += begin_request(c, rest);
		else if (c->state == WEB_HEAD_STATE)
			used += read_head(c, rest);
		else
			used += read_body(c, rest);
	}
	return c->state == WEB_CLOSED ? in.len : used;
}

/* ---- Time ------------------------------------------------------------------------------- */

void
web_conn_tick(void *conn)
{
	struct web_conn *c = conn;

	if (c->state == WEB_WAIT || c->state == WEB_CLOSED)
		return;
	if (c->progress) {
		web_conn_arm(c, c->module->idle_ms);
		return;
	}
	if (c->request)
		web_refuse_and_close(c, (struct web_refusal){ 408, "the request did not come in time" });
	else
		web_conn_close(c);
}
