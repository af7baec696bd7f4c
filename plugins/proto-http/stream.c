/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A job whose result is sent on as it comes, in chunks.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 *
 * The status is decided with the first WORK_DATA: before that a job may still fail as any other.  What was sent cannot
 * be taken back, so a job whose worker is lost later has failed, too.
 */
#include "answer.h"
#include "conn.h"

static void
stream_created(struct web_conn *c)
{
	(void)c; /* its handle is enough */
}

static void
stream_data(struct web_conn *c, struct gearmand_slice data)
{
	if (!c->request->begun_to_answer)
		web_answer_begin(c, NULL, "Trailer: X-Gearman-Command\r\n");
	if (c->state == WEB_WAIT)
		web_answer_data(c, data);
}

static void
stream_heard(struct web_conn *c, const struct gearmand_packet *pkt)
{
	if (pkt->type == GEARMAND_WORK_DATA) {
		stream_data(c, pkt->data);
		return;
	}
	if (!c->request->begun_to_answer) {
		web_plain_heard(c, pkt);
		return;
	}
	switch (pkt->type) {
	case GEARMAND_WORK_COMPLETE:
		web_answer_data(c, pkt->data);
		web_answer_end(c, "X-Gearman-Command: WORK_COMPLETE\r\n");
		return;
	case GEARMAND_WORK_EXCEPTION:
		web_answer_break(c, "X-Gearman-Command: WORK_EXCEPTION\r\n");
		return;
	case GEARMAND_WORK_FAIL:
	case GEARMAND_ATTEMPT_VOID:
		web_answer_break(c, "X-Gearman-Command: WORK_FAIL\r\n");
		return;
	default:
		return;
	}
}

const struct web_manner web_stream = { .created = stream_created, .heard = stream_heard };
