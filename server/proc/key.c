/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Uniques: equal submissions share one job, and a job can be asked for by its unique.
 *
 * Runs on:  processing thread.
 * Owns:     struct twin; jobs are borrowed, and leave before they are freed.
 *
 * The key is (function, unique); for the unique "-" it is (function, data).  Asking by unique
 * ignores the function.  Nearly always one job alone has its unique, so one table by unique answers both questions:
 * the newest job stands there.  When a second function has the same unique, each of these jobs gets a twin: a ring
 * leads to older ones, and a table by both finds them, so that one unique under many functions makes no long chain.
 */
#include "proc/key.h"

#include "base/mem.h"
#include "proc/func.h"
#include "proc/job.h"
#include "proc/job_new.h"
#include "proc/job_read.h"

#include <gearmand/plugin.h>

struct twin {
	struct hash_node by_key; /* proc.twins */
	struct list same_unique; /* a ring of the jobs of all functions with that unique */
	struct job *job;
};

struct key {
	const struct func *func;
	struct slice text;
};

static struct job_key *
key_of(const struct job *job)
{
	CHECK(job->has_key);
	return (struct job_key *)(void *)((char *)(uintptr_t)job + sizeof *job);
}

static struct job *
job_of(const struct hash_node *node)
{
	return (struct job *)(void *)((char *)(uintptr_t)node - offsetof(struct job_key, node) - sizeof(struct job));
}

static bool
is_data_key(const struct job *job)
{
	return (job->flags & GEARMAND_JOB_UNIQUE_IS_DATA) != 0;
}

static uint64_t
with_func(uint64_t text_hash, const struct func *func)
{
	return text_hash ^ hash_number(func->number);
}

static bool
has_data_key(const struct hash_node *node, const void *key)
{
	const struct job *job = job_of(node);
	const struct key *want = key;

	return job->func == want->func && slice_eq(job_data(job), want->text);
}

static bool
has_unique(const struct hash_node *node, const void *unique)
{
	return slice_eq(job_unique(job_of(node)), *(const struct slice *)unique);
}

static bool
has_twin_key(const struct hash_node *node, const void *key)
{
	const struct job *job = CONTAINER_OF(node, struct twin, by_key)->job;
	const struct key *want = key;

	return job->func == want->func && slice_eq(job_unique(job), want->text);
}

static PROC struct job *
newest_find(struct proc *p, struct slice unique, uint64_t hash)
{
	struct hash_node *node = hash_find(&p->uniques, hash, has_unique, &unique);

	return node == NULL ? NULL : job_of(node);
}

static PROC struct twin *
twin_find(struct proc *p, const struct func *func, struct slice unique, uint64_t hash)
{
	struct key key = { .func = func, .text = unique };
	struct hash_node *node = hash_find(&p->twins, with_func(hash, func), has_twin_key, &key);

	return node == NULL ? NULL : CONTAINER_OF(node, struct twin, by_key);
}

struct job *
unique_find(struct proc *p, struct slice unique)
{
	return unique.len == 0 ? NULL : newest_find(p, unique, hash_bytes(unique, p->cfg.seed));
}

uint64_t
key_hash(const struct proc *p, const struct job_request *request)
{
	bool is_data = slice_is(request->unique, "-");

	if (request->unique.len == 0)
		return 0;
	if (is_data && request->key_hash != 0)
		return request->key_hash;
	return hash_bytes(is_data ? request->data : request->unique, p->cfg.seed);
}

struct job *
key_find(struct proc *p, const struct func *func, const struct job_request *request)
{
	bool is_data = slice_is(request->unique, "-");
	struct key key = { .func = func, .text = is_data ? request->data : request->unique };
	struct hash_node *node;
	struct twin *twin;
	struct job *newest;

	if (key.text.len == 0)
		return NULL;
	if (is_data) {
		node = hash_find(&p->data_keys, with_func(request->key_hash, func), has_data_key, &key);
		return node == NULL ? NULL : job_of(node);
	}
	newest = newest_find(p, key.text, request->key_hash);
	if (newest == NULL || newest->func == func || !newest->has_twin)
		return newest != NULL && newest->func == func ? newest : NULL;
	twin = twin_find(p, func, key.text, request->key_hash);
	return twin == NULL ? NULL : twin->job;
}

static PROC struct twin *
twin_get(struct proc *p, struct job *job, uint64_t hash)
{
	struct twin *twin;

	if (job->has_twin)
		return twin_find(p, job->func, job_unique(job), hash);
	twin = mem_new(sizeof *twin);
	twin->job = job;
	job->has_twin = true;
	list_init(&twin->same_unique);
	hash_add(&p->twins, &twin->by_key, with_func(hash, job->func));
	return twin;
}

void
key_add(struct proc *p, struct job *job, uint64_t hash)
{
	struct job *older;

	if (!job->has_key)
		return;
	if (hash == 0)
		hash = hash_bytes(is_data_key(job) ? job_data(job) : job_unique(job), p->cfg.seed);
	if (is_data_key(job)) {
		hash_add(&p->data_keys, &key_of(job)->node, with_func(hash, job->func));
		return;
	}
	job->newest = true;
	older = newest_find(p, job_unique(job), hash);
	if (older == NULL) {
		hash_add(&p->uniques, &key_of(job)->node, hash);
		return;
	}
	list_push(&twin_get(p, older, hash)->same_unique, &twin_get(p, job, hash)->same_unique);
	hash_replace(&p->uniques, &key_of(older)->node, &key_of(job)->node);
	older->newest = false;
}

void
key_remove(struct proc *p, struct job *job)
{
	struct twin *twin = NULL, *next = NULL;

	if (!job->has_key)
		return;
	if (is_data_key(job)) {
		hash_remove(&p->data_keys, &key_of(job)->node);
		return;
	}
	if (job->has_twin)
		twin = twin_get(p, job, hash_bytes(job_unique(job), p->cfg.seed));
	if (twin != NULL && list_is_linked(&twin->same_unique))
		next = LIST_ENTRY(twin->same_unique.next, struct twin, same_unique);
	if (job->newest && next != NULL) {
		hash_replace(&p->uniques, &key_of(job)->node, &key_of(next->job)->node);
		next->job->newest = true;
	} else if (job->newest) {
		hash_remove(&p->uniques, &key_of(job)->node);
	}
	job->newest = false;
	if (twin == NULL)
		return;
	job->has_twin = false;
	hash_remove(&p->twins, &twin->by_key);
	list_remove(&twin->same_unique);
	mem_free(twin);
}
