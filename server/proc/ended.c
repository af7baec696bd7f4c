/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs that have ended are known for a while, where the policy of their function says so.
 *
 * Runs on:  processing thread.
 * Owns:     struct ended; all of them, with the results that are gathered, are bounded by bytes: the oldest go first.
 *
 * A dead job is on the dead list; what is noted of it here is there to be asked for by its unique, which it has given
 * up.
 */
#include "proc/ended.h"

#include <string.h>

#include "base/mem.h"
#include "proc/func.h"
#include "proc/handle.h"
#include "proc/job_extra.h"
#include "proc/job_read.h"
#include "proc/peer.h"

enum { FORGET_PER_TURN = 256 };

static const char *const outcome_names[OUTCOME_COUNT] = {
#define X(name, text) [OUTCOME_##name] = text,
	OUTCOMES(X)
#undef X
};

const char *
outcome_name(enum outcome outcome)
{
	return outcome_names[outcome];
}

static size_t
ended_bytes(const struct ended *e)
{
	return sizeof *e + e->function.len + e->unique.len + e->worker.len + e->address.len +
	       (e->error == NULL ? 0 : sizeof *e->error + e->error->cap) + result_bytes(e->result);
}

static PROC void
count_ended(struct proc *p, int64_t bytes)
{
	p->memory += (uint64_t)bytes;
	p->ended_bytes += (uint64_t)bytes;
}

static PROC void
ended_free(struct proc *p, struct ended **ended_p)
{
	struct ended *e = *ended_p;

	*ended_p = NULL;
	count_ended(p, -(int64_t)ended_bytes(e));
	hash_remove(&p->ended, &e->by_handle);
	if (e->newest)
		hash_remove(&p->ended_uniques, &e->by_unique);
	list_remove(&e->by_age);
	heap_remove(&p->ended_ends, &e->end);
	result_free(&e->result);
	blob_unref(&e->error);
	mem_free(e);
}

static bool
has_handle_prefix(const struct hash_node *node, const void *prefix)
{
	return CONTAINER_OF(node, struct ended, by_handle)->prefix == *(const uint16_t *)prefix;
}

static PROC struct ended *
find_number(struct proc *p, uint64_t number, uint16_t prefix)
{
	struct hash_node *node = hash_find(&p->ended, handle_key(number, prefix), has_handle_prefix, &prefix);

	return node == NULL ? NULL : CONTAINER_OF(node, struct ended, by_handle);
}

const struct ended *
ended_find(struct proc *p, struct slice handle)
{
	uint64_t number;
	uint16_t prefix;

	return handle_read(p, handle, &number, &prefix) ? find_number(p, number, prefix) : NULL;
}

static bool
has_ended_unique(const struct hash_node *node, const void *unique)
{
	return slice_eq(CONTAINER_OF(node, struct ended, by_unique)->unique, *(const struct slice *)unique);
}

static PROC struct ended *
find_unique(struct proc *p, struct slice unique, uint64_t hash)
{
	struct hash_node *node = hash_find(&p->ended_uniques, hash, has_ended_unique, &unique);

	return node == NULL ? NULL : CONTAINER_OF(node, struct ended, by_unique);
}

const struct ended *
ended_find_unique(struct proc *p, struct slice unique)
{
	return unique.len == 0 ? NULL : find_unique(p, unique, hash_bytes(unique, p->cfg.seed));
}

void
ended_forget(struct proc *p, const struct job *job)
{
	struct ended *e = find_number(p, job_number(job), job->prefix);

	if (e != NULL)
		ended_free(p, &e);
}

