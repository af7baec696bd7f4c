/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a job is made, and what can be read off it: handle, unique, data.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; the job belongs to the tables it is put into.
 */
#include <string.h>

#include "base/mem.h"
#include "proc/func.h"
#include "proc/job.h"

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

/* We give the numbers, one after the other: jobs of about the same age are in neighbouring buckets. */
static uint64_t
handle_hash(uint64_t number, unsigned prefix)
{
	return number + hash_number(prefix);
}

/* `flags` say how the unique was sent; with one of them `request->unique` is the made-up key of a
 * replayed job, or what the client sent. */
static PROC struct job *
make(struct func *func, const struct job_request *request, uint8_t flags, bool keyed)
{
	struct job *job = mem_new(sizeof *job + (keyed ? sizeof(struct job_key) : 0));
	const char *body = request->body->data;

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
	job->reducer_at = request->reducer.len == 0 ? 0 : (uint16_t)(request->reducer.data - body);
	job->run_at = request->run_at;
	job->has_key = keyed;
	list_init(&job->link);
	return job;
}

static PROC void
enter_tables(struct proc *p, struct job *job)
{
	hash_add(&p->handles, &job->by_handle, handle_hash(job->number, job->prefix));
	key_add(p, job);
	job->func->jobs++;
	list_remove(&job->func->in_idle);
	p->memory += job_bytes(job);
}

struct job *
job_new(struct proc *p, struct func *func, const struct job_request *request)
{
	struct job *job = make(func, request, unique_flags(request->unique), has_key(request->unique, request->data));

	job->number = p->next_handle++;
	enter_tables(p, job);
	return job;
}

/* Splits "prefix:number"; false when it is not of that shape. */
static bool
split_handle(struct slice handle, struct slice *prefix_r, uint64_t *number_r)
{
	size_t at = handle.len;

	while (at > 0 && handle.data[at - 1] != ':')
		at--;
	if (at == 0 || handle.len > HANDLE_MAX || (handle.len > at + 1 && handle.data[at] == '0'))
		return false;
	*prefix_r = slice_of(handle.data, at - 1);
	return slice_to_u64(slice_of(handle.data + at, handle.len - at), UINT64_MAX, number_r);
}

/* UINT_MAX when there is none.  There are as many prefixes as this server had names. */
static unsigned
prefix_find(const struct proc *p, struct slice text)
{
	for (unsigned i = 0; i < p->prefix_count; i++) {
		if (slice_eq(text, slice_of(p->prefixes[i].text, p->prefixes[i].len)))
			return i;
	}
	return UINT32_MAX;
}

static unsigned
prefix_add(struct proc *p, struct slice text)
{
	p->prefixes = mem_grow(p->prefixes, (p->prefix_count + 1) * sizeof *p->prefixes);
	p->prefixes[p->prefix_count] = (struct prefix){ .text = mem_dup(text.data, text.len), .len = text.len };
	return p->prefix_count++;
}

/* A stored handle is kept unless it makes no sense or is taken. */
static PROC void
restore_handle(struct proc *p, struct job *job, struct slice handle)
{
	struct slice prefix;
	uint64_t number;
	unsigned at;

	job->number = p->next_handle;
	if (!split_handle(handle, &prefix, &number) || number == UINT64_MAX || job_find(p, handle) != NULL) {
		p->next_handle++;
		return;
	}
	at = prefix_find(p, prefix);
	if (at == UINT32_MAX && p->prefix_count < UINT16_MAX)
		at = prefix_add(p, prefix);
	if (at == UINT32_MAX) {
		p->next_handle++;
		return;
	}
	job->prefix = (uint16_t)at;
	job->number = number;
	if (at == 0 && number >= p->next_handle)
		p->next_handle = number + 1;
}

/* Rows of 1.1 have no flags: there an empty unique and "-" are keys of their own. */
struct job *
job_new_replayed(
    struct proc *p, struct func *func, const struct job_request *request, struct slice handle, uint8_t flags)
{
	struct job *job;
	bool keyed;

	if (flags == 0)
		flags = unique_flags(request->unique);
	keyed = flags == 0 || (flags == GEARMAND_JOB_UNIQUE_IS_DATA && request->data.len > 0);
	job = make(func, request, flags, keyed);
	job->key_in_body = flags != 0;
	restore_handle(p, job, handle);
	enter_tables(p, job);
	return job;
}

void
job_handle(const struct proc *p, const struct job *job, struct handle_text *text_r)
{
	const struct prefix *prefix = &p->prefixes[job->prefix];

	memcpy(text_r->at, prefix->text, prefix->len);
	text_r->at[prefix->len] = ':';
	text_r->len = (uint8_t)(prefix->len + 1 + u64_to_text(text_r->at + prefix->len + 1, job->number));
	text_r->at[text_r->len] = '\0';
}

struct handle_key {
	uint64_t number;
	unsigned prefix;
};

static bool
has_handle(const struct hash_node *node, const void *key)
{
	const struct job *job = CONTAINER_OF(node, struct job, by_handle);
	const struct handle_key *want = key;

	return job->number == want->number && job->prefix == want->prefix;
}

struct job *
job_find(struct proc *p, struct slice handle)
{
	struct handle_key key;
	struct hash_node *node;
	struct slice prefix;

	if (handle.len > 0 && handle.data[handle.len - 1] == '\0')
		handle.len--;
	if (!split_handle(handle, &prefix, &key.number))
		return NULL;
	key.prefix = prefix_find(p, prefix);
	if (key.prefix == UINT32_MAX)
		return NULL;
	node = hash_find(&p->handles, handle_hash(key.number, key.prefix), has_handle, &key);
	return node == NULL ? NULL : CONTAINER_OF(node, struct job, by_handle);
}

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
	return slice_of(job->body->data + job->reducer_at, job->reducer_len);
}

uint64_t
job_bytes(const struct job *job)
{
	return sizeof *job + (job->has_key ? sizeof(struct job_key) : 0) + sizeof *job->body + job->body->cap;
}
