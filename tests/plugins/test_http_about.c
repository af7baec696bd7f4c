/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto-http: what is asked about a job by its handle.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/plugins/http_scene.h"

#define FACTS(state) "handle\tH:test:1\nfunction\tf\nstate\t" state "\nnumerator\t1\ndenominator\t2\n.\n"
#define UNKNOWN      "ERR UNKNOWN_JOB\r\n"

static struct conn *
asked(const char *method, const char *target, const char *headers)
{
	struct conn *f = http_new();
	char request[2048];

	snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: h\r\n%s\r\n", method, target, headers);
	say(f, request);
	return f;
}

/* The next response is JSON of a job in that state. */
static void
expect_state(struct conn *f, const char *state, bool running)
{
	char want[256];

	expect_head(f, 200);
	expect_header("Content-Type", "application/json");
	expect_header("Cache-Control", "no-store");
	expect_header("X-Gearman-Job-Handle", HANDLE);
	snprintf(want, sizeof(want),
	    "{\"handle\":\"H:test:1\",\"function\":%s,\"unique\":null,\"state\":\"%s\",\"running\":%s,",
	    strstr(f->out.data, "\"function\":null") ? "null" : "\"f\"", state, running ? "true" : "false");
	expect_bytes(f, want);
	cr_assert_eq(f->out.data[f->out.len - 1], '\n');
	pile_cut(&f->out, f->out.len);
}

/* ---- GET ---------------------------------------------------------------------------------- */

Test(http_about, a_job_is_told_as_json)
{
	struct conn *f = asked("GET", "/_job/H:test:1", "");

	ask(f, "show job H:test:1", FACTS("running"));
	expect_state(f, "running", true);
	say(f, "GET //_job/H%3atest%3A1?x HTTP/1.1\r\nHost: h\r\n\r\n");
	ask(f, "show job H:test:1", FACTS("ready"));
	expect_state(f, "ready", false);
	expect_open(f);
	http_end(&f);
}

Test(http_about, head_has_no_body)
{
	struct conn *f = asked("HEAD", "/_job/H:test:1", "Accept: text/event-stream\r\n");

	ask(f, "show job H:test:1", FACTS("running"));
	expect_head(f, 200);
	expect_silence(f);
	http_end(&f);
}

Test(http_about, a_job_that_is_not_known_is_404)
{
	static const char *const methods[] = { "GET", "HEAD", "DELETE" };

	for (size_t i = 0; i < 3; i++) {
		struct conn *f = asked(methods[i], "/_job/H:test:1", "");

		ask(f, i < 2 ? "show job H:test:1" : "cancel job H:test:1", UNKNOWN);
		expect_head(f, 404);
		cr_assert_eq(strstr(f->out.data, "there is no such job") == NULL, i == 1);
		pile_cut(&f->out, f->out.len);
		http_end(&f);
	}
}

Test(http_about, what_is_no_handle_is_404_and_asks_nothing)
{
	static const char *const targets[] = { "/_job/", "/_job/a%20b", "/_job/a%0ab", "/_job/a/b", "/_job/a/result/",
		"/_job//result", "/_job/0123456789012345678901234567890123456789012345678901234567890123" };

	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		struct conn *f = asked("GET", targets[i], "");

		expect_refusal(f, 404, "a job is at _job/HANDLE");
		expect_open(f);
		http_end(&f);
	}
}

Test(http_about, a_function_of_that_name_is_written_otherwise)
{
	struct conn *f = asked("GET", "/%5Fjob/x", "");

	expect_job(f, GEARMAND_SUBMIT_JOB, "_job/x", "-", "");
	http_end(&f);
	f = asked("GET", "/_job", "");
	expect_job(f, GEARMAND_SUBMIT_JOB, "_job", "-", "");
	http_end(&f);
}

Test(http_about, other_methods_and_bodies_are_refused)
{
	struct conn *f = asked("PUT", "/_job/x", "Content-Length: 0\r\n");

	expect_refusal(f, 405, "GET, HEAD and DELETE");
	expect_header("Allow", "GET, HEAD, DELETE");
	http_end(&f);
	f = asked("DELETE", "/_job/x/result", "");
	expect_refusal(f, 405, "GET, HEAD and DELETE");
	http_end(&f);
	f = asked("GET", "/_job/x", "Content-Length: 1\r\n");
	say(f, "x");
	expect_refusal(f, 400, "no body");
	expect_open(f);
	http_end(&f);
	f = asked("GET", "/_job/x?wait=soon", "");
	expect_refusal(f, 400, "wait must be a number");
	http_end(&f);
}

