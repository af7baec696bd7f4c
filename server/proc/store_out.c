/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the store is told of jobs: ADD, REMOVE, BURY and UNBURY, in order.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; an ADD carries the job's address, and the job outlives it.
 *
 * Of one job one ADD is under way at a time, so a store that is away is not told of every attempt that fails meanwhile.
 * Nobody waits for the other three; what they refer to they have themselves.
 */
#include "proc/store_out.h"

#include <string.h>

#include "proc/func.h"
#include "proc/handle.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/job_read.h"

#include <gearmand/plugin.h>

enum { UUID_BYTES = 16, UUID_TEXT = 36 };

/* The key of a job without a unique of its own: a UUID with the bits of version 7, so that keys ascend, which trees
 * on disk like (five times the rows a second), but with the job's number where the time would be: it ascends too, and
 * the key can be told again when the job is removed.  The other 62 bits come from the server's random seed. */
static void
made_key(const struct proc *p, uint64_t number, char out[UUID_TEXT])
{
	static const char hex[] = "0123456789abcdef";
	uint64_t noise = hash_bytes(slice_of((const char *)&number, sizeof number), p->cfg.seed + HASH_KEY_BYTES);
	unsigned char id[UUID_BYTES];

	for (int i = 0; i < 6; i++)
		id[i] = (unsigned char)(number >> (52 - 8 * i));
	id[6] = (unsigned char)((number >> 8 & 0x0f) | 0x70);
	id[7] = (unsigned char)number;
	memcpy(id + 8, &noise, sizeof noise);
	id[8] = (unsigned char)((id[8] & 0x3f) | 0x80);
	for (int i = 0; i < UUID_BYTES; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = hex[id[i] >> 4];
		*out++ = hex[id[i] & 15];
	}
}

/* Function and key of a job; `text` backs a made-up key. */
static PROC void
set_key(const struct proc *p, const struct job *job, struct msg_store *m, char text[UUID_TEXT])
{
	m->function = slice_of(job->body->data, job->func->name_len);
	if (job->flags == 0 || job->key_in_body) {
		m->unique = slice_of(job->body->data + job->func->name_len + 1, job->unique_len);
		return;
	}
	made_key(p, job_number(job), text);
	m->unique = slice_of(text, UUID_TEXT);
}

static PROC void
post_change(struct proc *p, struct msg_store *m)
{
	if (p->adding + p->removing == 0)
		p->store_heard = p->now.mono;
	list_push(&p->out->store, &m->msg.link);
}

/* The whole job, but for what became of it: ADD or BURY. */
static PROC struct msg_store *
job_change(const struct proc *p, const struct job *job, enum msg_kind kind, struct slice error)
{
	struct handle_text handle;
	struct msg_store *m;
	char *at;

	job_handle(p, job, &handle);
	m = msg_new_sized(kind, 0, sizeof *m + UUID_TEXT + handle.len + error.len);
	at = m->text + UUID_TEXT;
	m->msg.blob = blob_ref(job->body);
	set_key(p, job, m, m->text);
	m->handle = slice_keep(&at, slice_of(handle.at, handle.len));
	m->reducer = job_reducer(job);
	m->data = job_data(job);
	m->priority = job->priority;
	m->flags = job->flags;
	m->error = slice_keep(&at, error);
	return m;
}

/* Rounded up: nothing is early. */
static int64_t
in_seconds(nsec_t wall)
{
	return wall / A_SECOND + (wall % A_SECOND > 0);
}

/* What a replay has to know: until when it may wait for a worker. */
static PROC int64_t
expiry_of(const struct proc *p, const struct job *job, int64_t run_at)
{
	nsec_t expire = job->func->policy->expire;

	if (expire == 0 || run_at > INT64_MAX / A_SECOND / 2)
		return 0;
	return in_seconds((run_at * A_SECOND > p->now.wall ? run_at * A_SECOND : p->now.wall) + expire);
}

