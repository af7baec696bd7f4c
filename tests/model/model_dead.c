/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The reference model's dead jobs, in memory and in a store that keeps them, and what operators do with jobs.
 *
 * Runs on:  the test's thread.
 * Owns:     nothing; struct model is in model.c's care.
 */
#include <stdio.h>
#include <string.h>

#include "tests/model/model_priv.h"

/* ---- The list ------------------------------------------------------------------------------------------- */

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

void
model_trim_dead(struct model *m)
{
	int i;

	while (
	    (i = dead_longest(m)) >= 0 && (dead_count(m, -1) > DEAD_MAX || m->jobs[i].died_at + DEAD_KEEP <= m->wall_s))
		model_end(m, i, false);
}

static void
enter(struct model *m, struct mjob *job)
{
	memset(job->clients, 0, sizeof job->clients);
	memset(job->followers, 0, sizeof job->followers);
	job->state = M_BURIED;
	job->queued = job->buried = ++m->next_queued;
}

/* The store has the dead record first, and then no other. */
static void
bury(struct model *m, int i)
{
	struct mjob *job = &m->jobs[i];

	job->threw = false;
	model_ended(m, job, false);
	model_changes(m, job);
	job->add_again = false;
	job->retry_at = 0;
	job->died_at = m->wall_s;
	if (m->durable && m->keeps_dead) {
		model_tell_store(m, M_BURY, i);
		job->in_dead = true;
	}
	if (job->stored || job->adding)
		model_tell_store(m, M_REMOVE, i);
	job->stored = false;
	enter(m, job);
}

void
model_give_up(struct model *m, int i, bool keep)
{
	model_tell_failed(m, &m->jobs[i], m->jobs[i].clients);
	model_tell_failed(m, &m->jobs[i], m->jobs[i].followers);
	if (keep)
		bury(m, i);
	else
		model_end(m, i, false);
}

/* ---- Sent again ----------------------------------------------------------------------------------------- */

static bool
is_taken(const struct model *m, const struct mjob *job)
{
	for (int i = 0; job->unique > 0 && i < JOBS; i++) {
		const struct mjob *other = &m->jobs[i];

		if (model_is_alive(other) && other->func == job->func && other->unique == job->unique &&
		    (job->unique > 1 || other->data == job->data))
			return true;
	}
	return false;
}

/* With a store it runs when that has it alive. */
static bool
kick(struct model *m, int i)
{
	struct mjob *job = &m->jobs[i];

	if (is_taken(m, job))
		return false;
	model_forget_number(m, job->number);
	job->born = ++m->last_born;
	if (!m->durable) {
		job->tries = 0;
		job->error[0] = '\0';
		model_ready(m, job);
		return true;
	}
	job->state = M_STORING;
	job->due = job->run_at = 0;
	job->background = false;
	job->own = job->kicked = true;
	model_changes(m, job);
	model_store_again(m, i);
	return true;
}

/* It is dead as before, but for its place in the list. */
void
model_not_kicked(struct model *m, struct mjob *job)
{
	model_tell_failed(m, job, job->clients);
	model_tell_failed(m, job, job->followers);
	job->background = true;
	job->own = job->kicked = false;
	enter(m, job);
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
	else if (!kick(m, i))
		answer = "ERR UNIQUE_IN_USE A+job+with+the+same+unique+is+alive\r\n";
	model_hear(m, peer, "TEXT %s", answer);
}

/* ---- Many ----------------------------------------------------------------------------------------------- */

/* Not before the ones that came first are answered. */
static void
answer_in_turn(struct model *m, int peer, struct mhear *answer, int count, bool in_store)
{
	model_must(m->purge_count < PURGES, "too many purges");
	snprintf(answer->text, sizeof answer->text, "TEXT OK %d\n", count);
	answer->open = answer->in_line = true;
	m->purges[m->purge_count++] = (struct mpurge){ .answer = answer,
		.peer = peer,
		.removal = in_store ? m->removes_told : 0,
		.deadline = m->mono_ms + m->queue_timeout_ms };
}

