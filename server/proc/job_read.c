/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What can be read off a job without a table.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#include "proc/job_read.h"

#include "proc/func.h"
#include "proc/job.h"
#include "proc/key.h"

#include <gearmand/plugin.h>

struct slice
job_unique(const struct job *job)
{
	if (job->flags & GEARMAND_JOB_UNIQUE_IS_DATA)
		return slice_of("-", 1);
	if (job->flags & GEARMAND_JOB_NO_UNIQUE)
		return slice_of("", 0);
	return slice_of(job->body->data + job->func->name_len + 1, job->unique_len);
}

struct slice
job_data(const struct job *job)
{
	return slice_of(job->body->data + job->data_at, job->body->len - job->data_at);
}

struct slice
job_reducer(const struct job *job)
{
	return slice_of(job->body->data + job->func->name_len + 1 + job->unique_len + 1, job->reducer_len);
}

uint64_t
job_bytes(const struct job *job)
{
	return sizeof *job + (job->has_key ? sizeof(struct job_key) : 0) + sizeof *job->body + job->body->cap;
}

nsec_t
job_since(const struct proc *p, const struct job *job)
{
	return p->now.wall - (p->now.mono - job->since);
}
