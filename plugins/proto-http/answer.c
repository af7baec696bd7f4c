/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The way out: packets of a job become the response.  And a connection's beginning and end.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     what came as WORK_DATA, until the result is complete: its length goes before it.
 *
 * Content-Length is promised, so data that comes before the result is kept here, up to the size of one
 * packet.  The result itself is passed on without a copy.
 */
#include "conn.h"

#include "reply.h"

const struct gearmand_host *
web_host(const struct web_conn *c)
{
	return c->module->host;
}

void *
web_conn_new(void *module, void *thread, struct gearmand_conn *peer)
{
	const struct web_module *m = module;
	struct web_conn *c = m->host->allocate(sizeof(*c));

	(void)thread;
	*c = (struct web_conn){ .magic = WEB_CONN_MAGIC, .state = WEB_IDLE, .module = m, .peer = peer };
	web_conn_arm(c, m->idle_ms);
	return c;
}

void
web_conn_arm(struct web_conn *c, uint32_t ms)
{
	c->progress = false;
	web_host(c)->tick_in(c->peer, ms);
}

static void
request_free(struct web_conn *c)
{
	if (!c->request)
		return;
	if (c->request->begun)
		web_host(c)->body_drop(c->peer);
	web_head_fini(&c->request->head);
	web_text_fini(&c->request->handle);
	web_text_fini(&c->request->result);
	web_host(c)->release(c->request);
	c->request = NULL;
}

void
web_conn_free(void **conn)
{
	struct web_conn *c = *conn;

	*conn = NULL;
	if (!c)
		return;
	request_free(c);
	c->magic = 0;
	web_host(c)->release(c);
}

void
web_conn_close(struct web_conn *c)
{
	request_free(c);
	c->state = WEB_CLOSED;
	web_host(c)->close(c->peer);
}

void
web_conn_next(struct web_conn *c)
{
	if (!c->keep_alive) {
		web_conn_close(c);
		return;
	}
	request_free(c);
	c->state = WEB_IDLE;
	web_conn_arm(c, c->module->idle_ms);
}

/* ---- Responses -------------------------------------------------------------------------- */

static struct web_reply
reply_of(const struct web_conn *c, unsigned status, const char *command)
{
	return (struct web_reply){
		.status = status,
		.minor = c->minor,
		.keep_alive = c->keep_alive,
		.handle = web_text_slice(&c->request->handle),
		.command = command,
	};
}

/* A sentence of the server is the body. */
static void
answer_sentence(struct web_conn *c, unsigned status, const char *command, struct gearmand_slice why)
{
	struct web_reply reply = reply_of(c, status, command);

	reply.text = why.len > 0;
	reply.length = why.len > 0 ? why.len + 1 : 0;
	web_reply_head(web_host(c), c->peer, &reply);
	if (why.len > 0 && c->request->wants_body) {
		web_host(c)->write(c->peer, why);
		web_host(c)->write(c->peer, web_slice("\n"));
	}
}

void
web_answer_refusal(struct web_conn *c, struct web_refusal why)
{
	if (c->request->answered)
		return;
	c->request->answered = true;
	answer_sentence(c, why.status, NULL, web_slice(why.why ? why.why : ""));
}

void
web_refuse_and_close(struct web_conn *c, struct web_refusal why)
{
	c->keep_alive = false;
	web_answer_refusal(c, why);
	web_conn_close(c);
}

static void
answer_result(struct web_conn *c, unsigned status, const char *command, struct gearmand_slice data)
{
	struct gearmand_slice before = { "", 0 };
	struct web_reply reply = reply_of(c, status, command);

	if (status == 200)
		before = web_text_slice(&c->request->result);
	reply.length = before.len + data.len;
	web_reply_head(web_host(c), c->peer, &reply);
	if (!c->request->wants_body)
		return;
	if (before.len > 0)
		web_host(c)->write(c->peer, before);
	if (data.len > 0)
		web_host(c)->write_data(c->peer, data);
}

