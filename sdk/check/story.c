/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Stories of connections.  See story.h.
 *
 * Runs on:  the thread that calls it.  Owns nothing.
 */
#include "story.h"

#include <stdio.h>
#include <string.h>

#include "kit.h"

enum { PACKET_MOST = 4096 };

static const char *const no_args[] = { NULL };
static const struct gearmand_slice nothing = { "", 0 };

/* The workload: what is behind two NULs. */
static struct gearmand_slice
workload(const struct conn_request *job)
{
	struct gearmand_slice left = pile_slice(&job->body);

	for (int i = 0; i < 2; i++) {
		const char *nul = memchr(left.data, '\0', left.len);
		size_t n = nul ? (size_t)(nul - left.data) + 1 : left.len;

		left = (struct gearmand_slice){ left.data + n, left.len - n };
	}
	return left;
}

static void
refuse(struct conn *c, const char *code, const char *why)
{
	conn_send(c, GEARMAND_ERROR, (const char *const[]){ code, why, NULL }, nothing);
}

static void
run_job(struct conn *c, const char *handle, char how, struct gearmand_slice data)
{
	const char *const of_handle[] = { handle, NULL };

	conn_send(c, GEARMAND_WORK_STATUS, (const char *const[]){ handle, "1", "2", NULL }, nothing);
	switch (how) {
	case 'f':
		conn_send(c, GEARMAND_WORK_FAIL, of_handle, nothing);
		return;
	case 'e':
		conn_send(c, GEARMAND_WORK_EXCEPTION, of_handle, data);
		return;
	case 'b':
		for (int i = 0; i < PACKET_MOST / 8; i++)
			conn_send(c, GEARMAND_WORK_DATA, of_handle, (struct gearmand_slice){ "0123456789", 10 });
		break;
	case 'v':
		conn_send(c, GEARMAND_WORK_DATA, of_handle, (struct gearmand_slice){ "void", 4 });
		conn_send(c, GEARMAND_ATTEMPT_VOID, of_handle, nothing);
		/* fall through */
	case 'd':
		conn_send(c, GEARMAND_WORK_DATA, of_handle, data);
		conn_send(c, GEARMAND_WORK_WARNING, of_handle, data);
		conn_send(c, GEARMAND_WORK_DATA, of_handle, nothing);
		break;
	default:
		break;
	}
	conn_send(c, GEARMAND_WORK_COMPLETE, of_handle, data);
}

static void
serve_job(struct conn *c, const struct conn_request *job)
{
	bool background = job->type == GEARMAND_SUBMIT_JOB_BG || job->type == GEARMAND_SUBMIT_JOB_HIGH_BG ||
			  job->type == GEARMAND_SUBMIT_JOB_LOW_BG || job->type == GEARMAND_SUBMIT_JOB_EPOCH;

	if (job->body.data[0] == 'q') {
		refuse(c, "QUEUE_ERROR", "Job queue is full");
	} else if (job->body.data[0] == 'u') {
		refuse(c, "ARGUMENT_TOO_LARGE", "Unique value too large");
	} else {
		conn_send(c, GEARMAND_JOB_CREATED, (const char *const[]){ "H:story:1", NULL }, nothing);
		if (!background)
			run_job(c, "H:story:1", job->body.data[0], workload(job));
	}
}

static void
say_text(struct conn *c, const char *text)
{
	conn_send(c, GEARMAND_TEXT, no_args, (struct gearmand_slice){ text, strlen(text) });
}

/* A job of that handle: by its first letter it is not known, has ended, or runs. */
static void
show_job(struct conn *c, const char *handle)
{
	char text[512];

	if (handle[0] == 'u') {
		say_text(c, "ERR UNKNOWN_JOB\r\n");
		return;
	}
	snprintf(text, sizeof(text), "handle\t%.63s\nfunction\tf\nstate\t%s\nattempts\t1\n.\n", handle,
	    handle[0] == 'c'   ? "completed"
	    : handle[0] == 'f' ? "failed"
			       : "running");
	say_text(c, text);
}

