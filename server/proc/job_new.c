/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a job is made.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; the job belongs to the tables it is put into.
 */
#include "proc/job_new.h"

#include <string.h>

#include "base/mem.h"
#include "proc/func.h"
#include "proc/handle.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/job_read.h"
#include "proc/key.h"

#include <gearmand/plugin.h>

static bool
has_key(struct slice unique, struct slice data)
{
	if (unique.len == 0)
		return false;
	return data.len > 0 || !slice_is(unique, "-");
}

static uint8_t
unique_flags(struct slice unique)
{
	if (unique.len == 0)
		return GEARMAND_JOB_NO_UNIQUE;
	return slice_is(unique, "-") ? GEARMAND_JOB_UNIQUE_IS_DATA : 0;
}

/* `flags` say how the unique was sent; with one of them `request->unique` is the made-up key of a
 * replayed job, or what the client sent. */
static PROC struct job *
make(struct proc *p, struct func *func, const struct job_request *request, uint8_t flags, bool keyed)
{
	struct job *job = mem_new(sizeof *job + (keyed ? sizeof(struct job_key) : 0));
	const char *body = request->body->data;

	_Static_assert(sizeof *job <= 80, "there may be millions: malloc() gives 96 bytes for 80, 112 with a key");
	CHECK(request->unique.len <= UNIQUE_MAX && request->reducer.len <= REDUCER_MAX);
	job->magic = JOB_MAGIC;
	job->state = JOB_NEW;
	job->priority = (uint8_t)request->priority;
	job->flags = flags;
	job->func = func;
	job->body = blob_ref(request->body);
	job->unique_len = (uint8_t)request->unique.len;
	job->data_at = (uint32_t)(request->data.data - body);
	job->reducer_len = (uint8_t)request->reducer.len;
	job->has_key = keyed;
	list_init(&job->link);
	job_extra_init(p, job, request->run_at);
	return job;
}

static PROC void
enter_tables(struct proc *p, struct job *job, uint64_t number)
{
	hash_add(&p->handles, &job->by_handle, handle_key(number, job->prefix));
	job->func->jobs++;
	list_remove(&job->func->in_idle);
	p->memory += job_bytes(job);
}

struct job *
job_new(struct proc *p, struct func *func, const struct job_request *request)
{
	struct job *job =
	    make(p, func, request, unique_flags(request->unique), has_key(request->unique, request->data));

	enter_tables(p, job, p->next_handle++);
	key_add(p, job, request->key_hash);
	return job;
}

/* Rows of 1.1 have no flags: there an empty unique and "-" are keys of their own. */
struct job *
job_new_replayed(
    struct proc *p, struct func *func, const struct job_request *request, struct slice handle, uint8_t flags)
{
	bool is_dead = (flags & GEARMAND_JOB_DEAD) != 0;
	struct job *job;
	bool keyed;

	flags &= (uint8_t)~GEARMAND_JOB_DEAD;
	if (flags == 0)
		flags = unique_flags(request->unique);
	keyed = flags == 0 || (flags == GEARMAND_JOB_UNIQUE_IS_DATA && request->data.len > 0);
	job = make(p, func, request, flags, keyed);
	job->key_in_body = flags != 0;
	enter_tables(p, job, handle_restore(p, handle, &job->prefix));
	if (!is_dead)
		key_add(p, job, request->key_hash);
	return job;
}
