/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The way out: packets of a job become the response.  And a connection's beginning and end.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing; what came as WORK_DATA is kept by the host.
 *
 * Content-Length is promised, and a job whose worker is lost begins anew.  So data that comes before the result waits,
 * up to the size of one packet; it is shared with others who wait for the same job, and passed on without a copy.
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

static size_t
kept_count(const struct web_request *r)
{
	return r->kept.len / sizeof(struct gearmand_kept *);
}

/* Takes: each piece is written, or dropped. */
static void
kept_end(struct web_conn *c, void (*how)(struct gearmand_conn *, struct gearmand_kept **))
{
	struct web_request *r = c->request;
	struct gearmand_kept **pieces = (struct gearmand_kept **)(void *)r->kept.data;

	for (size_t i = 0; i < kept_count(r); i++)
		how(c->peer, &pieces[i]);
	gm_bytes_free(&r->kept);
	r->kept_bytes = 0;
}

static void
request_free(struct web_conn *c)
{
	if (!c->request)
		return;
	if (c->request->begun)
		web_host(c)->body_drop(c->peer);
	kept_end(c, web_host(c)->drop_kept);
	web_head_fini(&c->request->head);
	gm_bytes_free(&c->request->handle);
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
		.handle = gm_bytes_slice(&c->request->handle),
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
		web_host(c)->write(c->peer, gm_slice("\n"));
	}
}

void
web_answer_refusal(struct web_conn *c, struct web_refusal why)
{
	if (c->request->answered)
		return;
	c->request->answered = true;
	answer_sentence(c, why.status, NULL, gm_slice(why.why ? why.why : ""));
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
	struct web_reply reply = reply_of(c, status, command);
	bool has_before = status == 200;

	reply.length = (has_before ? c->request->kept_bytes : 0) + data.len;
	web_reply_head(web_host(c), c->peer, &reply);
	if (!c->request->wants_body)
		return;
	if (has_before)
		kept_end(c, web_host(c)->write_kept);
	if (data.len > 0)
		web_host(c)->write_data(c->peer, data);
}

/* ---- Packets ---------------------------------------------------------------------------- */

static unsigned
status_of_error(struct gearmand_slice code)
{
	if (gm_is(code, "ARGUMENT_TOO_LARGE") || gm_is(code, "INVALID_PACKET"))
		return 400;
	if (gm_is(code, "QUEUE_ERROR") || gm_is(code, "SHUTDOWN_GRACEFUL") || gm_is(code, "MEMORY_ALLOCATION_FAILURE"))
		return 503;
	return 500;
}

static void
on_error(struct web_conn *c, const struct gearmand_packet *pkt)
{
	if (gm_is(pkt->arg[0], "UNKNOWN_OPTION"))
		return; /* a server without exceptions; failures are WORK_FAIL then */
	answer_sentence(c, status_of_error(pkt->arg[0]), "ERROR", pkt->arg[1]);
	web_conn_next(c);
}

/* The job goes on, so this connection cannot be used for another one. */
static void
give_up_job(struct web_conn *c, unsigned status, const char *command, const char *why)
{
	c->keep_alive = false;
	answer_sentence(c, status, command, gm_slice(why));
	web_conn_close(c);
}

static void
on_created(struct web_conn *c, const struct gearmand_packet *pkt)
{
	gm_add_slice(&c->request->handle, pkt->arg[0]);
	if (c->request->handle.failed) {
		give_up_job(c, 503, NULL, web_no_memory.why);
	} else if (c->request->head.background) {
		answer_result(c, 200, "JOB_CREATED", (struct gearmand_slice){ "", 0 });
		web_conn_next(c);
	}
}

static void
on_data(struct web_conn *c, const struct gearmand_packet *pkt)
{
	struct web_request *r = c->request;
	struct gearmand_kept *piece = NULL;

	if (pkt->data.len > web_host(c)->max_packet(c->peer) - r->kept_bytes) {
		give_up_job(c, 502, "WORK_DATA", "the job's result is larger than this server passes on");
		return;
	}
	r->kept_bytes += pkt->data.len;
	if (pkt->data.len == 0 || !r->wants_body)
		return;
	if (gm_room(&r->kept, sizeof(struct gearmand_kept *)) != NULL)
		piece = web_host(c)->keep(c->peer, pkt->data);
	if (piece)
		gm_add(&r->kept, &piece, sizeof(struct gearmand_kept *));
	else
		give_up_job(c, 503, "WORK_DATA", "too much waits in this server already");
}

static void
on_work(struct web_conn *c, const struct gearmand_packet *pkt)
{
	if (!gm_same(pkt->arg[0], gm_bytes_slice(&c->request->handle)))
		return;
	switch (pkt->type) {
	case GEARMAND_WORK_DATA:
		on_data(c, pkt);
		return;
	case GEARMAND_ATTEMPT_VOID:
		kept_end(c, web_host(c)->drop_kept);
		return;
	case GEARMAND_WORK_COMPLETE:
		answer_result(c, 200, "WORK_COMPLETE", pkt->data);
		break;
	case GEARMAND_WORK_EXCEPTION:
		answer_result(c, 500, "WORK_EXCEPTION", pkt->data);
		break;
	case GEARMAND_WORK_FAIL:
		answer_sentence(c, 500, "WORK_FAIL", gm_slice("the job failed"));
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
