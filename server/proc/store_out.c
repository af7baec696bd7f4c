/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the store is told of jobs: ADD and REMOVE, in order.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; an ADD carries the job's address, and the job outlives it.
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

void
job_store(struct proc *p, struct job *job)
{
	struct msg_store *m = msg_new_sized(MSG_ADD, 0, sizeof *m + UUID_TEXT + sizeof(struct handle_text));
	struct handle_text handle;

	CHECK(!job->adding && !job->stored);
	job_handle(p, job, &handle);
	memcpy(m->text + UUID_TEXT, handle.at, handle.len);
	m->job = job;
	m->msg.blob = blob_ref(job->body);
	set_key(p, job, m, m->text);
	m->handle = slice_of(m->text + UUID_TEXT, handle.len);
	m->reducer = job_reducer(job);
	m->data = job_data(job);
	m->run_at = job->extra->run_at;
	m->priority = job->priority;
	m->flags = job->flags;
	job->adding = true;
	p->storing += job_bytes(job);
	post_change(p, m);
	p->adding++;
}

/* The key is copied: a removal may wait long, and the payload should not wait with it. */
void
job_unstore(struct proc *p, struct job *job)
{
	size_t name_len = job->func->name_len;
	struct msg_store *m = msg_new_sized(MSG_REMOVE, 0, sizeof *m + name_len + UNIQUE_MAX);
	char made[UUID_TEXT];

	CHECK(!job->removed);
	job->removed = true;
	set_key(p, job, m, made);
	memcpy(m->text, m->function.data, name_len);
	memcpy(m->text + name_len, m->unique.data, m->unique.len);
	m->function = slice_of(m->text, name_len);
	m->unique = slice_of(m->text + name_len, m->unique.len);
	p->storing += remove_bytes(m);
	p->memory += remove_bytes(m);
	post_change(p, m);
	p->removing++;
}
