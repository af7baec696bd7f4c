/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto-http: what the client gets.  Each line of the table of defects of gearmand 1.1's HTTP module has a case.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/plugins/http_scene.h"

static struct conn *
asked(const char *request)
{
	struct conn *f = http_new();

	say(f, request);
	return f;
}

/* ... and the job is there. */
static struct conn *
running(const char *request)
{
	struct conn *f = asked(request);

	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "");
	created(f);
	return f;
}

#define GET "GET /f HTTP/1.1\r\nHost: h\r\n\r\n"

Test(http_response, result_comes_with_handle_command_length_and_server)
{
	struct conn *f = running(GET);

	expect_silence(f);
	work(f, GEARMAND_WORK_COMPLETE, "result");
	expect_response(f, 200, "result");
	expect_header("X-Gearman-Job-Handle", HANDLE);
	expect_header("X-Gearman-Command", "WORK_COMPLETE");
	expect_header("Connection", NULL);
	expect_open(f);
	http_end(&f);
}

Test(http_response, empty_result_has_length_0)
{
	struct conn *f = running(GET);

	work(f, GEARMAND_WORK_COMPLETE, "");
	expect_response(f, 200, "");
	http_end(&f);
}

Test(http_response, background_job_answers_with_its_handle)
{
	struct conn *f = asked("PUT /f HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nX-Gearman-Background: "
			       "true\r\n\r\nxGET /g HTTP/1.1\r\nHost: h\r\n\r\n");

	expect_job(f, GEARMAND_SUBMIT_JOB_BG, "f", "-", "x");
	expect_silence(f);
	created(f);
	expect_response(f, 200, "");
	expect_header("X-Gearman-Job-Handle", HANDLE);
	expect_header("X-Gearman-Command", "JOB_CREATED");
	expect_job(f, GEARMAND_SUBMIT_JOB, "g", "-", "");
	http_end(&f);
}

Test(http_response, head_has_the_length_but_no_body)
{
	struct conn *f = running("HEAD /f HTTP/1.1\r\nHost: h\r\n\r\n");

	work(f, GEARMAND_WORK_DATA, "part, ");
	work(f, GEARMAND_WORK_COMPLETE, "result");
	expect_bare_response(f, 200, 12);
	expect_header("X-Gearman-Job-Handle", HANDLE);
	http_end(&f);
}

Test(http_response, refusal_and_failure_of_a_head_have_no_body)
{
	struct conn *f = asked("HEAD /a%zz HTTP/1.1\r\nHost: h\r\n\r\n");

	cr_assert_eq(strstr(f->out.data, "\r\n\r\n") + 4, f->out.data + f->out.len, "a body");
	pile_cut(&f->out, f->out.len);
	say(f, "HEAD /f HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "");
	created(f);
	work(f, GEARMAND_WORK_FAIL, "");
	expect_bare_response(f, 500, strlen("the job failed\n"));
	http_end(&f);
}

Test(http_response, failed_job_is_500_with_its_whole_handle)
{
	struct conn *f = running(GET);

	work(f, GEARMAND_WORK_DATA, "not part of it");
	work(f, GEARMAND_WORK_FAIL, "");
	expect_refusal(f, 500, "failed");
	expect_header("X-Gearman-Job-Handle", HANDLE);
	expect_header("X-Gearman-Command", "WORK_FAIL");
	expect_open(f);
	http_end(&f);
}

Test(http_response, exception_is_500_with_its_text)
{
	struct conn *f = running(GET);

	work(f, GEARMAND_WORK_DATA, "not part of it");
	work(f, GEARMAND_WORK_EXCEPTION, "division by zero");
	expect_response(f, 500, "division by zero");
	expect_header("X-Gearman-Job-Handle", HANDLE);
	expect_header("X-Gearman-Command", "WORK_EXCEPTION");
	http_end(&f);
}

Test(http_response, exceptions_are_asked_for_once)
{
	struct conn *f = running(GET);

	cr_assert_eq(f->requests[0].type, GEARMAND_OPTION_REQ);
	work(f, GEARMAND_WORK_COMPLETE, "1");
	expect_response(f, 200, "1");
	say(f, GET);
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "");
	cr_assert_eq(f->request_count, 3);
	http_end(&f);
}

Test(http_response, server_without_exceptions_serves_all_the_same)
{
	struct conn *f = asked(GET);

	error(f, "UNKNOWN_OPTION", "Server does not recognize given option");
	expect_silence(f);
	serve(f, "1");
	expect_response(f, 200, "1");
	http_end(&f);
}

/* ---- Data, progress, warnings -------------------------------------------------------------------- */

