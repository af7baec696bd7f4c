/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The life of a connection, and what the core says to it.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     struct web_conn and its request.
 *
 * Each request has a number, which is a part of the tag of all that is asked of the core for it.  So what the core
 * still says of an earlier one, a job that is not waited for any longer, is told apart.
 */
#include "conn.h"

#include <stdio.h>

#include "answer.h"

enum { ASK_BITS = 2 };

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
	web_kept_drop(c);
	web_head_fini(&c->request->head);
	gm_bytes_free(&c->request->handle);
	gm_bytes_free(&c->request->facts);
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
	if (c->request->follows && c->request->end == 0)
		web_ask(c, WEB_ASK_ASIDE, "unfollow job ", gm_bytes_slice(&c->request->handle));
	request_free(c);
	c->state = WEB_IDLE;
	web_conn_arm(c, c->module->idle_ms);
}

/* ---- To the core ------------------------------------------------------------------------- */

uint64_t
web_tag(const struct web_conn *c, enum web_ask ask)
{
	return c->serial << ASK_BITS | ask;
}

void
web_ask(struct web_conn *c, enum web_ask ask, const char *words, struct gearmand_slice handle)
{
	struct gearmand_packet pkt = { .type = GEARMAND_TEXT, .tag = web_tag(c, ask) };
	char line[32 + WEB_HANDLE_MOST];

	snprintf(line, sizeof(line), "%s%.*s", words, (int)handle.len, handle.len > 0 ? handle.data : "");
	pkt.data = gm_slice(line);
	web_host(c)->request(c->peer, &pkt);
}

void
web_ask_for_exceptions(struct web_conn *c)
{
	struct gearmand_packet option = { .type = GEARMAND_OPTION_REQ, .argc = 1 };

	if (c->exceptions_asked)
		return;
	c->exceptions_asked = true;
	option.arg[0] = gm_slice("exceptions");
	web_host(c)->request(c->peer, &option);
}

/* ---- From the core ----------------------------------------------------------------------- */

static unsigned
status_of_error(struct gearmand_slice code)
{
	if (gm_is(code, "ARGUMENT_TOO_LARGE") || gm_is(code, "INVALID_PACKET"))
		return 400;
	if (gm_is(code, "QUEUE_ERROR") || gm_is(code, "SHUTDOWN_GRACEFUL") || gm_is(code, "MEMORY_ALLOCATION_FAILURE"))
		return 503;
	return gm_is(code, "NOT_ALLOWED") ? 403 : 500;
}

static void
on_error(struct web_conn *c, const struct gearmand_packet *pkt)
{
	if (gm_is(pkt->arg[0], "UNKNOWN_OPTION"))
		return; /* a server without exceptions; failures are WORK_FAIL then */
	if (c->request->begun_to_answer) {
		web_conn_close(c);
		return;
	}
	web_answer_sentence(c, status_of_error(pkt->arg[0]), "ERROR", pkt->arg[0], pkt->arg[1]);
	web_conn_next(c);
}

static void
on_created(struct web_conn *c, const struct gearmand_packet *pkt)
{
	struct web_request *r = c->request;

	if (!r->manner->created || r->handle.len > 0)
		return;
	gm_add_slice(&r->handle, pkt->arg[0]);
	if (!r->handle.failed) {
		r->manner->created(c);
		return;
	}
	c->keep_alive = false;
	web_answer_sentence(c, 503, NULL, (struct gearmand_slice){ "", 0 }, gm_slice(web_no_memory.why));
	web_conn_close(c);
}

static void
on_work(struct web_conn *c, const struct gearmand_packet *pkt)
{
	struct web_request *r = c->request;

	if (!r->manner->heard || r->end != 0 || !gm_same(pkt->arg[0], gm_bytes_slice(&r->handle)))
		return;
	if (pkt->type == GEARMAND_WORK_COMPLETE || pkt->type == GEARMAND_WORK_FAIL ||
	    pkt->type == GEARMAND_WORK_EXCEPTION)
		r->end = pkt->type;
	r->manner->heard(c, pkt);
}

void
web_conn_send(void *conn, const struct gearmand_packet *pkt)
{
	struct web_conn *c = conn;

	if (c->state != WEB_WAIT || pkt->tag >> ASK_BITS != c->serial)
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
	case GEARMAND_TEXT:
		if (c->request->manner->told)
			c->request->manner->told(c, pkt->tag & ((1u << ASK_BITS) - 1), pkt->data);
		return;
	default:
		on_work(c, pkt);
	}
}
