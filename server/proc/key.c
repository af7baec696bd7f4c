/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Uniques: equal submissions share one job, and a job can be asked for by its unique.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; holds borrowed pointers, so a job leaves before it is freed.
 *
 * The key is (function, unique); for the unique "-" it is (function, data).  Asking by unique
 * ignores the function: the newest job stands in proc.uniques, older ones hang on it in
 * a ring, so that one unique under many functions makes no long chain.
 */
#include "proc/func.h"
#include "proc/job.h"

#include <gearmand/plugin.h>

struct key {
	const struct func *func;
	struct slice text;
	bool is_data;
	uint64_t data_hash; /* of the text, when it is data; 0 = not known */
};

static struct job_key *
key_of(const struct job *job)
{
	CHECK(job->has_key);
	return (struct job_key *)(void *)((char *)(uintptr_t)job + sizeof *job);
}

static struct job *
job_of(struct job_key *key)
{
	return (struct job *)(void *)((char *)key - sizeof(struct job));
}

static struct key
key_make(const struct func *func, struct slice unique, struct slice data, uint64_t data_hash)
{
	bool is_data = slice_is(unique, "-");

	return (
	    struct key){ .func = func, .text = is_data ? data : unique, .is_data = is_data, .data_hash = data_hash };
}

static uint64_t
key_hash(const struct proc *p, const struct key *key)
{
	uint64_t hash = key->is_data && key->data_hash != 0 ? key->data_hash : hash_bytes(key->text, p->cfg.seed);

	return hash ^ hash_number((uint64_t)key->func->number << 1 | key->is_data);
}

static bool
has_key(const struct hash_node *node, const void *key)
{
	const struct job *job = job_of(CONTAINER_OF(node, struct job_key, by_key));
	const struct key *want = key;
	bool is_data = (job->flags & GEARMAND_JOB_UNIQUE_IS_DATA) != 0;

	return job->func == want->func && is_data == want->is_data &&
	       slice_eq(is_data ? job_data(job) : job_unique(job), want->text);
}

struct job *
key_find(struct proc *p, const struct func *func, const struct job_request *request)
{
	struct key key = key_make(func, request->unique, request->data, request->data_hash);
	struct hash_node *node;

	if (key.text.len == 0)
		return NULL;
	node = hash_find(&p->keys, key_hash(p, &key), has_key, &key);
	return node == NULL ? NULL : job_of(CONTAINER_OF(node, struct job_key, by_key));
}

static bool
has_unique(const struct hash_node *node, const void *key)
{
	return slice_eq(job_unique(job_of(CONTAINER_OF(node, struct job_key, by_unique))), *(const struct slice *)key);
}

struct job *
unique_find(struct proc *p, struct slice unique)
{
	struct hash_node *node;

	if (unique.len == 0)
		return NULL;
	node = hash_find(&p->uniques, hash_bytes(unique, p->cfg.seed), has_unique, &unique);
	return node == NULL ? NULL : job_of(CONTAINER_OF(node, struct job_key, by_unique));
}

static PROC void
unique_add(struct proc *p, struct job *job)
{
	struct job_key *key = key_of(job);
	struct slice unique = job_unique(job);
	struct job *older = unique_find(p, unique);

	if (older == NULL) {
		hash_add(&p->uniques, &key->by_unique, hash_bytes(unique, p->cfg.seed));
	} else {
		list_push(&key_of(older)->same_unique, &key->same_unique);
		hash_replace(&p->uniques, &key_of(older)->by_unique, &key->by_unique);
		older->newest = false;
	}
	job->newest = true;
}

static PROC void
unique_remove(struct proc *p, struct job *job)
{
	struct job_key *key = key_of(job);

	if (job->newest && list_is_linked(&key->same_unique)) {
		struct job_key *next = LIST_ENTRY(key->same_unique.next, struct job_key, same_unique);

		hash_replace(&p->uniques, &key->by_unique, &next->by_unique);
		job_of(next)->newest = true;
	} else if (job->newest) {
		hash_remove(&p->uniques, &key->by_unique);
	}
	job->newest = false;
	list_remove(&key->same_unique);
}

void
key_add(struct proc *p, struct job *job, uint64_t data_hash)
{
	struct job_key *key_node;
	struct key key;

	if (!job->has_key)
		return;
	key_node = key_of(job);
	key = key_make(job->func, job_unique(job), job_data(job), data_hash);
	list_init(&key_node->same_unique);
	hash_add(&p->keys, &key_node->by_key, key_hash(p, &key));
	if (!key.is_data)
		unique_add(p, job);
}

void
key_remove(struct proc *p, struct job *job)
{
	if (!job->has_key)
		return;
	hash_remove(&p->keys, &key_of(job)->by_key);
	if ((job->flags & GEARMAND_JOB_UNIQUE_IS_DATA) == 0)
		unique_remove(p, job);
}
