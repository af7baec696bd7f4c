/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Short answers about the server as a whole: what it has counted, and how its store is.
 *
 * Runs on:  processing thread, called by admin.c.
 * Owns:     nothing.
 */
#include "proc/report.h"

#include "proc/reply.h"

static void
add_counter(struct buf *out, const char *name, uint64_t value)
{
	buf_add_str(out, name);
	buf_add_char(out, '\t');
	buf_add_u64(out, value);
	buf_add_char(out, '\n');
}

const char *
report_store_state(const struct proc *p)
{
	if (!p->cfg.durable)
		return "none";
	if (p->replaying)
		return "replaying";
	if (p->store_trouble.len > 0)
		return p->store_is_full ? "full" : "unwell";
	return p->store_slow ? "slow" : "well";
}

nsec_t
report_commit_time(const struct proc *p)
{
	return p->adding + p->removing > 0 ? p->now.mono - p->store_heard : 0;
}

void
report_add_counters(const struct proc *p, struct buf *out, const char *before)
{
	const struct {
		const char *name;
		uint64_t value;
	} now[] = {
		{ "jobs_now", p->handles.count - p->buried_count },
		{ "dead_jobs_now", p->buried_count },
		{ "background_jobs_now", p->background - p->buried_count },
		{ "job_bytes_now", p->memory - p->func_memory - p->ended_bytes },
		{ "ended_jobs_now", p->ended.count },
		{ "ended_bytes_now", p->ended_bytes },
		{ "function_bytes_now", p->func_memory },
		{ "storing_bytes_now", p->storing },
		{ "functions_now", p->funcs.count },
		{ "connections_now", p->peers.count },
	};

	for (unsigned i = 0; i < stats_used(); i++) {
		buf_add_str(out, before);
		add_counter(out, stat_name(i), p->counts[i]);
	}
	for (size_t i = 0; i < sizeof now / sizeof *now; i++) {
		buf_add_str(out, before);
		add_counter(out, now[i].name, now[i].value);
	}
}

void
report_counters(struct proc *p, struct peer *asking)
{
	struct buf out = { 0 };

	report_add_counters(p, &out, "");
	buf_add_str(&out, "store\t");
	if (p->store_trouble.len == 0)
		buf_add_str(&out, report_store_state(p));
	else
		buf_add_escaped(&out, buf_slice(&p->store_trouble));
	buf_add_str(&out, "\n.\n");
	reply_text(p, asking, &out);
}

void
report_queue(struct proc *p, struct peer *asking)
{
	struct buf out = { 0 };

	buf_add_str(&out, "module\t");
	buf_add_str(&out, p->cfg.queue_name == NULL ? "builtin" : p->cfg.queue_name);
	buf_add_str(&out, "\nstate\t");
	buf_add_str(&out, report_store_state(p));
	buf_add_char(&out, '\n');
	add_counter(&out, "since", (uint64_t)p->store_since / A_SECOND);
	add_counter(&out, "commit_seconds", (uint64_t)report_commit_time(p) / A_SECOND);
	add_counter(&out, "waiting_adds", p->adding);
	add_counter(&out, "waiting_removes", p->removing);
	add_counter(&out, "waiting_bytes", p->storing);
	buf_add_str(&out, "last_error\t");
	buf_add_escaped(&out, buf_slice(&p->store_error));
	buf_add_str(&out, "\n.\n");
	reply_text(p, asking, &out);
}

static PROC void
report_lines(struct proc *p, struct peer *asking, const char *lines)
{
	struct buf out = { 0 };

	if (lines != NULL)
		buf_add_str(&out, lines);
	buf_add_str(&out, ".\n");
	reply_text(p, asking, &out);
}

void
report_plugins(struct proc *p, struct peer *asking)
{
	report_lines(p, asking, p->cfg.plugins);
}

void
report_options(struct proc *p, struct peer *asking)
{
	report_lines(p, asking, p->cfg.options);
}
