/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs that have waited for a worker longer than their policy allows are given up.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; one timer of each function is here for all of its jobs.
 *
 * The jobs of a list became READY in its order, and all of a function may wait equally long, so the first ones are the
 * next to expire.  The timer is set for the one that was first when it was set: when it runs out, it is looked who is
 * first by then.
 */
#include "proc/expire.h"

#include "proc/dead.h"
#include "proc/func.h"
#include "proc/handle.h"
#include "proc/job.h"
#include "proc/job_extra.h"

static PROC void
log_expired(struct proc *p, const struct job *job)
{
	struct buf line = { 0 };
	struct handle_text handle;

	if (p->cfg.log_level < GEARMAND_LOG_INFO)
		return;
	job_handle(p, job, &handle);
	buf_add_str(&line, "expired job ");
	buf_add(&line, handle.at, handle.len);
	buf_add_str(&line, " of ");
	buf_add_escaped(&line, func_name(job->func));
	proc_log(p, GEARMAND_LOG_INFO, &line);
	buf_fini(&line);
}

static PROC void
expire_job(struct proc *p, struct job *job)
{
	bool keep = job->background && job->func->policy->keep_dead;

	log_expired(p, job);
	count(p, STAT_jobs_expired);
	p->spent += 1 + (size_t)job->extra->client_count;
	job_tell_failed(p, job);
	if (!keep) {
		job_end(p, job, OUTCOME_EXPIRED);
		return;
	}
	if (job->extra->error == NULL)
		job_set_error(p, job, slice_str("expired"));
	job_bury(p, job);
}

static struct job *
first_ready(const struct func *func, int priority)
{
	struct list *node = list_first(&func->ready[priority]);

	return node == NULL ? NULL : LIST_ENTRY(node, struct job, link);
}

void
expire_due(struct proc *p, struct func *func, unsigned *budget)
{
	nsec_t limit = p->now.mono - func->policy->expire, next;
	struct job *job;

	--*budget;
	for (int i = 0; i < PRIORITIES; i++) {
		while (*budget > 0 && (job = first_ready(func, i)) != NULL && job->since <= limit) {
			expire_job(p, job);
			--*budget;
		}
	}
	next = func_next_expiry(func);
	if (next == NEVER)
		heap_remove(&p->expiries, &func->expiry);
	else
		heap_set(&p->expiries, &func->expiry, next);
}

/* A store that is behind has no use for more removals; each commit of it brings a turn.  And what has not all been read
 * may be read again. */
nsec_t
expire_next(const struct proc *p)
{
	const struct heap_node *first = heap_first(&p->expiries);

	return first == NULL || p->replaying || store_is_behind(p) ? NEVER : first->key;
}

void
expire_resume(struct proc *p, struct job *job, int64_t until)
{
	struct func *func = job->func;
	const struct list *before = job->link.prev;
	nsec_t left;

	if (func->policy->expire == 0 || until > INT64_MAX / A_SECOND)
		return;
	left = until * A_SECOND - p->now.wall;
	job->since = earlier(job->since, p->now.mono - (func->policy->expire - left));
	if (before != &func->ready[job->priority] && LIST_ENTRY(before, const struct job, link)->since > job->since)
		job->since = LIST_ENTRY(before, const struct job, link)->since;
	heap_set(&p->expiries, &func->expiry, func_next_expiry(func));
}

void
expire_audit(const struct func *func)
{
	nsec_t next = func_next_expiry(func);

	CHECK(func->policy->expire == 0 || next == NEVER || (func->expiry.place != 0 && func->expiry.key <= next));
	CHECK(func->policy->expire > 0 || func->expiry.place == 0);
}
