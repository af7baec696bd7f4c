/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The head of a response.
 *
 * Runs on:  the I/O thread of the connection.  Owns nothing.
 *
 * Nothing that a client or a worker chose gets into it but the job's handle, which the server
 * made, and that only when each byte of it is a visible one.
 */
#include "reply.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
	unsigned status;
	const char *phrase;
} phrases[] = {
	{ 200, "OK" },
	{ 400, "Bad Request" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 411, "Length Required" },
	{ 413, "Payload Too Large" },
	{ 417, "Expectation Failed" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 505, "HTTP Version Not Supported" },
};

static const char *
phrase_of(unsigned status)
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

void
web_reply_head(const struct gearmand_host *host, struct gearmand_conn *conn, const struct web_reply *r)
{
	char text[1024];
	bool has_handle = is_visible(r->handle);
	int len = snprintf(text, sizeof(text),
	    "HTTP/1.%u %u %s\r\n"
	    "%s%.*s%s"
	    "%s%s%s"
	    "%s%s%s"
	    "Content-Length: %" PRIu64 "\r\n"
	    "Server: Gearman/%.64s\r\n"
	    "\r\n",
	    r->minor, r->status, phrase_of(r->status), has_handle ? "X-Gearman-Job-Handle: " : "",
	    has_handle ? (int)r->handle.len : 0, has_handle ? r->handle.data : "", has_handle ? "\r\n" : "",
	    r->command ? "X-Gearman-Command: " : "", r->command ? r->command : "", r->command ? "\r\n" : "",
	    connection_header(r), r->status == 405 ? "Allow: GET, HEAD, POST, PUT\r\n" : "",
	    r->text ? "Content-Type: text/plain; charset=utf-8\r\n" : "", r->length, host->server_version);

	host->write(conn, (struct gearmand_slice){ text, (size_t)len });
}

void
web_reply_continue(const struct gearmand_host *host, struct gearmand_conn *conn)
{
	host->write(conn, gm_slice("HTTP/1.1 100 Continue\r\n\r\n"));
}
