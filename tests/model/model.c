/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The reference model; see model.h.
 *
 * Runs on:  the test's thread.
 * Owns:     struct model.
 */
#include "tests/model/model_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
model_func(int func)
{
	static const char *const names[FUNCS] = { "alpha", "beta", "", "delta" };

	return names[func];
}

const char *
model_unique(int unique)
{
	static const char *const names[UNIQUES] = { "", "-", "u2", "u3", "u4" };

	return names[unique];
}

void
model_must(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "model: %s\n", text);
		abort();
	}
}

void
model_init(struct model *m, bool durable, bool keeps_dead, int retries, uint64_t first_number)
{
	memset(m, 0, sizeof *m);
	m->durable = durable;
	m->keeps_dead = keeps_dead;
	m->retries = retries;
	m->next_number = first_number;
	m->queue_timeout_ms = 1000;
	for (int i = 0; i < FUNCS; i++)
		m->policies[i] = (struct mpolicy){ .attempts = retries, .retry_on = M_LOST | M_TIMEOUT, .running = -1 };
	for (int i = 0; i < PEERS; i++)
		m->peers[i].hears = calloc(HEARS, sizeof(struct mhear));
}

void
model_fini(struct model *m)
{
	for (int i = 0; i < PEERS; i++)
		free(m->peers[i].hears);
}

struct mhear *
model_hear(struct model *m, int peer, const char *format, ...)
{
	struct mpeer *p = &m->peers[peer];
	struct mhear *h = &p->hears[(p->first + p->count++) % HEARS];
	va_list args;

	model_must(p->count <= HEARS, "a peer hears too much");
	*h = (struct mhear){ .job = -1, .holds = -1 };
	va_start(args, format);
	vsnprintf(h->text, sizeof h->text, format, args);
	va_end(args);
	return h;
}

const char *
model_hears(struct model *m, int peer)
{
	struct mpeer *p = &m->peers[peer];
	struct mhear *h = &p->hears[p->first];

	if (p->count == 0 || h->open)
		return NULL;
	p->first = (p->first + 1) % HEARS;
	p->count--;
	return h->text;
}

int
model_find(const struct model *m, uint64_t number)
{
	for (int i = 0; i < JOBS; i++) {
		if (m->jobs[i].state != M_FREE && m->jobs[i].state != M_DEAD && m->jobs[i].number == number)
			return i;
	}
	return -1;
}

/* One that is sent again has never been tried. */
void
model_tell_store(struct model *m, enum mtold what, int i)
{
	const struct mjob *job = &m->jobs[i];
	struct mtell *t = &m->tells[(m->first_tell + m->tell_count++) % TELLS];
	bool anew = what == M_ADD && job->kicked;

	m->removes_told += what != M_ADD;
	if (m->waiting++ == 0)
		m->heard_ms = m->mono_ms;
	model_must(m->tell_count <= TELLS, "the store is told too much");
	*t = (struct mtell){ .what = what, .job = i, .func = job->func, .number = job->number };
	t->run_at = what != M_ADD ? 0 : job->retry_at > 0 ? job->retry_at : job->run_at;
	t->changed_at = job->changed_at;
	t->attempts = anew ? 0 : job->tries;
	memcpy(t->key, job->key, sizeof t->key);
	strcpy(t->error, anew ? "" : job->error);
}

void
model_changes(const struct model *m, struct mjob *job)
{
	if (m->durable)
		job->changed_at = m->wall_s > job->changed_at ? m->wall_s : job->changed_at + 1;
}

bool
model_is_in_store(const struct model *m, const struct mjob *job)
{
	bool is_being_removed = job->state == M_BURIED && m->removes_done < m->removes_told;

	return job->stored || job->adding || job->in_dead || is_being_removed;
}

bool
model_is_alive(const struct mjob *job)
{
	return job->state != M_FREE && job->state != M_DEAD && job->state != M_BURIED;
}

bool
model_has_clients(const struct mjob *job)
{
	for (int i = 0; i < PEERS; i++) {
		if (job->clients[i] > 0)
			return true;
	}
	return false;
}

bool
model_is_wanted(const struct mjob *job)
{
	return job->background || job->own || job->open > 0 || job->held || model_has_clients(job);
}

void
model_end(struct model *m, int i, bool completed)
{
	struct mjob *job = &m->jobs[i];

	model_ended(m, job, completed);
	if (job->state != M_BURIED && (job->stored || job->adding))
		model_tell_store(m, M_REMOVE, i);
	if (job->in_dead)
		model_tell_store(m, M_UNBURY, i);
	job->in_dead = false;
	memset(job->clients, 0, sizeof job->clients);
	memset(job->followers, 0, sizeof job->followers);
	job->state = job->adding ? M_DEAD : M_FREE;
}

