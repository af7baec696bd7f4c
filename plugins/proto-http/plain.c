/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A job and its result in one piece; and a job in the background, whose result need not be waited for.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 */
#include "answer.h"
#include "conn.h"

static const struct gearmand_slice nothing = { "", 0 };

/* The job's own address, as a path relative to that of the request: behind a proxy it may have something in front. */
static void
add_location(struct gm_bytes *out, const struct web_head *h, struct gearmand_slice handle)
{
	const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:@";

	gm_add_text(out, "Location: ");
	for (size_t i = 0; i < h->depth; i++)
		gm_add_text(out, "../");
	gm_add_text(out, "_job/");
	for (size_t i = 0; i < handle.len; i++) {
		unsigned char c = (unsigned char)handle.data[i];

		gm_addf(out, c != '\0' && strchr(plain, c) ? "%c" : "%%%02X", c);
	}
	gm_add_text(out, "\r\n");
}

static void
answer_accepted(struct web_conn *c)
{
	struct web_request *r = c->request;
	struct gm_bytes more = { 0 };

	add_location(&more, &r->head, gm_bytes_slice(&r->handle));
	gm_add_text(&more, "Preference-Applied: respond-async");
	if (r->wait > 0)
		gm_addf(&more, ", wait=%u", r->wait);
	gm_add_text(&more, "\r\n");
	if (more.failed)
		c->keep_alive = false; /* without its headers the answer is of no use */
	else
		web_answer_body(c, 202, "JOB_CREATED", NULL, gm_bytes_slice(&more), nothing);
	gm_bytes_free(&more);
	web_conn_next(c);
}

static void
plain_created(struct web_conn *c)
{
	struct web_request *r = c->request;

	if (!r->background)
		return;
	if (r->wait > 0) {
		r->follows = true;
		web_conn_arm(c, r->wait * 1000);
	} else if (r->head.prefer.respond_async) {
		answer_accepted(c);
	} else {
		web_answer_result(c, 200, "JOB_CREATED", nothing);
		web_conn_next(c);
	}
}

void
web_plain_heard(struct web_conn *c, const struct gearmand_packet *pkt)
{
	switch (pkt->type) {
	case GEARMAND_WORK_DATA:
		web_keep(c, pkt->data);
		return;
	case GEARMAND_ATTEMPT_VOID:
		web_kept_drop(c);
		return;
	case GEARMAND_WORK_COMPLETE:
		web_answer_result(c, 200, "WORK_COMPLETE", pkt->data);
		break;
	case GEARMAND_WORK_EXCEPTION:
		web_answer_result(c, 500, "WORK_EXCEPTION", pkt->data);
		break;
	case GEARMAND_WORK_FAIL:
		web_answer_sentence(c, 500, "WORK_FAIL", gm_slice("WORK_FAIL"), gm_slice("the job failed"));
		break;
	default:
		return; /* progress and warnings have no place in a response */
	}
	web_conn_next(c);
}

/* The job takes longer than this client wants to wait; it goes on. */
static void
plain_tick(struct web_conn *c)
{
	answer_accepted(c);
}

const struct web_manner web_plain = { .created = plain_created, .heard = web_plain_heard, .tick = plain_tick };
