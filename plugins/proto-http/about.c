/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is asked about a job by its handle: how it is, its result, its events; and its end.
 *
 * Runs on:  the I/O thread of the connection.
 * Owns:     nothing.
 *
 * The core is asked with the text commands that anybody may use: `show job`, `follow job`, `cancel job`.
 */
#include "answer.h"
#include "conn.h"
#include "events.h"
#include "facts.h"

static const struct gearmand_slice nothing = { "", 0 };
static const struct web_refusal no_job = { 404,
	"there is no such job: it never was, or it has ended and is forgotten" };

/* ---- The question --------------------------------------------------------------------------- */

/* What no handle has, and what would make two words of it. */
static bool
is_handle(struct gearmand_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.data[i] <= ' ' || s.data[i] == 0x7f)
			return false;
	return s.len > 0 && s.len <= WEB_HANDLE_MOST;
}

struct web_refusal
web_about_check(struct web_conn *c)
{
	struct web_request *r = c->request;
	struct gearmand_slice wait;
	uint64_t seconds = 0;
	bool deletes = r->method == HTTP_DELETE && r->head.about == WEB_JOB;

	if (r->head.about == WEB_NOTHING || !is_handle(r->head.function))
		return (struct web_refusal){ 404, "a job is at _job/HANDLE, its result at _job/HANDLE/result" };
	if (r->method != HTTP_GET && r->method != HTTP_HEAD && !deletes)
		return (struct web_refusal){ 405, "the methods served here are GET, HEAD and DELETE" };
	if (r->head.chunked || (r->head.has_length && r->length > 0))
		return (struct web_refusal){ 400, "a question about a job has no body" };
	if (web_query_find(r->head.query, "wait", &wait) && !web_number_read(wait, WEB_WAIT_MOST, &seconds))
		return (struct web_refusal){ 400, "wait must be a number of seconds" };
	r->wait = (uint32_t)seconds;
	return (struct web_refusal){ 0, NULL };
}

void
web_about_begin(struct web_conn *c)
{
	struct web_request *r = c->request;
	struct gearmand_slice handle = r->head.function;

	gm_add_slice(&r->handle, handle);
	r->manner = &web_about;
	if (r->handle.failed) {
		web_answer_refusal(c, web_no_memory);
		web_conn_next(c);
	} else if (r->method == HTTP_DELETE) {
		r->manner = &web_about_delete;
		web_ask(c, WEB_ASK_JOB, "cancel job ", handle);
	} else if (r->head.about == WEB_RESULT) {
		r->manner = &web_about_result;
		r->wait = 0;
		web_ask(c, WEB_ASK_SHOW, "show job ", handle);
	} else if (r->head.accept.events && r->wants_body) {
		r->manner = &web_about_events;
		web_ask_for_exceptions(c);
		web_ask(c, WEB_ASK_FOLLOW, "follow job ", handle);
	} else {
		if (r->wait > 0)
			web_ask(c, WEB_ASK_FOLLOW, "follow job ", handle);
		web_ask(c, WEB_ASK_SHOW, "show job ", handle);
	}
}

static unsigned
status_of(struct gearmand_slice code)
{
	if (code.len == 0)
		return 500;
	if (gm_is(code, "UNKNOWN_JOB") || gm_is(code, "NOT_KEPT"))
		return 404;
	return gm_is(code, "NOT_ALLOWED") ? 403 : 503;
}

/* The core says no, or something that this module does not know. */
static void
answer_err(struct web_conn *c, struct gearmand_slice text)
{
	struct gearmand_slice code = nothing;
	struct gm_bytes sentence = { 0 };

	if (!web_is_err(text, &code, &sentence))
		gm_add_text(&sentence, "the server's answer is not understood");
	else if (gm_is(code, "UNKNOWN_JOB"))
		gm_add_text(&sentence, no_job.why);
	else if (sentence.len == 0)
		gm_add_slice(&sentence, code);
	web_answer_sentence(c, status_of(code), NULL, code, gm_bytes_slice(&sentence));
	gm_bytes_free(&sentence);
	web_conn_next(c);
}

static bool
is_ok(struct gearmand_slice text)
{
	return gm_begins(text, "OK");
}

/* ---- How it is -------------------------------------------------------------------------------- */

static void
answer_facts(struct web_conn *c, struct gearmand_slice facts, const char *state)
{
	struct gm_bytes body = { 0 };

	web_facts_json(&body, facts, gm_slice(state));
	if (body.failed)
		web_answer_refusal(c, web_no_memory);
	else
		web_answer_body(
		    c, 200, NULL, "application/json", gm_slice("Cache-Control: no-store\r\n"), gm_bytes_slice(&body));
	gm_bytes_free(&body);
	web_conn_next(c);
}

