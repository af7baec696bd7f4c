/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A turn of the core: one batch of messages, then everything that time brings about.
 *
 * Runs on:  processing thread (or a test that plays it).
 * Owns:     struct proc.  Never blocks, never asks the time.
 */
#include "proc/proc.h"

#include <string.h>

#include "base/mem.h"
#include "proc/cron.h"
#include "proc/dispatch.h"
#include "proc/ended.h"
#include "proc/fair.h"
#include "proc/func.h"
#include "proc/handle.h"
#include "proc/job.h"
#include "proc/listing.h"
#include "proc/peer.h"
#include "proc/purge.h"
#include "proc/reload.h"
#include "proc/reply.h"
#include "proc/timers.h"
#include "proc/wake.h"

static void
tables_init(struct proc *p)
{
	hash_init_numbers(&p->peers, p->secret);
	hash_init_numbers(&p->handles, p->secret);
	hash_init(&p->abilities);
	hash_init(&p->withdrawn);
	hash_init(&p->funcs);
	hash_init(&p->data_keys);
	hash_init(&p->twins);
	hash_init(&p->uniques);
	hash_init(&p->prefixes);
	heap_init(&p->limits);
	heap_init(&p->delays);
	heap_init(&p->rewakes);
	heap_init(&p->gates);
	heap_init(&p->expiries);
	list_init(&p->opened);
	heap_init(&p->owing);
	list_init(&p->leaving);
	list_init(&p->peer_list);
	list_init(&p->idle_funcs);
	list_init(&p->waiting);
	list_init(&p->paused);
	list_init(&p->cancels);
	list_init(&p->purges);
	list_init(&p->purged);
	list_init(&p->placing);
	list_init(&p->listings);
	list_init(&p->job_listings);
	list_init(&p->makers);
	list_init(&p->dead);
	list_init(&p->buried);
	hash_init_numbers(&p->ended, p->secret);
	hash_init(&p->ended_uniques);
	list_init(&p->ended_by_age);
	heap_init(&p->ended_ends);
	for (int i = 0; i < PRIORITIES; i++)
		list_init(&p->ready_funcs[i]);
}

static struct policies *
policies_of_options(const struct proc_config *cfg)
{
	struct policy base;
	unsigned line;
	char why[POLICY_WHY];

	policy_default(&base);
	base.attempts = cfg->job_retries;
	return policies_new(slice_of("", 0), &base, &line, why);
}

struct proc *
proc_new(const struct proc_config *cfg)
{
	struct proc *p = mem_new(sizeof *p);
	size_t prefix_len = strlen(cfg->handle_prefix);

	CHECK(prefix_len <= HANDLE_MAX - 21);
	CHECK(cfg->io_count > 0);
	p->magic = PROC_MAGIC;
	p->cfg = *cfg;
	if (cfg->queue_name != NULL)
		p->cfg.queue_name = p->queue_text = mem_dup(cfg->queue_name, strlen(cfg->queue_name));
	p->cfg.version = p->version_text = mem_dup(cfg->version, strlen(cfg->version));
	p->cfg.verbose = p->verbose_text = mem_dup(cfg->verbose, strlen(cfg->verbose));
	if (cfg->plugins != NULL)
		p->cfg.plugins = p->plugins_text = mem_dup(cfg->plugins, strlen(cfg->plugins));
	if (cfg->options != NULL)
		p->cfg.options = p->options_text = mem_dup(cfg->options, strlen(cfg->options));
	p->next_handle = cfg->first_handle;
	p->replaying = cfg->durable;
	p->access = cfg->access != NULL ? cfg->access : access_new_default();
	p->access_number = 1;
	p->policies = cfg->policies != NULL ? cfg->policies : policies_of_options(cfg);
	memcpy(&p->secret, cfg->seed, sizeof p->secret);
	tables_init(p);
	traffic_init(&p->traffic, cfg->io_count);
	prefix_add(p, slice_of(cfg->handle_prefix, prefix_len));
	cron_take_policies(p);
	return p;
}

static PROC void
free_slots(struct proc *p, struct peer *peer)
{
	struct list *node;

	while ((node = list_first(&peer->slots)) != NULL) {
		struct slot *slot = LIST_ENTRY(node, struct slot, of_peer);

		slot_free(p, &slot);
	}
}

