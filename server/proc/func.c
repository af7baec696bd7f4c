/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Functions and their queues of READY jobs; who can do a function.
 *
 * Runs on:  processing thread.
 * Owns:     struct func and struct ability.
 *
 * A function that nobody uses stays listed, as operators expect, until --max-functions is reached;
 * then the one that has been idle longest makes room.
 */
#include "proc/func.h"
#include "proc/gate.h"

#include <string.h>

#include "base/mem.h"
#include "proc/job.h"
#include "proc/job_extra.h"

/* FOR_USE: bytes that must be free beside a new function, for the ability or the job that it is made for. */
/* MATCHED_PER_UNIT: bytes of names and patterns that are compared for one unit of p->spent. */
enum { FUNC_MAGIC = 0x46554e43, FOR_USE = 512, MATCHED_PER_UNIT = 4096 };

struct slice
func_name(const struct func *func)
{
	return slice_of(func->name, func->name_len);
}

static bool
has_name(const struct hash_node *node, const void *key)
{
	return slice_eq(func_name(CONTAINER_OF(node, struct func, by_name)), *(const struct slice *)key);
}

struct func *
func_find(struct proc *p, struct slice name)
{
	struct hash_node *node = hash_find(&p->funcs, hash_bytes(name, p->cfg.seed), has_name, &name);

	return node == NULL ? NULL : CONTAINER_OF(node, struct func, by_name);
}

static size_t
func_bytes(size_t name_len)
{
	return sizeof(struct func) + name_len + 1;
}

nsec_t
func_next_expiry(const struct func *func)
{
	nsec_t oldest = NEVER;

	for (int i = 0; i < PRIORITIES; i++) {
		const struct list *first = list_first(&func->ready[i]);

		if (first != NULL)
			oldest = earlier(oldest, LIST_ENTRY(first, const struct job, link)->since);
	}
	return oldest == NEVER ? NEVER : oldest + func->policy->expire;
}

/* A maxqueue of the policy replaces one that was told, and the other way round; no maxqueue replaces none. */
void
func_set_policy(struct proc *p, struct func *func)
{
	const uint64_t *max;

	func->policy = policies_match(p->policies, func_name(func));
	p->spent += policies_count(p->policies) * (POLICY_PATTERN_MAX + func->name_len) / MATCHED_PER_UNIT;
	heap_remove(&p->expiries, &func->expiry);
	if (func->policy->expire > 0 && func_next_expiry(func) != NEVER)
		heap_set(&p->expiries, &func->expiry, func_next_expiry(func));
	max = func->policy->maxqueue;
	for (int i = 0; i < PRIORITIES && (max[0] | max[1] | max[2]) != 0; i++)
		func->max[i] = max[i];
	func_limit(p, func, func->policy->running, func->policy->token, func->policy->burst);
}

static PROC struct func *
func_new(struct proc *p, struct slice name)
{
	struct func *func = mem_new(func_bytes(name.len));

	count_func_memory(p, (int64_t)func_bytes(name.len));
	func->magic = FUNC_MAGIC;
	func->number = (uint32_t)++p->last_func;
	func->width = 1;
	func->cap = UINT64_MAX;
	func->name_len = (uint32_t)name.len;
	if (name.len > 0)
		memcpy(func->name, name.data, name.len);
	for (int i = 0; i < PRIORITIES; i++) {
		list_init(&func->ready[i]);
		list_init(&func->in_ready[i]);
	}
	list_init(&func->abilities);
	list_init(&func->sleepers);
	list_init(&func->in_idle);
	list_init(&func->in_opened);
	list_init(&func->dead);
	list_init(&func->runners);
	list_push(&p->idle_funcs, &func->in_idle);
	func_set_policy(p, func);
	hash_add(&p->funcs, &func->by_name, hash_bytes(name, p->cfg.seed));
	return func;
}

