/* SPDX-License-Identifier: BSD-3-Clause
 *
 * At start: the stored jobs, from the module to the core.
 *
 * Runs on:  store thread.
 * Owns:     a burst of jobs on its way.
 *
 * Memory does not grow with the number of jobs on the way: the thread waits while the core has many to look at.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cross/log.h"
#include "io/store_priv.h"

enum { BURST_JOBS = 256, BURST_BYTES = 1 << 20, WAITING_MAX = 4096 };

struct replay {
	struct store *store;
	struct list burst;
	size_t burst_count, burst_bytes;
	uint64_t jobs;
	bool failed; /* here, not in the module: the store's `trouble` says why */
};

static STORE void
replay_post(struct replay *r)
{
	mbox_post_all_bounded(r->store->proc, &r->burst, r->burst_count, WAITING_MAX);
	r->burst_count = r->burst_bytes = 0;
	store_take(r->store);
}

/* The body as the core keeps it: function NUL unique NUL data. */
static struct blob *
replay_body(const struct gearmand_job *job)
{
	struct slice nul = slice_of("", 1);
	struct blob *b = blob_new(job->function.len + job->unique.len + 2 + job->data.len);
	bool whole;

	if (b == NULL)
		return NULL;
	whole = blob_add(&b, job->function) && blob_add(&b, nul) && blob_add(&b, job->unique) && blob_add(&b, nul) &&
		blob_add(&b, job->data);
	CHECK(whole);
	return b;
}

static struct msg_store *
replay_msg(const struct gearmand_job *job, struct blob *body)
{
	struct msg_store *m =
	    msg_new_sized(MSG_REPLAYED, 0, sizeof *m + job->handle.len + job->reducer.len + job->error.len);
	const char *at = body->data;
	char *text = m->text;

	m->msg.blob = body;
	m->function = slice_of(at, job->function.len);
	at += job->function.len + 1;
	m->unique = slice_of(at, job->unique.len);
	at += job->unique.len + 1;
	m->data = slice_of(at, job->data.len);
	m->handle = slice_keep(&text, job->handle);
	m->reducer = slice_keep(&text, job->reducer);
	m->error = slice_keep(&text, job->error);
	m->attempts = job->attempts;
	m->changed_at = job->changed_at;
	m->expires_at = job->expires_at;
	m->run_at = job->run_at;
	m->priority = (uint8_t)job->priority;
	m->flags = (uint8_t)job->flags;
	return m;
}

static bool
on_job(void *sink, const struct gearmand_job *job)
{
	struct replay *r = sink;
	struct store *s = r->store;
	struct blob *body = replay_body(job);

	role_assume(&store_role);
	if (body == NULL) {
		r->failed = true;
		s->trouble.why = GEARMAND_WHY_LASTING;
		snprintf(
		    s->trouble.text, sizeof s->trouble.text, "no memory for a stored job of %zu bytes", job->data.len);
		return false;
	}
	list_push(&r->burst, &replay_msg(job, body)->msg.link);
	r->jobs++;
	r->burst_bytes += body->len;
	if (++r->burst_count >= BURST_JOBS || r->burst_bytes >= BURST_BYTES)
		replay_post(r);
	return !s->stopping;
}

static void
replay_tell_core(struct store *s, enum msg_kind kind, uint64_t jobs)
{
	struct msg_text *t = msg_text_new(kind, slice_of("", 0));
	struct msg *m = &t->msg;

	t->number = jobs;
	mbox_post(s->proc, &m);
}

/* A replay that the shutdown cut short is no failure: the jobs are still in the store. */
bool
store_replay(struct store *s)
{
	struct replay r = { .store = s };
	bool whole;

	list_init(&r.burst);
	s->trouble = (struct gearmand_error){ .text = "" };
	if (s->was_replayed)
		replay_tell_core(s, MSG_REPLAY_AGAIN, 0);
	s->was_replayed = true;
	whole = s->config.ops->replay(s->module, on_job, &r, &s->trouble);
	replay_post(&r);
	if (r.failed || (!whole && !s->stopping)) {
		if (s->trouble.text[0] == '\0')
			snprintf(s->trouble.text, sizeof s->trouble.text, "queue %s cannot be read", s->config.name);
		return false;
	}
	if (r.jobs > 0)
		log_post(
		    GEARMAND_LOG_NOTICE, "queue %s: %llu jobs taken over", s->config.name, (unsigned long long)r.jobs);
	replay_tell_core(s, MSG_REPLAY_END, r.jobs);
	return true;
}