static PROC void
free_jobs(struct proc *p)
{
	struct hash_walk walk = { 0 };
	struct hash_node *node;
	struct list *dead;

	while ((node = hash_next(&p->handles, &walk)) != NULL)
		job_leave_in_store(p, CONTAINER_OF(node, struct job, by_handle));
	while ((dead = list_pop(&p->dead)) != NULL) {
		struct job *job = LIST_ENTRY(dead, struct job, link);

		job_free(p, &job);
	}
}

/* Slots first, for they refer to jobs; then jobs, for they refer to peers and functions. */
static PROC void
free_members(struct proc *p)
{
	struct hash_walk walk = { 0 }, prefixes = { 0 };
	struct hash_node *node;

	listings_drop(p);
	purges_drop(p);
	LIST_EACH(at, &p->peer_list)
		free_slots(p, LIST_ENTRY(at, struct peer, in_list));
	free_jobs(p);
	ended_forget_all(p);
	LIST_EACH_SAFE(at, &p->peer_list) {
		struct peer *peer = LIST_ENTRY(at, struct peer, in_list);

		peer_free(p, &peer);
	}
	while ((node = hash_next(&p->funcs, &walk)) != NULL) {
		struct func *func = CONTAINER_OF(node, struct func, by_name);

		func_free(p, &func);
	}
	while ((node = hash_next(&p->prefixes, &prefixes)) != NULL) {
		struct prefix *prefix = CONTAINER_OF(node, struct prefix, by_text);

		hash_remove(&p->prefixes, node);
		mem_free(prefix);
	}
}

static void
tables_fini(struct proc *p)
{
	hash_fini(&p->peers);
	hash_fini(&p->abilities);
	hash_fini(&p->withdrawn);
	hash_fini(&p->funcs);
	hash_fini(&p->handles);
	hash_fini(&p->data_keys);
	hash_fini(&p->twins);
	hash_fini(&p->uniques);
	hash_fini(&p->prefixes);
	heap_fini(&p->limits);
	heap_fini(&p->delays);
	heap_fini(&p->rewakes);
	heap_fini(&p->gates);
	heap_fini(&p->expiries);
	heap_fini(&p->owing);
	hash_fini(&p->ended);
	hash_fini(&p->ended_uniques);
	heap_fini(&p->ended_ends);
}

void
proc_free(struct proc **pp)
{
	struct proc *p = *pp;

	if (p == NULL)
		return;
	*pp = NULL;
	CHECK(p->magic == PROC_MAGIC);
	role_assume(&proc_role);
	free_members(p);
	tables_fini(p);
	traffic_fini(&p->traffic);
	cron_free(p);
	policies_free(&p->next_policies);
	policies_free(&p->former_policies);
	policies_free(&p->policies);
	access_free(&p->next_access);
	access_free(&p->former_access);
	access_free(&p->access);
	mem_free(p->prefix_at);
	mem_free(p->version_text);
	mem_free(p->queue_text);
	mem_free(p->verbose_text);
	mem_free(p->plugins_text);
	mem_free(p->options_text);
	buf_fini(&p->store_trouble);
	buf_fini(&p->store_error);
	mem_free(p);
}

/* Graceful shutdown is over when nothing is left that only memory has. */
static PROC void
tell_idle(struct proc *p)
{
	uint64_t may_stay = p->cfg.adds_at_shutdown ? p->background : p->buried_count;
	struct msg *m;

	if (!p->graceful || p->idle_told || p->handles.count > may_stay)
		return;
	p->idle_told = true;
	m = msg_new(MSG_IDLE, 0);
	list_push(&p->out->mgmt, &m->link);
}

nsec_t
proc_turn(struct proc *p, struct list *batch, struct instant now, struct outbox *out)
{
	struct list *node;
	nsec_t due;
	bool more;

	CHECK(p->magic == PROC_MAGIC);
	p->now = now;
	p->out = out;
	p->spent = 0;
	while (p->spent < SPENT_PER_TURN && (node = list_pop(batch)) != NULL) {
		struct msg *m = MSG(node);

		proc_dispatch(p, &m);
	}
	due = proc_dispatch_owed(p);
	timers_run(p);
	due = earlier(due, cron_run(p));
	more = listings_run(p);
	due = earlier(due, purges_run(p));
	more |= peers_leave(p); /* behind what may have been their last reply */
	jobs_place_held(p);     /* each of these may have been what a reply waited for */
	more |= wakes_run(p);
	more |= policies_run(p);
	more |= access_run(p);
	due = earlier(due, timers_due(p));
	if (more || !list_is_empty(batch))
		due = now.mono;
	tell_idle(p);
	p->out = NULL;
	return due;
}