/* ---- wait= ---------------------------------------------------------------------------------- */

static struct conn *
waiting(void)
{
	struct conn *f = asked("GET", "/_job/H:test:1?wait=30", "");
	size_t follow = expect_line(f, "follow job H:test:1"), show = expect_line(f, "show job H:test:1");

	tell(f, follow, "OK\r\n");
	status(f, "1", "2"); /* how far it is by now is no change */
	tell(f, show, FACTS("running"));
	expect_silence(f);
	cr_assert_eq(f->tick_ms, 30000);
	return f;
}

Test(http_about, progress_ends_the_wait)
{
	struct conn *f = waiting();

	work(f, GEARMAND_WORK_DATA, "no change");
	work(f, GEARMAND_WORK_WARNING, "no change");
	status(f, "2", "2");
	expect_silence(f);
	cr_assert_eq(f->tick_ms, 0);
	status(f, "3", "3");
	ask(f, "show job H:test:1", FACTS("running"));
	expect_state(f, "running", true);
	ask(f, "unfollow job H:test:1", "OK\r\n");
	expect_open(f);
	http_end(&f);
}

Test(http_about, the_end_of_the_job_ends_the_wait)
{
	struct conn *f = waiting();

	work(f, GEARMAND_WORK_COMPLETE, "r");
	ask(f, "show job H:test:1", UNKNOWN);
	expect_state(f, "completed", false);
	http_end(&f);
	f = waiting();
	work(f, GEARMAND_WORK_FAIL, "");
	ask(f, "show job H:test:1", UNKNOWN);
	expect_state(f, "failed", false);
	http_end(&f);
	f = waiting();
	work(f, GEARMAND_WORK_FAIL, "");
	ask(f, "show job H:test:1", FACTS("dead"));
	expect_state(f, "dead", false);
	http_end(&f);
}

Test(http_about, time_ends_the_wait)
{
	struct conn *f = waiting();

	cr_assert(conn_tick(f));
	ask(f, "show job H:test:1", FACTS("ready"));
	expect_state(f, "ready", false);
	ask(f, "unfollow job H:test:1", "OK\r\n");
	http_end(&f);
}

Test(http_about, there_is_nothing_to_wait_for_when_a_job_has_ended_or_cannot_be_followed)
{
	struct conn *f = asked("GET", "/_job/H:test:1?wait=30", "");
	size_t follow = expect_line(f, "follow job H:test:1"), show = expect_line(f, "show job H:test:1");

	tell(f, follow, "OK\r\n");
	work(f, GEARMAND_WORK_FAIL, "");
	tell(f, show, FACTS("dead"));
	expect_state(f, "dead", false);
	say(f, "GET /_job/H:test:1?wait=30 HTTP/1.1\r\nHost: h\r\n\r\n");
	follow = expect_line(f, "follow job H:test:1"), show = expect_line(f, "show job H:test:1");
	tell(f, follow, "ERR QUEUE_ERROR As+many+clients+as+may+wait+for+this+job+already\r\n");
	tell(f, show, FACTS("running"));
	expect_state(f, "running", true);
	say(f, "GET /_job/H:test:1?wait=30 HTTP/1.1\r\nHost: h\r\n\r\n");
	follow = expect_line(f, "follow job H:test:1"), show = expect_line(f, "show job H:test:1");
	tell(f, follow, UNKNOWN);
	tell(f, show, UNKNOWN);
	expect_refusal(f, 404, "no such job");
	http_end(&f);
}

Test(http_about, an_end_between_the_two_questions_is_told)
{
	struct conn *f = asked("GET", "/_job/H:test:1?wait=30", "");
	size_t follow = expect_line(f, "follow job H:test:1"), show = expect_line(f, "show job H:test:1");

	tell(f, follow, "OK\r\n");
	work(f, GEARMAND_WORK_COMPLETE, "r");
	tell(f, show, UNKNOWN);
	expect_state(f, "completed", false);
	http_end(&f);
}

/* ---- The result -------------------------------------------------------------------------------- */

static struct conn *
result_of(const char *facts)
{
	struct conn *f = asked("GET", "/_job/H:test:1/result", "");

	ask(f, "show job H:test:1", facts);
	return f;
}

