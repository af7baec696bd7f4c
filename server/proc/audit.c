/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Walks the whole state and CHECKs what must always hold between turns.
 *
 * Runs on:  processing thread; in tests and fuzzers after every turn.
 * Owns:     nothing.
 */
#include "proc/ability.h"
#include "proc/client.h"
#include "proc/ended.h"
#include "proc/expire.h"
#include "proc/func.h"
#include "proc/gate.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/job_read.h"
#include "proc/peer.h"
#include "proc/proc.h"
#include "proc/reply.h"
#include "proc/result.h"

struct sums {
	uint64_t jobs, running, buried, background, memory, storing, held, gathering;
};

static size_t
length(const struct list *l)
{
	size_t n = 0;

	LIST_EACH(node, l)
		n++;
	return n;
}

static PROC size_t
audit_clients(const struct job *job, const struct client *list)
{
	size_t n = 0;

	for (const struct client *client = list; client != NULL; client = client->next, n++)
		CHECK(client->job == job && *client->back == client &&
		      (!client->peer->gone || list_is_linked(&client->peer->in_leaving)));
	return n;
}

static PROC void
audit_job(const struct job *job, struct sums *sums)
{
	size_t clients;

	CHECK(job->magic == JOB_MAGIC && job->body->refs > 0);
	CHECK(job->state != JOB_NEW && job->state != JOB_DEAD);
	CHECK((job->state == JOB_RUNNING) == (job->extra->worker != NULL));
	CHECK(job->state == JOB_RUNNING || job_is_wanted(job));
	CHECK(job->state != JOB_STORING || job->adding || (job->extra->slots != NULL && job_waiting_slot(job) == NULL));
	CHECK((job->state == JOB_READY || job->state == JOB_RUNNING || job->state == JOB_BURIED) ==
	      list_is_linked(&job->link));
	CHECK((job->state == JOB_DELAYED) <= (job->extra->timer.place != 0));
	CHECK(job_extra_bytes(job) == 0 || job->extra->job == job);
	CHECK(job_waiting_slot(job) == NULL || job->adding);
	CHECK(!job->removed && !(job->stored && (job->extra->in_dead || job->state == JOB_BURIED)));
	CHECK(!job->extra->in_dead || job->extra->buried_at != 0);
	clients = audit_clients(job, job->extra->clients) + audit_clients(job, job->extra->followers);
	CHECK(clients == job->extra->client_count);
	CHECK(job->state != JOB_BURIED || clients == 0);
	for (const struct slot *slot = job->extra->slots; slot != NULL; slot = slot->next)
		CHECK(slot->job == job && *slot->back == slot && (slot->msg == NULL) == list_is_linked(&slot->by_age) &&
		      (slot->msg != NULL) == slot->holds && (!slot->holds || slot->next == NULL));
	sums->jobs++;
	sums->buried += job->state == JOB_BURIED;
	sums->running += job->state == JOB_RUNNING;
	sums->background += job->background;
	sums->memory += job_bytes(job) + job_extra_bytes(job) + clients * sizeof(struct client);
	sums->storing += job->adding ? job_bytes(job) : 0;
	sums->gathering += result_bytes(job->extra->result);
	CHECK(job->extra->result == NULL || job->state == JOB_RUNNING);
}

static PROC void
audit_jobs(const struct proc *p, struct sums *sums)
{
	struct hash_walk walk = { 0 };
	struct hash_node *node;

	while ((node = hash_next(&p->handles, &walk)) != NULL)
		audit_job(CONTAINER_OF(node, struct job, by_handle), sums);
	LIST_EACH(dead, &p->dead) {
		const struct job *job = LIST_ENTRY(dead, struct job, link);

		CHECK(job->magic == JOB_MAGIC && job->state == JOB_DEAD && job->adding);
		sums->storing += job_bytes(job);
		sums->memory += job_bytes(job) + job_extra_bytes(job);
	}
	CHECK(sums->jobs == p->handles.count);
	CHECK(sums->buried == p->buried_count && p->buried_count == length(&p->buried));
	CHECK(sums->background == p->background && sums->gathering == p->gathering);
	CHECK(p->storing >= sums->storing && (p->removing > 0 || p->storing == sums->storing));
}

static PROC void
audit_func(const struct proc *p, const struct func *func, struct sums *sums)
{
	uint64_t queued = 0, waiting = 0;

	for (int i = 0; i < PRIORITIES; i++) {
		CHECK((!list_is_empty(&func->ready[i]) && !func->shut) == list_is_linked(&func->in_ready[i]));
		CHECK(length(&func->ready[i]) == func->waiting[i]);
		queued += func->queued[i];
		waiting += func->waiting[i];
		LIST_EACH(node, &func->ready[i]) {
			const struct job *job = LIST_ENTRY(node, struct job, link);

			CHECK(job->func == func && job->priority == i && job->state == JOB_READY);
		}
	}
	CHECK(waiting + func->delayed <= queued);
	gate_audit(p, func);
	expire_audit(func);
	CHECK(func->jobs == queued + func->running);
	CHECK(func->buried == length(&func->dead) && func->running == length(&func->runners));
	CHECK(func->retrying <= func->delayed);
	CHECK(func->workers == length(&func->abilities));
	CHECK(!list_is_linked(&func->in_idle) || (func_is_unused(func) && !func->kept && func->paused_until == 0));
	LIST_EACH(node, &func->sleepers)
		CHECK(LIST_ENTRY(node, struct ability, sleeping)->func == func);
	sums->memory += sizeof *func + func->name_len + 1 + (func->spread == NULL ? 0 : sizeof *func->spread);
	sums->jobs += func->jobs + func->buried;
	sums->buried += func->buried;
	sums->running += func->running;
}

