/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The same bytes twice, cut differently, must come to the same.  See http_twin.h.
 *
 * Single-threaded; a twin owns its story.
 */
#include "tests/plugins/http_twin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDLE "H:twin:1"

static const char *const of_handle[] = { HANDLE, NULL };
static const struct gearmand_slice nothing = { "", 0 };

static bool
is_background(uint32_t type)
{
	return type == GEARMAND_SUBMIT_JOB_BG || type == GEARMAND_SUBMIT_JOB_HIGH_BG ||
	       type == GEARMAND_SUBMIT_JOB_LOW_BG;
}

/* The workload: what is behind two NULs. */
static struct gearmand_slice
workload(const struct fake_request *job)
{
	const char *end = job->body.data + job->body.len, *p = job->body.data + strlen(job->body.data) + 1;

	p += strlen(p) + 1;
	return (struct gearmand_slice){ p, (size_t)(end - p) };
}

static void
refuse(struct fake *f, const char *code, const char *text)
{
	fake_send(f, GEARMAND_ERROR, (const char *const[]){ code, text, NULL }, nothing);
}

static void
run_job(struct fake *f, const struct fake_request *job)
{
	const struct gearmand_slice data = workload(job);

	fake_send(f, GEARMAND_WORK_STATUS, (const char *const[]){ HANDLE, "1", "2", NULL }, nothing);
	switch (job->body.data[0]) {
	case 'f':
		fake_send(f, GEARMAND_WORK_FAIL, of_handle, nothing);
		return;
	case 'e':
		fake_send(f, GEARMAND_WORK_EXCEPTION, of_handle, data);
		return;
	case 'b':
		for (int i = 0; i < 5000 && !f->closed; i++)
			fake_send(f, GEARMAND_WORK_DATA, of_handle, (struct gearmand_slice){ "0123456789", 10 });
		break;
	case 'd':
		fake_send(f, GEARMAND_WORK_DATA, of_handle, data);
		fake_send(f, GEARMAND_WORK_WARNING, of_handle, data);
		fake_send(f, GEARMAND_WORK_DATA, of_handle, nothing);
		break;
	default:
		break;
	}
	fake_send(f, GEARMAND_WORK_COMPLETE, of_handle, data);
}

static void
on_job(struct fake *f, const struct fake_request *job)
{
	if (job->type == GEARMAND_OPTION_REQ)
		fake_send(f, GEARMAND_OPTION_RES, (const char *const[]){ "exceptions", NULL }, nothing);
	else if (job->body.data[0] == 'q')
		refuse(f, "QUEUE_ERROR", "Job queue is full");
	else if (job->body.data[0] == 'u')
		refuse(f, "ARGUMENT_TOO_LARGE", "Unique value too large");
	else
		fake_send(f, GEARMAND_JOB_CREATED, of_handle, nothing);
	if (f->waiting > 0 && !is_background(job->type) && job->type != GEARMAND_OPTION_REQ)
		run_job(f, job);
}

struct twin
twin_run(const struct gearmand_plugin *plugin, const char *bytes, size_t len, size_t first, size_t piece)
{
	static const char *const settings[] = { "http-max-header=512", NULL };
	struct gearmand_error err = { .text = "" };
	struct fake *f = fake_new(plugin, settings, &err);
	struct twin t = { { 0 } };
	char line[64];

	if (!f)
		abort();
	f->on_job = on_job;
	f->max_packet = 4096;
	fake_say(f, bytes, first, 0);
	fake_say(f, bytes + first, len - first, piece);
	for (int i = 0; i < 3 && !f->closed && fake_tick(f); i++)
		;
	for (size_t i = 0; i < f->job_count; i++) {
		snprintf(line, sizeof(line), "job %u, %zu bytes: ", f->jobs[i].type, f->jobs[i].body.len);
		fake_text_add(&t.story, line, strlen(line));
		fake_text_add(&t.story, f->jobs[i].body.data, f->jobs[i].body.len);
		fake_text_add(&t.story, "\n", 1);
	}
	fake_text_add(&t.story, f->out.data, f->out.len);
	fake_text_add(&t.story, f->closed ? "closed" : "open", f->closed ? 6 : 4);
	fake_free(&f);
	return t;
}

bool
twin_compare(const struct gearmand_plugin *plugin, const struct twin *one, const char *bytes, size_t len, size_t first,
    size_t piece)
{
	struct twin other = twin_run(plugin, bytes, len, first, piece);
	bool same = one->story.len == other.story.len && memcmp(one->story.data, other.story.data, one->story.len) == 0;

	if (!same)
		fprintf(stderr, "---- one\n%s\n---- the other\n%s\n", one->story.data, other.story.data);
	twin_free(&other);
	return same;
}

void
twin_free(struct twin *t)
{
	free(t->story.data);
	t->story = (struct fake_text){ 0 };
}
