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

/* `flags` say how the unique was sent; with one of them `request->unique` is the made-up key of a
 * replayed job, or what the client sent. */
static PROC struct job *
make(struct proc *p, struct func *func, const struct job_request *request, uint8_t flags, bool keyed)
{
	struct job *job = mem_new(sizeof *job + (keyed ? sizeof(struct job_key) : 0));
	const char *body = request->body->data;

	_Static_assert(sizeof *job <= 72, "there may be millions: malloc() gives 80 bytes for 72, 96 with a key");
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
enter_tables(struct proc *p, struct job *job, uint64_t number, uint64_t key_hash)
{
	hash_add(&p->handles, &job->by_handle, handle_key(number, job->prefix));
	key_add(p, job, key_hash);
	job->func->jobs++;
	list_remove(&job->func->in_idle);
	p->memory += job_bytes(job);
}

struct job *
job_new(struct proc *p, struct func *func, const struct job_request *request)
{
	struct job *job =
	    make(p, func, request, unique_flags(request->unique), has_key(request->unique, request->data));

	enter_tables(p, job, p->next_handle++, request->key_hash);
	return job;
}

/* Splits "prefix:number"; false when it is not of that shape. */
static bool
split_handle(struct slice handle, struct slice *prefix_r, uint64_t *number_r)
{
	const char *colon = handle.len == 0 ? NULL : memrchr(handle.data, ':', handle.len);
	size_t at = colon == NULL ? 0 : (size_t)(colon - handle.data) + 1;

	if (at == 0 || handle.len > HANDLE_MAX || (handle.len > at + 1 && handle.data[at] == '0'))
		return false;
	*prefix_r = slice_of(handle.data, at - 1);
	return slice_to_u64(slice_of(handle.data + at, handle.len - at), UINT64_MAX, number_r);
}

static bool
is_prefix(const struct hash_node *node, const void *text)
{
	const struct prefix *prefix = CONTAINER_OF(node, struct prefix, by_text);

	return slice_eq(slice_of(prefix->text, prefix->len), *(const struct slice *)text);
}

/* NULL when there is none.  There are as many prefixes as servers had names whose jobs were replayed here; nearly
 * always it is our own. */
static struct prefix *
prefix_find(struct proc *p, struct slice text)
{
	struct hash_node *node;

	if (is_prefix(&p->prefix_at[0]->by_text, &text))
		return p->prefix_at[0];
	node = hash_find(&p->prefixes, hash_bytes(text, p->cfg.seed), is_prefix, &text);

	return node == NULL ? NULL : CONTAINER_OF(node, struct prefix, by_text);
}

struct prefix *
prefix_add(struct proc *p, struct slice text)
{
	struct prefix *prefix = mem_new(sizeof *prefix + text.len);

	prefix->number = (uint16_t)p->prefixes.count;
	prefix->len = (uint8_t)text.len;
	memcpy(prefix->text, text.data, text.len);
	hash_add(&p->prefixes, &prefix->by_text, hash_bytes(text, p->cfg.seed));
	p->prefix_at = mem_grow(p->prefix_at, p->prefixes.count * sizeof(struct prefix *));
	p->prefix_at[prefix->number] = prefix;
	return prefix;
}

/* The number, and the prefix is set.  A stored handle is kept unless it makes no sense or is taken. */
static PROC uint64_t
restore_handle(struct proc *p, struct job *job, struct slice handle)
{
	struct slice text;
	struct prefix *prefix;
	uint64_t number;

	if (!split_handle(handle, &text, &number) || number == UINT64_MAX || job_find(p, handle) != NULL)
		return p->next_handle++;
	prefix = prefix_find(p, text);
	if (prefix == NULL && p->prefixes.count < UINT16_MAX)
		prefix = prefix_add(p, text);
	if (prefix == NULL)
		return p->next_handle++;
	job->prefix = prefix->number;
	if (prefix->number == 0 && number >= p->next_handle)
		p->next_handle = number + 1;
	return number;
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
	job = make(p, func, request, flags, keyed);
	job->key_in_body = flags != 0;
	enter_tables(p, job, restore_handle(p, job, handle), request->key_hash);
	return job;
}

void
handle_write(const struct proc *p, uint64_t number, unsigned prefix_number, struct handle_text *text_r)
{
	const struct prefix *prefix = p->prefix_at[prefix_number];

	memcpy(text_r->at, prefix->text, prefix->len);
	text_r->at[prefix->len] = ':';
	text_r->len = (uint8_t)(prefix->len + 1 + u64_to_text(text_r->at + prefix->len + 1, number));
	text_r->at[text_r->len] = '\0';
}

void
job_handle(const struct proc *p, const struct job *job, struct handle_text *text_r)
{
	handle_write(p, job_number(job), job->prefix, text_r);
}

static bool
has_prefix(const struct hash_node *node, const void *prefix)
{
	return CONTAINER_OF(node, struct job, by_handle)->prefix == *(const uint16_t *)prefix;
}

struct job *
job_find(struct proc *p, struct slice handle)
{
	struct hash_node *node;
	struct prefix *prefix;
	struct slice text;
	uint64_t number;

	if (handle.len > 0 && handle.data[handle.len - 1] == '\0')
		handle.len--;
	if (!split_handle(handle, &text, &number) || (prefix = prefix_find(p, text)) == NULL)
		return NULL;
	node = hash_find(&p->handles, handle_key(number, prefix->number), has_prefix, &prefix->number);
	return node == NULL ? NULL : CONTAINER_OF(node, struct job, by_handle);
}
