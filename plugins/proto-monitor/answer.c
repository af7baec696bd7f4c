/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Answers: the head, and the body behind it.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 */
#include "monitor.h"
#include "text.h"

static const char *
phrase_of(unsigned status)
{
	static const struct {
		unsigned status;
		const char *phrase;
	} phrases[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 411, "Length Required" },
		{ 413, "Payload Too Large" },
		{ 421, "Misdirected Request" },
		{ 431, "Request Header Fields Too Large" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < GM_COUNT(phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Unknown";
}

void
mon_answer(struct mon_conn *c, unsigned status, const char *type, struct gearmand_slice body)
{
	struct gm_bytes head = { .len = 0 };

	gm_addf(&head,
	    "HTTP/1.1 %u %s\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "Referrer-Policy: no-referrer\r\n"
	    "%s%s\r\n",
	    status, phrase_of(status), type, body.len, status == 405 ? "Allow: GET, HEAD, POST\r\n" : "",
	    c->request.keep_alive ? "" : "Connection: close\r\n");
	mon_host(c)->write(c->peer, gm_bytes_slice(&head));
	if (!c->request.is_head && body.len > 0)
		mon_host(c)->write(c->peer, body);
	gm_bytes_free(&head);
	mon_conn_next(c);
}

void
mon_answer_bytes(struct mon_conn *c, const char *type, struct gm_bytes *body)
{
	if (body->failed)
		mon_refuse(c, 503, "out of memory");
	else
		mon_answer(c, 200, type, gm_bytes_slice(body));
	gm_bytes_free(body);
}

static bool
is_for_programs(const struct mon_conn *c)
{
	return gm_begins(c->request.path, "/api/");
}

/* RFC 9457 for those who asked the API, a sentence for all others. */
void
mon_refuse(struct mon_conn *c, unsigned status, const char *why)
{
	struct gm_bytes body = { .len = 0 };
	bool is_json = is_for_programs(c);

	if (is_json) {
		json_open(&body, NULL, '{');
		json_text(&body, "title", gm_slice(phrase_of(status)));
		json_u64(&body, "status", status);
		json_text(&body, "detail", gm_slice(why));
		json_close(&body, '}');
	} else {
		gm_add_text(&body, why);
	}
	gm_add_text(&body, "\n");
	mon_answer(
	    c, status, is_json ? "application/problem+json" : "text/plain; charset=utf-8", gm_bytes_slice(&body));
	gm_bytes_free(&body);
}
