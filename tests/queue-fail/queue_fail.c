/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The failing queue: jobs in a journal, and trouble as rules and wrongs say.
 *
 * Runs on:  the store thread.
 * Owns:     the store, from open to close.
 */
#include <stdlib.h>

#include "queue_fail.h"

/* ---- Open and close ----------------------------------------------------------------- */

static bool
fail_open(
    const struct gearmand_host *host, struct gearmand_opening *opening, void **store_r, struct gearmand_error *err)
{
	struct fail_store *s;
	struct verdict v;

	(void)opening;
	if (!wrong_read(host, err))
		return false;
	v = rules_ask(host, OP_OPEN, NULL);
	rules_wait(v.late);
	if (v.action >= DO_PASSING && v.action <= DO_IN_USE) {
		host->error_set(err, "%s", v.text);
		err->why = wrong_is(WRONG_lasting_while_down) ? GEARMAND_WHY_LASTING
							      : (enum gearmand_why)(v.action - DO_PASSING);
		return false;
	}
	s = host->allocate(sizeof(*s));
	s->host = host;
	s->inner_host = *host;
	s->inner_host.refuse = wrong_refuse;
	s->opener = pthread_self();
	if (!wrong_open(s, err)) {
		host->release(s);
		return false;
	}
	*store_r = s;
	return true;
}

static void
fail_close(void **store)
{
	struct fail_store *s = *store;

	if (s == NULL)
		return;
	rules_wait(rules_ask(s->host, OP_CLOSE, NULL).late);
	wrong_close(s);
	inner_ops->close(&s->inner);
	s->host->release(s);
	*store = NULL;
}

/* ---- Replay ------------------------------------------------------------------------- */

struct partly {
	gearmand_replay_f *sink_f;
	void *sink;
};

static bool
only_one(void *arg, const struct gearmand_job *job)
{
	struct partly *p = arg;

	p->sink_f(p->sink, job);
	return false;
}

static bool
fail_replay(void *store, gearmand_replay_f *sink_f, void *sink, struct gearmand_error *err)
{
	struct fail_store *s = store;
	struct verdict v = rules_ask(s->host, OP_REPLAY, NULL);
	struct partly partly = { sink_f, sink };
	bool ok = true;

	s->is_replayed = true;
	if (v.action == DO_PARTLY)
		ok = inner_ops->replay(s->inner, only_one, &partly, err);
	else if (v.action != DO_FAIL)
		ok = wrong_replay(s, sink_f, sink, err);
	rules_wait(v.late);
	if (v.action != DO_FAIL && v.action != DO_PARTLY)
		return ok;
	s->host->error_set(err, "%s", v.text);
	err->why = v.action == DO_PARTLY ? GEARMAND_WHY_PASSING : GEARMAND_WHY_LASTING;
	return false;
}

/* ---- Commit ------------------------------------------------------------------------- */

/* Those that a rule refuses go to the end: what is before is for the journal.  One that does not fit is the whole
 * commit's verdict. */
static size_t
refuse(struct fail_store *s, struct gearmand_change *c, size_t count, struct gearmand_change **kept,
    struct verdict *commit)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		struct verdict v = rules_ask(s->host, (enum op)(OP_ADD + c[i].op - GEARMAND_ADD), &c[i]);

		rules_wait(v.late);
		if (v.action == DO_REFUSE)
			s->host->refuse(&c[i], "%s", v.text);
		else if (v.action == DO_FULL)
			*commit = v;
		else
			kept[n++] = &c[i];
	}
	return n;
}

/* The journal gets copies, next to each other; what it refuses is told to the server. */
static enum gearmand_commit
store_these(struct fail_store *s, struct gearmand_change **kept, size_t count, struct gearmand_error *err)
{
	struct gearmand_change *copy = s->host->allocate(count * sizeof(*copy));
	enum gearmand_commit result;

	for (size_t i = 0; i < count; i++)
		copy[i] = (struct gearmand_change){ .op = kept[i]->op, .job = kept[i]->job };
	result = wrong_commit(s, copy, count, err);
	for (size_t i = 0; i < count; i++) {
		if (copy[i].reason != NULL)
			s->host->refuse(kept[i], "%s", copy[i].reason);
		kept[i]->outcome = copy[i].outcome;
		free(copy[i].reason);
	}
	s->host->release(copy);
	return result;
}

static enum gearmand_commit
commit_as_told(struct fail_store *s, const struct verdict *v, struct gearmand_change **kept, size_t count,
    struct gearmand_error *err)
{
	enum gearmand_commit result = GEARMAND_COMMIT_DONE;

	if (v->action == DO_HALF)
		count /= 2;
	if (v->action != DO_AGAIN && v->action != DO_BROKEN && v->action != DO_FULL && count > 0)
		result = store_these(s, kept, count, err);
	rules_wait(v->late);
	if (v->action == DO_NOTHING || result != GEARMAND_COMMIT_DONE)
		return result;
	if (wrong_is(WRONG_starts_over_when_broken))
		wrong_empty(s);
	if (wrong_is(WRONG_done_while_down))
		return GEARMAND_COMMIT_DONE;
	s->host->error_set(err, "%s", v->text);
	if (v->action == DO_FULL)
		return GEARMAND_COMMIT_FULL;
	return v->action == DO_AGAIN || v->action == DO_HALF ? GEARMAND_COMMIT_AGAIN : GEARMAND_COMMIT_BROKEN;
}

static enum gearmand_commit
fail_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	struct fail_store *s = store;
	struct verdict v = rules_ask(s->host, OP_COMMIT, NULL);
	struct gearmand_change **kept = s->host->allocate(count * sizeof(struct gearmand_change *));
	size_t kept_count = refuse(s, changes, count, kept, &v);
	enum gearmand_commit result = commit_as_told(s, &v, kept, kept_count, err);

	s->host->release(kept);
	s->host->log(s->host, GEARMAND_LOG_INFO, "commit of %zu ends", count);
	return result;
}

static enum gearmand_commit
fail_check(void *store, struct gearmand_error *err)
{
	struct fail_store *s = store;
	struct verdict v = rules_ask(s->host, OP_CHECK, NULL);

	rules_wait(v.late);
	if (v.action == DO_NOTHING || wrong_is(WRONG_well_while_down))
		return GEARMAND_COMMIT_DONE;
	s->host->error_set(err, "%s", v.text);
	return v.action == DO_AGAIN ? GEARMAND_COMMIT_AGAIN : GEARMAND_COMMIT_BROKEN;
}

/* ---- The descriptor ----------------------------------------------------------------- */

static const struct gearmand_option fail_options[] = {
	{ .name = "journal-file", .type = GEARMAND_OPT_PATH, .help = "file that holds the jobs; required" },
	{ .name = "journal-max", .type = GEARMAND_OPT_SIZE, .dflt = "64G", .help = "size past which jobs are refused" },
	{ .name = "fail-rules", .type = GEARMAND_OPT_STRING, .help = "which calls come to what trouble" },
	{ .name = "fail-control", .type = GEARMAND_OPT_PATH, .help = "file with more rules, read at each call" },
	{ .name = "fail-wrong", .type = GEARMAND_OPT_STRING, .help = "something that no module may do" },
	{ 0 },
};

static const struct gearmand_queue_ops fail_ops = {
	.size = sizeof(fail_ops),
	.open = fail_open,
	.replay = fail_replay,
	.commit = fail_commit,
	.close = fail_close,
	.check = fail_check,
	.keeps_dead = true,
};

GEARMAND_QUEUE_PLUGIN("fail", NULL, "1.0", "keeps jobs, and fails when told", fail_options, &fail_ops);
