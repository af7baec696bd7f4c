/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lines that say what there is of a job, and of a function; see listing.c.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 */
#include "proc/inspect.h"

#include "proc/ability.h"
#include "proc/func.h"
#include "proc/gate.h"
#include "proc/handle.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/job_read.h"
#include "proc/peer.h"
#include "proc/reply.h"

enum {
	PEEK_BYTES = 64,
	PEEK_ERROR_BYTES = 200,
	PAYLOAD_BYTES = 1024,
	RUNNING_MOST = 1000,      /* of a function ... */
	RUNNING_BYTES = 128 << 10 /* ... and what they may take, but for the last line */
};

static void
add_field_number(struct buf *out, uint64_t value)
{
	buf_add_char(out, '\t');
	buf_add_u64(out, value);
}

static void
add_field_text(struct buf *out, struct slice value, size_t most)
{
	buf_add_char(out, '\t');
	buf_add_escaped(out, slice_of(value.data, value.len < most ? value.len : most));
}

/* Its age, while it is ready or runs: how long it has been so. */
static PROC void
add_age(const struct proc *p, struct buf *out, const struct job *job)
{
	if (job->state == JOB_READY || job->state == JOB_RUNNING)
		buf_add_u64(out, (uint64_t)(p->now.mono - job->since) / A_SECOND);
	else
		buf_add_char(out, '-');
}

void
inspect_job(const struct proc *p, struct buf *out, const struct job *job)
{
	static const char *const priorities[PRIORITIES] = { "\thigh\t", "\tnormal\t", "\tlow\t" };
	const struct job_extra *extra = job->extra;
	struct slice data = job_data(job);
	struct handle_text handle;

	job_handle(p, job, &handle);
	buf_add(out, handle.at, handle.len);
	buf_add_char(out, '\t');
	buf_add_escaped(out, job_unique(job));
	buf_add_str(out, priorities[job->priority]);
	add_age(p, out, job);
	add_field_number(out, extra->tries);
	add_field_number(out, data.len);
	add_field_text(out, data, PEEK_BYTES);
	add_field_number(out, extra->numerator);
	add_field_number(out, extra->denominator);
	add_field_text(out, job->state == JOB_RUNNING ? peer_id(extra->worker) : slice_of("", 0), SIZE_MAX);
	add_field_text(out, extra->error == NULL ? slice_of("", 0) : blob_slice(extra->error), PEEK_ERROR_BYTES);
	buf_add_char(out, '\n');
}

/* Each of the first ones on a list in which jobs are by their link. */
static PROC void
add_first(struct proc *p, struct buf *out, const struct list *jobs, uint64_t *most)
{
	LIST_EACH(node, jobs) {
		if (*most == 0)
			break;
		inspect_job(p, out, LIST_ENTRY(node, struct job, link));
		p->spent++;
		--*most;
	}
}

static PROC void
add_first_runners(struct proc *p, struct buf *out, const struct func *func, uint64_t most)
{
	LIST_EACH(node, &func->runners) {
		if (most-- == 0)
			break;
		inspect_job(p, out, LIST_ENTRY(node, struct job_extra, in_runners)->job);
		p->spent++;
	}
}

void
inspect_first(struct proc *p, struct peer *asking, const struct func *func, enum job_state state, uint64_t most)
{
	struct buf out = { 0 };

	for (int i = 0; state == JOB_READY && i < PRIORITIES; i++)
		add_first(p, &out, &func->ready[i], &most);
	if (state == JOB_BURIED)
		add_first(p, &out, &func->dead, &most);
	if (state == JOB_RUNNING)
		add_first_runners(p, &out, func, most);
	buf_add_str(&out, ".\n");
	reply_text(p, asking, &out);
}

/* Without loss: a backslash is escaped, too. */
static void
add_exactly(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] == '\\')
			buf_add_str(out, "\\x5C");
		else
			buf_add_escaped(out, slice_of(s.data + i, 1));
	}
}

void
inspect_payload(struct proc *p, struct peer *asking, const struct job *job)
{
	struct slice data = job_data(job);
	struct handle_text handle;
	struct buf out = { 0 };

	job_handle(p, job, &handle);
	buf_add_str(&out, "handle");
	add_field_text(&out, slice_of(handle.at, handle.len), SIZE_MAX);
	buf_add_str(&out, "\nbytes");
	add_field_number(&out, data.len);
	buf_add_str(&out, "\ndata\t");
	add_exactly(&out, slice_of(data.data, data.len < PAYLOAD_BYTES ? data.len : PAYLOAD_BYTES));
	buf_add_str(&out, "\n.\n");
	reply_text(p, asking, &out);
}

size_t
inspect_runners(const struct proc *p, struct buf *out, const struct func *func)
{
	size_t count = 0;

	LIST_EACH(node, &func->runners) {
		const struct job_extra *extra = LIST_ENTRY(node, const struct job_extra, in_runners);
		struct handle_text handle;

		if (count == RUNNING_MOST || out->len > RUNNING_BYTES)
			break;
		count++;
		job_handle(p, extra->job, &handle);
		buf_add(out, handle.at, handle.len);
		add_field_text(out, func_name(func), SIZE_MAX);
		buf_add_char(out, '\t');
		buf_add_i64(out, extra->worker->fd);
		add_field_text(out, slice_str(extra->worker->address), SIZE_MAX);
		add_field_text(out, peer_id(extra->worker), SIZE_MAX);
		add_field_number(out, (uint64_t)(p->now.mono - extra->job->since) / A_SECOND);
		add_field_number(out, extra->tries);
		add_field_number(out, extra->numerator);
		add_field_number(out, extra->denominator);
		buf_add_char(out, '\n');
	}
	return count;
}

size_t
inspect_asleep(const struct func *func, size_t *steps_r)
{
	size_t asleep = 0;

	*steps_r = 0;
	LIST_EACH(node, &func->sleepers) {
		asleep += LIST_ENTRY(node, struct ability, sleeping)->peer->asleep;
		++*steps_r;
	}
	return asleep;
}

void
inspect_ahead(const struct hash *funcs, struct hash_walk walk)
{
	const struct list *sleepers[INSPECT_AHEAD];
	size_t count = 0, buckets = 2 * INSPECT_AHEAD;
	struct hash_node *node;

	while (count < INSPECT_AHEAD && (node = hash_next_within(funcs, &walk, &buckets)) != NULL) {
		const struct func *func = CONTAINER_OF(node, const struct func, by_name);

		sleepers[count] = list_first(&func->sleepers);
		__builtin_prefetch(sleepers[count]);
		for (size_t at = 0; at < sizeof func->tally; at += 64)
			__builtin_prefetch((const char *)&func->tally + at);
		count += sleepers[count] != NULL;
	}
	while (count-- > 0)
		__builtin_prefetch(LIST_ENTRY(sleepers[count], const struct ability, sleeping)->peer);
}

size_t
inspect_func(const struct proc *p, struct buf *out, const struct func *func)
{
	size_t steps, asleep = inspect_asleep(func, &steps);
	const uint64_t numbers[] = { func->waiting[0], func->waiting[1], func->waiting[2], func->delayed, func->running,
		func->buried, func->workers, asleep, (uint64_t)func_oldest_ready(p, func) / A_SECOND,
		(uint64_t)func_oldest_running(p, func) / A_SECOND };

	buf_add_escaped(out, func_name(func));
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		buf_add_char(out, '\t');
		buf_add_u64(out, numbers[i]);
	}
	buf_add_char(out, '\t');
	buf_add_str(out, gate_state(p, func));
	buf_add_char(out, '\n');
	return steps;
}
