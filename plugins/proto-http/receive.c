/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The way in: bytes of a connection become a job.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     the request until its job is given to the host.
 *
 * A body goes from the parser to the host as it comes; nothing of it is kept here.  What is refused
 * while its body is still to come is answered at once, and the body thrown away, within bounds:
 * closing a socket with unread bytes in it would destroy the answer on its way.
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

static void
count_quiet(struct web_conn *c, const char *until)
{
	struct web_request *r = c->request;

	r->quiet += (size_t)(until - r->unused);
	if (r->quiet > c->module->max_header)
		r->noisy = true;
}

static void
on_body(void *owner, struct gearmand_slice piece)
{
	struct web_conn *c = owner;
	struct web_request *r = c->request;

	count_quiet(c, piece.data);
	r->quiet = 0;
	r->unused = piece.data + piece.len;
	r->body_bytes += piece.len;
	if (r->begun)
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
	struct web_refusal why = { 400, "this is not HTTP" };

	switch (web_parser_fault(&c->parser)) {
	case WEB_FAULT_METHOD:
		if (rest.len > 0 && is_token_byte(rest.data[0]))
			why = web_bad_method;
		break;
	case WEB_FAULT_VERSION:
		why = web_bad_version;
		break;
	case WEB_FAULT_TOO_LARGE:
		why = (struct web_refusal){ 431, "the request line and headers are too long" };
		break;
	case WEB_FAULT_SYNTAX:
		break;
	}
	c->keep_alive = false;
	web_answer_refusal(c, why);
	web_conn_close(c);
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

/* Refusals that show only while the body comes. */
static void
check_body(struct web_conn *c)
{
	struct web_request *r = c->request;
	size_t most = web_host(c)->max_packet(c->peer);

	if (r->noisy) {
		c->keep_alive = false;
		web_answer_refusal(c, (struct web_refusal){ 431, "the chunks' extensions or trailers are too long" });
		web_conn_close(c);
	} else if (r->overflow && !r->answered) {
		c->keep_alive = false;
		web_answer_refusal(c, r->too_large ? web_job_too_large : web_no_memory);
		web_conn_arm(c, WEB_SWALLOW_MS);
	} else if (r->answered && r->body_bytes > most) {
		web_conn_close(c);
	}
}

static size_t
read_body(struct web_conn *c, struct gearmand_slice in)
{
	size_t used;
	enum web_verdict verdict;

	c->progress = true;
	c->request->unused = in.data;
	verdict = web_parser_feed(&c->parser, in, &used);
	count_quiet(c, in.data + used);
	check_body(c);
	if (c->state == WEB_BODY && verdict == WEB_BAD)
		on_bad(c, (struct gearmand_slice){ in.data + used, in.len - used });
	else if (c->state == WEB_BODY && verdict == WEB_DONE)
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

	c->request->head_bytes += used;
	if (verdict == WEB_HEADERS) {
		web_admit(c);
		if (c->state == WEB_BODY)
			used += read_body(c, rest);
	} else if (verdict != WEB_MORE) {
		on_bad(c, rest);
	} else if (c->request->head_bytes >= c->module->max_header) {
		c->keep_alive = false;
		web_answer_refusal(c, (struct web_refusal){ 431, "the request line and headers are too long" });
		web_conn_close(c);
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
		web_conn_arm(c, c->request && c->request->answered ? WEB_SWALLOW_MS : c->module->idle_ms);
		return;
	}
	if (c->request && !c->request->answered) {
		c->keep_alive = false;
		web_answer_refusal(c, (struct web_refusal){ 408, "the request did not come in time" });
	}
	web_conn_close(c);
}
