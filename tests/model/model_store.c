/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The reference model: what comes back from the store, who waited for it, and who has waited long enough.
 *
 * Runs on:  the test's thread.
 * Owns:     nothing; see model.h.
 */
#include <stdio.h>
#include <string.h>

#include "tests/model/model_priv.h"

static struct mhear *
newest_open(struct model *m, int job, int *peer_r)
{
	struct mhear *newest = NULL;

	for (int peer = 0; peer < PEERS; peer++) {
		struct mpeer *p = &m->peers[peer];

		for (int n = 0; n < p->count; n++) {
			struct mhear *h = &p->hears[(p->first + n) % HEARS];

			if (!h->open || h->job != job || (newest != NULL && h->opened < newest->opened))
				continue;
			newest = h;
			*peer_r = peer;
		}
	}
	return newest;
}

/* Every submission that waits for this job's commit is answered, the last one first. */
static void
answer_open(struct model *m, int i, const char *error)
{
	struct mhear *h;
	int peer;

	while ((h = newest_open(m, i, &peer)) != NULL) {
		h->open = false;
		if (error != NULL)
			snprintf(h->text, sizeof h->text, "ERROR QUEUE_ERROR %s", error);
		model_release(m, peer);
	}
	m->jobs[i].open = 0;
}

/* It is as if it had never been tried. */
static void
is_kicked(struct model *m, int i)
{
	struct mjob *job = &m->jobs[i];

	if (job->in_dead)
		model_tell_store(m, M_UNBURY, i);
	job->in_dead = job->kicked = false;
	job->tries = 0;
	job->error[0] = '\0';
}

void
model_added(struct model *m, int i, bool stored)
{
	struct mjob *job = &m->jobs[i];
	bool waited = job->open > 0 || job->own;

	job->adding = false;
	m->waiting--;
	if (job->state == M_BURIED)
		return; /* a REMOVE is behind that ADD */
	if (job->add_again && job->state != M_DEAD) {
		job->add_again = false;
		if (stored && !job->kicked) { /* behind a kicked one's ADD is a REMOVE */
			answer_open(m, i, NULL);
			job->stored = true;
			job->background = job->background || waited;
		}
		model_store_again(m, i);
		model_place(m);
		return;
	}
	if (stored && job->state == M_STORING && job->kicked)
		is_kicked(m, i);
	answer_open(m, i, stored ? NULL : m->trouble ? FULL_STORE : "refused");
	if (job->state == M_DEAD) {
		job->state = M_FREE;
		model_place(m);
		return;
	}
	if (!stored && job->state == M_STORING && job->kicked) {
		model_not_kicked(m, job);
		model_place(m);
		return;
	}
	job->own = false;
	job->stored = job->stored || stored;
	job->background = job->background || (stored && waited);
	if (job->state == M_STORING && (job->stored ? model_is_wanted(job) : model_has_clients(job)))
		model_queue(m, job);
	model_end_if_unwanted(m, i);
	model_place(m);
}

/* Of those that wait for the store since before a time: the oldest submission, or the oldest removal. */
static struct mhear *
oldest_open(struct model *m, bool removal, int *peer_r)
{
	struct mhear *oldest = NULL;

	for (int peer = 0; peer < PEERS; peer++) {
		struct mpeer *p = &m->peers[peer];

		for (int n = 0; n < p->count; n++) {
			struct mhear *h = &p->hears[(p->first + n) % HEARS];
			uint64_t age = removal ? h->removal : h->opened;

			if (!h->open || h->in_line || (h->job < 0) != removal ||
			    (oldest != NULL && age > (removal ? oldest->removal : oldest->opened)))
				continue;
			oldest = h;
			*peer_r = peer;
		}
	}
	return oldest;
}

void
model_queue_timeouts(struct model *m)
{
	struct mhear *h;
	int peer;

	while ((h = oldest_open(m, false, &peer)) != NULL && h->deadline <= m->mono_ms) {
		h->open = false;
		m->jobs[h->job].open--;
		snprintf(h->text, sizeof h->text, "ERROR QUEUE_ERROR The queue's store did not answer in time%s",
		    m->trouble ? ": " FULL_STORE : "");
		model_release(m, peer);
		model_end_if_unwanted(m, h->job);
	}
	while ((h = oldest_open(m, true, &peer)) != NULL && h->deadline <= m->mono_ms) {
		h->open = false;
		strcpy(h->text, "TEXT ERR QUEUE_ERROR The+job+is+cancelled+but+still+stored\r\n");
		model_release(m, peer);
	}
	model_place(m);
}

void
model_removed(struct model *m)
{
	struct mhear *h;
	int peer;

	m->removes_done++;
	m->waiting--;
	m->slow = false;
	m->heard_ms = m->mono_ms;
	while ((h = oldest_open(m, true, &peer)) != NULL && h->removal <= m->removes_done) {
		h->open = false;
		model_release(m, peer);
	}
	model_place(m);
}

void
model_trouble(struct model *m, bool is_full)
{
	m->trouble = is_full;
	m->slow = false;
	m->heard_ms = m->mono_ms;
}

void
model_replayed(struct model *m, const struct mjob *row)
{
	struct submission s = {
		.func = row->func, .unique = row->unique, .data = row->data, .priority = row->priority, .due = row->due
	};
	int i = model_make(m, &s);

	m->next_number--;
	m->jobs[i].number = row->number;
	if (row->number >= m->next_number)
		m->next_number = row->number + 1;
	m->jobs[i].tries = row->tries;
	m->jobs[i].changed_at = row->changed_at;
	strcpy(m->jobs[i].error, row->error);
	strcpy(m->jobs[i].key, row->key);
	m->jobs[i].stored = m->jobs[i].background = true;
	model_queue(m, &m->jobs[i]);
}
