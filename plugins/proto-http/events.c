/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is heard of a job, as server-sent events (the format of EventSource in browsers).
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 *
 * Lines are the format's own; so data that is not UTF-8, or has a CR or NUL in it, comes as base64 in an event with
 * another name.  The end of a job always comes under its own name, for clients wait for that.
 */
#include "events.h"

#include <stdio.h>

#include "answer.h"
#include "text.h"

enum { COMMENT_MS = 15000, PEN_BYTES = 4096 };

/* What is written of an event, in pieces of some size. */
struct pen {
	struct web_conn *conn;
	size_t len;
	char text[PEN_BYTES];
};

static void
pen_flush(struct pen *pen)
{
	web_answer_piece(pen->conn, (struct gearmand_slice){ pen->text, pen->len });
	pen->len = 0;
}

static void
pen_add(struct pen *pen, struct gearmand_slice s)
{
	while (s.len > 0) {
		size_t n = sizeof(pen->text) - pen->len;

		n = n < s.len ? n : s.len;
		memcpy(pen->text + pen->len, s.data, n);
		pen->len += n;
		if (pen->len == sizeof(pen->text))
			pen_flush(pen);
		s = (struct gearmand_slice){ s.data + n, s.len - n };
	}
}

static void
pen_text(struct pen *pen, const char *text)
{
	pen_add(pen, gm_slice(text));
}

/* Each line of the data has its own field. */
static void
add_lines(struct pen *pen, struct gearmand_slice s)
{
	for (;;) {
		const char *lf = s.len > 0 ? memchr(s.data, '\n', s.len) : NULL;
		size_t n = lf ? (size_t)(lf - s.data) : s.len;

		pen_text(pen, "data: ");
		pen_add(pen, (struct gearmand_slice){ s.data, n });
		pen_text(pen, "\n");
		if (!lf)
			return;
		s = (struct gearmand_slice){ lf + 1, s.len - n - 1 };
	}
}

static void
add_base64(struct pen *pen, struct gearmand_slice s)
{
	char four[4];

	pen_text(pen, "data: ");
	while (s.len > 0) {
		size_t n = s.len < 3 ? s.len : 3;

		web_base64((struct gearmand_slice){ s.data, n }, four);
		pen_add(pen, (struct gearmand_slice){ four, sizeof(four) });
		s = (struct gearmand_slice){ s.data + n, s.len - n };
	}
	pen_text(pen, "\n");
}

static void
add_event(struct pen *pen, const char *name, struct gearmand_slice data)
{
	pen_text(pen, "event: ");
	pen_text(pen, name);
	pen_text(pen, "\n");
	add_lines(pen, data);
	pen_text(pen, "\n");
}

/* Data that is no text comes under `name64` instead. */
static void
add_data_event(struct pen *pen, const char *name, const char *name64, struct gearmand_slice data)
{
	if (web_is_text(data)) {
		add_event(pen, name, data);
		return;
	}
	pen_text(pen, "event: ");
	pen_text(pen, name64);
	pen_text(pen, "\n");
	add_base64(pen, data);
	pen_text(pen, "\n");
}

/* ... in front of it. */
static void
add_end_event(struct pen *pen, const char *name, const char *name64, struct gearmand_slice data)
{
	bool is_text = web_is_text(data);

	if (!is_text)
		add_data_event(pen, name, name64, data);
	add_event(pen, name, is_text ? data : (struct gearmand_slice){ "", 0 });
}

/* Workers may send anything as a number; it is read as the server reads it. */
static uint32_t
number_of(struct gearmand_slice s)
{
	char text[24];

	snprintf(text, sizeof(text), "%.*s", (int)(s.len < sizeof(text) ? s.len : sizeof(text)), s.data);
	return (uint32_t)strtoll(text, NULL, 10);
}

static void
add_status(struct pen *pen, const struct gearmand_packet *pkt)
{
	char text[80];

	snprintf(text, sizeof(text), "{\"numerator\":%u,\"denominator\":%u}", number_of(pkt->arg[1]),
	    number_of(pkt->arg[2]));
	add_event(pen, "status", gm_slice(text));
}

static void
add_packet(struct pen *pen, const struct gearmand_packet *pkt)
{
	const struct gearmand_slice nothing = { "", 0 };

	switch (pkt->type) {
	case GEARMAND_WORK_STATUS:
		add_status(pen, pkt);
		return;
	case GEARMAND_WORK_DATA:
		add_data_event(pen, "data", "data64", pkt->data);
		return;
	case GEARMAND_WORK_WARNING:
		add_data_event(pen, "warning", "warning64", pkt->data);
		return;
	case GEARMAND_ATTEMPT_VOID:
		add_event(pen, "again", nothing);
		return;
	case GEARMAND_WORK_COMPLETE:
		add_end_event(pen, "complete", "data64", pkt->data);
		return;
	case GEARMAND_WORK_EXCEPTION:
		add_end_event(pen, "exception", "exception64", pkt->data);
		return;
	case GEARMAND_WORK_FAIL:
		add_event(pen, "fail", nothing);
		return;
	default:
		return;
	}
}

void
web_events_begin(struct web_conn *c)
{
	web_answer_begin(c, "text/event-stream", "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n");
	if (c->state == WEB_WAIT)
		web_conn_arm(c, COMMENT_MS);
}

void
web_events_heard(struct web_conn *c, const struct gearmand_packet *pkt)
{
	struct pen pen;

	if (!c->request->begun_to_answer)
		return;
	pen.conn = c;
	pen.len = 0;
	add_packet(&pen, pkt);
	pen_flush(&pen);
	if (c->request->end != 0)
		web_answer_end(c, "");
}

/* Proxies close what is silent for half a minute or so. */
void
web_events_tick(struct web_conn *c)
{
	if (!c->request->begun_to_answer)
		return;
	web_answer_piece(c, gm_slice(":\n\n"));
	web_conn_arm(c, COMMENT_MS);
}

const struct web_manner web_events = {
	.created = web_events_begin,
	.heard = web_events_heard,
	.tick = web_events_tick,
};
