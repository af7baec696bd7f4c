/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What management asks the core: the graceful end, the last batch for the store, and whether it is alive.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 * Sends:    ADD for jobs that are stored at shutdown only; FLUSHED; ALIVE.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "proc/handle.h"
#include "proc/handlers.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/store_out.h"

/* What the store has need not run any more; running and foreground jobs do. */
void
on_graceful(struct proc *p)
{
	struct hash_walk walk = { 0 };
	struct hash_node *node;

	p->graceful = true;
	while ((node = hash_next(&p->handles, &walk)) != NULL)
		job_settle(p, CONTAINER_OF(node, struct job, by_handle));
}

static int
older_first(const void *a, const void *b)
{
	const struct job *const *x = a, *const *y = b;

	return (job_number(*x) > job_number(*y)) - (job_number(*x) < job_number(*y));
}

static PROC void
add_all_in_order(struct proc *p)
{
	struct job **jobs = mem_new((p->handles.count + 1) * sizeof(struct job *));
	struct hash_walk walk = { 0 };
	struct hash_node *node;
	size_t n = 0;

	while ((node = hash_next(&p->handles, &walk)) != NULL) {
		struct job *job = CONTAINER_OF(node, struct job, by_handle);

		if (job->background && !job->adding && (!job->stored || job->extra->add_again))
			jobs[n++] = job;
	}
	qsort(jobs, n, sizeof *jobs, older_first);
	for (size_t i = 0; i < n; i++) {
		if (jobs[i]->state != JOB_BURIED)
			job_store(p, jobs[i]);
		else if (!jobs[i]->extra->in_dead)
			job_store_dead(p, jobs[i]);
	}
	mem_free(jobs);
}

void
on_shutdown(struct proc *p)
{
	struct msg *m = msg_new(MSG_FLUSHED, 0);

	bool first = !p->shut;

	p->shut = true;
	if (first && p->cfg.durable && p->cfg.adds_at_shutdown)
		add_all_in_order(p);
	list_push(&p->out->mgmt, &m->link);
}

/* Whether the core still works is asked as everything is, so the answer proves it. */
void
on_alive(struct proc *p)
{
	struct msg *m = msg_new(MSG_ALIVE, 0);

	list_push(&p->out->mgmt, &m->link);
}
