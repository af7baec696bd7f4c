/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The reference model's policies: what is tried again, what is dead, what waits behind a shut gate or has waited too
 * long, and how jobs ended.
 *
 * Runs on:  the test's thread.
 * Owns:     nothing; struct model is in model.c's care.
 */
#include <stdio.h>
#include <string.h>

#include "tests/model/model_priv.h"

/* ---- Attempts that come to nothing -------------------------------------------------------------- */

bool
model_ends_by(const struct model *m, const struct mjob *job, enum mloss why)
{
	return job->verdict == M_NONE && (!job->background || (m->policies[job->func].retry_on & why) == 0);
}

static bool
is_to_be_known(const struct mpolicy *policy)
{
	return policy->attempts > 0 || policy->delay_s > 0 || policy->expire_ms > 0 ||
	       (policy->retry_on & (M_FAIL | M_EXCEPTION)) != 0;
}

static void
again(struct model *m, int i, int delay_s)
{
	struct mjob *job = &m->jobs[i];
	bool later = delay_s > 0 && job->background;

	if ((job->stored || job->adding) && (later || is_to_be_known(&m->policies[job->func])))
		model_store_again(m, i);
	if (!later) {
		model_place_again(m, job);
		return;
	}
	job->state = M_DELAYED;
	job->due = m->wall_s + delay_s;
	job->queued = ++m->next_queued;
}

static int
first_dead(const struct model *m, int func)
{
	int first = -1;

	for (int i = 0; i < JOBS; i++)
		if (m->jobs[i].state == M_BURIED && m->jobs[i].func == func &&
		    (first < 0 || m->jobs[i].queued < m->jobs[first].queued))
			first = i;
	return first;
}

static int
dead_longest(const struct model *m)
{
	int first = -1;

	for (int i = 0; i < JOBS; i++)
		if (m->jobs[i].state == M_BURIED && (first < 0 || m->jobs[i].buried < m->jobs[first].buried))
			first = i;
	return first;
}

static int
dead_count(const struct model *m, int func)
{
	int n = 0;

	for (int i = 0; i < JOBS; i++)
		n += m->jobs[i].state == M_BURIED && (func < 0 || m->jobs[i].func == func);
	return n;
}

static void
bury(struct model *m, int i)
{
	struct mjob *job = &m->jobs[i];

	memset(job->clients, 0, sizeof job->clients);
	memset(job->followers, 0, sizeof job->followers);
	model_ended(m, job, false);
	job->state = M_BURIED;
	job->queued = job->buried = ++m->next_queued;
	while (dead_count(m, -1) > DEAD_MAX)
		model_end(m, dead_longest(m), false);
}

static void
give_up(struct model *m, int i, bool keep)
{
	model_tell_failed(m, &m->jobs[i], m->jobs[i].clients);
	model_tell_failed(m, &m->jobs[i], m->jobs[i].followers);
	if (keep)
		bury(m, i);
	else
		model_end(m, i, false);
}

void
model_lose(struct model *m, int i, enum mloss why)
{
	struct mjob *job = &m->jobs[i];
	const struct mpolicy *policy = &m->policies[job->func];
	enum mverdict verdict = job->verdict;

	job->verdict = M_NONE;
	job->tries += verdict != M_RETRY;
	job->num = job->den = 0;
	if (!model_is_wanted(job))
		model_cancel_job(m, i);
	else if (verdict == M_RETRY)
		again(m, i, job->verdict_s);
	else if (verdict == M_BURY || (policy->attempts > 0 && job->tries >= policy->attempts) ||
		 (policy->retry_on & why) == 0)
		give_up(m, i, job->background && (verdict == M_BURY || policy->keep_dead));
	else
		again(m, i, policy->delay_s);
}

/* ---- Jobs that wait too long ---------------------------------------------------------------------- */

static int
next_to_expire(const struct model *m, int func, int priority)
{
	int first = -1;

	for (int i = 0; i < JOBS; i++)
		if (m->jobs[i].state == M_READY && m->jobs[i].func == func && m->jobs[i].priority == priority &&
		    (first < 0 || m->jobs[i].queued < m->jobs[first].queued))
			first = i;
	return first;
}