void
model_tell_failed(struct model *m, const struct mjob *job, const int *counts)
{
	for (int peer = 0; peer < PEERS; peer++) {
		for (int n = 0; n < counts[peer]; n++)
			model_hear(m, peer, "WORK_FAIL H:model:%llu", (unsigned long long)job->number);
	}
}

void
model_cancel_job(struct model *m, int i)
{
	model_tell_failed(m, &m->jobs[i], m->jobs[i].clients);
	model_tell_failed(m, &m->jobs[i], m->jobs[i].followers);
	model_end(m, i, false);
}

void
model_end_if_unwanted(struct model *m, int i)
{
	if (m->jobs[i].state != M_RUNNING && m->jobs[i].state != M_DEAD && !model_is_wanted(&m->jobs[i]))
		model_cancel_job(m, i);
}

void
model_ready(struct model *m, struct mjob *job)
{
	int func = job->func;

	job->state = M_READY;
	job->queued = ++m->next_queued;
	job->since = m->mono_ms;
	if (m->policies[func].expire_ms > 0 && m->expiry[func] == 0) {
		m->expiry[func] = m->mono_ms + m->policies[func].expire_ms;
		m->expiry_order[func] = ++m->last_order;
	}
}

void
model_store_again(struct model *m, int i)
{
	struct mjob *job = &m->jobs[i];

	if (job->adding) {
		job->add_again = true;
		return;
	}
	job->adding = true;
	model_tell_store(m, M_ADD, i);
}

void
model_place_again(struct model *m, struct mjob *job)
{
	if (job->adding && job->stored && !m->slow && !m->trouble)
		job->state = M_STORING;
	else
		model_ready(m, job);
}

void
model_turn_ends(struct model *m)
{
	model_answer_purges(m);
	model_place(m);
	m->slow = m->slow || (m->waiting > 0 && !m->trouble && m->heard_ms + 2000 <= m->mono_ms);
	model_trim_dead(m);
}

void
model_queue(struct model *m, struct mjob *job)
{
	if (job->due <= m->wall_s) {
		model_ready(m, job);
		return;
	}
	job->state = M_DELAYED;
	job->queued = ++m->next_queued;
}

void
model_peer_new(struct model *m, int peer, uint64_t number)
{
	struct mhear *hears = m->peers[peer].hears;

	m->peers[peer] = (struct mpeer){ .used = true, .number = number, .hears = hears };
}

void
model_can_do(struct model *m, int peer, int func, int limit_ms)
{
	struct mpeer *p = &m->peers[peer];

	if (!p->can[func])
		p->turn[func] = --m->first_turn;
	p->can[func] = true;
	p->limit_ms[func] = limit_ms;
}

void
model_cant_do(struct model *m, int peer, int func)
{
	if (!m->peers[peer].can[func])
		return;
	m->peers[peer].can[func] = false;
	model_lose_jobs_of(m, peer, func);
}

void
model_reset(struct model *m, int peer)
{
	model_lose_all(m, peer);
}

static bool
awaits_commits(const struct mpeer *p)
{
	for (int n = 0; n < p->count; n++) {
		const struct mhear *h = &p->hears[(p->first + n) % HEARS];

		if (h->open && h->job >= 0)
			return true;
	}
	return false;
}

/* What this peer hears first is open no longer: jobs whose JOB_CREATED goes out now are queued. */
void
model_release(struct model *m, int peer)
{
	struct mpeer *p = &m->peers[peer];

	for (int n = 0; n < p->count; n++) {
		struct mhear *h = &p->hears[(p->first + n) % HEARS];

		if (h->open)
			return;
		if (h->holds < 0)
			continue;
		if (m->jobs[h->holds].held && m->jobs[h->holds].number == h->opened) {
			m->jobs[h->holds].held = false;
			m->placing[m->placing_count++] = h->holds;
		}
		h->holds = -1;
	}
}

void
model_place(struct model *m)
{
	for (int n = 0; n < m->placing_count; n++) {
		struct mjob *job = &m->jobs[m->placing[n]];

		if (job->state != M_STORING)
			continue;
		if (!job->adding && model_is_wanted(job))
			model_queue(m, job);
		model_end_if_unwanted(m, m->placing[n]);
	}
	m->placing_count = 0;
}

