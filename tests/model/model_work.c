/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The reference model's workers and questions: who is given which job, reports, status.
 *
 * Runs on:  the test's thread.
 * Owns:     nothing; struct model is in model.c's care.
 */
#include <stdio.h>
#include <string.h>

#include "tests/model/model_priv.h"
#include "wire/packet.h"

/* Highest priority, then the function served longest ago, then the oldest job. */
static int
choose(const struct model *m, int peer)
{
	const struct mpeer *p = &m->peers[peer];
	int best = -1;

	for (int i = 0; i < JOBS; i++) {
		const struct mjob *job = &m->jobs[i], *b = best < 0 ? NULL : &m->jobs[best];

		if (job->state != M_READY || !p->can[job->func] || !model_is_open(m, job->func))
			continue;
		if (b == NULL || job->priority < b->priority ||
		    (job->priority == b->priority && p->turn[job->func] < p->turn[b->func]) ||
		    (job->priority == b->priority && job->func == b->func && job->queued < b->queued))
			best = i;
	}
	return best;
}

bool
model_has_work_for(const struct model *m, int peer)
{
	return choose(m, peer) >= 0;
}

bool
model_has_ready(const struct model *m, int func)
{
	for (int i = 0; i < JOBS; i++)
		if (m->jobs[i].state == M_READY && m->jobs[i].func == func)
			return true;
	return false;
}

void
model_grab(struct model *m, int peer, int type)
{
	struct mpeer *p = &m->peers[peer];
	int i = choose(m, peer);
	const struct mpolicy *policy;
	struct mjob *job;
	unsigned long long number;
	int limit;

	p->asleep = false;
	if (i < 0) {
		model_hear(m, peer, "NO_JOB");
		return;
	}
	job = &m->jobs[i];
	policy = &m->policies[job->func];
	number = job->number;
	job->state = M_RUNNING;
	job->worker = peer;
	job->queued = ++m->next_queued;
	limit = p->limit_ms[job->func];
	if (limit == 0 || (policy->run_limit_ms > 0 && policy->run_limit_ms < limit))
		limit = policy->run_limit_ms;
	job->limit = limit > 0 ? m->mono_ms + limit : 0;
	if (p->excepted == number)
		p->excepted = 0;
	p->turn[job->func] = ++m->last_turn;
	if (type == PKT_GRAB_JOB)
		model_hear(m, peer, "JOB_ASSIGN H:model:%llu %s d%d", number, model_func(job->func), job->data);
	else
		model_hear(m, peer, "JOB_ASSIGN_UNIQ H:model:%llu %s %s d%d", number, model_func(job->func),
		    model_unique(job->unique), job->data);
}

static void
refuse_report(struct model *m, int peer, int type)
{
	const char *text = type == PKT_WORK_EXCEPTION ? "An exception was received for a job that does not exist"
			   : type == PKT_WORK_DATA || type == PKT_WORK_WARNING ? "Job does not exist on server"
									       : "Job given in work result not found";

	model_hear(m, peer, "ERROR JOB_NOT_FOUND %s", text);
}

static void
forward(struct model *m, const struct mjob *job, const int *counts, int type, int data)
{
	unsigned long long number = job->number;

	for (int peer = 0; peer < PEERS; peer++) {
		for (int n = 0; n < counts[peer]; n++) {
			if (type == PKT_WORK_FAIL || (type == PKT_WORK_EXCEPTION && !m->peers[peer].exceptions))
				model_hear(m, peer, "WORK_FAIL H:model:%llu", number);
			else if (type == PKT_WORK_STATUS)
				model_hear(m, peer, "WORK_STATUS H:model:%llu %d 100", number, data);
			else
				model_hear(
				    m, peer, "%s H:model:%llu d%d", pkt_info((uint32_t)type)->name, number, data);
		}
	}
}

void
model_report(struct model *m, int peer, int type, uint64_t number, int data)
{
	struct mpeer *p = &m->peers[peer];
	int i = model_find(m, number);
	struct mjob *job = i < 0 ? NULL : &m->jobs[i];
	enum mloss why;

	if (type == PKT_WORK_FAIL && p->excepted != 0) {
		bool same = p->excepted == number;

		p->excepted = 0;
		if (same)
			return;
	}
	if (job == NULL || job->state != M_RUNNING || job->worker != peer) {
		refuse_report(m, peer, type);
		return;
	}
	why = type == PKT_WORK_FAIL ? M_FAIL : type == PKT_WORK_EXCEPTION ? M_EXCEPTION : 0;
	forward(m, job, job->clients, type, data);
	if (why == 0 || model_ends_by(m, job, why))
		forward(m, job, job->followers, type, data);
	if (type == PKT_WORK_STATUS) {
		job->num = (uint32_t)data;
		job->den = 100;
	}
	if (type == PKT_WORK_EXCEPTION) {
		p->excepted = number;
		snprintf(job->error, sizeof job->error, "d%d", data);
	}
	if (type == PKT_WORK_COMPLETE) {
		model_end(m, i, true);
	} else if (why != 0 && model_ends_by(m, job, why)) {
		job->threw = why == M_EXCEPTION;
		model_end(m, i, false);
	} else if (why != 0) {
		memset(job->clients, 0, sizeof job->clients);
		model_lose(m, i, why);
	}
}

