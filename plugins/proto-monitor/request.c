/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The head of a request: what is asked for, and whether a browser may have been made to ask it.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 *
 * A head is read when it is whole.  What the library would take and another program in front of this one might read
 * differently is refused before: line ends other than CR LF, lines that go on in the next one, bodies in chunks.
 */
#include "request.h"

#include <gearmand/browser.h>

#include "parser.h"

size_t
mon_head_len(struct gearmand_slice in)
{
	const char *end = in.len < 4 ? NULL : memmem(in.data, in.len, "\r\n\r\n", 4);

	return end == NULL ? 0 : (size_t)(end - in.data) + 4;
}

static void
refuse(struct mon_request *r, unsigned status, const char *why)
{
	if (r->fault == 0) {
		r->fault = status;
		r->why = why;
	}
}

static void
refuse_framing(struct mon_request *r, unsigned status, const char *why)
{
	refuse(r, status, why);
	r->framing_lost = true;
}

static bool
has_plain_lines(struct gearmand_slice head)
{
	for (size_t i = 0; i < head.len; i++) {
		char c = head.data[i];

		if (c == '\0' || (c == '\n' && (i == 0 || head.data[i - 1] != '\r')) ||
		    (c == '\r' && (i + 1 == head.len || head.data[i + 1] != '\n')) ||
		    ((c == ' ' || c == '\t') && (i == 0 || head.data[i - 1] == '\n')))
			return false;
	}
	return true;
}

/* ---- What the library tells: of a whole head each piece comes whole --------------------------------- */

static int
on_url(mon_parser *p, const char *at, size_t len)
{
	struct mon_request *r = p->data;
	const char *question = memchr(at, '?', len);

	r->path = (struct gearmand_slice){ at, question == NULL ? len : (size_t)(question - at) };
	r->query = question == NULL ? gm_slice("") : (struct gearmand_slice){ question + 1, len - r->path.len - 1 };
	return 0;
}

static int
on_field(mon_parser *p, const char *at, size_t len)
{
	struct mon_request *r = p->data;

	r->name = (struct gearmand_slice){ at, len };
	if (len == 0 || memchr(at, ' ', len) != NULL)
		refuse_framing(r, 400, "the name of a header has a space in it");
	return 0;
}

static void
take_once(struct mon_request *r, struct gearmand_slice *to, struct gearmand_slice value, const char *why)
{
	if (to->data != NULL)
		refuse(r, 400, why);
	*to = value;
}

static int
on_value(mon_parser *p, const char *at, size_t len)
{
	struct mon_request *r = p->data;
	struct gearmand_slice value = { at, len };

	while (value.len > 0 && (value.data[value.len - 1] == ' ' || value.data[value.len - 1] == '\t'))
		value.len--;
	if (gm_is_word(r->name, "host"))
		take_once(r, &r->host, value, "Host is given twice");
	else if (gm_is_word(r->name, "origin"))
		take_once(r, &r->origin, value, "Origin is given twice");
	else if (gm_is_word(r->name, "sec-fetch-site"))
		take_once(r, &r->site, value, "Sec-Fetch-Site is given twice");
	else if (gm_is_word(r->name, "accept"))
		r->accept = value;
	else if (gm_is_word(r->name, "transfer-encoding"))
		refuse_framing(r, 411, "a body needs a Content-Length");
	else if (gm_is_word(r->name, "content-length") && r->saw_length)
		refuse_framing(r, 400, "Content-Length is given twice");
	r->saw_length |= gm_is_word(r->name, "content-length");
	return 0;
}

static int
on_head(mon_parser *p)
{
	struct mon_request *r = p->data;

	r->is_head = p->method == HTTP_HEAD;
	r->method = p->method == HTTP_GET || r->is_head ? MON_GET : p->method == HTTP_POST ? MON_POST : MON_OTHER;
	r->keep_alive = mon_parser_keep_alive(p);
	r->body = r->saw_length ? p->content_length : 0;
	if (p->http_major != 1)
		refuse_framing(r, 505, "the versions served are HTTP/1.0 and HTTP/1.1");
	if (r->host.data == NULL && p->http_minor > 0)
		refuse(r, 400, "HTTP/1.1 needs a Host header");
	return 0;
}

