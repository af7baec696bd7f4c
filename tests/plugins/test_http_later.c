/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto-http: jobs for later, jobs that the client does not wait for, or for some seconds only; results in chunks;
 * problems as JSON.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/plugins/http_scene.h"

static struct conn *
post(const char *target, const char *headers)
{
	struct conn *f = http_new();
	char request[2048];

	snprintf(
	    request, sizeof(request), "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n%s\r\nx", target, headers);
	say(f, request);
	return f;
}

/* ---- X-Gearman-When -------------------------------------------------------------------------- */

static void
expect_epoch(const char *when, const char *seconds)
{
	char headers[256], data[64];
	struct conn *f;
	int len = snprintf(data, sizeof(data), "%s%cx", seconds, '\0');

	snprintf(headers, sizeof(headers), "X-Gearman-When: %s\r\n", when);
	f = post("/f", headers);
	expect_job_bytes(f, GEARMAND_SUBMIT_JOB_EPOCH, "f", "-", data, (size_t)len);
	created(f);
	expect_response(f, 200, "");
	expect_header("X-Gearman-Command", "JOB_CREATED");
	expect_header("Location", NULL);
	http_end(&f);
}

Test(http_later, a_time_makes_a_background_job_that_runs_then)
{
	expect_epoch("1900000000", "1900000000");
	expect_epoch("+90", "1800000090"); /* time stands still in the test's host */
	expect_epoch("2027-01-15T08:00:00Z", "1800000000");
}

Test(http_later, a_time_that_is_none_is_refused)
{
	struct conn *f = post("/f", "X-Gearman-When: soon\r\n");

	expect_refusal(f, 400, "X-Gearman-When");
	http_end(&f);
	f = post("/f", "X-Gearman-When: +1\r\nX-Gearman-Priority: high\r\n");
	expect_refusal(f, 400, "normal priority");
	http_end(&f);
}

/* ---- Prefer ------------------------------------------------------------------------------------- */

Test(http_later, respond_async_is_202_with_the_place_of_the_job)
{
	struct conn *f = post("/f", "Prefer: respond-async\r\n");

	expect_job(f, GEARMAND_SUBMIT_JOB_BG, "f", "-", "x");
	created(f);
	expect_response(f, 202, "");
	expect_header("Location", "_job/H:test:1");
	expect_header("Preference-Applied", "respond-async");
	expect_header("X-Gearman-Job-Handle", HANDLE);
	expect_header("X-Gearman-Command", "JOB_CREATED");
	expect_open(f);
	http_end(&f);
}

Test(http_later, the_place_is_relative_to_the_path_of_the_request)
{
	struct conn *f = post("//a/b/c%2Fd?x/y", "Prefer: respond-async\r\n");

	expect_job(f, GEARMAND_SUBMIT_JOB_BG, "a/b/c/d", "-", "x");
	conn_send(
	    f, GEARMAND_JOB_CREATED, (const char *const[]){ "H:a b%/c:1", NULL }, (struct gearmand_slice){ "", 0 });
	expect_response(f, 202, "");
	expect_header("Location", "../../_job/H:a%20b%25%2Fc:1");
	http_end(&f);
}

Test(http_later, respond_async_goes_with_priority_and_time)
{
	struct conn *f = post("/f", "Prefer: respond-async\r\nX-Gearman-Priority: low\r\n");

	expect_job(f, GEARMAND_SUBMIT_JOB_LOW_BG, "f", "-", "x");
	created(f);
	expect_response(f, 202, "");
	http_end(&f);
	f = post("/f", "Prefer: respond-async\r\nX-Gearman-When: 1900000000\r\n");
	expect_job_bytes(f, GEARMAND_SUBMIT_JOB_EPOCH, "f", "-", "1900000000\0x", 12);
	created(f);
	expect_response(f, 202, "");
	http_end(&f);
}

static struct conn *
waiting(void)
{
	struct conn *f = post("/f", "Prefer: respond-async, wait=10\r\n");

	expect_line(f, "follow next");
	expect_job(f, GEARMAND_SUBMIT_JOB_BG, "f", "-", "x");
	cr_assert_eq(f->tick_ms, 0);
	created(f);
	expect_silence(f);
	cr_assert_eq(f->tick_ms, 10000);
	return f;
}