Test(http_response, data_before_the_result_is_part_of_the_body)
{
	struct conn *f = running(GET);

	work(f, GEARMAND_WORK_DATA, "one ");
	work(f, GEARMAND_WORK_DATA, "two ");
	expect_silence(f);
	work(f, GEARMAND_WORK_COMPLETE, "three");
	expect_response(f, 200, "one two three");
	http_end(&f);
}

Test(http_response, data_of_an_attempt_that_was_lost_is_void)
{
	struct conn *f = running(GET);

	for (int i = 0; i < 2; i++) {
		work(f, GEARMAND_WORK_DATA, "lost ");
		work(f, GEARMAND_WORK_DATA, "too ");
		work(f, GEARMAND_ATTEMPT_VOID, "");
	}
	work(f, GEARMAND_WORK_DATA, "the whole ");
	work(f, GEARMAND_WORK_COMPLETE, "result");
	expect_response(f, 200, "the whole result");
	http_end(&f);
}

Test(http_response, void_attempt_of_a_head_does_not_count_for_its_length)
{
	struct conn *f = running("HEAD /f HTTP/1.1\r\nHost: h\r\n\r\n");

	work(f, GEARMAND_WORK_DATA, "lost");
	work(f, GEARMAND_ATTEMPT_VOID, "");
	work(f, GEARMAND_WORK_DATA, "12");
	work(f, GEARMAND_WORK_COMPLETE, "3");
	expect_bare_response(f, 200, 3);
	http_end(&f);
}

Test(http_response, data_that_the_server_has_no_room_for_is_503_and_the_end)
{
	struct conn *f = running(GET);

	f->kept_most = 10;
	work(f, GEARMAND_WORK_DATA, "0123456789");
	expect_silence(f);
	work(f, GEARMAND_WORK_DATA, "0");
	expect_refusal(f, 503, "too much");
	expect_header("Connection", "close");
	expect_closed(f);
	http_end(&f);
}

Test(http_response, empty_and_large_data_do_no_harm)
{
	struct conn *f = running(GET);
	size_t len = 100 * 10000;
	char *all = malloc(len + 3);

	cr_assert_not_null(all);
	for (size_t i = 0; i < len; i++)
		all[i] = (char)(i * 7);
	memcpy(all + len, "end", 3);
	for (size_t i = 0; i < 100; i++) {
		work_bytes(f, GEARMAND_WORK_DATA, all + i * 10000, 10000);
		work(f, GEARMAND_WORK_DATA, "");
	}
	work(f, GEARMAND_WORK_COMPLETE, "end");
	expect_response_bytes(f, 200, all, len + 3);
	free(all);
	http_end(&f);
}

Test(http_response, data_may_look_like_http)
{
	struct conn *f = running(GET);

	work(f, GEARMAND_WORK_DATA, "\r\n\r\nHTTP/1.1 200 OK\r\n");
	work_bytes(f, GEARMAND_WORK_COMPLETE, "\0x", 2);
	expect_response_bytes(f, 200, "\r\n\r\nHTTP/1.1 200 OK\r\n\0x", 23);
	http_end(&f);
}

Test(http_response, progress_and_warnings_are_not_part_of_the_body)
{
	struct conn *f = running(GET);

	status(f, "1", "2");
	work(f, GEARMAND_WORK_WARNING, "hot");
	work(f, GEARMAND_WORK_DATA, "a");
	status(f, "2", "2");
	work(f, GEARMAND_WORK_WARNING, "");
	work(f, GEARMAND_WORK_COMPLETE, "b");
	expect_response(f, 200, "ab");
	http_end(&f);
}

Test(http_response, data_past_the_packet_limit_is_502_and_the_end)
{
	struct conn *f = running(GET);

	f->max_packet = 10;
	work(f, GEARMAND_WORK_DATA, "0123456789");
	expect_silence(f);
	work(f, GEARMAND_WORK_DATA, "0");
	expect_refusal(f, 502, "larger");
	expect_header("X-Gearman-Job-Handle", HANDLE);
	expect_header("Connection", "close");
	expect_closed(f);
	work(f, GEARMAND_WORK_COMPLETE, "late");
	http_end(&f);
}