static PROC void
audit_funcs(const struct proc *p, const struct sums *jobs)
{
	struct hash_walk walk = { 0 };
	struct hash_node *node;
	struct sums sums = { 0 };

	while ((node = hash_next(&p->funcs, &walk)) != NULL)
		audit_func(p, CONTAINER_OF(node, struct func, by_name), &sums);
	CHECK(sums.jobs == jobs->jobs && sums.running == jobs->running && sums.buried == jobs->buried);
	CHECK(sums.memory + p->abilities.count * sizeof(struct ability) == p->func_memory);
	CHECK(p->func_memory + jobs->memory + p->ended_bytes + (p->storing - jobs->storing) ==
	      p->memory); /* changes that are no ADDs count as storing */
}

/* A sleeping worker must be one that every function it does can wake, and have nothing to do. */
static PROC void
audit_peer(struct proc *p, struct peer *peer, struct sums *sums)
{
	struct ability *ability;
	int64_t rank = INT64_MIN;
	size_t held = 0;

	LIST_EACH(node, &peer->abilities) {
		ability = LIST_ENTRY(node, struct ability, of_peer);
		LIST_EACH(at, &ability->running) {
			const struct job *job = LIST_ENTRY(at, struct job, link);

			CHECK(job->extra->worker == peer && job->func == ability->func);
			sums->running++;
		}
		CHECK(ability->peer == peer && ability->rank > rank);
		CHECK(ability_find(p, peer, ability->func) == ability);
		rank = ability->rank;
	}
	CHECK(peer->ability_count == length(&peer->abilities));
	CHECK(!peer->asleep || list_is_empty(&peer->unlisted));
	LIST_EACH(node, &peer->lost) {
		CHECK(LIST_ENTRY(node, struct job, link)->extra->worker == peer && list_is_linked(&peer->in_leaving));
		sums->running++;
	}
	CHECK(!peer->gone || list_is_linked(&peer->in_leaving) ||
	      (list_is_empty(&peer->abilities) && list_is_empty(&peer->waits_for) && !list_is_empty(&peer->slots)));
	CHECK(peer->debt == NULL || peer->gone || peer->told_pause == PAUSE_ALL + 1);
	CHECK(peer->is_paused == list_is_linked(&peer->in_paused));
	LIST_EACH(node, &peer->slots)
		held += LIST_ENTRY(node, struct slot, of_peer)->bytes;
	CHECK(held == peer->held);
	sums->held += held;
	if (!list_is_empty(&peer->slots))
		CHECK(LIST_ENTRY(list_first(&peer->slots), struct slot, of_peer)->msg == NULL);
}

static PROC void
audit_withdrawn(const struct proc *p, struct sums *sums)
{
	struct hash_walk walk = { 0 };
	struct hash_node *node;

	while ((node = hash_next(&p->withdrawn, &walk)) != NULL) {
		const struct withdrawn *w = CONTAINER_OF(node, struct withdrawn, by_peer);

		LIST_EACH(at, &w->running) {
			CHECK(LIST_ENTRY(at, struct job, link)->extra->worker == w->peer);
			sums->running++;
		}
	}
}

/* Jobs that wait while a worker sleeps that could do them must have a timer, or be woken in the next turn. */
static PROC void
audit_waking(const struct proc *p)
{
	for (int i = 0; i < PRIORITIES; i++) {
		CHECK(length(&p->ready_funcs[i]) == p->ready_count[i]);
		LIST_EACH(node, &p->ready_funcs[i]) {
			const struct func *func = CONTAINER_OF(node - i, struct func, in_ready);
			bool asleep = false;

			LIST_EACH(at, &func->sleepers)
				asleep = asleep || LIST_ENTRY(at, struct ability, sleeping)->peer->asleep;
			CHECK(!asleep || func->rewake.place != 0 || func->gate.place != 0 || func->to_wake > 0);
		}
	}
}

void
proc_audit(const struct proc *p)
{
	struct sums jobs = { 0 }, peers = { 0 };
	struct proc *mutable = (struct proc *)(uintptr_t)p; /* look-ups move buckets of growing tables */

	CHECK(p->magic == PROC_MAGIC);
	audit_jobs(p, &jobs);
	audit_funcs(p, &jobs);
	LIST_EACH(node, &p->peer_list)
		audit_peer(mutable, LIST_ENTRY(node, struct peer, in_list), &peers);
	audit_withdrawn(p, &peers);
	CHECK(length(&p->peer_list) == p->peers.count);
	CHECK(peers.running == jobs.running && peers.held == p->held);
	ended_audit(mutable);
	audit_waking(p);
}
