/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The head of a request is complete: refuse it, or begin its job; and then the whole request is.
 *
 * Runs on:  the I/O thread of the connection, called by receive.c.
 * Owns:     nothing; the job belongs to the host as soon as it is begun.
 */
#include "conn.h"

#include <inttypes.h>
#include <stdio.h>

#include "answer.h"
#include "origin.h"
#include "reply.h"

/* A refused body up to this length costs less than a new connection. */
enum { SWALLOW = 65536 };

const struct web_refusal web_not_http = { 400, "this is not HTTP" };
const struct web_refusal web_bad_header = { 400, "a header has a byte that HTTP does not allow there" };
const struct web_refusal web_job_too_large = { 413, "the job is larger than this server accepts" };
const struct web_refusal web_no_memory = { 503, "out of memory" };
const struct web_refusal web_long_head = { 431, "the request line and headers are too long" };
const struct web_refusal web_noisy_body = { 431, "the chunks' extensions or trailers are too long" };
const struct web_refusal web_bad_method = { 405, "the methods served are GET, HEAD, POST and PUT" };

static const uint32_t submit_type[2][3] = {
	{ GEARMAND_SUBMIT_JOB_HIGH, GEARMAND_SUBMIT_JOB, GEARMAND_SUBMIT_JOB_LOW },
	{ GEARMAND_SUBMIT_JOB_HIGH_BG, GEARMAND_SUBMIT_JOB_BG, GEARMAND_SUBMIT_JOB_LOW_BG },
};

static bool
has_body(const struct web_conn *c)
{
	const struct web_head *h = &c->request->head;

	return h->chunked || (h->has_length && c->request->length > 0);
}

static struct gearmand_slice
unique_of(const struct web_head *h)
{
	return h->has_unique ? gm_bytes_slice(&h->unique) : gm_slice("-");
}

/* The query where there is no body to be the workload; empty otherwise. */
static struct gearmand_slice
query_of(const struct web_conn *c)
{
	const struct web_request *r = c->request;

	if (!has_body(c) && (r->method == HTTP_GET || r->method == HTTP_HEAD))
		return r->head.query;
	return (struct gearmand_slice){ "", 0 };
}

/* When it is to run, in seconds since 1970; "" = at once. */
static const char *
time_of(const struct web_conn *c, char text[24])
{
	const struct web_when *when = &c->request->head.when;
	int64_t now = when->relative ? web_host(c)->wall() / 1000000000 : 0;

	text[0] = '\0';
	if (when->given)
		snprintf(text, 24, "%" PRId64, now + when->seconds);
	return text;
}

/* Of the job, as far as it is known before its body. */
static uint64_t
size_of_job(const struct web_conn *c)
{
	const struct web_head *h = &c->request->head;
	uint64_t length = h->has_length ? c->request->length : 0, time = h->when.given ? 24 : 0;
	uint64_t known = h->function.len + unique_of(h).len + 2 + query_of(c).len + time;

	return length < UINT64_MAX - known ? length + known : UINT64_MAX;
}

/* What is said without a job, and why.  Status 0 = there is nothing against a job. */
static struct web_refusal
head_check(struct web_conn *c)
{
	struct web_head *h = &c->request->head;
	unsigned method = c->request->method;
	struct web_refusal fault = web_head_finish(h, c->minor), stranger;
	bool gets = method == HTTP_GET || method == HTTP_HEAD, brings = method == HTTP_POST || method == HTTP_PUT;

	if (h->framing_lost)
		return fault;
	stranger = web_stranger_check(c);
	if (stranger.status)
		return stranger;
	if (web_is_preflight(c))
		return fault.status ? fault : (struct web_refusal){ 204, NULL };
	if (h->about != WEB_FUNCTION)
		return fault.status ? fault : web_about_check(c);
	if (!gets && !brings)
		return web_bad_method;
	if (fault.status)
		return fault;
	if (h->function.len == 0)
		return gets ? (struct web_refusal){ 200, "gearmand is here; POST /FUNCTION submits a job" }
			    : (struct web_refusal){ 404, NULL };
	if (h->expects_other && c->minor > 0)
		return (struct web_refusal){ 417, "the only expectation met is 100-continue" };
	if (brings && !h->chunked && !h->has_length)
		return (struct web_refusal){ 411, "POST and PUT need a Content-Length or chunks" };
	if (h->when.given && h->rank != WEB_NORMAL)
		return (struct web_refusal){ 400, "a job with X-Gearman-When has normal priority" };
	if (size_of_job(c) > web_host(c)->max_packet(c->peer))
		return web_job_too_large;
	return (struct web_refusal){ 0, NULL };
}

