/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto-http: which job a request asks for, and which requests are refused.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/plugins/http_scene.h"

/* ---- Path, query, workload ------------------------------------------------------------------ */

static void
expect_target(const char *target, const char *function, const char *data)
{
	struct conn *f = http_new();
	char request[4096];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", target);
	say(f, request);
	expect_job(f, GEARMAND_SUBMIT_JOB, function, "-", data);
	http_end(&f);
}

Test(http_request, path_is_the_function_and_query_of_a_get_the_workload)
{
	expect_target("/rev", "rev", "");
	expect_target("/rev?x=1", "rev", "x=1");
	expect_target("/rev?", "rev", "");
	expect_target("/rev?a?b", "rev", "a?b");
	expect_target("/a/b/", "a/b/", "");
}

Test(http_request, leading_slashes_are_not_part_of_the_function)
{
	expect_target("///rev", "rev", "");
	expect_target("/%2Frev", "/rev", "");
}

Test(http_request, path_is_percent_decoded_and_query_is_not)
{
	expect_target("/image%20resize?w=%20+", "image resize", "w=%20+");
	expect_target("/%41%4a%4A", "AJJ", "");
	expect_target("/a%0d%0Ab", "a\r\nb", "");
	expect_target("/a%3Fb", "a?b", "");
	expect_target("/a+b", "a+b", "");
	expect_target("/%c3%a4", "\xc3\xa4", "");
}

Test(http_request, absolute_target_means_its_path)
{
	expect_target("http://localhost:8080/rev?x", "rev", "x");
	expect_target("http://localhost//rev", "rev", "");
}

Test(http_request, bad_escapes_are_refused)
{
	static const char *const bad[] = { "/a%", "/a%1", "/a%zz", "/a%1g", "/%", "/a%00b", "/a%0%30", "/a#b" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct conn *f = http_new();
		char request[256];

		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", bad[i]);
		say(f, request);
		expect_refusal(f, 400, bad[i][2] == '#' ? "%23" : "escape");
		expect_open(f);
		http_end(&f);
	}
}