/* The job has ended, and the core remembers nothing of it: what is known is what was heard. */
static void
answer_ended(struct web_conn *c)
{
	struct web_request *r = c->request;

	if (r->end == 0) {
		web_answer_refusal(c, no_job);
		web_conn_next(c);
		return;
	}
	if (r->facts.len == 0)
		gm_addf(&r->facts, "handle\t%.*s\n", (int)r->handle.len, r->handle.data);
	answer_facts(c, gm_bytes_slice(&r->facts), r->end == GEARMAND_WORK_COMPLETE ? "completed" : "failed");
}

/* What changed is not said in what was heard. */
static void
look_again(struct web_conn *c)
{
	struct web_request *r = c->request;

	r->last_look = true;
	web_conn_arm(c, 0);
	web_ask(c, WEB_ASK_SHOW, "show job ", gm_bytes_slice(&r->handle));
}

static void
about_shown(struct web_conn *c, struct gearmand_slice text)
{
	struct web_request *r = c->request;

	if (gm_begins(text, "ERR UNKNOWN_JOB")) {
		answer_ended(c);
	} else if (web_fact(text, "handle").len == 0) {
		answer_err(c, text);
	} else if (r->last_look || !r->follows || !web_state_lives(web_fact(text, "state"))) {
		answer_facts(c, text, "");
	} else {
		gm_add_slice(&r->facts, text);
		if (r->end != 0)
			look_again(c);
		else
			web_conn_arm(c, r->wait * 1000);
	}
}

static void
about_told(struct web_conn *c, unsigned ask, struct gearmand_slice text)
{
	if (ask == WEB_ASK_FOLLOW)
		c->request->follows = is_ok(text);
	else if (ask == WEB_ASK_SHOW)
		about_shown(c, text);
}

/* Progress, the end of an attempt, the end: until the first answer of `show job` that is no change. */
static void
about_heard(struct web_conn *c, const struct gearmand_packet *pkt)
{
	struct web_request *r = c->request;
	bool changes = pkt->type != GEARMAND_WORK_DATA && pkt->type != GEARMAND_WORK_WARNING;

	if (changes && r->facts.len > 0 && !r->last_look)
		look_again(c);
}

static void
about_tick(struct web_conn *c)
{
	look_again(c);
}

const struct web_manner web_about = { .heard = about_heard, .told = about_told, .tick = about_tick };

/* ---- Its result ---------------------------------------------------------------------------------- */

static void
result_shown(struct web_conn *c, struct gearmand_slice text)
{
	struct gearmand_slice state = web_fact(text, "state"), error = web_fact(text, "error");

	if (state.len == 0) {
		answer_err(c, text);
	} else if (gm_is(state, "completed")) {
		web_ask(c, WEB_ASK_FOLLOW, "follow job ", gm_bytes_slice(&c->request->handle));
	} else if (web_state_lives(state)) {
		web_answer_body(c, 202, NULL, NULL, gm_slice("Retry-After: 1\r\n"), nothing);
		web_conn_next(c);
	} else {
		web_answer_sentence(
		    c, 500, "WORK_FAIL", gm_slice("WORK_FAIL"), error.len > 0 ? error : gm_slice("the job failed"));
		web_conn_next(c);
	}
}

/* The result follows as it would after a submission. */
static void
result_told(struct web_conn *c, unsigned ask, struct gearmand_slice text)
{
	if (ask == WEB_ASK_SHOW)
		result_shown(c, text);
	else if (ask == WEB_ASK_FOLLOW && !is_ok(text))
		answer_err(c, text);
}

const struct web_manner web_about_result = { .heard = web_plain_heard, .told = result_told };

/* ---- Its events, and its end ------------------------------------------------------------------------ */

static void
events_told(struct web_conn *c, unsigned ask, struct gearmand_slice text)
{
	if (ask != WEB_ASK_FOLLOW || c->request->begun_to_answer)
		return;
	if (is_ok(text))
		web_events_begin(c);
	else
		answer_err(c, text);
}

const struct web_manner web_about_events = {
	.heard = web_events_heard,
	.told = events_told,
	.tick = web_events_tick,
};

static void
delete_told(struct web_conn *c, unsigned ask, struct gearmand_slice text)
{
	(void)ask;
	if (is_ok(text)) {
		web_answer_body(c, 204, NULL, NULL, nothing, nothing);
		web_conn_next(c);
	} else {
		answer_err(c, text);
	}
}

const struct web_manner web_about_delete = { .told = delete_told };