static const mon_parser_settings settings = {
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_head,
};

void
mon_request_read(struct mon_request *r, struct gearmand_slice head, const char *names)
{
	mon_parser parser;

	*r = (struct mon_request){ .fault = 0 };
	gm_add_slice(&r->text, head);
	if (r->text.failed)
		refuse_framing(r, 503, "out of memory");
	else if (!has_plain_lines(head) || !mon_parser_read(&parser, &settings, gm_bytes_slice(&r->text), r) ||
		 r->method == 0)
		refuse_framing(r, 400, "this is not HTTP: a request line is GET /metrics HTTP/1.1");
	if (r->body > MON_BODY_MOST)
		refuse_framing(r, 413, "the body is larger than 64 KB");
	if (!gm_host_is_known(r->host, names))
		refuse(r, 421,
		    "this server does not go by the name in the Host header; --monitor-host=NAME says that it does");
	if (r->method == MON_OTHER)
		refuse(r, 405, "the methods served are GET, HEAD and POST");
	if (r->method == MON_POST && !gm_same_origin(r->site, r->origin, r->host))
		refuse(r, 403, "a page of another origin may not ask for this");
}

void
mon_request_fini(struct mon_request *r)
{
	gm_bytes_free(&r->text);
	*r = (struct mon_request){ .fault = 0 }; /* what is refused before it is read is no HEAD */
}

/* ---- Parameters ------------------------------------------------------------------------------------- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
mon_decode(struct gearmand_slice in, struct gm_bytes *out)
{
	for (size_t i = 0; i < in.len; i++) {
		char c = in.data[i];

		if (c == '%') {
			int high = i + 2 < in.len ? hex_digit(in.data[i + 1]) : -1;
			int low = i + 2 < in.len ? hex_digit(in.data[i + 2]) : -1;

			if (high < 0 || low < 0 || high + low == 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		gm_add(out, &c, 1);
	}
	return !out->failed;
}

bool
mon_parameter(const struct mon_request *r, const char *name, struct gm_bytes *out)
{
	size_t name_len = strlen(name);

	for (struct gearmand_slice rest = r->query; rest.len > 0;) {
		const char *and = memchr(rest.data, '&', rest.len);
		struct gearmand_slice one = { rest.data, and == NULL ? rest.len : (size_t)(and-rest.data) };

		rest.data += one.len + (and != NULL);
		rest.len -= one.len + (and != NULL);
		if (one.len > name_len && one.data[name_len] == '=' && memcmp(one.data, name, name_len) == 0)
			return mon_decode(
			    (struct gearmand_slice){ one.data + name_len + 1, one.len - name_len - 1 }, out);
	}
	return true;
}

/* ---- Accept ----------------------------------------------------------------------------------------- */

/* In thousandths; 1000 without one. */
static unsigned
quality_of(struct gearmand_slice range)
{
	const char *at = memmem(range.data, range.len, "q=", 2), *end = range.data + range.len;
	unsigned q = 0, digit = 1000;

	if (at == NULL)
		return 1000;
	for (at += 2; at < end && ((*at >= '0' && *at <= '9') || *at == '.'); at++) {
		if (*at == '.')
			continue;
		q += (unsigned)(*at - '0') * digit;
		digit /= 10;
	}
	return q > 1000 ? 1000 : q;
}

bool
mon_wants_openmetrics(struct gearmand_slice accept)
{
	unsigned open = 0, plain = 0;

	while (accept.data != NULL && accept.len > 0) {
		const char *comma = memchr(accept.data, ',', accept.len);
		struct gearmand_slice range = { accept.data,
			comma == NULL ? accept.len : (size_t)(comma - accept.data) };
		unsigned *which;

		accept.data += range.len + (comma != NULL);
		accept.len -= range.len + (comma != NULL);
		while (range.len > 0 && *range.data == ' ')
			range = (struct gearmand_slice){ range.data + 1, range.len - 1 };
		which = gm_begins(range, "application/openmetrics-text") ? &open
			: gm_begins(range, "text/plain")                 ? &plain
									 : NULL;
		if (which != NULL && quality_of(range) > *which)
			*which = quality_of(range);
	}
	return open > 0 && open >= plain;
}
