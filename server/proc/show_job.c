/* SPDX-License-Identifier: BSD-3-Clause
 *
 * `show job`: all that is known of one job, while it lives, when it is dead, and for a while after it has ended.
 *
 * Runs on:  processing thread, called by admin.c.
 * Owns:     nothing.
 */
#include "proc/admin.h"
#include "proc/ended.h"
#include "proc/func.h"
#include "proc/handle.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/job_read.h"
#include "proc/peer.h"
#include "proc/reply.h"

static const char *const state_names[JOB_STATE_COUNT] = {
	[JOB_STORING] = "storing",
	[JOB_DELAYED] = "delayed",
	[JOB_READY] = "ready",
	[JOB_RUNNING] = "running",
	[JOB_BURIED] = "dead",
};

static void
add_field(struct buf *out, const char *name, struct slice value)
{
	buf_add_str(out, name);
	buf_add_char(out, '\t');
	buf_add_escaped(out, value);
	buf_add_char(out, '\n');
}

static void
add_flag_field(struct buf *out, const char *name, bool value)
{
	add_field(out, name, slice_str(value ? "yes" : "no"));
}

static void
add_number_field(struct buf *out, const char *name, uint64_t value)
{
	char text[20];

	add_field(out, name, slice_of(text, u64_to_text(text, value)));
}

/* Seconds since 1970. */
static void
add_time_field(struct buf *out, const char *name, nsec_t wall)
{
	add_number_field(out, name, (uint64_t)(wall / A_SECOND));
}

static PROC void
add_living(const struct proc *p, struct buf *out, const struct job *job)
{
	static const char *const priorities[PRIORITIES] = { "high", "normal", "low" };
	const struct job_extra *extra = job->extra;

	add_field(out, "function", func_name(job->func));
	add_field(out, "unique", job_unique(job));
	add_field(out, "state", slice_str(state_names[job->state]));
	add_field(out, "priority", slice_str(priorities[job->priority]));
	add_flag_field(out, "background", job->background);
	add_flag_field(out, "stored", job->stored || extra->in_dead);
	add_number_field(out, "bytes", job_data(job).len);
	add_number_field(out, "attempts", extra->tries);
	add_number_field(out, "clients", extra->client_count);
	add_number_field(out, "numerator", extra->numerator);
	add_number_field(out, "denominator", extra->denominator);
	if (job->state == JOB_DELAYED)
		add_time_field(out, "due", extra->timer.key);
	if (job->state == JOB_READY)
		add_time_field(out, "ready_since", job_since(p, job));
	if (job->state == JOB_READY && job->func->policy->expire > 0)
		add_time_field(out, "expires", job_since(p, job) + job->func->policy->expire);
	if (job->state == JOB_BURIED)
		add_time_field(out, "dead_since", extra->buried_at);
	if (job->state == JOB_RUNNING) {
		add_time_field(out, "started", job_since(p, job));
		add_field(out, "worker", peer_id(extra->worker));
		add_field(out, "worker_address", slice_str(extra->worker->address));
	}
	if (extra->error != NULL)
		add_field(out, "error", blob_slice(extra->error));
}

static void
add_ended(struct buf *out, const struct ended *e)
{
	add_field(out, "function", e->function);
	add_field(out, "unique", e->unique);
	add_field(out, "state", slice_str(outcome_name(e->outcome)));
	add_flag_field(out, "background", e->background);
	add_number_field(out, "attempts", e->tries);
	if (e->started != 0)
		add_time_field(out, "started", e->started);
	add_time_field(out, "ended", e->ended_at);
	if (e->worker.len > 0) {
		add_field(out, "worker", e->worker);
		add_field(out, "worker_address", e->address);
	}
	if (e->error != NULL)
		add_field(out, "error", blob_slice(e->error));
	if (e->result != NULL) {
		add_number_field(out, "result_bytes", blob_slice(e->result->bytes).len);
		add_flag_field(out, "result_is_cut", e->result->is_cut);
	}
}

void
admin_show_job(struct proc *p, struct peer *peer, const struct words *words)
{
	struct slice handle = words->at[2];
	const struct job *job = job_find(p, handle);
	const struct ended *ended = job == NULL ? ended_find(p, handle) : NULL;
	struct buf out = { 0 };

	if (job == NULL && ended == NULL) {
		admin_say(p, peer, "ERR UNKNOWN_JOB\r\n");
		return;
	}
	add_field(&out, "handle", handle);
	if (job != NULL)
		add_living(p, &out, job);
	else
		add_ended(&out, ended);
	buf_add_str(&out, ".\n");
	reply_text(p, peer, &out);
}
