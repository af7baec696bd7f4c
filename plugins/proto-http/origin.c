/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whose request is it?  A browser's is refused when a page of another origin made it, or when it calls this server by a
 * name that is not its own; programs that are no browsers send none of the headers that tell.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 *
 * Every method is looked at, GET too: it submits a job like the others.
 */
#include "origin.h"

#include <gearmand/browser.h>

const char web_preflight[] = "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, DELETE\r\n"
			     "Access-Control-Allow-Headers: Accept, Content-Type, Prefer, X-Gearman-Background, "
			     "X-Gearman-Priority, X-Gearman-Stream, X-Gearman-Unique, X-Gearman-When\r\n"
			     "Access-Control-Max-Age: 600\r\n";

/* The next entry of a list that commas part; NULL behind the last one. */
static const char *
next_entry(const char *list, struct gearmand_slice *entry_r)
{
	if (!list || *list == '\0')
		return NULL;
	*entry_r = (struct gearmand_slice){ list, strcspn(list, ",") };
	return list + entry_r->len + (list[entry_r->len] == ',');
}

/* scheme://host or scheme://host:port, as browsers write it. */
static bool
is_origin(struct gearmand_slice s)
{
	const char *colon = s.len > 0 ? memmem(s.data, s.len, "://", 3) : NULL;
	struct gearmand_slice host;

	if (!colon || colon == s.data)
		return false;
	host = (struct gearmand_slice){ colon + 3, (size_t)(s.data + s.len - colon) - 3 };
	return host.len > 0 && !memchr(host.data, '/', host.len) && !memchr(s.data, ' ', s.len);
}

bool
web_names_are_well(const struct gearmand_host *host, struct gearmand_error *err)
{
	struct gearmand_slice one;
	const char *list;

	for (list = host->option(host, "http-host"); (list = next_entry(list, &one));)
		if (one.len == 0 || gm_has_byte(one, ':') || gm_has_byte(one, '/') || gm_has_byte(one, ' ')) {
			host->error_set(err, "http-host: '%.*s' is no name of a host: it has no scheme, port or path",
			    (int)one.len, one.data);
			return false;
		}
	for (list = host->option(host, "http-allow-origin"); (list = next_entry(list, &one));)
		if (!gm_is(one, "*") && !is_origin(one)) {
			host->error_set(err,
			    "http-allow-origin: '%.*s' is no origin such as https://www.example.org, and not '*'",
			    (int)one.len, one.data);
			return false;
		}
	return true;
}

/* Without an Origin only `*` allows: the header would have said which page it is. */
static bool
is_allowed(const char *origins, struct gearmand_slice origin)
{
	struct gearmand_slice one;

	while ((origins = next_entry(origins, &one)))
		if (gm_is(one, "*") ||
		    (one.len == origin.len && origin.len > 0 && strncasecmp(one.data, origin.data, one.len) == 0))
			return true;
	return false;
}

struct web_refusal
web_stranger_check(struct web_conn *c)
{
	const struct web_head *h = &c->request->head;
	struct gearmand_slice host = gm_bytes_slice(&h->host), origin = gm_bytes_slice(&h->origin);

	/* An empty one is no browser's: programs may send it. */
	if (host.len > 0 && !gm_host_is_known(host, c->module->names))
		return (struct web_refusal){ 421,
			"this server does not go by the name in the Host header; --http-host=NAME says that it does" };
	if (origin.data || h->site.data)
		c->request->page_may_read = is_allowed(c->module->origins, origin);
	if (!c->request->page_may_read && !gm_same_origin(gm_bytes_slice(&h->site), origin, host))
		return (struct web_refusal){ 403,
			"a page of another origin may not use this server; --http-allow-origin=ORIGIN lets it" };
	return (struct web_refusal){ 0, NULL };
}

bool
web_is_preflight(const struct web_conn *c)
{
	const struct web_request *r = c->request;

	return r->page_may_read && r->method == HTTP_OPTIONS && r->head.asks_method && r->head.origin.len > 0;
}
