/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The reference model's policies: what is tried again, what waits behind a shut gate or has waited too long, and how
 * jobs ended.
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

	job->retry_at = delay_s > 0 && job->background ? m->wall_s + delay_s : 0;
	if ((job->stored || job->adding) && (job->retry_at > 0 || is_to_be_known(&m->policies[job->func]))) {
		model_changes(m, job);
		model_store_again(m, i);
	}
	if (job->retry_at == 0) {
		model_place_again(m, job);
		return;
	}
	job->state = M_DELAYED;
	job->due = job->retry_at;
	job->queued = ++m->next_queued;
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
	else if (verdict == M_BURY_IT || (policy->attempts > 0 && job->tries >= policy->attempts) ||
		 (policy->retry_on & why) == 0) {
		job->threw = why == M_EXCEPTION;
		model_give_up(m, i, job->background && (verdict == M_BURY_IT || policy->keep_dead));
	} else
		again(m, i, policy->delay_s);
}

/* ---- Jobs that wait too long ---------------------------------------------------------------------- */

int
model_next_ready(const struct model *m, int func, int priority)
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
		int i = model_next_ready(m, func, priority);
		int64_t at = i < 0 ? 0 : m->jobs[i].since + m->policies[func].expire_ms;

		if (at != 0 && (next == 0 || at < next))
			next = at;
	}
	m->expiry[func] = next;
	m->expiry_order[func] = ++m->last_order;
}

static void
expire(struct model *m, int i, bool keep)
{
	if (keep && m->jobs[i].error[0] == '\0')
		strcpy(m->jobs[i].error, "expired");
	model_give_up(m, i, keep);
}

static void
expire_func(struct model *m, int func)
{
	const struct mpolicy *policy = &m->policies[func];
	int i;

	for (int priority = 0; priority < 3; priority++)
		while ((i = model_next_ready(m, func, priority)) >= 0 &&
		       m->jobs[i].since + policy->expire_ms <= m->mono_ms)
			expire(m, i, m->jobs[i].background && policy->keep_dead);
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

void
model_forget_number(struct model *m, uint64_t number)
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
		model_forget_number(m, job->number);
	if (keep == 0)
		return;
	model_must(m->ended_count < ENDED, "too many jobs that have ended");
	for (int i = 0; job->unique > 1 && i < m->ended_count; i++)
		if (m->ended[i].unique == job->unique)
			m->ended[i].newest = false;
	m->ended[m->ended_count++] = (struct mended){ .number = job->number,
		.unique = job->unique,
		.completed = completed,
		.threw = job->threw,
		.newest = job->unique > 1,
		.until = m->mono_ms + keep };
	strcpy(m->ended[m->ended_count - 1].error, job->error);
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
