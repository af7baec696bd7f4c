/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An attempt came to nothing: try again, now or later, or give the job up.
 *
 * Runs on:  processing thread.
 * Owns:     nothing.
 *
 * What counts, how often and after what time is the policy's word; without one only lost attempts and those out of
 * time are tried again, at once, as gearmand 1.1 does.  Later is for jobs in the background: a client that waits for a
 * result hears of a failure at once and waits no more.
 */
#include "proc/retry.h"

#include "proc/client.h"
#include "proc/dead.h"
#include "proc/func.h"
#include "proc/handle.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/peer.h"
#include "proc/reply.h"
#include "proc/result.h"
#include "proc/store_out.h"

#include <gearmand/packet.h>

static PROC void
log_given_up(struct proc *p, const struct job *job, bool buried)
{
	struct buf line = { 0 };
	struct handle_text handle;

	job_handle(p, job, &handle);
	buf_add_str(&line, buried ? "buried job " : "dropped job ");
	buf_add(&line, handle.at, handle.len);
	buf_add_str(&line, " of ");
	buf_add_escaped(&line, func_name(job->func));
	buf_add_str(&line, ": attempts that came to nothing: ");
	buf_add_u64(&line, job->extra->tries);
	proc_log(p, GEARMAND_LOG_NOTICE, &line);
	buf_fini(&line);
}

/* On the wire nobody hears of it; but a module may have gathered what came so far. */
static PROC void
tell_modules_void(struct proc *p, const struct job *job, const struct client *list)
{
	struct handle_text handle;

	job_handle(p, job, &handle);
	for (const struct client *client = list; client != NULL; client = client->next) {
		p->spent++;
		answer_of(p, client);
		if (client->peer->is_module)
			reply_arg(
			    p, client->peer, (enum pkt_type)GEARMAND_ATTEMPT_VOID, slice_of(handle.at, handle.len));
	}
	p->asking = NULL;
}

static PROC void
give_up(struct proc *p, struct job *job, bool keep, enum outcome otherwise)
{
	log_given_up(p, job, keep);
	job_tell_failed(p, job);
	if (keep) {
		job_bury(p, job);
		return;
	}
	count(p, STAT_jobs_dropped);
	job_end(p, job, otherwise);
}

/* Does it matter after a restart what has become of it?  Where nothing is set it is tried for ever, and at once. */
static bool
is_to_be_known(const struct policy *policy)
{
	return policy->attempts > 0 || policy->delay > 0 || policy->expire > 0 ||
	       (policy->retry_on & (POLICY_FAIL | POLICY_EXCEPTION)) != 0;
}

/* The store is told before it is tried again: after a crash no attempt that failed is forgotten. */
static PROC void
store_attempt(struct proc *p, struct job *job)
{
	if ((job->stored || job->adding) && (job->extra->retry_at != 0 || is_to_be_known(job->func->policy)))
		job_store_again(p, job);
}

/* It may be that somebody waits for it; nobody who only waits is made to wait longer. */
static PROC void
try_again(struct proc *p, struct job *job, nsec_t delay)
{
	struct job_extra *extra = job_extra(p, job);

	tell_modules_void(p, job, extra->clients);
	tell_modules_void(p, job, extra->followers);
	extra->retry_at = delay > 0 && job->background ? p->now.wall + delay : 0;
	store_attempt(p, job);
	if (p->graceful && job->stored && extra->clients == NULL)
		job_leave_in_store(p, job);
	else if (extra->retry_at != 0)
		job_move(p, job, JOB_DELAYED);
	else
		job_place_again(p, job);
}

/* Jitter must not come from outside: the same history gives the same times. */
static nsec_t
delay_of(const struct proc *p, const struct job *job)
{
	return policy_delay(job->func->policy, job->extra->tries,
	    hash_number(job_number(job) ^ p->secret ^ (uint64_t)job->extra->tries << 40));
}

static enum loss
loss_of(const struct job *job, enum policy_loss why)
{
	switch (why) {
	case POLICY_TIMEOUT:
		return LOSS_timeout;
	case POLICY_FAIL:
		return LOSS_fail;
	case POLICY_EXCEPTION:
		return LOSS_exception;
	default:
		return job->extra->worker->gone ? LOSS_connection : LOSS_ability;
	}
}

static enum outcome
outcome_of(enum policy_loss why)
{
	switch (why) {
	case POLICY_TIMEOUT:
		return OUTCOME_TIMEOUT;
	case POLICY_FAIL:
		return OUTCOME_FAILED;
	case POLICY_EXCEPTION:
		return OUTCOME_EXCEPTION;
	default:
		return OUTCOME_DROPPED;
	}
}

void
job_attempt_lost(struct proc *p, struct job *job, enum policy_loss why)
{
	const struct policy *policy = job->func->policy;
	struct job_extra *extra = job_extra(p, job);
	enum verdict verdict = extra->verdict;

	CHECK(job->state == JOB_RUNNING);
	count(p, STAT_jobs_lost);
	job->func->tally.lost[loss_of(job, why)]++;
	extra->verdict = VERDICT_NONE;
	extra->tries += verdict != VERDICT_RETRY;
	extra->numerator = extra->denominator = 0;
	result_drop(p, &extra->result);
	if (!job_is_wanted(job)) {
		job_cancel(p, job, why == POLICY_TIMEOUT ? OUTCOME_TIMEOUT : OUTCOME_ABANDONED);
	} else if (verdict == VERDICT_RETRY) {
		try_again(p, job, extra->verdict_delay);
	} else if (verdict == VERDICT_BURY || (policy->attempts > 0 && extra->tries >= policy->attempts) ||
		   (policy->retry_on & why) == 0) {
		give_up(p, job, job->background && (verdict == VERDICT_BURY || policy->keep_dead), outcome_of(why));
	} else {
		try_again(p, job, delay_of(p, job));
	}
}

bool
job_ends_by(const struct job *job, enum policy_loss why)
{
	return job->extra->verdict == VERDICT_NONE && (!job->background || (job->func->policy->retry_on & why) == 0);
}

void
job_failed(struct proc *p, struct job *job, enum policy_loss why)
{
	if (job_ends_by(job, why)) {
		count(p, STAT_jobs_failed);
		job_extra(p, job)->tries++;
		job_end(p, job, outcome_of(why));
		return;
	}
	job_drop_clients(p, job);
	job_attempt_lost(p, job, why);
}