Test(http_later, a_result_that_comes_in_time_is_the_answer)
{
	struct conn *f = waiting();

	work(f, GEARMAND_WORK_DATA, "lost ");
	work(f, GEARMAND_ATTEMPT_VOID, "");
	work(f, GEARMAND_WORK_DATA, "some ");
	work(f, GEARMAND_WORK_COMPLETE, "result");
	expect_response(f, 200, "some result");
	expect_header("Preference-Applied", "wait=10");
	expect_header("X-Gearman-Command", "WORK_COMPLETE");
	expect_header("Location", NULL);
	expect_open(f);
	http_end(&f);
}

Test(http_later, a_failure_that_comes_in_time_is_the_answer)
{
	struct conn *f = waiting();

	work(f, GEARMAND_WORK_FAIL, "");
	expect_refusal(f, 500, "failed");
	http_end(&f);
}

Test(http_later, when_the_time_is_over_the_answer_is_202_and_the_connection_serves_the_next_request)
{
	struct conn *f = waiting();

	work(f, GEARMAND_WORK_DATA, "some ");
	cr_assert(conn_tick(f));
	expect_response(f, 202, "");
	expect_header("Location", "_job/H:test:1");
	expect_header("Preference-Applied", "respond-async, wait=10");
	ask(f, "unfollow job H:test:1", "OK\r\n");
	expect_open(f);
	work(f, GEARMAND_WORK_COMPLETE, "late");
	expect_silence(f);
	say(f, "GET /g HTTP/1.1\r\nHost: h\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "g", "-", "");
	f->served = 4; /* the core says something of the first request's job */
	work(f, GEARMAND_WORK_COMPLETE, "late");
	f->served = 0;
	expect_silence(f);
	created(f);
	work(f, GEARMAND_WORK_COMPLETE, "right");
	expect_response(f, 200, "right");
	http_end(&f);
}

Test(http_later, wait_without_respond_async_changes_nothing)
{
	struct conn *f = post("/f", "Prefer: wait=1\r\n");

	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "x");
	created(f);
	cr_assert_eq(f->tick_ms, 0);
	work(f, GEARMAND_WORK_COMPLETE, "r");
	expect_response(f, 200, "r");
	expect_header("Preference-Applied", NULL);
	http_end(&f);
}

Test(http_later, a_submission_that_is_refused_is_refused_at_once)
{
	struct conn *f = post("/f", "Prefer: respond-async, wait=10\r\n");

	expect_line(f, "follow next");
	expect_job(f, GEARMAND_SUBMIT_JOB_BG, "f", "-", "x");
	error(f, "QUEUE_ERROR", "Job queue is full");
	expect_refusal(f, 503, "Job queue is full");
	expect_header("Retry-After", "5");
	expect_header("Location", NULL);
	http_end(&f);
}

/* ---- X-Gearman-Stream ----------------------------------------------------------------------------- */

static struct conn *
streaming(void)
{
	struct conn *f = post("/f", "X-Gearman-Stream: true\r\n");

	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "x");
	created(f);
	expect_silence(f);
	return f;
}

Test(http_stream, data_is_sent_as_it_comes)
{
	struct conn *f = streaming();

	status(f, "1", "2");
	expect_silence(f);
	work(f, GEARMAND_WORK_DATA, "0123456789abcdef");
	expect_head(f, 200);
	expect_header("Transfer-Encoding", "chunked");
	expect_header("Content-Length", NULL);
	expect_header("Trailer", "X-Gearman-Command");
	expect_header("X-Gearman-Job-Handle", HANDLE);
	expect_header("X-Gearman-Command", NULL);
	expect_bytes(f, "10\r\n0123456789abcdef\r\n");
	work(f, GEARMAND_WORK_DATA, "");
	work(f, GEARMAND_WORK_WARNING, "w");
	expect_silence(f);
	work(f, GEARMAND_WORK_DATA, "b");
	expect_bytes(f, "1\r\nb\r\n");
	work(f, GEARMAND_WORK_COMPLETE, "end");
	expect_bytes(f, "3\r\nend\r\n0\r\nX-Gearman-Command: WORK_COMPLETE\r\n\r\n");
	expect_open(f);
	say(f, "GET /g HTTP/1.1\r\nHost: h\r\n\r\n");
	serve(f, "next");
	expect_response(f, 200, "next");
	http_end(&f);
}