/* All of a job that has ended is done, or none. */
void
model_get_status(struct model *m, int peer, uint64_t number)
{
	int i = model_find(m, number);
	const struct mjob *job = i < 0 ? NULL : &m->jobs[i];
	const struct mended *ended = model_find_ended(m, number);

	if (job != NULL && job->state != M_BURIED)
		model_hear(m, peer, "STATUS_RES H:model:%llu 1 %d %u %u", (unsigned long long)number,
		    job->state == M_RUNNING, job->num, job->den);
	else
		model_hear(m, peer, "STATUS_RES H:model:%llu 0 0 %d %d", (unsigned long long)number,
		    job == NULL && ended != NULL && ended->completed, job != NULL || ended != NULL);
}

void
model_get_status_unique(struct model *m, int peer, int unique)
{
	const struct mended *ended = model_find_ended_unique(m, unique);
	const struct mjob *newest = NULL;
	int clients = 0;

	for (int i = 0; unique > 1 && i < JOBS; i++) {
		const struct mjob *job = &m->jobs[i];

		if (model_is_alive(job) && job->unique == unique && (newest == NULL || job->born > newest->born))
			newest = job;
	}
	for (int i = 0; newest != NULL && i < PEERS; i++)
		clients += newest->clients[i] + newest->followers[i];
	if (newest != NULL)
		model_hear(m, peer, "STATUS_RES_UNIQUE %s 1 %d %u %u %d", model_unique(unique),
		    newest->state == M_RUNNING, newest->num, newest->den, clients);
	else
		model_hear(m, peer, "STATUS_RES_UNIQUE %s 0 0 %d %d 0", model_unique(unique),
		    ended != NULL && ended->completed, ended != NULL);
}

/* Results are not kept here. */
static void
follow_ended(struct model *m, int peer, uint64_t number, const struct mended *ended)
{
	if (ended == NULL) {
		model_hear(m, peer, "TEXT ERR UNKNOWN_JOB\r\n");
	} else if (ended->completed) {
		model_hear(m, peer, "TEXT ERR NOT_KEPT The+job+is+completed+and+its+result+is+not+kept\r\n");
	} else {
		model_hear(m, peer, "TEXT OK\r\n");
		if (ended->threw && m->peers[peer].exceptions)
			model_hear(m, peer, "WORK_EXCEPTION H:model:%llu %s", (unsigned long long)number, ended->error);
		else
			model_hear(m, peer, "WORK_FAIL H:model:%llu", (unsigned long long)number);
	}
}

void
model_follow(struct model *m, int peer, uint64_t number)
{
	int i = model_find(m, number);
	const struct mjob *job = i < 0 ? NULL : &m->jobs[i];

	if (job == NULL) {
		follow_ended(m, peer, number, model_find_ended(m, number));
		return;
	}
	model_hear(m, peer, "TEXT OK\r\n");
	if (job->num != 0 || job->den != 0)
		model_hear(m, peer, "WORK_STATUS H:model:%llu %u %u", (unsigned long long)number, job->num, job->den);
	if (job->state == M_BURIED)
		model_hear(m, peer, "WORK_FAIL H:model:%llu", (unsigned long long)number);
	else
		m->jobs[i].followers[peer]++;
}

void
model_unfollow(struct model *m, int peer, uint64_t number)
{
	int i = model_find(m, number);

	if (i >= 0 && m->jobs[i].followers[peer] > 0)
		m->jobs[i].followers[peer]--;
	model_hear(m, peer, "TEXT %s", i >= 0 ? "OK\r\n" : "ERR UNKNOWN_JOB\r\n");
}

void
model_exceptions(struct model *m, int peer)
{
	m->peers[peer].exceptions = true;
	model_hear(m, peer, "OPTION_RES exceptions");
}

void
model_echo(struct model *m, int peer, int data)
{
	model_hear(m, peer, "ECHO_RES d%d", data);
}

/* Jobs of a function that a worker loses together come back in the order in which they were given out. */
void
model_lose_jobs_of(struct model *m, int peer, int func)
{
	for (;;) {
		int first = -1;

		for (int i = 0; i < JOBS; i++) {
			const struct mjob *job = &m->jobs[i];

			if (job->state == M_RUNNING && job->worker == peer && job->func == func &&
			    (first < 0 || job->queued < m->jobs[first].queued))
				first = i;
		}
		if (first < 0)
			return;
		model_lose(m, first, M_LOST);
	}
}

/* Function by function, in the order of their turns. */
void
model_lose_all(struct model *m, int peer)
{
	struct mpeer *p = &m->peers[peer];

	for (;;) {
		int next = -1;

		for (int func = 0; func < FUNCS; func++) {
			if (p->can[func] && (next < 0 || p->turn[func] < p->turn[next]))
				next = func;
		}
		if (next < 0)
			return;
		p->can[next] = false;
		model_lose_jobs_of(m, peer, next);
	}
}

/* The job that this client began to wait for first, if it is to be told of several times the last time; -1 for none. */
static int
first_waited(const struct model *m, int peer)
{
	int first = -1;

	for (int i = 0; i < JOBS; i++) {
		const struct mjob *job = &m->jobs[i];

		if (job->state != M_FREE && job->clients[peer] > 0 &&
		    (first < 0 || job->waits[peer] < m->jobs[first].waits[peer]))
			first = i;
	}
	return first;
}

void
model_peer_gone(struct model *m, int peer)
{
	struct mpeer *p = &m->peers[peer];
	int i;

	p->gone = true;
	p->asleep = false;
	for (i = 0; i < JOBS; i++)
		m->jobs[i].followers[peer] = 0;
	while ((i = first_waited(m, peer)) >= 0) {
		m->jobs[i].clients[peer] = 0;
		model_end_if_unwanted(m, i);
	}
	model_lose_all(m, peer);
	model_hear(m, peer, "FORGOTTEN");
}