/* An answer that is out before its request is in: go on only when the rest is short, and sure to come. */
static void
refuse_early(struct web_conn *c, struct web_refusal why)
{
	const struct web_head *h = &c->request->head;
	bool whole = !has_body(c), sure = !h->chunked && !h->expects_continue && !h->expects_other;

	if (!h->framing_lost && (whole || (sure && c->request->length <= SWALLOW)))
		web_answer_refusal(c, why);
	else
		web_refuse_and_close(c, why);
}

void
web_job_add(struct web_conn *c, struct gearmand_slice bytes)
{
	struct web_request *r = c->request;

	r->offered += bytes.len;
	if (bytes.len == 0 || web_host(c)->body_add(c->peer, bytes))
		return;
	r->begun = false;
	web_trouble(c, r->offered > web_host(c)->max_packet(c->peer) ? &web_job_too_large : &web_no_memory);
}

static void
begin_job(struct web_conn *c)
{
	const struct gearmand_host *host = web_host(c);
	struct web_request *r = c->request;
	const struct web_head *h = &r->head;
	const struct gearmand_slice nul = { "", 1 }, none = { "", 0 };
	char time[24];
	const struct gearmand_slice parts[] = { h->function, nul, unique_of(h), nul, gm_slice(time_of(c, time)),
		h->when.given ? nul : none, query_of(c) };

	r->background = h->background || h->when.given || h->prefer.respond_async;
	r->wait = h->prefer.respond_async ? h->prefer.wait : 0;
	web_ask_for_exceptions(c);
	host->body_begin(c->peer, h->when.given ? GEARMAND_SUBMIT_JOB_EPOCH : submit_type[r->background][h->rank],
	    (size_t)size_of_job(c), web_tag(c, WEB_ASK_JOB));
	r->begun = true;
	for (size_t i = 0; i < GM_COUNT(parts) && r->begun; i++)
		web_job_add(c, parts[i]);
}

void
web_admit(struct web_conn *c)
{
	struct web_refusal why;

	c->state = WEB_BODY;
	c->request->wants_body = c->request->method != HTTP_HEAD;
	web_conn_arm(c, c->module->idle_ms);
	why = head_check(c);
	if (why.status) {
		refuse_early(c, why);
		return;
	}
	if (c->request->head.expects_continue && c->minor > 0 && has_body(c))
		web_reply_continue(web_host(c), c->peer);
	if (c->request->head.about == WEB_FUNCTION)
		begin_job(c);
}

static const struct web_manner *
manner_of(const struct web_conn *c)
{
	const struct web_request *r = c->request;

	if (r->background || !r->wants_body)
		return &web_plain;
	if (r->head.accept.events)
		return &web_events;
	return r->head.stream && c->minor > 0 ? &web_stream : &web_plain;
}

void
web_begin(struct web_conn *c)
{
	struct web_request *r = c->request;

	r->begun = false;
	c->state = WEB_WAIT;
	web_conn_arm(c, 0);
	if (r->head.about != WEB_FUNCTION) {
		web_about_begin(c);
		return;
	}
	r->manner = manner_of(c);
	if (r->wait > 0)
		web_ask(c, WEB_ASK_ASIDE, "follow next", (struct gearmand_slice){ "", 0 });
	web_host(c)->body_end(c->peer);
}