Test(http_stream, without_data_before_the_result_it_is_an_ordinary_response)
{
	struct conn *f = streaming();

	work(f, GEARMAND_WORK_COMPLETE, "all");
	expect_response(f, 200, "all");
	http_end(&f);
	f = streaming();
	work(f, GEARMAND_ATTEMPT_VOID, "");
	work(f, GEARMAND_WORK_FAIL, "");
	expect_refusal(f, 500, "failed");
	http_end(&f);
}

Test(http_stream, a_failure_after_the_first_data_has_no_last_chunk)
{
	static const struct {
		uint32_t type;
		const char *line;
	} ends[] = {
		{ GEARMAND_WORK_FAIL, "X-Gearman-Command: WORK_FAIL\r\n\r\n" },
		{ GEARMAND_WORK_EXCEPTION, "X-Gearman-Command: WORK_EXCEPTION\r\n\r\n" },
		{ GEARMAND_ATTEMPT_VOID, "X-Gearman-Command: WORK_FAIL\r\n\r\n" },
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		struct conn *f = streaming();

		work(f, GEARMAND_WORK_DATA, "a");
		expect_head(f, 200);
		expect_bytes(f, "1\r\na\r\n");
		work(f, ends[i].type, "why");
		expect_bytes(f, ends[i].line);
		expect_closed(f);
		http_end(&f);
	}
}

Test(http_stream, is_for_bodies_of_http_1_1)
{
	struct conn *f = http_new();

	say(f, "HEAD /f HTTP/1.1\r\nHost: h\r\nX-Gearman-Stream: true\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "");
	created(f);
	work(f, GEARMAND_WORK_DATA, "ab");
	work(f, GEARMAND_WORK_COMPLETE, "c");
	expect_bare_response(f, 200, 3);
	say(f, "GET /f HTTP/1.0\r\nX-Gearman-Stream: true\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "");
	created(f);
	work(f, GEARMAND_WORK_DATA, "ab");
	expect_silence(f);
	work(f, GEARMAND_WORK_COMPLETE, "c");
	expect_response(f, 200, "abc");
	expect_closed(f);
	http_end(&f);
	expect_refused("GET /f HTTP/1.1\r\nHost: h\r\nX-Gearman-Stream: yes\r\nConnection: close\r\n\r\n", 400,
	    "X-Gearman-Stream must be true or false");
}

/* ---- Problems ---------------------------------------------------------------------------------------- */

Test(http_problem, who_accepts_json_gets_the_sentence_as_a_problem)
{
	struct conn *f = post("/f", "Accept: application/json\r\n");

	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "x");
	error(f, "QUEUE_ERROR", "Job \"queue\" is full");
	expect_response(f, 503,
	    "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
	    "\"detail\":\"Job \\\"queue\\\" is full\",\"code\":\"QUEUE_ERROR\"}\n");
	expect_header("Content-Type", "application/problem+json");
	expect_header("Retry-After", "5");
	expect_header("X-Gearman-Command", "ERROR");
	http_end(&f);
}

Test(http_problem, has_the_handle_of_the_job)
{
	struct conn *f = post("/f", "Accept: text/plain, application/problem+json\r\n");

	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "x");
	created(f);
	work(f, GEARMAND_WORK_FAIL, "");
	expect_response(f, 500,
	    "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,"
	    "\"detail\":\"the job failed\",\"code\":\"WORK_FAIL\",\"handle\":\"H:test:1\"}\n");
	http_end(&f);
}

Test(http_problem, is_for_refusals_and_not_for_words_of_a_worker)
{
	struct conn *f = post("/", "Accept: application/json\r\n");

	expect_response(f, 404, "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404}\n");
	http_end(&f);
	f = post("/f", "Accept: application/json\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "x");
	created(f);
	work(f, GEARMAND_WORK_EXCEPTION, "why");
	expect_response(f, 500, "why");
	expect_header("Content-Type", NULL);
	http_end(&f);
	f = http_new();
	say(f, "GET / HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\r\n");
	expect_response(f, 200, "gearmand is here; POST /FUNCTION submits a job\n");
	http_end(&f);
}
