/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Heads of requests: what is read, what is refused, and what a page of a stranger may not do.
 */
#include <criterion/criterion.h>
#include <gearmand/browser.h>

#include "plugins/proto-monitor/request.h"

static struct mon_request r;

static unsigned
verdict(const char *head)
{
	mon_request_fini(&r);
	cr_assert_eq(mon_head_len(gm_slice(head)), strlen(head), "%s", head);
	mon_request_read(&r, gm_slice(head), "monitor.example.org,other");
	return r.fault;
}

#define HOST "Host: localhost:4731\r\n"

Test(monitor_request, a_plain_one_is_read)
{
	cr_assert_eq(verdict("GET /api/functions?match=a*&x= HTTP/1.1\r\n" HOST "Accept: text/plain \r\n\r\n"), 0);
	cr_assert_eq(r.method, MON_GET);
	cr_assert(gm_is(r.path, "/api/functions") && gm_is(r.query, "match=a*&x=") && gm_is(r.accept, "text/plain"));
	cr_assert(r.keep_alive && !r.is_head);
	cr_assert_eq(verdict("HEAD / HTTP/1.0\r\n\r\n"), 0);
	cr_assert(r.is_head && !r.keep_alive);
	cr_assert_eq(verdict("POST /x HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\n"), 0);
	cr_assert_eq(r.body, 12);
	mon_request_fini(&r);
}

Test(monitor_request, a_head_is_whole_at_its_empty_line)
{
	cr_assert_eq(mon_head_len(gm_slice("GET / HTTP/1.1\r\nHost: x\r\n")), 0);
	cr_assert_eq(mon_head_len(gm_slice("GET / HTTP/1.1\r\n\r\nGET")), 18);
}

Test(monitor_request, what_two_programs_may_read_differently_is_refused)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\n" HOST HOST "\r\n",
		"GARBAGE\r\n\r\n",
		"\x16\x03\x01\r\n\r\n",
	};

	for (size_t i = 0; i < GM_COUNT(bad); i++)
		cr_assert_eq(verdict(bad[i]), 400, "%s", bad[i]);
	cr_assert_eq(verdict("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"), 411);
	cr_assert_eq(verdict("POST / HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\n"), 413);
	cr_assert(r.framing_lost);
	cr_assert_eq(verdict("DELETE / HTTP/1.1\r\n" HOST "\r\n"), 405);
	mon_request_fini(&r);
}

Test(monitor_request, an_unknown_name_of_this_machine_is_refused)
{
	static const char *const good[] = { "127.0.0.1", "127.0.0.1:4731", "[::1]:4731", "[::1]", "LocalHost",
		"other:80", "Monitor.Example.Org:4731" };
	static const char *const bad[] = { "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "",
		"1:2", "[::1", "monitor.example.org.", "example.org,other" };
	char head[200];

	for (size_t i = 0; i < GM_COUNT(good) + GM_COUNT(bad); i++) {
		const char *host = i < GM_COUNT(good) ? good[i] : bad[i - GM_COUNT(good)];

		snprintf(head, sizeof(head), "GET /metrics HTTP/1.1\r\nHost: %s\r\n\r\n", host);
		cr_assert_eq(verdict(head), i < GM_COUNT(good) ? 0 : 421, "%s", host);
	}
	mon_request_fini(&r);
}

Test(monitor_request, a_page_of_another_origin_may_read_nothing_into_a_post)
{
#define POST "POST /x HTTP/1.1\r\n" HOST
	cr_assert_eq(verdict(POST "\r\n"), 0, "no browser");
	cr_assert_eq(verdict(POST "Sec-Fetch-Site: same-origin\r\nOrigin: http://strange\r\n\r\n"), 0);
	cr_assert_eq(verdict(POST "Sec-Fetch-Site: none\r\n\r\n"), 0);
	cr_assert_eq(verdict(POST "Sec-Fetch-Site: same-site\r\nOrigin: http://localhost:4731\r\n\r\n"), 403);
	cr_assert_eq(verdict(POST "Sec-Fetch-Site: cross-site\r\n\r\n"), 403);
	cr_assert_eq(verdict(POST "Origin: http://localhost:4731\r\n\r\n"), 0, "plain HTTP on a name of the network");
	cr_assert_eq(verdict(POST "Origin: http://localhost\r\n\r\n"), 403);
	cr_assert_eq(verdict(POST "Origin: null\r\n\r\n"), 403);
	cr_assert_eq(verdict(POST "Origin:\r\n\r\n"), 403);
	cr_assert_eq(verdict("GET /x HTTP/1.1\r\n" HOST "Sec-Fetch-Site: cross-site\r\n\r\n"), 0);
	mon_request_fini(&r);
}

static const char *
parameter(const char *query, const char *name)
{
	static char text[64];
	struct gm_bytes value = { .len = 0 };

	r = (struct mon_request){ .query = gm_slice(query) };
	if (!mon_parameter(&r, name, &value))
		snprintf(text, sizeof(text), "malformed");
	else
		snprintf(text, sizeof(text), "%.*s", (int)value.len, value.len > 0 ? value.data : "");
	gm_bytes_free(&value);
	return text;
}

Test(monitor_request, parameters_are_decoded)
{
	cr_assert_str_eq(parameter("a=1&b=x%20y", "b"), "x y");
	cr_assert_str_eq(parameter("a=1&b=x%20y", "a"), "1");
	cr_assert_str_eq(parameter("aa=1", "a"), "");
	cr_assert_str_eq(parameter("a=%4", "a"), "malformed");
	cr_assert_str_eq(parameter("a=%zz", "a"), "malformed");
	cr_assert_str_eq(parameter("a=%00", "a"), "malformed");
	cr_assert_str_eq(parameter("a=%2f%2F", "a"), "//");
}

Test(monitor_request, the_format_that_is_liked_best_wins)
{
	cr_assert(mon_wants_openmetrics(gm_slice("application/openmetrics-text;version=1.0.0,"
						 "application/openmetrics-text;version=0.0.1;q=0.75,"
						 "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")));
	cr_assert_not(mon_wants_openmetrics(gm_slice("text/plain, application/openmetrics-text;q=0.9")));
	cr_assert_not(mon_wants_openmetrics(gm_slice("application/openmetrics-text;q=0")));
	cr_assert_not(mon_wants_openmetrics(gm_slice("*/*")));
	cr_assert_not(mon_wants_openmetrics((struct gearmand_slice){ NULL, 0 }));
}
