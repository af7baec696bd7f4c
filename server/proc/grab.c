/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A worker asks for work: choose one job and give it away.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; moves jobs READY -> RUNNING.
 * Sends:    JOB_ASSIGN* or NO_JOB.
 *
 * Choice: highest priority over all functions of the worker; then the function that this worker
 * was served from longest ago; then the oldest job.
 */
#include "proc/grab.h"

#include "proc/ability.h"
#include "proc/fair.h"
#include "proc/func.h"
#include "proc/gate.h"
#include "proc/handle.h"
#include "proc/handlers.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/job_read.h"
#include "proc/peer.h"
#include "proc/reply.h"
#include "proc/wake.h"

/* A worker with many abilities looks at the functions that have jobs instead, if those are fewer by this factor:
 * finding an ability costs more than going on to the next. */
enum { FEW_ABILITIES = 16, FIND_COST = 4 };

/* What one walk found: the ability of least rank for the priority asked for, or for each of those below it. */
struct firsts {
	struct ability *by[PRIORITIES];
	bool known;
};

static PROC void
walk_abilities(struct proc *p, const struct peer *peer, int priority, struct firsts *firsts)
{
	size_t steps = 0;

	firsts->known = true;
	LIST_EACH(node, &peer->abilities) {
		struct ability *ability = LIST_ENTRY(node, struct ability, of_peer);

		if (++steps % STEPS_PER_UNIT == 0)
			p->spent++;

		for (int i = priority; i < PRIORITIES; i++)
			if (firsts->by[i] == NULL && list_is_linked(&ability->func->in_ready[i]))
				firsts->by[i] = ability;
		if (firsts->by[priority] != NULL)
			return;
	}
}

/* The same answer, found from the functions that have jobs. */
static PROC struct ability *
least_rank(struct proc *p, const struct peer *peer, int priority)
{
	struct ability *best = NULL;

	p->spent += p->ready_count[priority] * FIND_COST / STEPS_PER_UNIT;
	LIST_EACH(node, &p->ready_funcs[priority]) {
		struct func *func = CONTAINER_OF(node - priority, struct func, in_ready);
		struct ability *ability = ability_find(p, peer, func);

		if (ability != NULL && (best == NULL || ability->rank < best->rank))
			best = ability;
	}
	return best;
}

/* Either way is as long as the peer made it, and the peer is charged for it: at the bound of 10,000 abilities about a
 * thousand units, so that others do not wait. */
static PROC struct ability *
choose(struct proc *p, const struct peer *peer, int priority, struct firsts *firsts)
{
	if (p->ready_count[priority] == 0)
		return NULL;
	if (peer->ability_count > FEW_ABILITIES && p->ready_count[priority] < peer->ability_count / FIND_COST)
		return least_rank(p, peer, priority);
	if (!firsts->known)
		walk_abilities(p, peer, priority, firsts);
	return firsts->by[priority];
}

struct job *
grab_peek(struct proc *p, struct peer *peer, struct ability **ability_r)
{
	struct firsts firsts = { .known = false };

	for (int priority = 0; priority < PRIORITIES; priority++) {
		struct ability *ability = choose(p, peer, priority, &firsts);

		if (ability == NULL)
			continue;
		*ability_r = ability;
		return LIST_ENTRY(list_first(&ability->func->ready[priority]), struct job, link);
	}
	return NULL;
}

static PROC void
go_last(struct proc *p, struct ability *ability)
{
	if (p->cfg.strict_order)
		return;
	ability->rank = ++p->last_rank;
	if (ability->of_peer.next == &ability->peer->abilities)
		return;
	list_remove(&ability->of_peer);
	list_push(&ability->peer->abilities, &ability->of_peer);
}

static enum pkt_type
assign_type(enum pkt_type asked, const struct job *job)
{
	if (asked == PKT_GRAB_JOB)
		return PKT_JOB_ASSIGN;
	if (asked == PKT_GRAB_JOB_ALL && job->reducer_len > 0)
		return PKT_JOB_ASSIGN_ALL;
	return PKT_JOB_ASSIGN_UNIQ;
}

static PROC void
send_assign(struct proc *p, struct peer *peer, const struct job *job, enum pkt_type type)
{
	struct slice unique = type == PKT_JOB_ASSIGN ? slice_of("", 0) : job_unique(job);
	struct slice reducer = job_reducer(job);
	struct handle_text handle;
	struct msg_reply *reply;
	struct msg *m;

	job_handle(p, job, &handle);
	reply = msg_reply_new(type, peer_number(peer), handle.len + job->func->name_len + unique.len + reducer.len + 4);
	msg_reply_arg(reply, slice_of(handle.at, handle.len), false);
	msg_reply_arg(reply, func_name(job->func), false);
	if (type != PKT_JOB_ASSIGN)
		msg_reply_arg(reply, unique, false);
	if (type == PKT_JOB_ASSIGN_ALL)
		msg_reply_arg(reply, reducer, false);
	msg_reply_data(reply, job->body, job_data(job));
	m = &reply->msg;
	peer_send(p, peer, &m);
}

/* The worker's own, or the policy's: the shorter one; 0 = none. */
static nsec_t
time_limit(const struct ability *ability)
{
	nsec_t own = (nsec_t)ability->limit_ms * 1000000, policy = ability->func->policy->run_limit;

	return own == 0 || (policy > 0 && policy < own) ? policy : own;
}

static PROC void
assign(struct proc *p, struct peer *peer, struct ability *ability, struct job *job)
{
	nsec_t limit = time_limit(ability);

	job_move(p, job, JOB_RUNNING);
	job_extra(p, job)->worker = peer;
	list_push(&ability->running, &job->link);
	if (limit > 0)
		heap_set(&p->limits, &job_extra(p, job)->timer, p->now.mono + limit);
	if (peer->excepted == job_number(job))
		peer->excepted = 0; /* it is tried again: a WORK_FAIL is of this attempt */
	go_last(p, ability);
	count(p, STAT_jobs_assigned);
}

void
on_grab(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct ability *ability;
	struct job *job;

	peer->asleep = false;
	if (peer->ended)
		return; /* nobody would do the job, and nobody waits for a NO_JOB */
	job = grab_peek(p, peer, &ability);
	if (job == NULL) {
		reply_plain(p, peer, PKT_NO_JOB);
		return;
	}
	assign(p, peer, ability, job);
	send_assign(p, peer, job, assign_type((enum pkt_type)packet->msg.type, job));
}

void
on_pre_sleep(struct proc *p, struct peer *peer, struct msg_packet *packet)
{
	struct ability *ability;

	(void)packet;
	if (peer->ended)
		return;
	sleep_enter(peer);
	if (grab_peek(p, peer, &ability) == NULL || (peer->ability_count == 1 && gate_waits(ability->func)))
		return;
	sleep_wake(p, peer);
}