/* ---- Packets ---------------------------------------------------------------------------- */

static bool
is_same(struct gearmand_slice s, const char *word)
{
	struct gearmand_slice w = web_slice(word);

	for (size_t i = 0; i < w.len; i++)
		if (i >= s.len || s.data[i] != w.data[i])
			return false;
	return s.len == w.len;
}

static unsigned
status_of_error(struct gearmand_slice code)
{
	if (is_same(code, "ARGUMENT_TOO_LARGE") || is_same(code, "INVALID_PACKET"))
		return 400;
	if (is_same(code, "QUEUE_ERROR") || is_same(code, "SHUTDOWN_GRACEFUL") ||
	    is_same(code, "MEMORY_ALLOCATION_FAILURE"))
		return 503;
	return 500;
}

static void
on_error(struct web_conn *c, const struct gearmand_packet *pkt)
{
	if (is_same(pkt->arg[0], "UNKNOWN_OPTION"))
		return; /* a server without exceptions; failures are WORK_FAIL then */
	answer_sentence(c, status_of_error(pkt->arg[0]), "ERROR", pkt->arg[1]);
	web_conn_next(c);
}

static void
on_created(struct web_conn *c, const struct gearmand_packet *pkt)
{
	web_text_clear(&c->request->handle);
	if (!web_text_add(&c->request->handle, pkt->arg[0], 4096)) {
		c->keep_alive = false;
		answer_sentence(c, 503, NULL, web_slice(web_no_memory.why));
		web_conn_close(c);
	} else if (c->request->head.background) {
		answer_result(c, 200, "JOB_CREATED", (struct gearmand_slice){ "", 0 });
		web_conn_next(c);
	}
}

/* The job goes on, so this connection cannot be used for another one. */
static void
on_data(struct web_conn *c, const struct gearmand_packet *pkt)
{
	size_t most = web_host(c)->max_packet(c->peer);
	struct web_text *result = &c->request->result;

	if (web_text_add(result, pkt->data, most))
		return;
	c->keep_alive = false;
	if (pkt->data.len > most - result->len)
		answer_sentence(
		    c, 502, "WORK_DATA", web_slice("the job's result is larger than this server passes on"));
	else
		answer_sentence(c, 503, "WORK_DATA", web_slice(web_no_memory.why));
	web_conn_close(c);
}

static bool
is_of_this_job(const struct web_conn *c, const struct gearmand_packet *pkt)
{
	struct gearmand_slice handle = web_text_slice(&c->request->handle);

	if (handle.len != pkt->arg[0].len)
		return false;
	for (size_t i = 0; i < handle.len; i++)
		if (handle.data[i] != pkt->arg[0].data[i])
			return false;
	return true;
}

static void
on_work(struct web_conn *c, const struct gearmand_packet *pkt)
{
	if (!is_of_this_job(c, pkt))
		return;
	switch (pkt->type) {
	case GEARMAND_WORK_DATA:
		on_data(c, pkt);
		return;
	case GEARMAND_WORK_COMPLETE:
		answer_result(c, 200, "WORK_COMPLETE", pkt->data);
		break;
	case GEARMAND_WORK_EXCEPTION:
		answer_result(c, 500, "WORK_EXCEPTION", pkt->data);
		break;
	case GEARMAND_WORK_FAIL:
		answer_sentence(c, 500, "WORK_FAIL", web_slice("the job failed"));
		break;
	default:
		return; /* progress and warnings have no place in a response */
	}
	web_conn_next(c);
}

void
web_conn_send(void *conn, const struct gearmand_packet *pkt)
{
	struct web_conn *c = conn;

	if (c->state != WEB_WAIT)
		return;
	switch (pkt->type) {
	case GEARMAND_OPTION_RES:
		return;
	case GEARMAND_ERROR:
		on_error(c, pkt);
		return;
	case GEARMAND_JOB_CREATED:
		on_created(c, pkt);
		return;
	default:
		on_work(c, pkt);
	}
}
