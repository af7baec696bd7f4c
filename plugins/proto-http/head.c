/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The head of one request: collect its pieces, and read what they mean.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     the collected bytes; their number is bounded by who feeds the parser.
 *
 * The parser knows framing, and this file does not trust it blindly: a header that decides where a body
 * ends is taken only in the one plain form that every other HTTP program reads the same way.
 */
#include "head.h"

static void
refuse(struct web_head *h, unsigned status, const char *why)
{
	if (h->fault.status == 0)
		h->fault = (struct web_refusal){ status, why };
}

/* The same, when the fault is in what says how long the body is. */
static void
refuse_framing(struct web_head *h, unsigned status, const char *why)
{
	refuse(h, status, why);
	h->framing_lost = true;
}

void
web_head_init(struct web_head *h)
{
	*h = (struct web_head){ .rank = WEB_NORMAL };
}

void
web_head_fini(struct web_head *h)
{
	gm_bytes_free(&h->line);
	gm_bytes_free(&h->name);
	gm_bytes_free(&h->value);
	gm_bytes_free(&h->unique);
	gm_bytes_free(&h->host);
	gm_bytes_free(&h->origin);
	gm_bytes_free(&h->site);
}

/* ---- What headers mean -------------------------------------------------------------- */

static void
on_unique(struct web_head *h, struct gearmand_slice value)
{
	gm_bytes_clear(&h->unique, SIZE_MAX);
	h->has_unique = true;
	gm_add_slice(&h->unique, value);
	if (gm_has_byte(value, '\0'))
		refuse(h, 400, "X-Gearman-Unique must not contain NUL");
	else if (h->unique.failed)
		refuse(h, 503, "out of memory");
}

static void
on_background(struct web_head *h, struct gearmand_slice value)
{
	h->background = web_is_word(value, "true");
	if (!h->background && !web_is_word(value, "false"))
		refuse(h, 400, "X-Gearman-Background must be true or false");
}

static void
on_stream(struct web_head *h, struct gearmand_slice value)
{
	h->stream = web_is_word(value, "true");
	if (!h->stream && !web_is_word(value, "false"))
		refuse(h, 400, "X-Gearman-Stream must be true or false");
}

static void
on_when(struct web_head *h, struct gearmand_slice value)
{
	if (!web_when_read(value, &h->when))
		refuse(h, 400,
		    "X-Gearman-When must be seconds since 1970, +SECONDS from now, or a time like "
		    "2027-01-15T08:00:00Z");
}

static void
on_prefer(struct web_head *h, struct gearmand_slice value)
{
	web_prefer_read(value, &h->prefer);
}

static void
on_accept(struct web_head *h, struct gearmand_slice value)
{
	web_accept_read(value, &h->accept);
}

static void
on_priority(struct web_head *h, struct gearmand_slice value)
{
	if (web_is_word(value, "high"))
		h->rank = WEB_HIGH;
	else if (web_is_word(value, "low"))
		h->rank = WEB_LOW;
	else if (web_is_word(value, "normal"))
		h->rank = WEB_NORMAL;
	else
		refuse(h, 400, "X-Gearman-Priority must be high, normal or low");
}

static void
on_length(struct web_head *h, struct gearmand_slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] < '0' || value.data[i] > '9')
			refuse_framing(h, 400, "Content-Length must be a number");
	if (h->has_length || value.len == 0)
		refuse_framing(h, 400, "Content-Length must be one number");
	if (h->chunked)
		refuse_framing(h, 400, "Content-Length and Transfer-Encoding exclude each other");
	h->has_length = true;
}

static void
on_coding(struct web_head *h, struct gearmand_slice value)
{
	if (!web_is_word(value, "chunked"))
		refuse_framing(h, 501, "the only Transfer-Encoding served is chunked");
	if (h->chunked)
		refuse_framing(h, 400, "Transfer-Encoding is given twice");
	if (h->has_length)
		refuse_framing(h, 400, "Content-Length and Transfer-Encoding exclude each other");
	h->chunked = true;
}

static void
on_expect(struct web_head *h, struct gearmand_slice value)
{
	if (web_is_word(value, "100-continue"))
		h->expects_continue = true;
	else
		h->expects_other = true;
}