Test(http_response, packets_of_another_job_or_of_no_use_are_ignored)
{
	const char *const other[] = { "H:test:2", NULL }, *const none[] = { "H:test:", NULL };
	const struct gearmand_slice data = { "x", 1 };
	struct conn *f = running(GET);

	conn_send(f, GEARMAND_WORK_DATA, other, data);
	conn_send(f, GEARMAND_WORK_COMPLETE, other, data);
	conn_send(f, GEARMAND_WORK_FAIL, none, (struct gearmand_slice){ "", 0 });
	conn_send(f, GEARMAND_ECHO_RES, (const char *const[]){ NULL }, data);
	conn_send(f, GEARMAND_TEXT, (const char *const[]){ NULL }, data);
	conn_send(f, GEARMAND_STATUS_RES, (const char *const[]){ HANDLE, "1", "1", "0", "0", NULL }, data);
	expect_silence(f);
	work(f, GEARMAND_WORK_COMPLETE, "mine");
	expect_response(f, 200, "mine");
	work(f, GEARMAND_WORK_COMPLETE, "twice");
	created(f);
	error(f, "QUEUE_ERROR", "late");
	http_end(&f);
}

/* ---- ERROR ------------------------------------------------------------------------------------------ */

static void
expect_error(const char *code, const char *text, unsigned status)
{
	struct conn *f = asked(GET);

	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "");
	error(f, code, text);
	expect_refusal(f, status, text);
	expect_header("X-Gearman-Command", "ERROR");
	expect_header("X-Gearman-Job-Handle", NULL);
	expect_open(f);
	http_end(&f);
}

Test(http_response, errors_of_the_server_are_a_status_and_their_text)
{
	expect_error("ARGUMENT_TOO_LARGE", "Unique value too large", 400);
	expect_error("INVALID_PACKET", "Packet has too few arguments", 400);
	expect_error("QUEUE_ERROR", "Job queue is full", 503);
	expect_error("QUEUE_ERROR", "QUEUE_ERROR", 503);
	expect_error("SHUTDOWN_GRACEFUL", "The server is shutting down", 503);
	expect_error("SOMETHING_NEW", "nobody knows", 500);
}

Test(http_response, handle_with_bytes_that_would_break_a_header_is_left_out)
{
	const char *const handle[] = { "H:a\r\nX-Evil: 1:1", NULL };
	struct conn *f = asked(GET);

	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "");
	conn_send(f, GEARMAND_JOB_CREATED, handle, (struct gearmand_slice){ "", 0 });
	conn_send(f, GEARMAND_WORK_COMPLETE, handle, (struct gearmand_slice){ "x", 1 });
	expect_response(f, 200, "x");
	expect_header("X-Evil", NULL);
	expect_header("X-Gearman-Job-Handle", NULL);
	http_end(&f);
}

/* ---- Keep-alive --------------------------------------------------------------------------------------- */

static void
expect_life(const char *request, const char *version, const char *connection, bool open)
{
	struct conn *f = asked(request);

	serve(f, "x");
	expect_response(f, 200, "x");
	expect_version(version);
	expect_header("Connection", connection);
	cr_assert_eq(f->closed, !open);
	http_end(&f);
}

Test(http_response, keep_alive_is_the_rule_of_1_1_and_the_exception_of_1_0)
{
	expect_life("GET /f HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 ", NULL, true);
	expect_life("GET /f HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 ", NULL, true);
	expect_life("GET /f HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "HTTP/1.1 ", "close", false);
	expect_life("GET /f HTTP/1.1\r\nHost: h\r\nConnection: Foo, Close\r\n\r\n", "HTTP/1.1 ", "close", false);
	expect_life("GET /f HTTP/1.0\r\n\r\n", "HTTP/1.0 ", "close", false);
	expect_life("GET /f HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "HTTP/1.0 ", "keep-alive", true);
}

Test(http_response, close_is_kept_after_refusals_and_background_jobs)
{
	struct conn *f = asked("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");

	expect_response(f, 404, "");
	expect_header("Connection", "close");
	expect_closed(f);
	http_end(&f);
	f = asked("GET /f HTTP/1.0\r\nX-Gearman-Background: true\r\n\r\nGET /ignored HTTP/1.0\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB_BG, "f", "-", "");
	created(f);
	expect_response(f, 200, "");
	expect_closed(f);
	http_end(&f);
}

/* ---- The client goes ------------------------------------------------------------------------------------ */

Test(http_response, connection_may_end_at_any_point)
{
	static const char *const points[] = { "", "G", "GET /f HTTP/1.1\r\nHost: h\r\nX-Gearman-Unique: abc",
		"GET /f HTTP/1.1\r\nHost: h\r\n\r\n", "POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf" };

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		struct conn *f = http_new();

		say(f, points[i]);
		http_free(&f);
		cr_assert_null(f);
	}
}

Test(http_response, connection_may_end_between_data_and_result)
{
	struct conn *f = running(GET);

	work(f, GEARMAND_WORK_DATA, "kept for nothing");
	expect_silence(f);
	http_end(&f);
}
