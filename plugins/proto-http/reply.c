/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The head of a response.
 *
 * Runs on:  the I/O thread of the connection.  Owns nothing.
 *
 * Nothing that a client or a worker chose gets into it but the job's handle, which the server
 * made, and the origin of a page, and these only when each byte is a visible one.  Further headers are the module's own
 * words.
 */
#include "reply.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
	unsigned status;
	const char *phrase;
} phrases[] = {
	{ 200, "OK" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 400, "Bad Request" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 411, "Length Required" },
	{ 413, "Payload Too Large" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 505, "HTTP Version Not Supported" },
};

const char *
web_phrase(unsigned status)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Unknown";
}

static bool
is_visible(struct gearmand_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] <= ' ' || s.data[i] > '~')
			return false;
	return s.len > 0 && s.len <= 256;
}

static const char *
connection_header(const struct web_reply *r)
{
	if (!r->keep_alive)
		return "Connection: close\r\n";
	return r->minor == 0 ? "Connection: keep-alive\r\n" : "";
}

static void
add_framing(struct gm_bytes *out, const struct web_reply *r)
{
	if (r->framing == WEB_BY_LENGTH)
		gm_addf(out, "Content-Length: %" PRIu64 "\r\n", r->length);
	else if (r->framing == WEB_BY_CHUNKS)
		gm_add_text(out, "Transfer-Encoding: chunked\r\n");
}

bool
web_reply_head(const struct gearmand_host *host, struct gearmand_conn *conn, const struct web_reply *r)
{
	struct gm_bytes out = { 0 };
	bool whole;

	gm_addf(&out, "HTTP/1.%u %u %s\r\n", r->minor, r->status, web_phrase(r->status));
	if (is_visible(r->handle))
		gm_addf(&out, "X-Gearman-Job-Handle: %.*s\r\n", (int)r->handle.len, r->handle.data);
	if (r->command)
		gm_addf(&out, "X-Gearman-Command: %s\r\n", r->command);
	gm_add_text(&out, connection_header(r));
	if (r->status == 405)
		gm_addf(&out, "Allow: %s\r\n", r->allow);
	if (r->type)
		gm_addf(&out, "Content-Type: %s\r\n", r->type);
	gm_add_slice(&out, r->more);
	if (is_visible(r->page))
		gm_addf(&out,
		    "Access-Control-Allow-Origin: %.*s\r\nVary: Origin\r\nAccess-Control-Expose-Headers: "
		    "X-Gearman-Job-Handle, X-Gearman-Command, Location, Preference-Applied, Retry-After\r\n",
		    (int)r->page.len, r->page.data);
	add_framing(&out, r);
	gm_addf(&out, "Server: Gearman/%.64s\r\n\r\n", host->server_version);
	whole = !out.failed;
	if (whole)
		host->write(conn, gm_bytes_slice(&out));
	gm_bytes_free(&out);
	return whole;
}

void
web_reply_continue(const struct gearmand_host *host, struct gearmand_conn *conn)
{
	host->write(conn, gm_slice("HTTP/1.1 100 Continue\r\n\r\n"));
}