static void
take_once(struct web_head *h, struct gm_bytes *to, struct gearmand_slice value, const char *why)
{
	if (to->data)
		refuse(h, 400, why);
	else
		gm_add_slice(to, value);
	if (to->failed)
		refuse(h, 503, "out of memory");
}

static void
on_host(struct web_head *h, struct gearmand_slice value)
{
	take_once(h, &h->host, value, "Host is given twice");
}

static void
on_origin(struct web_head *h, struct gearmand_slice value)
{
	take_once(h, &h->origin, value, "Origin is given twice");
}

static void
on_site(struct web_head *h, struct gearmand_slice value)
{
	take_once(h, &h->site, value, "Sec-Fetch-Site is given twice");
}

static void
on_asks_method(struct web_head *h, struct gearmand_slice value)
{
	h->asks_method = value.len > 0;
}

static const struct {
	const char *name;
	void (*on)(struct web_head *, struct gearmand_slice);
} headers[] = {
	{ "x-gearman-unique", on_unique },
	{ "x-gearman-background", on_background },
	{ "x-gearman-priority", on_priority },
	{ "x-gearman-stream", on_stream },
	{ "x-gearman-when", on_when },
	{ "prefer", on_prefer },
	{ "accept", on_accept },
	{ "content-length", on_length },
	{ "transfer-encoding", on_coding },
	{ "expect", on_expect },
	{ "host", on_host },
	{ "origin", on_origin },
	{ "sec-fetch-site", on_site },
	{ "access-control-request-method", on_asks_method },
};

/* ---- Collecting ---------------------------------------------------------------------- */

static void
end_header(struct web_head *h)
{
	struct gearmand_slice name = gm_bytes_slice(&h->name), value = web_trimmed(gm_bytes_slice(&h->value));

	if (!h->in_header)
		return;
	h->in_header = h->in_value = false;
	/* "Content-Length : 5" would be one header here and another one to a proxy in front. */
	if (name.len == 0 || memchr(name.data, ' ', name.len))
		refuse_framing(h, 400, "the name of a header has a space in it");
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (web_is_word(name, headers[i].name))
			headers[i].on(h, value);
	gm_bytes_clear(&h->name, SIZE_MAX);
	gm_bytes_clear(&h->value, SIZE_MAX);
}

static void
collect(struct web_head *h, struct gm_bytes *to, struct gearmand_slice piece)
{
	gm_add_slice(to, piece);
	if (to->failed)
		refuse(h, 503, "out of memory");
}

void
web_head_field(struct web_head *h, struct gearmand_slice piece)
{
	if (h->in_value)
		end_header(h);
	h->in_header = true;
	collect(h, &h->name, piece);
}

void
web_head_value(struct web_head *h, struct gearmand_slice piece)
{
	h->in_value = true;
	collect(h, &h->value, piece);
}

/* ---- The target ---------------------------------------------------------------------- */

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* In place.  False: an escape is malformed, or stands for NUL. */
static bool
decode(char *text, size_t *len)
{
	size_t to = 0;

	for (size_t from = 0; from < *len; from++, to++) {
		int c = (unsigned char)text[from];

		if (c == '%') {
			if (*len - from < 3 || hex(text[from + 1]) < 0 || hex(text[from + 2]) < 0)
				return false;
			c = hex(text[from + 1]) * 16 + hex(text[from + 2]);
			from += 2;
		}
		if (c == '\0')
			return false;
		text[to] = (char)c;
	}
	*len = to;
	return true;
}

/* "http://host:8080/f" and "/f" are the same request.  Returns where the path begins. */
static size_t
path_offset(struct gearmand_slice url)
{
	const char *scheme_end = url.data[0] != '/' ? memmem(url.data, url.len, "://", 3) : NULL;
	size_t at = 0;

	if (scheme_end)
		for (at = (size_t)(scheme_end - url.data) + 3; at < url.len; at++)
			if (url.data[at] == '/' || url.data[at] == '?')
				break;
	return at;
}

/* Looked for before the path is decoded, so that a function may be called _job/x: /%5Fjob/x.  Moves *from to what is
 * to be decoded; returns its end. */
