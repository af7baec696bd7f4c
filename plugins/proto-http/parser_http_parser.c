/* SPDX-License-Identifier: BSD-3-Clause
 *
 * parser.h by means of http_parser (Debian: libhttp-parser-dev).
 *
 * Runs on:  the I/O thread of the connection.  Owns nothing but the library's state.
 *
 * The library is paused inside its callbacks, so that no byte of the next request is used.  Paused at the
 * end of the head it has not used the last LF yet; feeding it no bytes would mean end of file.
 */
#include "parser.h"

#ifndef HAVE_LLHTTP

static struct web_parser *
parser_of(http_parser *library)
{
	return library->data;
}

static int
on_url(http_parser *library, const char *at, size_t len)
{
	struct web_parser *p = parser_of(library);

	p->to->url(p->owner, (struct gearmand_slice){ at, len });
	return 0;
}

static int
on_header_field(http_parser *library, const char *at, size_t len)
{
	struct web_parser *p = parser_of(library);

	p->to->field(p->owner, (struct gearmand_slice){ at, len });
	return 0;
}

static int
on_header_value(http_parser *library, const char *at, size_t len)
{
	struct web_parser *p = parser_of(library);

	p->to->value(p->owner, (struct gearmand_slice){ at, len });
	return 0;
}

static int
on_body(http_parser *library, const char *at, size_t len)
{
	struct web_parser *p = parser_of(library);

	p->to->body(p->owner, (struct gearmand_slice){ at, len });
	return 0;
}

static int
on_headers_complete(http_parser *library)
{
	parser_of(library)->stop = WEB_HEADERS;
	http_parser_pause(library, 1);
	return 0;
}

static int
on_message_complete(http_parser *library)
{
	parser_of(library)->stop = WEB_DONE;
	http_parser_pause(library, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

void
web_parser_setup(size_t limit)
{
	/* Room for what it counts before and after the head: our own bound is the one that is met. */
	http_parser_set_max_header_size((uint32_t)limit * 4 + 4096);
}

void
web_parser_init(struct web_parser *p, const struct web_listener *to, void *owner)
{
	*p = (struct web_parser){ .to = to, .owner = owner, .stop = WEB_MORE };
	http_parser_init(&p->library, HTTP_REQUEST);
	p->library.data = p;
}

enum web_verdict
web_parser_feed(struct web_parser *p, struct gearmand_slice in, size_t *used_r)
{
	*used_r = 0;
	if (in.len == 0)
		return WEB_MORE;
	if (HTTP_PARSER_ERRNO(&p->library) == HPE_PAUSED)
		http_parser_pause(&p->library, 0);
	*used_r = http_parser_execute(&p->library, &settings, in.data, in.len);
	if (HTTP_PARSER_ERRNO(&p->library) == HPE_OK)
		return WEB_MORE;
	return HTTP_PARSER_ERRNO(&p->library) == HPE_PAUSED ? p->stop : WEB_BAD;
}

enum web_fault
web_parser_fault(const struct web_parser *p)
{
	switch (HTTP_PARSER_ERRNO(&p->library)) {
	case HPE_INVALID_METHOD:
		return WEB_FAULT_METHOD;
	case HPE_INVALID_VERSION:
		return WEB_FAULT_VERSION;
	case HPE_HEADER_OVERFLOW:
		return WEB_FAULT_TOO_LARGE;
	default:
		return WEB_FAULT_SYNTAX;
	}
}

enum web_method
web_parser_method(const struct web_parser *p)
{
	switch (p->library.method) {
	case HTTP_GET:
		return WEB_GET;
	case HTTP_HEAD:
		return WEB_HEAD;
	case HTTP_POST:
		return WEB_POST;
	case HTTP_PUT:
		return WEB_PUT;
	default:
		return WEB_OTHER;
	}
}

bool
web_parser_version(const struct web_parser *p, unsigned *minor_r)
{
	*minor_r = p->library.http_minor;
	return p->library.http_major == 1 && p->library.http_minor <= 1;
}

bool
web_parser_keep_alive(const struct web_parser *p)
{
	return http_should_keep_alive(&p->library);
}

uint64_t
web_parser_length(const struct web_parser *p)
{
	return p->library.content_length;
}

#else
typedef int parser_http_parser_is_not_used;
#endif
