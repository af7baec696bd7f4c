/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto-http: a job as server-sent events.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/plugins/http_scene.h"

#define CHUNK(len, text) len "\r\n" text "\r\n"

static struct conn *
watching(void)
{
	struct conn *f = http_new();

	say(f, "GET /f HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "");
	expect_silence(f);
	created(f);
	expect_head(f, 200);
	return f;
}

Test(http_events, begin_when_the_job_has_its_handle)
{
	struct conn *f = watching();

	expect_header("Content-Type", "text/event-stream");
	expect_header("Cache-Control", "no-store");
	expect_header("X-Accel-Buffering", "no");
	expect_header("X-Gearman-Job-Handle", HANDLE);
	expect_header("Transfer-Encoding", "chunked");
	expect_header("Content-Length", NULL);
	expect_silence(f);
	http_end(&f);
}

Test(http_events, have_a_name_for_each_packet)
{
	struct conn *f = watching();

	status(f, "1", "2");
	expect_bytes(f, CHUNK("35", "event: status\ndata: {\"numerator\":1,\"denominator\":2}\n\n"));
	work(f, GEARMAND_WORK_DATA, "some");
	expect_bytes(f, CHUNK("18", "event: data\ndata: some\n\n"));
	work(f, GEARMAND_WORK_WARNING, "w");
	expect_bytes(f, CHUNK("18", "event: warning\ndata: w\n\n"));
	work(f, GEARMAND_ATTEMPT_VOID, "");
	expect_bytes(f, CHUNK("15", "event: again\ndata: \n\n"));
	work(f, GEARMAND_WORK_COMPLETE, "all");
	expect_bytes(f, CHUNK("1b", "event: complete\ndata: all\n\n"));
	expect_bytes(f, "0\r\n\r\n");
	expect_open(f);
	http_end(&f);
}

Test(http_events, end_with_a_failure_or_an_exception)
{
	struct conn *f = watching();

	work(f, GEARMAND_WORK_FAIL, "");
	expect_bytes(f, CHUNK("14", "event: fail\ndata: \n\n"));
	expect_bytes(f, "0\r\n\r\n");
	http_end(&f);
	f = watching();
	work(f, GEARMAND_WORK_EXCEPTION, "why");
	expect_bytes(f, CHUNK("1c", "event: exception\ndata: why\n\n"));
	expect_bytes(f, "0\r\n\r\n");
	say(f, "GET /g HTTP/1.1\r\nHost: h\r\n\r\n");
	serve(f, "next");
	expect_response(f, 200, "next");
	http_end(&f);
}

Test(http_events, each_line_of_data_has_its_field)
{
	struct conn *f = watching();

	work(f, GEARMAND_WORK_DATA, "a\n\n b\n");
	expect_bytes(f, CHUNK("2c", "event: data\ndata: a\ndata: \ndata:  b\ndata: \n\n"));
	work(f, GEARMAND_WORK_DATA, "");
	expect_bytes(f, CHUNK("14", "event: data\ndata: \n\n"));
	http_end(&f);
}

Test(http_events, data_that_is_no_text_is_base64)
{
	struct conn *f = watching();

	work_bytes(f, GEARMAND_WORK_DATA, "\xff\x00\x01\x02", 4);
	expect_bytes(f, CHUNK("1e", "event: data64\ndata: /wABAg==\n\n"));
	work(f, GEARMAND_WORK_DATA, "a\r\n");
	expect_bytes(f, CHUNK("1a", "event: data64\ndata: YQ0K\n\n"));
	work(f, GEARMAND_WORK_WARNING, "\x80");
	expect_bytes(f, CHUNK("1d", "event: warning64\ndata: gA==\n\n"));
	work(f, GEARMAND_WORK_COMPLETE, "\xff");
	expect_bytes(f, CHUNK("32", "event: data64\ndata: /w==\n\nevent: complete\ndata: \n\n"));
	expect_bytes(f, "0\r\n\r\n");
	http_end(&f);
	f = watching();
	work(f, GEARMAND_WORK_EXCEPTION, "\xff");
	expect_bytes(f, CHUNK("38", "event: exception64\ndata: /w==\n\nevent: exception\ndata: \n\n"));
	expect_bytes(f, "0\r\n\r\n");
	http_end(&f);
}

Test(http_events, progress_of_any_form_is_two_numbers)
{
	struct conn *f = watching();

	status(f, "-1", "4294967297 and more");
	expect_bytes(f, CHUNK("3e", "event: status\ndata: {\"numerator\":4294967295,\"denominator\":1}\n\n"));
	status(f, "", "x");
	expect_bytes(f, CHUNK("35", "event: status\ndata: {\"numerator\":0,\"denominator\":0}\n\n"));
	http_end(&f);
}

Test(http_events, a_large_event_comes_in_several_chunks)
{
	enum { LEN = 10000 };
	struct conn *f = watching();
	char *data = malloc(LEN);
	size_t got = 0;

	cr_assert_not_null(data);
	memset(data, 'x', LEN);
	work_bytes(f, GEARMAND_WORK_DATA, data, LEN);
	while (f->out.len > 0) {
		size_t n = strtoul(f->out.data, NULL, 16), head = strcspn(f->out.data, "\n") + 1;

		cr_assert(n > 0 && head + n + 2 <= f->out.len);
		got += n;
		pile_cut(&f->out, head + n + 2);
	}
	cr_assert_eq(got, LEN + strlen("event: data\ndata: \n\n"));
	free(data);
	http_end(&f);
}

Test(http_events, a_comment_comes_every_15_seconds)
{
	struct conn *f = watching();

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(f->tick_ms, 15000);
		cr_assert(conn_tick(f));
		expect_bytes(f, CHUNK("3", ":\n\n"));
	}
	work(f, GEARMAND_WORK_FAIL, "");
	expect_bytes(f, CHUNK("14", "event: fail\ndata: \n\n"));
	expect_bytes(f, "0\r\n\r\n");
	cr_assert_eq(f->tick_ms, 60000);
	http_end(&f);
}

Test(http_events, without_chunks_end_with_the_connection)
{
	struct conn *f = http_new();

	say(f, "GET /f HTTP/1.0\r\nConnection: keep-alive\r\nAccept: text/event-stream\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "");
	created(f);
	expect_head(f, 200);
	expect_header("Connection", "close");
	expect_header("Transfer-Encoding", NULL);
	work(f, GEARMAND_WORK_COMPLETE, "all");
	expect_bytes(f, "event: complete\ndata: all\n\n");
	expect_closed(f);
	http_end(&f);
}

Test(http_events, a_submission_that_is_refused_has_its_status)
{
	struct conn *f = http_new();

	say(f, "GET /f HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "");
	error(f, "QUEUE_ERROR", "Job queue is full");
	expect_refusal(f, 503, "full");
	http_end(&f);
}

Test(http_events, are_for_who_waits_for_a_body)
{
	struct conn *f = http_new();

	say(f, "HEAD /f HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "");
	created(f);
	work(f, GEARMAND_WORK_COMPLETE, "all");
	expect_bare_response(f, 200, 3);
	say(f, "GET /f HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\nX-Gearman-Background: true\r\n\r\n");
	expect_job(f, GEARMAND_SUBMIT_JOB_BG, "f", "-", "");
	created(f);
	expect_response(f, 200, "");
	http_end(&f);
}
