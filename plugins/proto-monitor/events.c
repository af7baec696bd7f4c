/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Server-sent events: each second the server's state, the functions that changed, and the newest point of history.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     of each stream what was sent last.
 */
#include "api.h"
#include "history.h"
#include "monitor.h"
#include "sheet.h"
#include "text.h"

enum { FUNCTIONS_MOST = 1000 }; /* in an event */

static void
send_event(struct mon_conn *c, const char *name, struct gm_bytes *data)
{
	struct gm_bytes head = { .len = 0 };

	gm_addf(&head, "event: %s\ndata: ", name);
	gm_add_text(data, "\n\n");
	if (!data->failed) {
		mon_host(c)->write(c->peer, gm_bytes_slice(&head));
		mon_host(c)->write(c->peer, gm_bytes_slice(data));
	}
	gm_bytes_free(&head);
	gm_bytes_free(data);
}

/* The age of the oldest job grows by itself: that alone is no change. */
static bool
has_changed(const struct sheet *s, const struct sheet_row *now, const struct sheet_row *was)
{
	for (unsigned i = 0; i < s->column_count; i++)
		if (now->numbers[i] != was->numbers[i] && !gm_begins(gm_slice(s->columns[i]), "oldest_"))
			return true;
	return false;
}

/* Two sheets side by side: both are in the order in which functions were made. */
struct changes {
	const struct sheet *now, *was; /* `was` NULL: none */
	size_t now_at, was_at;
};

/* Those of the next functions, a certain number at most; false when there are no more. */
static bool
add_changes(struct changes *c, struct gm_bytes *out, struct gm_bytes *gone)
{
	size_t count = sheet_row_count(c->now), former = c->was == NULL ? 0 : sheet_row_count(c->was), added = 0;

	while ((c->now_at < count || c->was_at < former) && added < FUNCTIONS_MOST) {
		const struct sheet_row *row = c->now_at < count ? sheet_row(c->now, c->now_at) : NULL;
		const struct sheet_row *old = c->was_at < former ? sheet_row(c->was, c->was_at) : NULL;

		if (old != NULL && (row == NULL || old->order < row->order)) {
			json_text(gone, NULL, old->name);
			c->was_at++;
			continue;
		}
		if (row->order > 0 && (old == NULL || old->order != row->order || has_changed(c->now, row, old))) {
			api_add_function(out, c->now, row);
			added++;
		}
		c->was_at += old != NULL && old->order == row->order;
		c->now_at++;
	}
	return c->now_at < count || c->was_at < former;
}

/* The first event is `full` when nothing was sent before.  Many functions come in several: a reader can show the first
 * before it has them all. */
static void
send_functions(struct mon_conn *c, const struct sheet *now)
{
	struct changes changes = { .now = now, .was = c->seen };
	bool more = true, full = c->seen == NULL;

	for (; more; full = false) {
		struct gm_bytes out = { .len = 0 }, gone = { .len = 0 };

		json_open(&out, NULL, '{');
		json_bool(&out, "full", full);
		json_open(&out, "functions", '[');
		json_open(&gone, NULL, '[');
		more = add_changes(&changes, &out, &gone);
		json_close(&out, ']');
		json_close(&gone, ']');
		json_raw(&out, "gone", gm_bytes_slice(&gone));
		json_close(&out, '}');
		gm_bytes_free(&gone);
		send_event(c, "functions", &out);
	}
}

void
mon_stream_drop(struct mon_conn *c)
{
	if (c->seen != NULL) {
		sheet_fini(c->seen);
		mon_host(c)->release(c->seen);
	}
	c->seen = NULL;
	if (c->is_stream)
		atomic_fetch_sub(&c->module->streams, 1);
	c->is_stream = false;
}

static void
begin_stream(struct mon_conn *c)
{
	mon_host(c)->write(c->peer, gm_slice("HTTP/1.1 200 OK\r\n"
					     "Content-Type: text/event-stream\r\n"
					     "Cache-Control: no-store\r\n"
					     "X-Content-Type-Options: nosniff\r\n"
					     "X-Accel-Buffering: no\r\n"
					     "Connection: close\r\n"
					     "\r\n"));
	c->is_stream = true;
}

/* The first time, and again each second. */
void
mon_on_events(struct mon_conn *c, struct gearmand_slice answer)
{
	struct gm_bytes status = { .len = 0 }, point = { .len = 0 };
	struct sheet *now;

	if (!c->is_stream && mon_is_refused(c, answer))
		return;
	now = mon_host(c)->allocate(sizeof(*now));
	if (!sheet_read(now, answer)) { /* for want of memory, or the right was taken: the stream ends */
		sheet_fini(now);
		mon_host(c)->release(now);
		mon_conn_close(c);
		return;
	}
	if (!c->is_stream) {
		atomic_fetch_add(&c->module->streams, 1);
		begin_stream(c);
	}
	json_open(&status, NULL, '{');
	api_add_status(&status, now, c);
	json_close(&status, '}');
	send_event(c, "status", &status);
	send_functions(c, now);
	history_add_point(c->module->history, &point);
	send_event(c, "point", &point);
	if (c->seen != NULL)
		sheet_fini(c->seen);
	else
		c->seen = mon_host(c)->allocate(sizeof(*c->seen));
	*c->seen = *now;
	mon_host(c)->release(now);
	mon_rest(c, MON_SECOND_MS);
}

void
mon_serve_events(struct mon_conn *c)
{
	if (atomic_load(&c->module->streams) >= MON_STREAMS_MOST)
		mon_refuse(c, 503, "too many streams of events are open");
	else if (c->request.is_head)
		mon_answer(c, 200, "text/event-stream", gm_slice(""));
	else
		mon_ask_route(c);
}

void
mon_serve_history(struct mon_conn *c)
{
	struct gm_bytes out = { .len = 0 }, span = { .len = 0 };
	bool good = mon_parameter(&c->request, "span", &span);

	gm_add(&span, "", 1);
	if (good &&
	    history_add_span(c->module->history, &out, span.len == 1 ? 600 : (unsigned)strtoul(span.data, NULL, 10)))
		mon_answer_bytes(c, JSON, &out);
	else
		mon_refuse(c, 400, "the parameter span is 600, 10800 or 604800");
	gm_bytes_free(&span);
}

/* On the module's own connection. */
void
mon_on_second(struct mon_conn *c, struct gearmand_slice answer)
{
	struct sheet s;

	if (sheet_read(&s, answer))
		history_take(c->module->history, &s, mon_host(c)->wall());
	sheet_fini(&s);
	mon_rest(c, MON_SECOND_MS);
}
