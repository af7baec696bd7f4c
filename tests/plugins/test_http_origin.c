/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a browser was made to ask: other origins, other names for this server, and who is let in by an option.
 */
#include "tests/plugins/http_scene.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* A GET of /f with these header lines; it is served, or refused with this status. */
static void
expect_verdict(struct conn *f, const char *headers, unsigned status)
{
	char request[1024];

	snprintf(request, sizeof(request), "GET /f HTTP/1.1\r\n%s\r\n", headers);
	say(f, request);
	if (status == 200) {
		serve(f, "x");
		expect_response(f, 200, "x");
	} else {
		expect_refusal(f, status, status == 421 ? "--http-host" : "--http-allow-origin");
		expect_no_job(f);
	}
	expect_open(f);
}

Test(http_origin, programs_send_none_of_the_headers_of_browsers)
{
	struct conn *f = http_new();

	expect_verdict(f, "Host: h:8080\r\n", 200);
	http_end(&f);
}

Test(http_origin, page_of_this_server_may_ask)
{
	struct conn *f = http_new();

	expect_verdict(f, "Host: h:8080\r\nOrigin: http://h:8080\r\n", 200);
	expect_header("Access-Control-Allow-Origin", NULL);
	expect_verdict(f, "Host: h:8080\r\nOrigin: http://h:8080\r\nSec-Fetch-Site: same-origin\r\n", 200);
	expect_verdict(f, "Host: h:8080\r\nSec-Fetch-Site: none\r\n", 200);
	http_end(&f);
}

Test(http_origin, page_of_another_origin_may_not)
{
	struct conn *f = http_new();

	expect_verdict(f, "Host: h:8080\r\nOrigin: http://stranger\r\n", 403);
	expect_header("Access-Control-Allow-Origin", NULL);
	expect_verdict(f, "Origin: http://h:8081\r\nHost: h:8080\r\n", 403);
	expect_verdict(f, "Host: h\r\nOrigin: null\r\n", 403);
	expect_verdict(f, "Host: h\r\nOrigin: h\r\n", 403);
	expect_verdict(f, "Host: h\r\nOrigin:\r\n", 403);
	expect_verdict(f, "Host: h\r\nSec-Fetch-Site: cross-site\r\n", 403);
	expect_verdict(f, "Host: h\r\nSec-Fetch-Site: same-site\r\n", 403);
	expect_verdict(f, "Host: h\r\nSec-Fetch-Site:\r\n", 403);
	expect_verdict(f, "Host: h\r\nOrigin: http://h\r\nSec-Fetch-Site: cross-site\r\n", 403);
	http_end(&f);
}

Test(http_origin, each_method_and_question_is_looked_at)
{
	static const char *const begins[] = { "POST /f", "PUT /f", "OPTIONS /f", "GET /", "GET /_job/H:a:1",
		"DELETE /_job/H:a:1" };
	struct conn *f = http_new();
	char request[256];

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		snprintf(request, sizeof(request),
		    "%s HTTP/1.1\r\nHost: h\r\nOrigin: http://stranger\r\nContent-Length: 0\r\n\r\n", begins[i]);
		say(f, request);
		expect_refusal(f, 403, "another origin");
	}
	expect_no_job(f);
	http_end(&f);
}

Test(http_origin, host_is_an_address_or_localhost_or_named)
{
	struct conn *f = http_new_with((const char *const[]){ "http-host=gearmand.example,queue", NULL });

	expect_verdict(f, "Host: 192.0.2.1:8080\r\n", 200);
	expect_verdict(f, "Host: [2001:db8::1]:8080\r\n", 200);
	expect_verdict(f, "Host: localhost\r\n", 200);
	expect_verdict(f, "Host: Gearmand.Example:80\r\n", 200);
	expect_verdict(f, "Host: queue\r\n", 200);
	expect_verdict(f, "Host:\r\n", 200);
	expect_verdict(f, "Host: h\r\n", 421);
	expect_verdict(f, "Host: queue.stranger.example\r\n", 421);
	expect_verdict(f, "Host: localhost.stranger.example\r\n", 421);
	expect_verdict(f, "Host: gearmand.example,queue\r\n", 421);
	expect_verdict(f, "Host: *\r\n", 421);
	http_end(&f);
}

Test(http_origin, any_name_can_be_allowed)
{
	struct conn *f = http_new_with((const char *const[]){ "http-host=*", NULL });

	expect_verdict(f, "Host: whatever.example\r\n", 200);
	expect_verdict(f, "Host: whatever.example\r\nOrigin: http://stranger\r\n", 403);
	http_end(&f);
}

