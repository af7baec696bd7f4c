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
	p->memory -= sizeof *job->extra;
	mem_free((void *)(uintptr_t)job->extra);
	job->extra = &none;
}

void
job_extra_tidy(struct proc *p, struct job *job)
{
	const struct job_extra *extra = job->extra;

	if (extra->worker == NULL && extra->clients == NULL && extra->slots == NULL && extra->run_at == 0 &&
	    extra->tries == 0 && extra->retry_at == 0 && extra->buried_at == 0)
		job_extra_free(p, job);
}

size_t
job_extra_bytes(const struct job *job)
{
	return job->extra == &none ? 0 : sizeof *job->extra;
}