/* One that is sent again has never been tried, once the store knows of that. */
void
job_store(struct proc *p, struct job *job)
{
	const struct job_extra *extra = job->extra;
	bool anew = extra->buried_at != 0;
	struct msg_store *m = job_change(p, job, MSG_ADD, anew ? slice_of("", 0) : blob_slice(extra->error));

	CHECK(!job->adding);
	m->job = job;
	m->run_at = extra->retry_at > 0 ? in_seconds(extra->retry_at) : extra->run_at;
	m->attempts = anew ? 0 : extra->tries;
	m->changed_at = extra->changed_at;
	m->expires_at = expiry_of(p, job, m->run_at);
	job->adding = true;
	p->storing += job_bytes(job);
	post_change(p, m);
	p->adding++;
}

/* Later than the change before: at a replay the latest counts. */
static PROC void
job_changes(struct proc *p, struct job *job)
{
	struct job_extra *extra = job_extra(p, job);
	int64_t now = p->now.wall / A_SECOND;

	extra->changed_at = now > extra->changed_at ? now : extra->changed_at + 1;
}

void
job_store_again(struct proc *p, struct job *job)
{
	job_changes(p, job);
	if (job->adding || !goes_through_store(p))
		job_extra(p, job)->add_again = true;
	else
		job_store(p, job);
}

static PROC void
post_unheard(struct proc *p, struct msg_store *m)
{
	p->storing += change_bytes(m);
	p->memory += change_bytes(m);
	post_change(p, m);
	p->removing++;
}

void
dead_forget(struct proc *p, struct slice handle)
{
	struct msg_store *m = msg_new_sized(MSG_UNBURY, 0, sizeof *m + handle.len);

	memcpy(m->text, handle.data, handle.len);
	m->handle = slice_of(m->text, handle.len);
	post_unheard(p, m);
}

/* That it was removed when it died may still be on its way. */
bool
job_is_in_store(const struct proc *p, const struct job *job)
{
	return job->stored || job->adding || job->extra->in_dead || (job->state == JOB_BURIED && p->removing > 0);
}

void
job_unbury(struct proc *p, struct job *job)
{
	struct handle_text handle;

	if (!job->extra->in_dead)
		return;
	job_handle(p, job, &handle);
	dead_forget(p, slice_of(handle.at, handle.len));
	job_extra(p, job)->in_dead = false;
}

/* The key is copied: a removal may wait long, and the payload should not wait with it. */
static PROC void
post_remove(struct proc *p, const struct job *job)
{
	size_t name_len = job->func->name_len;
	struct msg_store *m = msg_new_sized(MSG_REMOVE, 0, sizeof *m + name_len + UNIQUE_MAX);
	char made[UUID_TEXT];

	set_key(p, job, m, made);
	memcpy(m->text, m->function.data, name_len);
	memcpy(m->text + name_len, m->unique.data, m->unique.len);
	m->function = slice_of(m->text, name_len);
	m->unique = slice_of(m->text + name_len, m->unique.len);
	post_unheard(p, m);
}

void
job_unstore(struct proc *p, struct job *job)
{
	CHECK(!job->removed);
	if (job->state != JOB_BURIED && (job->stored || job->adding)) {
		job->removed = true;
		post_remove(p, job);
	}
	job_unbury(p, job);
}

/* The new record first.  An ADD that is under way is gone with that, whatever becomes of it. */
void
job_store_dead(struct proc *p, struct job *job)
{
	struct job_extra *extra = job_extra(p, job);
	struct msg_store *m;

	if (p->cfg.durable)
		job_changes(p, job);
	extra->add_again = false;
	if (p->cfg.keeps_dead && (job->stored || goes_through_store(p) || p->shut)) {
		m = job_change(p, job, MSG_BURY, blob_slice(extra->error));
		m->flags |= GEARMAND_JOB_DEAD;
		m->attempts = extra->tries;
		m->changed_at = extra->changed_at;
		post_unheard(p, m);
		extra->in_dead = true;
	}
	if (job->stored || job->adding)
		post_remove(p, job);
	job->stored = false;
}
