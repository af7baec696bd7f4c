/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Responses.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing; what came as WORK_DATA is kept by the host.
 *
 * Content-Length is promised, and a job whose worker is lost begins anew.  So data that comes before the result waits,
 * up to the size of one packet; it is shared with others who wait for the same job, and passed on without a copy.
 */
#include "answer.h"

#include <stdio.h>

#include "origin.h"
#include "reply.h"
#include "text.h"

static const struct gearmand_slice nothing = { "", 0 };

/* ---- What is kept ----------------------------------------------------------------------- */

/* Takes: each piece is written, or dropped. */
static void
kept_end(struct web_conn *c, void (*how)(struct gearmand_conn *, struct gearmand_kept **))
{
	struct web_request *r = c->request;
	struct gearmand_kept **pieces = (struct gearmand_kept **)(void *)r->kept.data;

	for (size_t i = 0; i < r->kept.len / sizeof(struct gearmand_kept *); i++)
		how(c->peer, &pieces[i]);
	gm_bytes_free(&r->kept);
	r->kept_bytes = 0;
}

void
web_kept_drop(struct web_conn *c)
{
	kept_end(c, web_host(c)->drop_kept);
}

/* The job goes on, so this connection cannot be used for another one. */
static void
give_up_job(struct web_conn *c, unsigned status, const char *why)
{
	c->keep_alive = false;
	web_answer_sentence(c, status, "WORK_DATA", nothing, gm_slice(why));
	web_conn_close(c);
}

bool
web_keep(struct web_conn *c, struct gearmand_slice data)
{
	struct web_request *r = c->request;
	struct gearmand_kept *piece = NULL;

	if (data.len > web_host(c)->max_packet(c->peer) - r->kept_bytes) {
		give_up_job(c, 502, "the job's result is larger than this server passes on");
		return false;
	}
	r->kept_bytes += data.len;
	if (data.len == 0 || !r->wants_body)
		return true;
	if (gm_room(&r->kept, sizeof(struct gearmand_kept *)) != NULL)
		piece = web_host(c)->keep(c->peer, data);
	if (piece)
		gm_add(&r->kept, &piece, sizeof(struct gearmand_kept *));
	else
		give_up_job(c, 503, "too much waits in this server already");
	return piece != NULL;
}

/* ---- In one piece ------------------------------------------------------------------------- */

static struct web_reply
reply_of(const struct web_conn *c, unsigned status, const char *command)
{
	return (struct web_reply){
		.status = status,
		.minor = c->minor,
		.keep_alive = c->keep_alive,
		.handle = gm_bytes_slice(&c->request->handle),
		.command = command,
		.allow = c->request->head.about == WEB_FUNCTION ? "GET, HEAD, POST, PUT" : "GET, HEAD, DELETE",
		.page = c->request->page_may_read ? gm_bytes_slice(&c->request->head.origin) : nothing,
		.more = status == 503         ? gm_slice("Retry-After: 5\r\n")
			: web_is_preflight(c) ? gm_slice(web_preflight)
					      : nothing,
		.framing = status == 204 ? WEB_WITHOUT_BODY : WEB_BY_LENGTH,
	};
}

/* Without memory for a head nothing can be said. */
static bool
say_head(struct web_conn *c, const struct web_reply *reply)
{
	if (web_reply_head(web_host(c), c->peer, reply))
		return true;
	c->keep_alive = false;
	return false;
}

static void
say_body(struct web_conn *c, struct web_reply reply, struct gearmand_slice body)
{
	reply.length = body.len;
	if (say_head(c, &reply) && c->request->wants_body && body.len > 0)
		web_host(c)->write(c->peer, body);
}

/* RFC 9457. */
static void
add_problem(const struct web_conn *c, struct gm_bytes *out, unsigned status, struct gearmand_slice code,
    struct gearmand_slice why)
{
	gm_addf(out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u", web_phrase(status), status);
	if (why.len > 0)
		web_json_member(out, "detail", why);
	if (code.len > 0)
		web_json_member(out, "code", code);
	if (c->request->handle.len > 0)
		web_json_member(out, "handle", gm_bytes_slice(&c->request->handle));
	gm_add_text(out, "}\n");
}

void
web_answer_sentence(
    struct web_conn *c, unsigned status, const char *command, struct gearmand_slice code, struct gearmand_slice why)
{
	struct web_reply reply = reply_of(c, status, command);
	struct gm_bytes body = { 0 };

