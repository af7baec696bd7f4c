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

enum { PEEK_BYTES = 64 };

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
	struct slice data = job_data(job);
	struct handle_text handle;

	job_handle(p, job, &handle);
	buf_add(out, handle.at, handle.len);
	buf_add_char(out, '\t');
	buf_add_escaped(out, job_unique(job));
	buf_add_str(out, priorities[job->priority]);
	add_age(p, out, job);
	buf_add_char(out, '\t');
	buf_add_u64(out, job->extra->tries);
	buf_add_char(out, '\t');
	buf_add_u64(out, data.len);
	buf_add_char(out, '\t');
	buf_add_escaped(out, slice_of(data.data, data.len < PEEK_BYTES ? data.len : PEEK_BYTES));
	buf_add_char(out, '\n');
}

/* In the order in which workers get them. */
void
inspect_ready(struct proc *p, struct peer *asking, const struct func *func, uint64_t most)
{
	struct buf out = { 0 };

	for (int i = 0; i < PRIORITIES; i++) {
		LIST_EACH(node, &func->ready[i]) {
			if (most == 0)
				break;
			inspect_job(p, &out, LIST_ENTRY(node, struct job, link));
			p->spent++;
			most--;
		}
	}
	buf_add_str(&out, ".\n");
	reply_text(p, asking, &out);
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
