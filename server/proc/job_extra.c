/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What only some jobs have: those that run, ran before, are to run later, or are waited for.
 *
 * Runs on:  processing thread.
 * Owns:     struct job_extra.
 */
#include "proc/job_extra.h"

#include "base/mem.h"
#include "proc/job.h"
#include "proc/result.h"

static const struct job_extra none;

void
job_extra_init(struct proc *p, struct job *job, int64_t run_at)
{
	job->extra = &none;
	if (run_at > 0)
		job_extra(p, job)->run_at = run_at;
}

struct job_extra *
job_extra(struct proc *p, struct job *job)
{
	struct job_extra *extra = (struct job_extra *)(uintptr_t)job->extra;

	if (extra != &none)
		return extra;
	extra = mem_new(sizeof *extra);
	extra->job = job;
	p->memory += sizeof *extra;
	job->extra = extra;
	return extra;
}

void
job_extra_free(struct proc *p, struct job *job)
{
	if (job->extra == &none)
		return;
	CHECK(job->extra->timer.place == 0);
	job_set_error(p, job, slice_of("", 0));
	result_drop(p, &job_extra(p, job)->result);
	p->memory -= sizeof *job->extra;
	mem_free((void *)(uintptr_t)job->extra);
	job->extra = &none;
}

void
job_extra_tidy(struct proc *p, struct job *job)
{
	const struct job_extra *extra = job->extra;

	if (extra->worker == NULL && extra->clients == NULL && extra->followers == NULL && extra->slots == NULL &&
	    extra->run_at == 0 && extra->tries == 0 && extra->retry_at == 0 && extra->buried_at == 0 &&
	    extra->error == NULL && extra->changed_at == 0 && !extra->in_dead && !extra->add_again)
		job_extra_free(p, job);
}

static size_t
error_bytes(const struct job_extra *extra)
{
	return extra->error == NULL ? 0 : sizeof *extra->error + extra->error->cap;
}

size_t
job_extra_bytes(const struct job *job)
{
	return job->extra == &none ? 0
				   : sizeof *job->extra + error_bytes(job->extra) + result_bytes(job->extra->result);
}

/* Not within a character of UTF-8. */
static struct slice
cut_text(struct slice text, size_t most)
{
	if (text.len <= most)
		return text;
	for (int i = 0; i < 3 && ((unsigned char)text.data[most] & 0xc0) == 0x80; i++)
		most--;
	return slice_of(text.data, most);
}

void
job_set_error(struct proc *p, struct job *job, struct slice text)
{
	struct job_extra *extra;

	if (text.len == 0 && job->extra->error == NULL)
		return;
	extra = job_extra(p, job);
	p->memory -= error_bytes(extra);
	blob_unref(&extra->error);
	if (text.len > 0)
		extra->error = blob_copy(cut_text(text, ERROR_TEXT_MAX));
	p->memory += error_bytes(extra);
}
