/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Text commands about one job, and about the policy of a function.
 *
 * Runs on:  processing thread, called by admin.c.
 * Owns:     nothing.
 * Sends:    text, in the manner of admin.c.
 *
 * What is told of a running job is noted, and comes to pass when its attempt ends: its worker cannot be stopped.
 */
#include "proc/admin.h"
#include "proc/dead.h"
#include "proc/func.h"
#include "proc/handle.h"
#include "proc/handlers.h"
#include "proc/job.h"
#include "proc/job_extra.h"
#include "proc/reply.h"

void
admin_kick_job(struct proc *p, struct peer *peer, const struct words *words)
{
	struct job *job = admin_job(p, peer, words);

	if (job == NULL)
		return;
	if (job->state != JOB_BURIED)
		admin_say(p, peer, "ERR NOT_DEAD The+job+is+not+on+the+dead+list\r\n");
	else if (!job_kick(p, job))
		admin_say(p, peer, "ERR UNIQUE_IN_USE A+job+with+the+same+unique+is+alive\r\n");
	else
		admin_say(p, peer, "OK\r\n");
}

/* May an operator do that with it?  Else the peer has been told why not. */
static PROC bool
may_change(struct proc *p, struct peer *peer, const struct job *job)
{
	if (!job->background)
		admin_say(p, peer, "ERR NOT_BACKGROUND The+job+is+a+foreground+job\r\n");
	else if (job->state == JOB_STORING)
		admin_say(p, peer, "ERR STORING The+job+is+not+stored+yet\r\n");
	else
		return true;
	return false;
}

void
admin_bury_job(struct proc *p, struct peer *peer, const struct words *words)
{
	struct job *job = admin_job(p, peer, words);

	if (job == NULL || !may_change(p, peer, job))
		return;
	if (job->state == JOB_RUNNING) {
		job_extra(p, job)->verdict = VERDICT_BURY;
	} else if (job->state != JOB_BURIED) {
		job_tell_failed(p, job);
		job_bury(p, job);
	}
	admin_say(p, peer, "OK\r\n");
}

void
admin_retry_job(struct proc *p, struct peer *peer, const struct words *words)
{
	const uint64_t year = 365 * 86400;
	uint64_t seconds = 0;
	struct job *job;

	if (words->count == 4 && !slice_to_u64(words->at[3], year, &seconds)) {
		admin_say(p, peer, "ERR INVALID_ARGUMENTS Seconds+are+a+whole+number,+at+most+a+year\r\n");
		return;
	}
	job = admin_job(p, peer, words);
	if (job == NULL || !may_change(p, peer, job))
		return;
	if (job->state != JOB_RUNNING) {
		admin_say(p, peer, "ERR NOT_RUNNING The+job+is+not+running\r\n");
		return;
	}
	job_extra(p, job)->verdict = VERDICT_RETRY;
	job_extra(p, job)->verdict_delay = (nsec_t)seconds * A_SECOND;
	admin_say(p, peer, "OK\r\n");
}

/* The line of the file, its pattern, and each setting; a function that nobody uses yet has a policy, too. */
void
admin_show_policy(struct proc *p, struct peer *peer, const struct words *words)
{
	const struct policy *policy = policies_match(p->policies, words->at[2]);
	struct buf out = { 0 };

	buf_add_str(&out, "OK line ");
	buf_add_u64(&out, policy->line);
	buf_add_char(&out, ' ');
	if (policy->line > 0)
		buf_add_escaped(&out, policy->pattern);
	else
		buf_add_str(&out, "(none)");
	buf_add_char(&out, ' ');
	policy_add_text(policy, &out);
	buf_add_char(&out, '\n');
	reply_text(p, peer, &out);
}
