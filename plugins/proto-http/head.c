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

#include <stdint.h>
#include <string.h>

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
	web_text_fini(&h->url);
	web_text_fini(&h->name);
	web_text_fini(&h->value);
	web_text_fini(&h->unique);
}

/* ---- What headers mean -------------------------------------------------------------- */

static void
on_unique(struct web_head *h, struct gearmand_slice value)
{
	web_text_clear(&h->unique);
	h->has_unique = true;
	if (value.len > 0 && memchr(value.data, '\0', value.len))
		refuse(h, 400, "X-Gearman-Unique must not contain NUL");
	else if (!web_text_add(&h->unique, value, SIZE_MAX))
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

static const struct {
	const char *name;
	void (*on)(struct web_head *, struct gearmand_slice);
} headers[] = {
	{ "x-gearman-unique", on_unique },
	{ "x-gearman-background", on_background },
	{ "x-gearman-priority", on_priority },
	{ "content-length", on_length },
	{ "transfer-encoding", on_coding },
	{ "expect", on_expect },
};

/* ---- Collecting ---------------------------------------------------------------------- */

static struct gearmand_slice
trimmed(struct gearmand_slice s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = (struct gearmand_slice){ s.data + 1, s.len - 1 };
	while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static void
end_header(struct web_head *h)
{
	struct gearmand_slice name = web_text_slice(&h->name), value = trimmed(web_text_slice(&h->value));

	if (!h->in_header)
		return;
	h->in_header = h->in_value = false;
	/* "Content-Length : 5" would be one header here and another one to a proxy in front. */
	if (name.len == 0 || memchr(name.data, ' ', name.len))
		refuse_framing(h, 400, "the name of a header has a space in it");
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (web_is_word(name, headers[i].name))
			headers[i].on(h, value);
	web_text_clear(&h->name);
	web_text_clear(&h->value);
}

static void
collect(struct web_head *h, struct web_text *to, struct gearmand_slice piece)
{
	if (!web_text_add(to, piece, SIZE_MAX))
		refuse(h, 503, "out of memory");
}

void
web_head_url(struct web_head *h, struct gearmand_slice piece)
{
	collect(h, &h->url, piece);
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
	const char *scheme_end = url.len > 0 && url.data[0] != '/' ? memmem(url.data, url.len, "://", 3) : NULL;
	size_t at = 0;

	if (scheme_end)
		for (at = (size_t)(scheme_end - url.data) + 3; at < url.len; at++)
			if (url.data[at] == '/' || url.data[at] == '?')
				break;
	return at;
}

static bool
is_printable(struct gearmand_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.data[i] <= ' ' || s.data[i] == 0x7f)
			return false;
	return true;
}

static void
read_target(struct web_head *h)
{
	struct gearmand_slice url = web_text_slice(&h->url);
	size_t from = path_offset(url), to;

	for (to = from; to < url.len && url.data[to] != '?'; to++)
		;
	if (to < url.len)
		h->query = (struct gearmand_slice){ url.data + to + 1, url.len - to - 1 };
	if (!is_printable(url))
		refuse(h, 400, "a control byte in a target must be percent-encoded");
	if (url.len > 0 && memchr(url.data, '#', url.len))
		refuse(h, 400, "a '#' in a target must be written %23");
	while (from < to && url.data[from] == '/')
		from++;
	if (from == to) {
		refuse(h, 404, NULL);
		return;
	}
	size_t len = to - from;
	if (!decode(h->url.data + from, &len))
		refuse(h, 400, "the path has an escape that is malformed or means NUL");
	h->function = (struct gearmand_slice){ h->url.data + from, len };
}

struct web_refusal
web_head_finish(struct web_head *h)
{
	end_header(h);
	read_target(h);
	return h->fault;
}