static void
serve_text(struct conn *c, const char *line)
{
	const char *handle = strrchr(line, ' ') ? strrchr(line, ' ') + 1 : "";

	if (strncmp(line, "show job ", 9) == 0) {
		show_job(c, handle);
	} else if (strncmp(line, "follow job ", 11) == 0 && handle[0] != 'u') {
		say_text(c, "OK\r\n");
		run_job(c, handle, handle[0], (struct gearmand_slice){ handle, strlen(handle) });
	} else {
		say_text(c, handle[0] == 'u' ? "ERR UNKNOWN_JOB\r\n" : "OK\r\n");
	}
}

void
story_serve(struct conn *c, const struct conn_request *r)
{
	switch (r->type) {
	case GEARMAND_SUBMIT_JOB:
	case GEARMAND_SUBMIT_JOB_BG:
	case GEARMAND_SUBMIT_JOB_HIGH:
	case GEARMAND_SUBMIT_JOB_HIGH_BG:
	case GEARMAND_SUBMIT_JOB_LOW:
	case GEARMAND_SUBMIT_JOB_LOW_BG:
	case GEARMAND_SUBMIT_JOB_EPOCH:
		serve_job(c, r);
		break;
	case GEARMAND_OPTION_REQ:
		conn_send(c, GEARMAND_OPTION_RES, (const char *const[]){ r->body.data, NULL }, nothing);
		break;
	case GEARMAND_ECHO_REQ:
		conn_send(c, GEARMAND_ECHO_RES, no_args, pile_slice(&r->body));
		break;
	case GEARMAND_GET_STATUS:
		conn_send(
		    c, GEARMAND_STATUS_RES, (const char *const[]){ r->body.data, "1", "1", "1", "2", NULL }, nothing);
		break;
	case GEARMAND_GET_STATUS_UNIQUE:
		conn_send(c, GEARMAND_STATUS_RES_UNIQUE,
		    (const char *const[]){ r->body.data, "1", "1", "1", "2", "1", NULL }, nothing);
		break;
	case GEARMAND_TEXT:
		serve_text(c, r->body.data ? r->body.data : "");
		break;
	case GEARMAND_GRAB_JOB:
	case GEARMAND_GRAB_JOB_UNIQ:
	case GEARMAND_GRAB_JOB_ALL:
		conn_send(c, GEARMAND_NO_JOB, no_args, nothing);
		break;
	default: /* a worker's word, which has no answer */
		c->waiting = 0;
	}
}

static void
story_tell(struct pile *story, const char *what, const struct pile *bytes)
{
	pile_add(story, what, strlen(what));
	pile_add(story, bytes->data, bytes->len);
	pile_add(story, "\n", 1);
}

struct pile
story_of(struct host *h, struct gearmand_slice bytes, struct cut cut)
{
	struct conn *c = conn_new(h, "127.0.0.1:1");
	struct pile story = { 0 };
	char line[64];

	pile_add(&story, "", 0);
	if (!c)
		return story;
	c->on_request = cut.late ? NULL : story_serve;
	c->max_packet = c->kept_most = PACKET_MOST;
	conn_say(c, bytes.data, cut.first, 0);
	conn_say(c, bytes.data + cut.first, bytes.len - cut.first, cut.piece);
	c->on_request = story_serve;
	conn_run(c);
	for (int i = 0; i < TICKS_MOST && conn_tick(c); i++)
		;
	conn_end(c);
	for (size_t i = 0; i < c->request_count; i++) {
		snprintf(line, sizeof(line), "request %u, %zu bytes: ", c->requests[i].type, c->requests[i].body.len);
		story_tell(&story, line, &c->requests[i].body);
	}
	story_tell(&story, "delivered: ", &c->delivered);
	story_tell(&story, "written: ", &c->out);
	snprintf(line, sizeof(line), "%s%s", c->closed ? "closed " : "", c->ended ? "ended " : "");
	pile_add(&story, line, strlen(line));
	pile_add(&story, c->peer, strlen(c->peer));
	conn_free(&c);
	return story;
}

bool
story_is(struct host *h, const struct pile *one, struct gearmand_slice bytes, struct cut cut)
{
	struct pile other = story_of(h, bytes, cut);
	bool same = one->len == other.len && memcmp(one->data, other.data, one->len) == 0;

	if (!same)
		note("---- one\n%s\n---- the other\n%s", one->data, other.data);
	pile_free(&other);
	return same;
}