static size_t
path_end(struct web_head *h, size_t *from, size_t to, const char *url)
{
	const char prefix[] = "_job/";
	struct gearmand_slice path = { url + *from, to - *from };
	const char *slash;

	if (!gm_begins(path, prefix))
		return to;
	*from += sizeof(prefix) - 1;
	path = (struct gearmand_slice){ url + *from, to - *from };
	slash = path.len > 0 ? memchr(path.data, '/', path.len) : NULL;
	h->about = WEB_JOB;
	if (!slash)
		return to;
	path = (struct gearmand_slice){ slash, (size_t)(url + to - slash) };
	h->about = gm_is(path, "/result") ? WEB_RESULT : WEB_NOTHING;
	return (size_t)(slash - url);
}

static void
read_target(struct web_head *h)
{
	char *url = h->line.data + h->target;
	size_t from = path_offset((struct gearmand_slice){ url, h->target_len }), to = h->target_len, len;
	const char *question = memchr(url + from, '?', to - from);

	if (question) {
		to = (size_t)(question - url);
		h->query = (struct gearmand_slice){ question + 1, h->target_len - to - 1 };
	}
	if (memchr(url, '#', h->target_len))
		refuse(h, 400, "a '#' in a target must be written %23");
	while (from < to && url[from] == '/')
		from++;
	for (size_t at = from; at < to; at++)
		h->depth += url[at] == '/';
	to = path_end(h, &from, to, url);
	len = to - from;
	if (!decode(url + from, &len))
		refuse(h, 400, "the path has an escape that is malformed or means NUL");
	h->function = (struct gearmand_slice){ url + from, len };
}

struct web_refusal
web_head_finish(struct web_head *h, unsigned minor)
{
	end_header(h);
	read_target(h);
	if (!h->host.data && minor > 0)
		refuse(h, 400, "HTTP/1.1 needs a Host header");
	return h->fault;
}

/* ---- The request line ------------------------------------------------------------------ */

static const struct web_refusal bad_line = { 400, "this is not HTTP: a request line is METHOD /FUNCTION HTTP/1.1" };

/* As soon as it shows that this cannot become a request line: the peer may speak TLS, and wait for an answer. */
static bool
may_be_line(struct web_head *h, struct gearmand_slice piece)
{
	for (size_t i = 0; i < piece.len; i++) {
		char c = piece.data[i];
		bool is_token = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
				(c != '\0' && strchr("!#$%&'*+-.^_`|~", c));

		h->in_target |= c == ' ';
		if (c != '\r' && c != '\n' && !(h->in_target ? (unsigned char)c >= ' ' && c != 0x7f : is_token))
			return false;
	}
	return true;
}

/* METHOD SP TARGET SP HTTP/1.x, with nothing else that is white. */
static struct web_refusal
split_line(struct web_head *h, struct gearmand_slice line, unsigned *minor_r)
{
	const char *first, *last, *v;

	line.len -= line.len > 1 && line.data[line.len - 2] == '\r' ? 2 : 1;
	first = memchr(line.data, ' ', line.len);
	last = memrchr(line.data, ' ', line.len);
	if (!first || first == line.data || last - first < 2 || memchr(first + 1, ' ', (size_t)(last - first - 1)) ||
	    memchr(line.data, '\r', line.len))
		return bad_line;
	v = last + 1;
	if (line.data + line.len - v != 8 || memcmp(v, "HTTP/", 5) != 0 || v[5] < '0' || v[5] > '9' || v[6] != '.' ||
	    v[7] < '0' || v[7] > '9')
		return bad_line;
	if (v[5] != '1' || v[7] > '1')
		return (struct web_refusal){ 505, "the versions served are HTTP/1.0 and HTTP/1.1" };
	*minor_r = (unsigned)(v[7] - '0');
	h->target = (size_t)(first + 1 - line.data);
	h->target_len = (size_t)(last - first - 1);
	return (struct web_refusal){ 0, NULL };
}

struct web_refusal
web_head_line(struct web_head *h, struct gearmand_slice piece, unsigned *minor_r)
{
	if (!may_be_line(h, piece))
		return bad_line;
	collect(h, &h->line, piece);
	if (h->fault.status || piece.data[piece.len - 1] != '\n')
		return h->fault;
	return split_line(h, gm_bytes_slice(&h->line), minor_r);
}