Test(http_request, without_a_function_get_and_head_say_that_the_server_is_there)
{
	struct conn *f = http_new();

	say(f, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_refusal(f, 200, "gearmand");
	expect_header("X-Gearman-Job-Handle", NULL);
	expect_header("X-Gearman-Command", NULL);
	say(f, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_bare_response(f, 200, strlen("gearmand is here; POST /FUNCTION submits a job\n"));
	say(f, "GET /?x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	expect_refusal(f, 200, "gearmand");
	say(f, "GET http://localhost HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
	expect_refusal(f, 200, "gearmand");
	expect_open(f);
	http_end(&f);
}

Test(http_request, without_a_function_post_and_put_are_404)
{
	struct conn *f = http_new();

	say(f, "POST /// HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
	expect_response(f, 404, "");
	expect_header("X-Gearman-Job-Handle", NULL);
	say(f, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
	expect_response(f, 404, "");
	expect_open(f);
	http_end(&f);
}

Test(http_request, body_is_the_workload_of_post_put_get_and_head)
{
	static const char *const methods[] = { "POST", "PUT", "GET", "HEAD" };
	struct conn *f = http_new();

	for (size_t i = 0; i < 4; i++) {
		char request[256];

		snprintf(request, sizeof(request), "%s /f?query HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
		    methods[i]);
		say(f, request);
		expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "hello");
		created(f);
		work(f, GEARMAND_WORK_COMPLETE, "x");
		if (i < 3)
			expect_response(f, 200, "x");
		else
			expect_bare_response(f, 200, 1);
	}
	http_end(&f);
}

Test(http_request, empty_body_of_a_post_is_an_empty_workload)
{
	struct conn *f = http_new();

	say(f, "POST /f?query HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "");
	http_end(&f);
}

Test(http_request, empty_body_of_a_get_leaves_its_query_as_workload)
{
	struct conn *f = http_new();

	say(f, "GET /f?query HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "query");
	http_end(&f);
}

Test(http_request, body_may_hold_any_byte)
{
	struct conn *f = http_new();
	char body[256];

	for (int i = 0; i < 256; i++)
		body[i] = (char)i;
	say(f, "PUT /f HTTP/1.1\r\nHost: h\r\nContent-Length: 256\r\n\r\n");
	say_bytes(f, body, sizeof(body));
	expect_job_bytes(f, GEARMAND_SUBMIT_JOB, "f", "-", body, sizeof(body));
	http_end(&f);
}

Test(http_request, chunks_are_one_workload)
{
	struct conn *f = http_new();

	say(f, "POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n1;name=value\r\n,\r\n"
	       "00A\r\n 123456789\r\n0\r\nX-Gearman-Unique: late\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "hello, 123456789");
	http_end(&f);
}

/* ---- Headers ---------------------------------------------------------------------------------- */

static void
expect_type(const char *headers, uint32_t type)
{
	struct conn *f = http_new();
	char request[1024];

	snprintf(request, sizeof(request), "GET /f HTTP/1.1\r\nHost: h\r\n%s\r\n", headers);
	say(f, request);
	expect_job(f, type, "f", "-", "");
	http_end(&f);
}

Test(http_request, priority_and_background_choose_the_packet)
{
	expect_type("", GEARMAND_SUBMIT_JOB);
	expect_type("X-Gearman-Priority: high\r\n", GEARMAND_SUBMIT_JOB_HIGH);
	expect_type("X-Gearman-Priority: low\r\n", GEARMAND_SUBMIT_JOB_LOW);
	expect_type("X-Gearman-Priority: normal\r\n", GEARMAND_SUBMIT_JOB);
	expect_type("X-Gearman-Background: true\r\n", GEARMAND_SUBMIT_JOB_BG);
	expect_type("X-Gearman-Background: false\r\n", GEARMAND_SUBMIT_JOB);
	expect_type("X-Gearman-Background: true\r\nX-Gearman-Priority: high\r\n", GEARMAND_SUBMIT_JOB_HIGH_BG);
	expect_type("X-Gearman-Priority: low\r\nX-Gearman-Background: true\r\n", GEARMAND_SUBMIT_JOB_LOW_BG);
}

Test(http_request, header_names_and_words_ignore_case_and_spaces_around)
{
	expect_type("x-gearman-PRIORITY:high\r\n", GEARMAND_SUBMIT_JOB_HIGH);
	expect_type("X-GEARMAN-background:  \t True \t\r\n", GEARMAND_SUBMIT_JOB_BG);
}

Test(http_request, unknown_words_are_refused)
{
	static const char *const bad[] = { "X-Gearman-Priority: urgent",
		"X-Gearman-Priority:", "X-Gearman-Background: yes" };

	for (size_t i = 0; i < 3; i++) {
		struct conn *f = http_new();
		char request[256];

		snprintf(request, sizeof(request), "GET /f HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", bad[i]);
		say(f, request);
		expect_refusal(f, 400, "X-Gearman-");
		expect_open(f);
		http_end(&f);
	}
}

static void
expect_unique(const char *header, const char *unique)
{
	struct conn *f = http_new();
	char request[1024];

	snprintf(request, sizeof(request), "GET /f HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", header);
	say(f, request);
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", unique, "");
	http_end(&f);
}

Test(http_request, unique_is_the_header_and_a_dash_without_one)
{
	expect_unique("Accept: */*", "-");
	expect_unique("X-Gearman-Unique: some key", "some key");
	expect_unique("X-Gearman-Unique:tight", "tight");
	expect_unique("X-Gearman-Unique:", "");
	expect_unique("X-Gearman-Unique: \xe4\xff", "\xe4\xff");
	expect_unique("X-Gearman-Unique: one\r\nX-Gearman-Unique: two", "two");
}

/* ---- Framing ---------------------------------------------------------------------------------- */

Test(http_request, requests_on_one_connection_are_answered_in_order)
{
	struct conn *f = http_new();

	say(f, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n1GET /b?2 HTTP/1.1\r\nHost: h\r\n\r\nPOST / "
	       "HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\nGET /c "
	       "HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "a", "-", "1");
	expect_no_job(f);
	created(f);
	expect_no_job(f);
	work(f, GEARMAND_WORK_COMPLETE, "A");
	expect_response(f, 200, "A");
	expect_job(f, GEARMAND_SUBMIT_JOB, "b", "-", "2");
	expect_silence(f);
	created(f);
	work(f, GEARMAND_WORK_COMPLETE, "B");
	expect_response(f, 200, "B");
	expect_response(f, 404, "");
	expect_job(f, GEARMAND_SUBMIT_JOB, "c", "-", "");
	http_end(&f);
}

Test(http_request, empty_lines_before_a_request_are_skipped)
{
	struct conn *f = http_new();

	say(f, "\r\n\r\n\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
	serve(f, "1");
	expect_response(f, 200, "1");
	expect_job(f, GEARMAND_SUBMIT_JOB, "b", "-", "");
	http_end(&f);
}

Test(http_request, lines_may_end_in_lf_alone)
{
	const char *parser = getenv("GEARMAND_TEST_PARSER");
	struct conn *f;

	if (parser && strcmp(parser, "llhttp") == 0)
		cr_skip_test("llhttp takes them since 9.2");
	f = http_new();
	say(f, "POST /a HTTP/1.0\nContent-Length: 2\nX-Gearman-Unique: u\n\nhi");
	expect_job(f, GEARMAND_SUBMIT_JOB, "a", "u", "hi");
	http_end(&f);
}

Test(http_request, expectation_of_100_continue_is_met_once)
{
	struct conn *f = http_new();

	say(f, "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
	expect_continue(f);
	expect_no_job(f);
	say(f, "h");
	expect_silence(f);
	say(f, "i");
	expect_job(f, GEARMAND_SUBMIT_JOB, "a", "-", "hi");
	http_end(&f);
}

Test(http_request, expectation_of_a_request_without_body_or_of_1_0_is_not_answered)
{
	struct conn *f = http_new();

	say(f, "GET /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n");
	expect_silence(f);
	serve(f, "");
	expect_response(f, 200, "");
	say(f, "POST /b HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	expect_silence(f);
	say(f, "ok");
	expect_job(f, GEARMAND_SUBMIT_JOB, "b", "-", "ok");
	http_end(&f);
}

Test(http_request, other_expectations_are_refused)
{
	expect_refused("POST /a HTTP/1.1\r\nHost: h\r\nExpect: more\r\nContent-Length: 2\r\n\r\n", 417, "100-continue");
}

Test(http_request, upgrades_are_ignored)
{
	struct conn *f = http_new();

	say(f, "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
	       "AA\r\n\r\n");
	serve(f, "1");
	expect_response(f, 200, "1");
	say(f, "POST /b HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi");
	expect_job(f, GEARMAND_SUBMIT_JOB, "b", "-", "hi");
	http_end(&f);
}