/* Jobs that come back from the store find room in memory: they were acknowledged. */
static PROC bool
func_has_room(const struct proc *p, size_t name_len, enum wire_error *why_r)
{
	*why_r = WIRE_TOO_MANY_FUNCTIONS;
	if (p->cfg.max_functions > 0 && p->funcs.count >= p->cfg.max_functions)
		return false;
	*why_r = WIRE_SERVER_FULL;
	return p->replaying || has_memory(p, func_bytes(name_len) + FOR_USE);
}

struct func *
func_get(struct proc *p, struct slice name, enum wire_error *why_r)
{
	struct func *func = func_find(p, name);

	if (func != NULL)
		return func;
	while (!func_has_room(p, name.len, why_r)) {
		struct list *node = list_first(&p->idle_funcs);

		if (node == NULL) {
			bound_note(p, *why_r == WIRE_SERVER_FULL ? BOUND_MEMORY : BOUND_FUNCTIONS, false);
			return NULL;
		}
		func = LIST_ENTRY(node, struct func, in_idle);
		func_free(p, &func);
		p->spent++;
	}
	bound_note(p, BOUND_FUNCTIONS, true);
	return func_new(p, name);
}

void
func_free(struct proc *p, struct func **func_p)
{
	struct func *func = *func_p;

	*func_p = NULL;
	CHECK(func->magic == FUNC_MAGIC);
	CHECK(func_is_unused(func));
	CHECK(list_is_empty(&func->abilities) && list_is_empty(&func->sleepers));
	heap_remove(&p->rewakes, &func->rewake);
	heap_remove(&p->gates, &func->gate);
	heap_remove(&p->expiries, &func->expiry);
	list_remove(&func->in_opened);
	list_remove(&func->in_idle);
	hash_remove(&p->funcs, &func->by_name);
	tally_add(&p->folded, &func->tally);
	if (func->spread != NULL) {
		spread_add(&p->folded_spread, func->spread);
		count_func_memory(p, -(int64_t)sizeof *func->spread);
		mem_free(func->spread);
	}
	func->magic = 0;
	count_func_memory(p, -(int64_t)func_bytes(func->name_len));
	mem_free(func);
}

void
func_spread(struct proc *p, struct func *func)
{
	func->spread = mem_new(sizeof *func->spread);
	count_func_memory(p, sizeof *func->spread);
}

void
func_push(struct proc *p, struct func *func, struct job *job)
{
	struct list *queue = &func->ready[job->priority];

	if (list_is_empty(queue) && !func->shut) {
		list_push(&p->ready_funcs[job->priority], &func->in_ready[job->priority]);
		p->ready_count[job->priority]++;
	}
	list_push(queue, &job->link);
	if (func->policy->expire > 0 && func->expiry.place == 0)
		heap_set(&p->expiries, &func->expiry, job->since + func->policy->expire);
	func->waiting[job->priority]++;
}

void
func_take(struct proc *p, struct func *func, struct job *job)
{
	CHECK(list_is_linked(&job->link));
	list_remove(&job->link);
	func->waiting[job->priority]--;
	if (list_is_empty(&func->ready[job->priority]) && !func->shut) {
		list_remove(&func->in_ready[job->priority]);
		p->ready_count[job->priority]--;
	}
}

bool
func_has_ready(const struct func *func)
{
	for (int i = 0; i < PRIORITIES; i++) {
		if (list_is_linked(&func->in_ready[i]))
			return true;
	}
	return false;
}

nsec_t
func_oldest_ready(const struct proc *p, const struct func *func)
{
	nsec_t oldest = p->now.mono;

	for (int i = 0; i < PRIORITIES; i++) {
		const struct list *first = list_first(&func->ready[i]);

		if (first != NULL)
			oldest = earlier(oldest, LIST_ENTRY(first, const struct job, link)->since);
	}
	return p->now.mono - oldest;
}

nsec_t
func_oldest_running(const struct proc *p, const struct func *func)
{
	const struct list *first = list_first(&func->runners);

	return first == NULL ? 0 : p->now.mono - LIST_ENTRY(first, const struct job_extra, in_runners)->job->since;
}