	/* What the client accepts is known when the head is whole. */
	if (status >= 400 && c->request->head_done && c->request->head.accept.problem) {
		add_problem(c, &body, status, code, why);
		reply.type = "application/problem+json";
	} else if (why.len > 0) {
		gm_add_slice(&body, why);
		gm_add_text(&body, "\n");
		reply.type = "text/plain; charset=utf-8";
	}
	if (body.failed)
		gm_bytes_free(&body);
	say_body(c, reply, gm_bytes_slice(&body));
	gm_bytes_free(&body);
}

void
web_answer_refusal(struct web_conn *c, struct web_refusal why)
{
	if (c->request->answered)
		return;
	c->request->answered = true;
	web_answer_sentence(c, why.status, NULL, nothing, gm_slice(why.why ? why.why : ""));
}

void
web_refuse_and_close(struct web_conn *c, struct web_refusal why)
{
	c->keep_alive = false;
	web_answer_refusal(c, why);
	web_conn_close(c);
}

void
web_answer_result(struct web_conn *c, unsigned status, const char *command, struct gearmand_slice data)
{
	struct web_reply reply = reply_of(c, status, command);
	bool has_before = status == 200;
	char applied[64];

	if (c->request->wait > 0) {
		snprintf(applied, sizeof(applied), "Preference-Applied: wait=%u\r\n", c->request->wait);
		reply.more = gm_slice(applied);
	}
	reply.length = (has_before ? c->request->kept_bytes : 0) + data.len;
	if (!say_head(c, &reply) || !c->request->wants_body)
		return;
	if (has_before)
		kept_end(c, web_host(c)->write_kept);
	if (data.len > 0)
		web_host(c)->write_data(c->peer, data);
}

void
web_answer_body(struct web_conn *c, unsigned status, const char *command, const char *type, struct gearmand_slice more,
    struct gearmand_slice body)
{
	struct web_reply reply = reply_of(c, status, command);

	reply.type = type;
	reply.more = more;
	say_body(c, reply, body);
}

/* ---- In pieces ------------------------------------------------------------------------------ */

void
web_answer_begin(struct web_conn *c, const char *type, const char *more)
{
	struct web_reply reply = reply_of(c, 200, NULL);

	if (c->minor == 0)
		c->keep_alive = reply.keep_alive = false;
	reply.framing = c->minor == 0 ? WEB_BY_CLOSE : WEB_BY_CHUNKS;
	reply.type = type;
	reply.more = gm_slice(more);
	c->request->begun_to_answer = true;
	if (!say_head(c, &reply))
		web_conn_close(c);
}

static void
say_piece(struct web_conn *c, void (*write)(struct gearmand_conn *, struct gearmand_slice), struct gearmand_slice piece)
{
	char head[24];

	if (piece.len == 0)
		return;
	if (c->minor > 0) {
		snprintf(head, sizeof(head), "%zx\r\n", piece.len);
		web_host(c)->write(c->peer, gm_slice(head));
	}
	write(c->peer, piece);
	if (c->minor > 0)
		web_host(c)->write(c->peer, gm_slice("\r\n"));
}

void
web_answer_piece(struct web_conn *c, struct gearmand_slice piece)
{
	say_piece(c, web_host(c)->write, piece);
}

void
web_answer_data(struct web_conn *c, struct gearmand_slice data)
{
	say_piece(c, web_host(c)->write_data, data);
}

void
web_answer_end(struct web_conn *c, const char *trailer)
{
	char last[128];

	if (c->minor > 0) {
		snprintf(last, sizeof(last), "0\r\n%s\r\n", trailer);
		web_host(c)->write(c->peer, gm_slice(last));
	}
	web_conn_next(c);
}

void
web_answer_break(struct web_conn *c, const char *trailer)
{
	if (c->minor > 0) {
		web_host(c)->write(c->peer, gm_slice(trailer));
		web_host(c)->write(c->peer, gm_slice("\r\n"));
	}
	web_conn_close(c);
}
