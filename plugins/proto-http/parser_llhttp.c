/* SPDX-License-Identifier: BSD-3-Clause
 *
 * parser.h by means of llhttp.
 *
 * Runs on:  the I/O thread of the connection.  Owns nothing but the library's state.
 *
 * The library is paused by what its callbacks return, so that no byte of the next request is used.  Paused
 * at the end of the head it has used the last LF, so a request without a body ends when it is fed no bytes.
 */
#include "parser.h"

#ifdef HAVE_LLHTTP

static struct web_parser *
parser_of(llhttp_t *library)
{
	return library->data;
}

static int
on_url(llhttp_t *library, const char *at, size_t len)
{
	struct web_parser *p = parser_of(library);

	p->to->url(p->owner, (struct gearmand_slice){ at, len });
	return 0;
}

static int
on_header_field(llhttp_t *library, const char *at, size_t len)
{
	struct web_parser *p = parser_of(library);

	p->to->field(p->owner, (struct gearmand_slice){ at, len });
	return 0;
}

static int
on_header_value(llhttp_t *library, const char *at, size_t len)
{
	struct web_parser *p = parser_of(library);

	p->to->value(p->owner, (struct gearmand_slice){ at, len });
	return 0;
}

static int
on_body(llhttp_t *library, const char *at, size_t len)
{
	struct web_parser *p = parser_of(library);

	p->to->body(p->owner, (struct gearmand_slice){ at, len });
	return 0;
}

static int
on_headers_complete(llhttp_t *library)
{
	parser_of(library)->stop = WEB_HEADERS;
	return HPE_PAUSED;
}

static int
on_message_complete(llhttp_t *library)
{
	parser_of(library)->stop = WEB_DONE;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
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
	(void)limit; /* it has no bound of its own */
}

void
web_parser_init(struct web_parser *p, const struct web_listener *to, void *owner)
{
	*p = (struct web_parser){ .to = to, .owner = owner, .stop = WEB_MORE };
	llhttp_init(&p->library, HTTP_REQUEST, &settings);
	p->library.data = p;
#if LLHTTP_VERSION_MAJOR > 9 || (LLHTTP_VERSION_MAJOR == 9 && LLHTTP_VERSION_MINOR >= 2)
	llhttp_set_lenient_optional_cr_before_lf(&p->library, 1); /* gearmand 1.1 takes lines that end in LF alone */
#endif
}

enum web_verdict
web_parser_feed(struct web_parser *p, struct gearmand_slice in, size_t *used_r)
{
	const char *data = in.len > 0 ? in.data : "";
	llhttp_errno_t outcome;

	if (llhttp_get_errno(&p->library) == HPE_PAUSED)
		llhttp_resume(&p->library);
	outcome = llhttp_execute(&p->library, data, in.len);
	*used_r = in.len;
	if (outcome == HPE_OK)
		return WEB_MORE;
	/* A place outside of these bytes would be the library's mistake, and must not become ours. */
	uintptr_t at = (uintptr_t)llhttp_get_error_pos(&p->library), from = (uintptr_t)data;
	if (at >= from && at - from <= in.len)
		*used_r = at - from;
	return outcome == HPE_PAUSED ? p->stop : WEB_BAD;
}

enum web_fault
web_parser_fault(const struct web_parser *p)
{
	switch (llhttp_get_errno(&p->library)) {
	case HPE_INVALID_METHOD:
		return WEB_FAULT_METHOD;
	case HPE_INVALID_VERSION:
		return WEB_FAULT_VERSION;
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
	return llhttp_should_keep_alive(&p->library);
}

uint64_t
web_parser_length(const struct web_parser *p)
{
	return p->library.content_length;
}

#else
typedef int parser_llhttp_is_not_used;
#endif