Test(http_about, a_kept_result_is_sent)
{
	struct conn *f = result_of(FACTS("completed"));
	size_t follow = expect_line(f, "follow job H:test:1");

	tell(f, follow, "OK\r\n");
	work(f, GEARMAND_WORK_DATA, "some ");
	work(f, GEARMAND_WORK_COMPLETE, "result");
	expect_response(f, 200, "some result");
	expect_header("X-Gearman-Command", "WORK_COMPLETE");
	http_end(&f);
}

Test(http_about, a_result_that_is_not_there_has_a_status)
{
	struct conn *f = result_of(FACTS("running"));

	expect_response(f, 202, "");
	expect_header("Retry-After", "1");
	http_end(&f);
	f = result_of(UNKNOWN);
	expect_refusal(f, 404, "no such job");
	http_end(&f);
	f = result_of(FACTS("dead"));
	expect_refusal(f, 500, "the job failed");
	http_end(&f);
	f = result_of("state\tfailed\nerror\tdivision by zero\n.\n");
	expect_refusal(f, 500, "division by zero");
	http_end(&f);
	f = result_of(FACTS("completed"));
	ask(f, "follow job H:test:1", "ERR NOT_KEPT The+result+was+not+kept\r\n");
	expect_refusal(f, 404, "The result was not kept");
	http_end(&f);
}

Test(http_about, what_this_client_may_not_do_is_403)
{
	struct conn *f = asked("DELETE", "/_job/H:test:1", "");

	ask(f, "cancel job H:test:1", "ERR NOT_ALLOWED The+command+needs+the+right+manage\r\n");
	expect_refusal(f, 403, "needs the right manage");
	say(f, "GET /_job/H:test:1 HTTP/1.1\r\nHost: h\r\n\r\n");
	ask(f, "show job H:test:1", "ERR NOT_ALLOWED The+command+needs+the+right+see\r\n");
	expect_refusal(f, 403, "needs the right see");
	http_end(&f);
	f = asked("GET", "/f", "");
	expect_job(f, GEARMAND_SUBMIT_JOB, "f", "-", "");
	error(f, "NOT_ALLOWED", "This connection may not submit jobs of this function");
	expect_refusal(f, 403, "may not submit");
	http_end(&f);
}

/* ---- Events -------------------------------------------------------------------------------------- */

Test(http_about, events_come_of_a_job_that_somebody_else_submitted)
{
	struct conn *f = asked("GET", "/_job/H:test:1", "Accept: text/event-stream\r\n");

	ask(f, "follow job H:test:1", "OK\r\n");
	expect_head(f, 200);
	expect_header("Content-Type", "text/event-stream");
	status(f, "1", "2");
	expect_bytes(f, "35\r\nevent: status\n");
	pile_cut(&f->out, f->out.len);
	work(f, GEARMAND_WORK_COMPLETE, "all");
	expect_bytes(f, "1b\r\nevent: complete\ndata: all\n\n\r\n0\r\n\r\n");
	expect_open(f);
	http_end(&f);
}

Test(http_about, events_of_no_job_are_404)
{
	struct conn *f = asked("GET", "/_job/H:test:1", "Accept: text/event-stream, application/json\r\n");

	ask(f, "follow job H:test:1", UNKNOWN);
	expect_response(f, 404,
	    "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"there is no such job: it "
	    "never "
	    "was, or it has ended and is forgotten\",\"code\":\"UNKNOWN_JOB\",\"handle\":\"H:test:1\"}\n");
	http_end(&f);
}

/* ---- DELETE ---------------------------------------------------------------------------------------- */

Test(http_about, a_job_is_deleted)
{
	struct conn *f = asked("DELETE", "/_job/H:test:1", "");
	size_t cancel = expect_line(f, "cancel job H:test:1");

	expect_silence(f);
	tell(f, cancel, "OK\r\n");
	expect_head(f, 204);
	expect_header("Content-Length", NULL);
	expect_silence(f);
	say(f, "DELETE /_job/H:test:1 HTTP/1.1\r\nHost: h\r\n\r\n");
	ask(f, "cancel job H:test:1", "ERR QUEUE_ERROR The+job+is+cancelled+but+still+stored\r\n");
	expect_refusal(f, 503, "The job is cancelled but still stored");
	http_end(&f);
}