Test(http_origin, refusals_are_problems_for_programs_that_accept_json)
{
	struct conn *f = http_new();

	say(f, "GET /f HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n");
	expect_response(f, 421,
	    "{\"type\":\"about:blank\",\"title\":\"Misdirected Request\",\"status\":421,\"detail\":\"this server does "
	    "not "
	    "go by the name in the Host header; --http-host=NAME says that it does\"}\n");
	http_end(&f);
}

Test(http_origin, allowed_origin_may_ask_and_read_the_answer)
{
	struct conn *f =
	    http_new_with((const char *const[]){ "http-allow-origin=http://p.example,https://q.example:444", NULL });

	expect_verdict(f, "Host: h\r\nOrigin: https://q.example:444\r\nSec-Fetch-Site: cross-site\r\n", 200);
	expect_header("Access-Control-Allow-Origin", "https://q.example:444");
	expect_header("Vary", "Origin");
	expect_header("Access-Control-Expose-Headers",
	    "X-Gearman-Job-Handle, X-Gearman-Command, Location, Preference-Applied, Retry-After");
	expect_verdict(f, "Host: h\r\nOrigin: https://q.example\r\n", 403);
	expect_verdict(f, "Host: h\r\nOrigin: http://p.example.stranger\r\n", 403);
	expect_verdict(f, "Host: h\r\nSec-Fetch-Site: cross-site\r\n", 403);
	expect_verdict(f, "Host: h\r\n", 200);
	expect_header("Access-Control-Allow-Origin", NULL);
	/* Errors can be read, too. */
	say(f, "DELETE /f HTTP/1.1\r\nHost: h\r\nOrigin: http://p.example\r\n\r\n");
	expect_refusal(f, 405, "GET");
	expect_header("Access-Control-Allow-Origin", "http://p.example");
	http_end(&f);
}

Test(http_origin, every_origin_can_be_allowed)
{
	struct conn *f = http_new_with((const char *const[]){ "http-allow-origin=*", NULL });

	expect_verdict(f, "Host: h\r\nOrigin: null\r\n", 200);
	expect_header("Access-Control-Allow-Origin", "null");
	expect_verdict(f, "Host: h\r\nSec-Fetch-Site: cross-site\r\n", 200);
	expect_verdict(f, "Host: stranger\r\nOrigin: http://stranger\r\n", 421);
	http_end(&f);
}

Test(http_origin, preflight_of_an_allowed_origin_is_answered)
{
	static const char preflight[] = "OPTIONS /f HTTP/1.1\r\nHost: h\r\nOrigin: http://p.example\r\n"
					"Access-Control-Request-Method: POST\r\n\r\n";
	struct conn *f = http_new_with((const char *const[]){ "http-allow-origin=http://p.example", NULL });

	say(f, preflight);
	expect_head(f, 204);
	expect_header("Access-Control-Allow-Origin", "http://p.example");
	expect_header("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE");
	expect_header("Access-Control-Allow-Headers", "Accept, Content-Type, Prefer, X-Gearman-Background, "
						      "X-Gearman-Priority, X-Gearman-Stream, X-Gearman-Unique, "
						      "X-Gearman-When");
	expect_header("Access-Control-Max-Age", "600");
	expect_header("Content-Length", NULL);
	say(f, "OPTIONS /f HTTP/1.1\r\nHost: h\r\nOrigin: http://p.example\r\n\r\n");
	expect_refusal(f, 405, "GET");
	http_end(&f);

	f = http_new();
	say(f, preflight);
	expect_refusal(f, 403, "--http-allow-origin");
	http_end(&f);
}

Test(http_origin, lists_that_can_fit_nothing_are_refused)
{
	static const char *const settings[][2] = {
		{ "http-host=h:8080", "no name of a host" },
		{ "http-host=http://h", "no name of a host" },
		{ "http-host=a,,b", "no name of a host" },
		{ "http-allow-origin=p.example", "no origin" },
		{ "http-allow-origin=null", "no origin" },
		{ "http-allow-origin=http://p.example/", "no origin" },
		{ "http-allow-origin=http://a, http://b", "no origin" },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct gearmand_error err = { .text = "" };

		cr_assert_null(http_try((const char *const[]){ settings[i][0], NULL }, &err));
		cr_assert(strstr(err.text, settings[i][1]), "%s: %s", settings[i][0], err.text);
	}
}