void
model_answer_purges(struct model *m)
{
	while (m->purge_count > 0) {
		struct mpurge purge = m->purges[0];

		if (m->removes_done < purge.removal && m->mono_ms < purge.deadline)
			return;
		if (m->removes_done < purge.removal)
			strcpy(purge.answer->text, "TEXT ERR QUEUE_ERROR The+jobs+are+cancelled+but+still+stored\r\n");
		purge.answer->open = purge.answer->in_line = false;
		memmove(&m->purges[0], &m->purges[1], (size_t)--m->purge_count * sizeof m->purges[0]);
		model_release(m, purge.peer);
	}
}

void
model_kick_func(struct model *m, int peer, int func, int most)
{
	struct mhear *answer = model_hear(m, peer, "TEXT");
	int looks = dead_count(m, func), kicked = 0;

	while (looks-- > 0 && kicked < most) {
		int i = first_dead(m, func);

		if (kick(m, i))
			kicked++;
		else
			m->jobs[i].queued = ++m->next_queued; /* behind the others */
	}
	answer_in_turn(m, peer, answer, kicked, false);
}

void
model_purge(struct model *m, int peer, int func)
{
	struct mhear *answer = model_hear(m, peer, "TEXT"); /* before what it hears of these jobs itself */
	bool in_store = false;
	int ended = 0, i;

	for (int priority = 0; priority < 3; priority++) {
		for (; (i = model_next_ready(m, func, priority)) >= 0; ended++) {
			in_store = in_store || model_is_in_store(m, &m->jobs[i]);
			model_cancel_job(m, i);
		}
	}
	answer_in_turn(m, peer, answer, ended, in_store);
}

void
model_purge_dead(struct model *m, int peer, int func)
{
	struct mhear *answer = model_hear(m, peer, "TEXT");
	bool in_store = false;
	int ended = 0, i;

	for (; (i = first_dead(m, func)) >= 0; ended++) {
		in_store = in_store || model_is_in_store(m, &m->jobs[i]);
		model_end(m, i, false);
	}
	answer_in_turn(m, peer, answer, ended, in_store);
}

/* ---- One job -------------------------------------------------------------------------------------------- */

/* NULL when an operator may do that with it. */
static const char *
refusal(const struct model *m, int i)
{
	if (i < 0)
		return "ERR UNKNOWN_JOB\r\n";
	if (!m->jobs[i].background)
		return "ERR NOT_BACKGROUND The+job+is+a+foreground+job\r\n";
	return m->jobs[i].state == M_STORING ? "ERR STORING The+job+is+not+stored+yet\r\n" : NULL;
}

void
model_bury(struct model *m, int peer, uint64_t number)
{
	int i = model_find(m, number);
	const char *why = refusal(m, i);

	if (why == NULL && m->jobs[i].state == M_RUNNING)
		m->jobs[i].verdict = M_BURY_IT;
	else if (why == NULL && m->jobs[i].state != M_BURIED)
		model_give_up(m, i, true);
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

/* ---- After a crash -------------------------------------------------------------------------------------- */

/* Of the two records of one job the later one counts. */
void
model_replayed_dead(struct model *m, const struct mjob *row)
{
	int alive = model_find(m, row->number), i;

	for (i = 0; i < JOBS && m->jobs[i].state != M_FREE; i++)
		;
	model_must(i < JOBS, "too many jobs");
	m->jobs[i] = (struct mjob){ .number = row->number, .func = row->func, .in_dead = true };
	if (alive >= 0 && row->changed_at <= m->jobs[alive].changed_at) {
		model_tell_store(m, M_UNBURY, i);
		return;
	}
	if (alive >= 0) {
		model_tell_store(m, M_REMOVE, alive);
		m->jobs[alive].state = M_FREE;
	}
	m->jobs[i] = *row;
	m->jobs[i].in_dead = m->jobs[i].background = true;
	m->jobs[i].died_at = row->changed_at;
	m->jobs[i].born = ++m->last_born;
	if (row->number >= m->next_number)
		m->next_number = row->number + 1;
	enter(m, &m->jobs[i]);
}
