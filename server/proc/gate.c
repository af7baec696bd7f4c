/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A function's gate: whether its jobs may be given away now.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; moves functions between open and shut.
 *
 * A gate is shut while the function is paused, while as many of its jobs run as may, and while its rate has no token.
 * A function whose gate is shut is not in proc.ready_funcs, so neither a worker that asks for a job nor one that falls
 * asleep sees its jobs.  When the gate opens, as many workers are woken as can work now, at the end of the turn.  Where
 * a job's end opened it, they are woken a moment later, if it has been open since: most workers take the next job at
 * once.
 */
#include "proc/gate.h"

#include "proc/func.h"

/* A worker comes for its job some time after the token for it.  While jobs wait, so much of that is made up for: a rate
 * is kept on average. */
static const nsec_t made_up = 50 * 1000000;

/* How long a worker that has ended a job takes to ask for the next, unless it is busy with something else. */
static const nsec_t comes_again = 1000000;

/* When the gate opens, if no job ends before: NEVER = not by itself. */
static nsec_t
opens_at(const struct func *func)
{
	nsec_t token = func->token == 0 ? 0 : func->tat - func->slack;

	if (func->running >= func->cap)
		return NEVER;
	return func->paused_until > token ? func->paused_until : token;
}

static PROC void
gate_list_jobs(struct proc *p, struct func *func)
{
	for (int i = 0; i < PRIORITIES; i++) {
		if (list_is_empty(&func->ready[i]))
			continue;
		if (func->shut) {
			list_remove(&func->in_ready[i]);
			p->ready_count[i]--;
		} else {
			list_push(&p->ready_funcs[i], &func->in_ready[i]);
			p->ready_count[i]++;
		}
	}
}

static bool
has_gate(const struct func *func)
{
	return func->cap != UINT64_MAX || func->token > 0 || func->paused_until > 0;
}

void
gate_wake(struct proc *p, struct func *func, uint32_t how_many)
{
	if (func->shut || list_is_empty(&func->sleepers))
		return;
	func->to_wake = how_many < UINT32_MAX - func->to_wake ? func->to_wake + how_many : UINT32_MAX;
	if (!list_is_linked(&func->in_opened))
		list_push(&p->opened, &func->in_opened);
}

/* After anything that it depends on has changed, or time has passed.  True when it has opened. */
static PROC bool
gate_turn(struct proc *p, struct func *func)
{
	bool was_shut = func->shut;
	nsec_t at;

	if (func->paused_until > 0 && func->paused_until <= p->now.mono) {
		func->paused_until = 0;
		func_idle_check(p, func);
	}
	func->gated = has_gate(func);
	at = opens_at(func);
	func->shut = at > p->now.mono;
	if (func->shut && at != NEVER)
		heap_set(&p->gates, &func->gate, at);
	else if (func->shut || was_shut || func->gate.key <= p->now.mono)
		heap_remove(&p->gates, &func->gate);
	if (func->shut != was_shut)
		gate_list_jobs(p, func);
	return was_shut && !func->shut;
}

void
gate_due(struct proc *p, struct func *func)
{
	gate_turn(p, func);
	gate_wake(p, func, UINT32_MAX);
}

/* The time of the next assignment, if what was not used is counted as far as it may be. */
static nsec_t
token_base(const struct proc *p, const struct func *func)
{
	nsec_t full = p->now.mono - (func->slack < made_up ? made_up - func->slack : 0);

	return func->tat > full ? func->tat : full;
}

static uint64_t
all_waiting(const struct func *func)
{
	uint64_t n = 0;

	for (int i = 0; i < PRIORITIES; i++)
		n += func->waiting[i];
	return n;
}

uint64_t
gate_room(const struct proc *p, const struct func *func)
{
	uint64_t room = all_waiting(func), tokens = UINT64_MAX;

	if (func->shut)
		return 0;
	if (func->token > 0)
		tokens = (uint64_t)((p->now.mono + func->slack - token_base(p, func)) / func->token) + 1;
	room = room < func->cap - func->running ? room : func->cap - func->running;
	return room < tokens ? room : tokens;
}

bool
gate_waits(const struct func *func)
{
	return !func->shut && func->gate.place != 0;
}

void
gate_assigned(struct proc *p, struct func *func)
{
	if (func->token > 0)
		func->tat = token_base(p, func) + func->token;
	gate_turn(p, func);
}

void
gate_ended(struct proc *p, struct func *func)
{
	gate_turn(p, func);
	if (!func->shut && func->gate.place == 0 && !list_is_empty(&func->sleepers))
		heap_set(&p->gates, &func->gate, p->now.mono + comes_again);
}

/* What was not used while no job waited is only kept as far as the burst goes. */
void
gate_demand(const struct proc *p, struct func *func)
{
	if (all_waiting(func) == 1 && func->tat < p->now.mono)
		func->tat = p->now.mono;
}

static PROC void
gate_changed(struct proc *p, struct func *func)
{
	if (gate_turn(p, func))
		gate_wake(p, func, UINT32_MAX);
}

void
func_pause(struct proc *p, struct func *func, nsec_t until)
{
	func->paused_until = until;
	if (until > 0)
		list_remove(&func->in_idle);
	gate_changed(p, func);
	func_idle_check(p, func);
}

void
func_limit(struct proc *p, struct func *func, uint64_t cap, nsec_t token, uint64_t burst)
{
	const nsec_t now = p->now.mono, longest = (NEVER - now) / 4; /* so that no sum is too large */

	func->cap = cap;
	func->token = earlier(token, longest);
	func->slack = 0;
	if (token > 0 && burst > 1)
		func->slack =
		    burst - 1 < (uint64_t)(longest / func->token) ? (nsec_t)(burst - 1) * func->token : longest;
	if (func->tat < now)
		func->tat = now;
	func->tat = earlier(func->tat, now + func->slack + func->token);
	gate_changed(p, func);
}

const char *
gate_state(const struct proc *p, const struct func *func)
{
	if (!func->shut)
		return "open";
	if (func->paused_until > p->now.mono || func->cap == 0)
		return "paused";
	return func->running >= func->cap ? "capped" : "limited";
}

void
gate_audit(const struct proc *p, const struct func *func)
{
	nsec_t at = opens_at(func);

	CHECK(func->gated == has_gate(func));
	CHECK(func->shut || at <= p->now.mono);
	CHECK(!func->shut || (func->gate.place != 0) == (at != NEVER));
	CHECK(!func->shut || at == NEVER || func->gate.key == at);
	CHECK((func->to_wake > 0) == list_is_linked(&func->in_opened));
}