static void
own_in_background(struct model *m, int peer, int i)
{
	struct mjob *job = &m->jobs[i];
	struct mhear *h = model_hear(m, peer, "JOB_CREATED H:model:%llu", (unsigned long long)job->number);

	if (job->background || job->stored || !m->durable) {
		job->background = true;
		return;
	}
	h->open = true;
	h->opened = ++m->last_opened;
	h->job = i;
	h->deadline = m->mono_ms + m->queue_timeout_ms;
	job->open++;
	if (!job->adding) {
		job->adding = true;
		model_tell_store(m, M_ADD, i);
	}
}

/* Two can be equal that have "-": a job comes back when its removal was lost in a crash, and another was made
 * meanwhile. The newer one counts then. */
static int
find_equal(const struct model *m, const struct submission *s)
{
	int found = -1;

	for (int i = 0; s->unique > 0 && i < JOBS; i++) {
		const struct mjob *job = &m->jobs[i];

		if (model_is_alive(job) && job->func == s->func && job->unique == s->unique &&
		    (s->unique > 1 || job->data == s->data) && (found < 0 || job->born > m->jobs[found].born))
			found = i;
	}
	return found;
}

int
model_make(struct model *m, const struct submission *s)
{
	int i = 0;

	while (i < JOBS && m->jobs[i].state != M_FREE)
		i++;
	model_must(i < JOBS, "too many jobs");
	m->jobs[i] = (struct mjob){
		.number = m->next_number++,
		.born = ++m->last_born,
		.func = s->func,
		.unique = s->unique,
		.data = s->data,
		.priority = s->priority,
		.due = s->due,
		.run_at = s->due,
		.worker = -1,
	};
	if (s->unique > 1)
		strcpy(m->jobs[i].key, model_unique(s->unique));
	return i;
}

void
model_submit(struct model *m, int peer, const struct submission *s)
{
	int i = find_equal(m, s);
	bool fresh = i < 0;

	if (fresh) {
		i = model_make(m, s);
		m->jobs[i].state = M_STORING;
	}
	if (s->background) {
		own_in_background(m, peer, i);
	} else {
		struct mhear *h;

		if (fresh)
			m->jobs[i].held = awaits_commits(&m->peers[peer]);
		m->jobs[i].clients[peer]++;
		m->jobs[i].waits[peer] = ++m->last_order;
		h = model_hear(m, peer, "JOB_CREATED H:model:%llu", (unsigned long long)m->jobs[i].number);
		h->holds = fresh && m->jobs[i].held ? i : -1;
		h->opened = m->jobs[i].number;
	}
	if (fresh && !(s->background && m->durable) && !m->jobs[i].held)
		model_queue(m, &m->jobs[i]);
}

void
model_cancel(struct model *m, int peer, uint64_t number)
{
	int i = model_find(m, number);
	bool stored = i >= 0 && model_is_in_store(m, &m->jobs[i]);
	struct mhear *h;

	if (i >= 0)
		model_cancel_job(m, i);
	h = model_hear(m, peer, "TEXT %s", i >= 0 ? "OK\r\n" : "ERR UNKNOWN_JOB\r\n");
	h->open = stored;
	h->removal = m->removes_told;
	h->deadline = m->mono_ms + m->queue_timeout_ms;
}

/* The job in that state whose time comes first, if it is not after `until`; -1 when there is none. */
static int
earliest(const struct model *m, enum mstate state, int64_t until)
{
	int first = -1;
	int64_t best = 0;

	for (int i = 0; i < JOBS; i++) {
		const struct mjob *job = &m->jobs[i];
		int64_t key = state == M_RUNNING ? job->limit : job->due;

		if (job->state != state || (state == M_RUNNING && key == 0) || key > until)
			continue;
		if (first < 0 || key < best || (key == best && job->queued < m->jobs[first].queued)) {
			first = i;
			best = key;
		}
	}
	return first;
}

void
model_time(struct model *m, int64_t ms)
{
	int i;

	m->mono_ms += ms;
	m->wall_s += ms / 1000;
	while ((i = earliest(m, M_DELAYED, m->wall_s)) >= 0)
		model_place_again(m, &m->jobs[i]);
	while ((i = earliest(m, M_RUNNING, m->mono_ms)) >= 0) {
		model_tell_failed(m, &m->jobs[i], m->jobs[i].clients);
		memset(m->jobs[i].clients, 0, sizeof m->jobs[i].clients);
		model_lose(m, i, M_TIMEOUT);
	}
	model_expire(m);
	model_forget_ended(m);
	model_queue_timeouts(m);
}