static void
set_expiry(struct model *m, int func)
{
	int64_t next = 0;

	for (int priority = 0; priority < 3; priority++) {
		int i = next_to_expire(m, func, priority);
		int64_t at = i < 0 ? 0 : m->jobs[i].since + m->policies[func].expire_ms;

		if (at != 0 && (next == 0 || at < next))
			next = at;
	}
	m->expiry[func] = next;
	m->expiry_order[func] = ++m->last_order;
}

static void
expire_func(struct model *m, int func)
{
	const struct mpolicy *policy = &m->policies[func];
	int i;

	for (int priority = 0; priority < 3; priority++)
		while (
		    (i = next_to_expire(m, func, priority)) >= 0 && m->jobs[i].since + policy->expire_ms <= m->mono_ms)
			give_up(m, i, m->jobs[i].background && policy->keep_dead);
	set_expiry(m, func);
}

/* Function by function, in the order in which their times come. */
void
model_expire(struct model *m)
{
	for (;;) {
		int next = -1;

		for (int func = 0; func < FUNCS; func++) {
			int64_t at = m->expiry[func];

			if (at != 0 && at <= m->mono_ms &&
			    (next < 0 || at < m->expiry[next] ||
				(at == m->expiry[next] && m->expiry_order[func] < m->expiry_order[next])))
				next = func;
		}
		if (next < 0)
			return;
		expire_func(m, next);
	}
}

/* ---- Gates ---------------------------------------------------------------------------------------- */

bool
model_is_open(const struct model *m, int func)
{
	int running = 0, most = m->policies[func].running;

	if (m->paused_until[func] > m->mono_ms)
		return false;
	for (int i = 0; i < JOBS; i++)
		running += m->jobs[i].state == M_RUNNING && m->jobs[i].func == func;
	return most < 0 || running < most;
}

void
model_pause(struct model *m, int peer, int func, int seconds)
{
	m->paused_until[func] = seconds == 0 ? INT64_MAX : m->mono_ms + seconds * 1000;
	model_hear(m, peer, "TEXT OK\r\n");
}

void
model_resume(struct model *m, int peer, int func)
{
	m->paused_until[func] = 0;
	model_hear(m, peer, "TEXT OK\r\n");
}

void
model_policy(struct model *m, int func, const struct mpolicy *policy)
{
	m->policies[func] = *policy;
}

void
model_policies_end(struct model *m)
{
	for (int func = 0; func < FUNCS; func++) {
		m->expiry[func] = 0;
		if (m->policies[func].expire_ms > 0)
			set_expiry(m, func);
	}
}

/* ---- How jobs ended ----------------------------------------------------------------------------------- */

static void
forget(struct model *m, int at)
{
	memmove(&m->ended[at], &m->ended[at + 1], (size_t)(m->ended_count - at - 1) * sizeof *m->ended);
	m->ended_count--;
}

static void
forget_number(struct model *m, uint64_t number)
{
	for (int i = 0; i < m->ended_count; i++)
		if (m->ended[i].number == number)
			forget(m, i--);
}

void
model_ended(struct model *m, const struct mjob *job, bool completed)
{
	int keep = m->policies[job->func].keep_ms;

	if (job->state == M_BURIED)
		forget_number(m, job->number);
	if (keep == 0)
		return;
	model_must(m->ended_count < ENDED, "too many jobs that have ended");
	for (int i = 0; job->unique > 1 && i < m->ended_count; i++)
		if (m->ended[i].unique == job->unique)
			m->ended[i].newest = false;
	m->ended[m->ended_count++] = (struct mended){ .number = job->number,
		.unique = job->unique,
		.completed = completed,
		.newest = job->unique > 1,
		.until = m->mono_ms + keep };
}

void
model_forget_ended(struct model *m)
{
	for (int i = 0; i < m->ended_count; i++)
		if (m->ended[i].until <= m->mono_ms)
			forget(m, i--);
}

