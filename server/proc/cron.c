/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cron lines: jobs that come again and again.
 *
 * Runs on:  processing thread.
 * Owns:     the table of lines; their texts belong to proc.policies.
 * Sends:    CRON to management, which knows the calendar: when is the next run?
 *
 * The job of a line has a unique of the line, so it joins the one before while that lives.  After a standstill, or when
 * the clock was set, a line runs once, however many of its times are gone.
 */
#include "proc/cron.h"

#include "base/mem.h"
#include "proc/reply.h"
#include "proc/submit.h"

/* Of a turn; the rest follow in the next. */
enum { RUNS_PER_TURN = 256 };

/* The wall clock may be set: it is looked at this often. */
static const nsec_t clock_check = A_SECOND;

struct cron {
	const struct policy *policy;
	uint64_t id;        /* of function and fields: by it a line is found again when the file has been read anew */
	int64_t next, last; /* seconds since 1970: the run to come, 0 = not known; the last one, 0 = none */
};

struct crons {
	uint64_t number; /* of the table, among all that there were */
	size_t count;
	int64_t first; /* the least `next` but 0; INT64_MAX = none */
	struct cron at[];
};

static struct crons *
crons_new(const struct policies *policies)
{
	size_t n = policies_count(policies), count = 0;
	struct crons *all;

	for (size_t i = 0; i < n; i++)
		count += policies_at(policies, i)->cron.text.len > 0;
	all = mem_new(sizeof *all + count * sizeof *all->at);
	for (size_t i = 0; i < n; i++)
		if (policies_at(policies, i)->cron.text.len > 0)
			all->at[all->count++].policy = policies_at(policies, i);
	return all;
}

static void
find_first(struct crons *all)
{
	all->first = INT64_MAX;
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].next != 0 && all->at[i].next < all->first)
			all->first = all->at[i].next;
}

static int64_t
last_of(const struct crons *all, uint64_t id)
{
	for (size_t i = 0; all != NULL && i < all->count; i++)
		if (all->at[i].id == id)
			return all->at[i].last;
	return 0;
}

void
cron_take_policies(struct proc *p)
{
	struct crons *former = p->crons, *fresh = crons_new(p->policies);

	fresh->number = former == NULL ? 1 : former->number + 1;
	for (size_t i = 0; i < fresh->count; i++) {
		struct cron *cron = &fresh->at[i];

		cron->id = hash_number(hash_bytes(cron->policy->pattern, p->cfg.seed)) ^
			   hash_bytes(cron->policy->cron.text, p->cfg.seed);
		cron->next = cron->policy->first_run;
		cron->last = last_of(former, cron->id);
	}
	find_first(fresh);
	p->crons = fresh;
	mem_free(former);
}

void
cron_free(struct proc *p)
{
	mem_free(p->crons);
	p->crons = NULL;
}

static PROC void
ask_for_next(struct proc *p, size_t line)
{
	struct msg_cron *m = msg_new_sized(MSG_CRON, 0, sizeof *m);

	m->table = p->crons->number;
	m->line = (uint32_t)line;
	m->sched = p->crons->at[line].policy->cron.when;
	m->after = p->now.wall / clock_check;
	list_push(&p->out->mgmt, &m->msg.link);
}

static PROC void
log_refused(struct proc *p, const struct policy *policy, enum wire_error why)
{
	struct buf line = { 0 };

	buf_add_str(&line, "cron, line ");
	buf_add_u64(&line, policy->line);
	buf_add_str(&line, ": no job of ");
	buf_add_escaped(&line, policy->pattern);
	buf_add_str(&line, ": ");
	buf_add_str(&line, wire_error_text(why));
	proc_log(p, GEARMAND_LOG_WARNING, &line);
	buf_fini(&line);
}

static PROC void
run_line(struct proc *p, struct cron *cron)
{
	const struct policy *policy = cron->policy;
	struct buf unique = { 0 };
	enum wire_error why;

	cron->last = p->now.wall / clock_check;
	cron->next = 0;
	count(p, STAT_cron_runs);
	buf_add_str(&unique, "cron:");
	buf_add_u64(&unique, policy->line);
	if (!submit_own(p, policy->pattern, buf_slice(&unique), policy->data, &why))
		log_refused(p, policy, why);
	buf_fini(&unique);
}

nsec_t
cron_run(struct proc *p)
{
	struct crons *all = p->crons;
	int64_t now = p->now.wall / clock_check;
	unsigned budget = RUNS_PER_TURN;

	if (all->first == INT64_MAX || p->replaying || p->graceful || p->shut)
		return NEVER;
	for (size_t i = 0; all->first <= now && i < all->count && budget > 0; i++) {
		if (all->at[i].next == 0 || all->at[i].next > now)
			continue;
		run_line(p, &all->at[i]);
		ask_for_next(p, i);
		budget--;
	}
	if (budget < RUNS_PER_TURN)
		find_first(all);
	if (all->first == INT64_MAX)
		return NEVER;
	return all->first <= now ? p->now.mono
				 : p->now.mono + earlier(all->first * clock_check - p->now.wall, clock_check);
}

void
cron_skip(struct proc *p)
{
	for (size_t i = 0; i < p->crons->count; i++) {
		struct cron *cron = &p->crons->at[i];

		if (cron->next == 0 || cron->next > p->now.wall / clock_check)
			continue;
		cron->next = 0;
		ask_for_next(p, i);
	}
	find_first(p->crons);
}

void
on_cron(struct proc *p, struct msg *m)
{
	const struct msg_cron *answer = MSG_AS(msg_cron, m);
	struct crons *all = p->crons;

	if (answer->table != all->number)
		return; /* the policies are others by now */
	all->at[answer->line].next = answer->next;
	find_first(all);
}

void
cron_report(struct proc *p, struct peer *asking)
{
	struct buf out = { 0 };

	for (size_t i = 0; i < p->crons->count; i++) {
		const struct cron *cron = &p->crons->at[i];

		buf_add_u64(&out, cron->policy->line);
		buf_add_char(&out, '\t');
		buf_add_escaped(&out, cron->policy->pattern);
		buf_add_char(&out, '\t');
		buf_add_escaped(&out, cron->policy->cron.text);
		buf_add_char(&out, '\t');
		buf_add_i64(&out, cron->next);
		buf_add_char(&out, '\t');
		buf_add_i64(&out, cron->last);
		buf_add_char(&out, '\n');
	}
	p->spent += p->crons->count;
	buf_add_str(&out, ".\n");
	reply_text(p, asking, &out);
}
