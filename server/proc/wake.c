/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Wake what is needed: sleeping workers get NOOP when there is work for them.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; moves abilities between a function's sleepers and their peer's list.
 *
 * A peer that falls asleep puts each of its abilities into the function's sleepers.  When it wakes
 * they stay there and are dropped when their turn to be woken comes, so neither falling
 * asleep nor waking walks over all abilities of a worker again and again.
 */
#include "proc/wake.h"

#include "proc/ability.h"
#include "proc/func.h"
#include "proc/gate.h"
#include "proc/peer.h"
#include "proc/reply.h"

/* How long a job may wait beside sleeping workers before more of them are woken: long against a round trip on a
 * local network, short for a person. */
static const nsec_t rewake_after = 10 * 1000000;

/* At the end of a turn: about half a millisecond. */
enum { WAKES_PER_TURN = 1024 };

void
sleep_enter(struct peer *peer)
{
	struct list *node;

	peer->asleep = true;
	while ((node = list_pop(&peer->unlisted)) != NULL)
		list_push(&LIST_ENTRY(node, struct ability, sleeping)->func->sleepers, node);
}

void
sleep_wake(struct proc *p, struct peer *peer)
{
	CHECK(peer->asleep);
	peer->asleep = false;
	count(p, STAT_wakeups);
	reply_plain(p, peer, PKT_NOOP);
}

/* False when no sleeper is left. */
static PROC bool
wake_one(struct proc *p, struct func *func)
{
	struct list *node;

	while ((node = list_pop(&func->sleepers)) != NULL) {
		struct peer *peer = LIST_ENTRY(node, struct ability, sleeping)->peer;

		list_push(&peer->unlisted, node);
		if (peer->asleep) {
			sleep_wake(p, peer);
			return true;
		}
	}
	return false;
}

static PROC void
wake_some(struct proc *p, struct func *func, uint64_t how_many)
{
	while (how_many > 0 && wake_one(p, func))
		how_many--;
	func->woken = p->now.mono;
}

/* More follow if there is still work for them some time later. */
static PROC void
wake_first(struct proc *p, struct func *func, uint64_t how_many)
{
	wake_some(p, func, how_many);
	if (!list_is_empty(&func->sleepers) && func->rewake.place == 0) {
		func->width = 1;
		heap_set(&p->rewakes, &func->rewake, p->now.mono + rewake_after);
	}
}

void
wake_for_job(struct proc *p, struct func *func)
{
	uint32_t how_many = p->cfg.wakeups == 0 ? 1 : p->cfg.wakeups;

	if (func->gated) {
		gate_demand(p, func);
		gate_wake(p, func, how_many);
	} else if (!list_is_empty(&func->sleepers)) {
		wake_first(p, func, how_many);
	}
}

bool
wakes_run(struct proc *p)
{
	uint64_t budget = WAKES_PER_TURN;
	struct list *node;

	while (budget > 0 && (node = list_first(&p->opened)) != NULL) {
		struct func *func = LIST_ENTRY(node, struct func, in_opened);
		uint64_t n = gate_room(p, func);

		n = n < func->to_wake ? n : func->to_wake;
		func->to_wake = n > budget ? (uint32_t)(n - budget) : 0;
		n = n < budget ? n : budget;
		if (n > 0)
			wake_first(p, func, n);
		if (list_is_empty(&func->sleepers))
			func->to_wake = 0;
		if (func->to_wake == 0)
			list_remove(node);
		budget -= n > 0 ? n : 1;
	}
	return !list_is_empty(&p->opened);
}

/* The timer is not moved at each job; when it runs out it looks how long ago the last was. */
void
wake_more(struct proc *p, struct func *func)
{
	heap_remove(&p->rewakes, &func->rewake);
	if (!func_has_ready(func) || list_is_empty(&func->sleepers))
		return;
	if (func->woken + rewake_after <= p->now.mono) {
		uint64_t room = gate_room(p, func);

		if (func->width <= UINT32_MAX / 2)
			func->width *= 2;
		wake_some(p, func, func->gated && room < func->width ? room : func->width);
	}
	if (!list_is_empty(&func->sleepers))
		heap_set(&p->rewakes, &func->rewake, func->woken + rewake_after);
}
