/* SPDX-License-Identifier: BSD-3-Clause
 *
 * HTTP requests that are refused: with which status, and whether the connection goes on.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/plugins/http_scene.h"

Test(http_refusals, other_methods_are_405_and_told_which_there_are)
{
	static const char *const others[] = { "TRACE", "OPTIONS", "DELETE", "PATCH" };
	struct conn *f = http_new();

	for (size_t i = 0; i < 4; i++) {
		char request[128];

		snprintf(request, sizeof(request), "%s /f HTTP/1.1\r\nHost: h\r\n\r\n", others[i]);
		say(f, request);
		expect_refusal(f, 405, "GET");
		expect_header("Allow", "GET, HEAD, POST, PUT");
	}
	say(f, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_refusal(f, 405, "GET");
	say(f, "CONNECT localhost:80 HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_refusal(f, 405, "GET");
	expect_open(f);
	http_end(&f);
}

Test(http_refusals, method_names_are_case_sensitive_and_unknown_ones_405)
{
	expect_refused("get /f HTTP/1.1\r\nHost: h\r\n\r\n", 405, "GET");
	expect_refused("BREW /f HTTP/1.1\r\nHost: h\r\n\r\n", 405, "GET");
	expect_refused("GETS /f HTTP/1.1\r\nHost: h\r\n\r\n", 405, "GET");
}

Test(http_refusals, line_that_is_no_request_line_is_400)
{
	expect_refused("nonsense\r\n", 400, "request line");
	expect_refused("nonsense\r\n\r\n", 400, "request line");
	expect_refused("GET\r\n\r\n", 400, "request line");
	expect_refused("GET /f\r\n\r\n", 400, "request line");
	expect_refused("GET  HTTP/1.1\r\n", 400, "request line");
	expect_refused("GET /f  HTTP/1.1\r\n", 400, "request line");
	expect_refused("GET /f HTTP/1.1 \r\n", 400, "request line");
	expect_refused("GET /f HTTP/1.1\r\r\n", 400, "request line");
	expect_refused("GET /f HTTP/1\r\n", 400, "request line");
	expect_refused("GET /f HTTP/1.10\r\n", 400, "request line");
	expect_refused(" GET /f HTTP/1.1\r\n", 400, "request line");
}

Test(http_refusals, bytes_that_no_request_line_has_are_refused_before_the_line_ends)
{
	expect_refused("\x16\x03\x01\x02", 400, "request line");
	expect_refused("GET /f\x01", 400, "request line");
	expect_refused("(", 400, "request line");
}

Test(http_refusals, host_is_there_once_in_1_1)
{
	struct conn *f = http_new();

	say(f, "GET /f HTTP/1.1\r\n\r\n");
	expect_refusal(f, 400, "Host");
	say(f, "GET /f HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
	expect_refusal(f, 400, "Host");
	say(f, "GET /f HTTP/1.0\r\nConnection: keep-alive\r\nHost: a\r\nhost: b\r\n\r\n");
	expect_refusal(f, 400, "Host");
	expect_open(f);
	say(f, "GET /f HTTP/1.1\r\nHost:\r\n\r\n");
	serve(f, "x");
	expect_response(f, 200, "x");
	say(f, "GET /g HTTP/1.0\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "g", "-", "");
	http_end(&f);
}

Test(http_refusals, byte_that_no_header_may_have_is_named_as_the_reason)
{
	expect_refused("GET /f HTTP/1.1\r\nHost: h\r\nX\"Y: x\r\n\r\n", 400, "a header has a byte");
}

Test(http_refusals, what_is_not_http_is_400)
{
	expect_refused("GET /f\x01 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "HTTP");
	expect_refused("GET /f XTTP/1.1\r\n\r\n", 400, "HTTP");
	expect_refused("GET /f HTTP/1.1\r\nHost: h\r\n\rX", 400, "HTTP");
	expect_refused("GET /f HTTP/1.1\r\nHost: h\r\nbad\x01header: x\r\n\r\n", 400, "HTTP");
	expect_refused("GET /f HTTP/1.1\r\nHost: h\r\nX-Gearman-Unique: a\x01\r\n\r\n", 400, "HTTP");
}

Test(http_refusals, nul_in_a_header_is_400)
{
	static const char request[] = "GET /f HTTP/1.1\r\nHost: h\r\nX-Gearman-Unique: a\0b\r\n\r\n";
	struct conn *f = http_new();

	say_bytes(f, request, sizeof(request) - 1);
	expect_refusal(f, 400, "HTTP");
	expect_closed(f);
	http_end(&f);
}

Test(http_refusals, other_versions_are_505)
{
	expect_refused("GET /f HTTP/2.0\r\n\r\n", 505, "HTTP/1.1");
	expect_refused("GET /f HTTP/3.0\r\n\r\n", 505, "HTTP/1.1");
	expect_refused("GET /f HTTP/0.9\r\n\r\n", 505, "HTTP/1.1");
}

Test(http_refusals, post_and_put_without_length_are_411)
{
	struct conn *f = http_new();

	say(f, "POST /f HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_refusal(f, 411, "Content-Length");
	say(f, "PUT /f HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_refusal(f, 411, "Content-Length");
	expect_open(f);
	http_end(&f);
}

Test(http_refusals, lengths_that_are_no_number_or_two_are_400)
{
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 400, "");
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400, "");
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 1x\r\n\r\n", 400, "");
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 1 1\r\n\r\n", 400, "");
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n", 400, "");
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400, "");
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, "");
}

Test(http_refusals, framing_that_two_programs_could_read_differently_is_refused)
{
	expect_refused(
	    "POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "");
	expect_refused(
	    "POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400, "");
	expect_refused(
	    "POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "");
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\nabc", 400, "");
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, "");
}

Test(http_refusals, other_transfer_codings_are_501)
{
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "chunked");
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "chunked");
}

Test(http_refusals, broken_chunks_are_400)
{
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, "HTTP");
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400, "HTTP");
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\rXa\r\n", 400, "HTTP");
	expect_refused(
	    "POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXY0\r\n\r\n", 400, "HTTP");
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\rX", 400, "HTTP");
	expect_refused(
	    "POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", 400, "HTTP");
	expect_refused("POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\nx\r\n", 400, "HTTP");
	expect_refused(
	    "POST /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: y\n", 400, "HTTP");
}

Test(http_refusals, refused_request_with_a_short_body_does_not_end_the_connection)
{
	struct conn *f = http_new();

	say(f, "DELETE /f HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nGET /");
	expect_refusal(f, 405, "GET");
	expect_open(f);
	say(f, "GET /g HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "g", "-", "");
	http_end(&f);
}

Test(http_refusals, refused_request_with_a_body_that_may_not_come_ends_the_connection)
{
	expect_refused("DELETE /f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 405, "GET");
	expect_refused("DELETE /f HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n", 405, "GET");
	expect_refused(
	    "DELETE /f HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n", 405, "GET");
}