static PROC struct ended *
ended_new(const struct proc *p, struct job *job, enum outcome outcome)
{
	const struct job_extra *extra = job->extra;
	const struct peer *peer = extra->worker;
	struct slice function = func_name(job->func), unique = job_unique(job);
	struct slice worker = peer == NULL ? slice_of("", 0) : peer_id(peer);
	struct slice address = peer == NULL ? slice_of("", 0) : slice_str(peer->address);
	struct ended *e = mem_new(sizeof *e + function.len + unique.len + worker.len + address.len);
	char *at = e->text;

	e->prefix = job->prefix;
	e->outcome = (uint8_t)outcome;
	e->background = job->background;
	e->tries = extra->tries;
	e->started = job->state == JOB_RUNNING ? job_since(p, job) : 0;
	e->ended_at = p->now.wall;
	e->error = blob_ref(extra->error);
	e->function = slice_keep(&at, function);
	e->unique = slice_keep(&at, unique);
	e->worker = slice_keep(&at, worker);
	e->address = slice_keep(&at, address);
	list_init(&e->by_age);
	return e;
}

/* Jobs of all functions share the uniques here: the last one is asked for. */
static PROC void
enter_uniques(struct proc *p, struct ended *e)
{
	uint64_t hash = hash_bytes(e->unique, p->cfg.seed);
	struct ended *before = find_unique(p, e->unique, hash);

	if (before == NULL) {
		hash_add(&p->ended_uniques, &e->by_unique, hash);
	} else {
		hash_replace(&p->ended_uniques, &before->by_unique, &e->by_unique);
		before->newest = false;
	}
	e->newest = true;
}

void
ended_add(struct proc *p, struct job *job, enum outcome outcome)
{
	nsec_t keep = job->func->policy->keep_state;
	struct ended *e;

	if (job->state == JOB_BURIED)
		ended_forget(p, job);
	else
		job->func->tally.ended[outcome]++;
	if (keep == 0)
		return;
	e = ended_new(p, job, outcome);
	if (outcome == OUTCOME_COMPLETED && job->background)
		e->result = result_take(p, &job_extra(p, job)->result);
	count_ended(p, (int64_t)ended_bytes(e));
	hash_add(&p->ended, &e->by_handle, handle_key(job_number(job), job->prefix));
	if (job->flags == 0 && e->unique.len > 0)
		enter_uniques(p, e);
	list_push(&p->ended_by_age, &e->by_age);
	heap_set(&p->ended_ends, &e->end, p->now.mono + keep);
	p->spent++;
}

nsec_t
ended_trim(struct proc *p)
{
	for (int n = 0; n < FORGET_PER_TURN; n++) {
		bool too_many = p->ended_bytes + p->gathering > p->cfg.status_max_bytes;
		const struct heap_node *first = heap_first(&p->ended_ends);
		struct ended *e;

		if (first == NULL || (first->key > p->now.mono && !too_many))
			return first == NULL ? NEVER : first->key;
		if (first->key > p->now.mono) {
			e = LIST_ENTRY(list_first(&p->ended_by_age), struct ended, by_age);
			count(p, STAT_ended_forgotten);
		} else {
			e = CONTAINER_OF(first, struct ended, end);
		}
		ended_free(p, &e);
	}
	return p->now.mono;
}

void
ended_forget_all(struct proc *p)
{
	struct list *node;

	while ((node = list_first(&p->ended_by_age)) != NULL) {
		struct ended *e = LIST_ENTRY(node, struct ended, by_age);

		ended_free(p, &e);
	}
}

void
ended_audit(struct proc *p)
{
	uint64_t bytes = 0;
	size_t n = 0;

	LIST_EACH(node, &p->ended_by_age) {
		struct ended *e = LIST_ENTRY(node, struct ended, by_age);

		CHECK(e->end.place != 0 &&
		      hash_find(&p->ended, e->by_handle.hash, has_handle_prefix, &e->prefix) != NULL);
		CHECK(!e->newest || ended_find_unique(p, e->unique) == e);
		bytes += ended_bytes(e);
		n++;
	}
	CHECK(bytes == p->ended_bytes && n == p->ended.count && n == p->ended_ends.count);
}