const struct mended *
model_find_ended(const struct model *m, uint64_t number)
{
	for (int i = 0; i < m->ended_count; i++)
		if (m->ended[i].number == number)
			return &m->ended[i];
	return NULL;
}

const struct mended *
model_find_ended_unique(const struct model *m, int unique)
{
	for (int i = 0; i < m->ended_count; i++)
		if (m->ended[i].newest && m->ended[i].unique == unique)
			return &m->ended[i];
	return NULL;
}

/* ---- Dead jobs ------------------------------------------------------------------------------------------ */

static bool
is_taken(const struct model *m, const struct mjob *job)
{
	for (int i = 0; job->unique > 0 && i < JOBS; i++) {
		const struct mjob *other = &m->jobs[i];

		if (other->state != M_FREE && other->state != M_DEAD && other->state != M_BURIED &&
		    other->func == job->func && other->unique == job->unique &&
		    (job->unique > 1 || other->data == job->data))
			return true;
	}
	return false;
}

static bool
kick(struct model *m, struct mjob *job)
{
	if (is_taken(m, job))
		return false;
	forget_number(m, job->number);
	job->tries = 0;
	job->born = ++m->last_born;
	model_ready(m, job);
	return true;
}

void
model_kick(struct model *m, int peer, uint64_t number)
{
	int i = model_find(m, number);
	const char *answer = "OK\r\n";

	if (i < 0)
		answer = "ERR UNKNOWN_JOB\r\n";
	else if (m->jobs[i].state != M_BURIED)
		answer = "ERR NOT_DEAD The+job+is+not+on+the+dead+list\r\n";
	else if (!kick(m, &m->jobs[i]))
		answer = "ERR UNIQUE_IN_USE A+job+with+the+same+unique+is+alive\r\n";
	model_hear(m, peer, "TEXT %s", answer);
}

void
model_kick_func(struct model *m, int peer, int func, int most)
{
	int looks = dead_count(m, func), kicked = 0;

	while (looks-- > 0 && kicked < most) {
		struct mjob *job = &m->jobs[first_dead(m, func)];

		if (kick(m, job))
			kicked++;
		else
			job->queued = ++m->next_queued; /* behind the others */
	}
	model_hear(m, peer, "TEXT OK %d\n", kicked);
}

/* NULL when an operator may do that with it. */
static const char *
refusal(const struct model *m, int i)
{
	if (i < 0)
		return "ERR UNKNOWN_JOB\r\n";
	return m->jobs[i].background ? NULL : "ERR NOT_BACKGROUND The+job+is+a+foreground+job\r\n";
}

void
model_bury(struct model *m, int peer, uint64_t number)
{
	int i = model_find(m, number);
	const char *why = refusal(m, i);

	if (why == NULL && m->jobs[i].state == M_RUNNING)
		m->jobs[i].verdict = M_BURY;
	else if (why == NULL && m->jobs[i].state != M_BURIED)
		give_up(m, i, true);
	model_hear(m, peer, "TEXT %s", why == NULL ? "OK\r\n" : why);
}

void
model_retry(struct model *m, int peer, uint64_t number, int seconds)
{
	int i = model_find(m, number);
	const char *why = refusal(m, i);

	if (why == NULL && m->jobs[i].state != M_RUNNING) {
		why = "ERR NOT_RUNNING The+job+is+not+running\r\n";
	} else if (why == NULL) {
		m->jobs[i].verdict = M_RETRY;
		m->jobs[i].verdict_s = seconds;
	}
	model_hear(m, peer, "TEXT %s", why == NULL ? "OK\r\n" : why);
}

void
model_purge(struct model *m, int peer, int func)
{
	struct mhear *answer = model_hear(m, peer, "TEXT"); /* before what it hears of these jobs itself */
	int ended = 0, i;

	for (int priority = 0; priority < 3; priority++)
		for (; (i = next_to_expire(m, func, priority)) >= 0; ended++)
			model_cancel_job(m, i);
	snprintf(answer->text, sizeof answer->text, "TEXT OK %d\n", ended);
}
