/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The module on its store, driven as the server's store thread drives it.
 *
 * Runs on:  the process of a case.
 * Owns:     the open store, and copies of what commit is given while it runs.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"
#include "rig.h"

enum { BACK_OFF_FIRST = 20, BACK_OFF_MOST = 1000 }; /* ms */
enum { BATCH_MOST = 4096 };

int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
rig_init(struct rig *r, const struct kit *kit)
{
	struct gearmand_error err = { .text = "" };

	*r = (struct rig){ .kit = kit, .ops = kit->plugin->queue, .opening = { sizeof(r->opening), true, NULL } };
	host_is_change = rig_is_committing;
	host_init(&r->host, kit->plugin);
	MUST(host_options_read(&r->host, &kit->options, &err), "%s", err.text);
}

void
rig_must_last(const struct rig *r)
{
	if (r->kit->in_server)
		skip("the store is the server's own memory");
}

/* ---- Opening ------------------------------------------------------------------------ */

static void
sentence_must_be_there(const char *op, const struct gearmand_error *err)
{
	size_t len = strnlen(err->text, sizeof(err->text));

	MUST(len > 0, "%s failed and does not say why", op);
	MUST(len < sizeof(err->text), "the sentence of %s has no end", op);
	for (size_t i = 0; i < len; i++)
		MUST((unsigned char)err->text[i] >= ' ', "the sentence of %s is no single line: %s", op,
		    shown(gm_slice(err->text)));
}

bool
rig_try_open(struct rig *r, struct gearmand_error *err)
{
	static char untouched;
	void *store = &untouched;

	*err = (struct gearmand_error){ .text = "" };
	if (r->ops->open(&r->host.table, &r->opening, &store, err)) {
		MUST(store != &untouched && store != NULL, "open gave true and no store");
		r->opening.is_first = false;
		r->store = store;
		return true;
	}
	MUST(store == &untouched, "open failed and changed *store_r all the same");
	sentence_must_be_there("open", err);
	MUST(err->why <= GEARMAND_WHY_IN_USE, "why open failed is %d, which is no reason", (int)err->why);
	note_if_failed("open: %s (why: %s)", err->text,
	    err->why == GEARMAND_WHY_PASSING   ? "passing"
	    : err->why == GEARMAND_WHY_LASTING ? "lasting"
					       : "in use");
	return false;
}

void
rig_open(struct rig *r)
{
	int64_t give_up = now_ms() + PATIENCE * 1000;
	unsigned back_off = BACK_OFF_FIRST;
	struct gearmand_error err;

	while (!rig_try_open(r, &err)) {
		MUST(err.why != GEARMAND_WHY_LASTING, "open: %s", err.text);
		MUST(now_ms() < give_up, "open fails for %d s: %s", PATIENCE, err.text);
		gm_pause(back_off);
		back_off = back_off * 2 < BACK_OFF_MOST ? back_off * 2 : BACK_OFF_MOST;
	}
}

void
rig_close(struct rig *r)
{
	if (r->store == NULL)
		return;
	r->ops->close(&r->store);
	MUST(r->store == NULL, "close takes the store, but did not set the caller's pointer to NULL");
}

void
rig_forget(struct rig *r)
{
	if (r->opening.memory == NULL || r->ops->forget == NULL)
		return;
	r->ops->forget(&r->opening.memory);
	MUST(r->opening.memory == NULL, "forget takes the memory, but did not set the caller's pointer to NULL");
}

void
rig_reopen(struct rig *r)
{
	rig_close(r);
	rig_open(r);
}

/* ---- Committing --------------------------------------------------------------------- */

static const struct gearmand_change *at_hand;
static size_t at_hand_count;

bool
rig_is_committing(const struct gearmand_change *change)
{
	return change >= at_hand && change < at_hand + at_hand_count;
}

static void
hand_over(struct gearmand_slice *s)
{
	char *own;

	if (s->len == 0) { /* then `data` may be anything */
		s->data = (const char *)16;
		return;
	}
	own = malloc(s->len);
	MUST(own != NULL, "the kit is out of memory");
	s->data = memcpy(own, s->data, s->len);
}

static void
take_back(struct gearmand_slice *s)
{
	if (s->len > 0) {
		memset((char *)(uintptr_t)s->data, 0xa5, s->len);
		free((char *)(uintptr_t)s->data);
	}
}

static void
each_slice(struct gearmand_change *c, void (*function)(struct gearmand_slice *))
{
	if (c->op != GEARMAND_UNBURY) {
		function(&c->job.function);
		function(&c->job.unique);
	}
	if (c->op != GEARMAND_REMOVE)
		function(&c->job.handle);
	if (c->op == GEARMAND_REMOVE || c->op == GEARMAND_UNBURY)
		return;
	function(&c->job.data);
	function(&c->job.reducer);
	function(&c->job.error);
}

static void
outcome_must_be_sound(const struct gearmand_change *got, const struct gearmand_change *given)
{
	MUST(got->op == given->op && got->job.priority == given->job.priority && got->job.run_at == given->job.run_at,
	    "commit changed %s, which is the server's", shown_key(&given->job));
	MUST(got->outcome == GEARMAND_STORED || got->outcome == GEARMAND_REFUSED, "commit left outcome %d with %s",
	    (int)got->outcome, shown_key(&given->job));
	MUST(got->outcome == GEARMAND_STORED || (got->reason != NULL && got->reason[0] != '\0'),
	    "%s was refused without a reason; host->refuse is for that", shown_key(&given->job));
}

enum gearmand_commit
rig_commit_once(struct rig *r, struct batch *b, struct gearmand_error *err)
{
	struct gearmand_change *lent = calloc(b->count, sizeof(*lent));
	enum gearmand_commit result;

	MUST(lent != NULL, "the kit is out of memory");
	for (size_t i = 0; i < b->count; i++) {
		free(b->at[i].reason);
		b->at[i].reason = NULL;
		b->at[i].outcome = GEARMAND_STORED;
		lent[i] = b->at[i];
		each_slice(&lent[i], hand_over);
	}
	*err = (struct gearmand_error){ .text = "" };
	at_hand = lent;
	at_hand_count = b->count;
	result = r->ops->commit(r->store, lent, b->count, err);
	at_hand_count = 0;
	for (size_t i = 0; i < b->count; i++) {
		b->at[i].outcome = lent[i].outcome;
		b->at[i].reason = lent[i].reason;
		if (result == GEARMAND_COMMIT_DONE)
			outcome_must_be_sound(&lent[i], &b->at[i]);
		each_slice(&lent[i], take_back);
	}
	free(lent);
	MUST(result <= GEARMAND_COMMIT_FULL, "commit returned %d", (int)result);
	if (result != GEARMAND_COMMIT_DONE) {
		if (r->troubles != NULL)
			(*r->troubles)++;
		sentence_must_be_there("commit", err);
		note_if_failed("commit: %s: %s",
		    result == GEARMAND_COMMIT_AGAIN  ? "again"
		    : result == GEARMAND_COMMIT_FULL ? "full"
						     : "broken",
		    err->text);
	}
	return result;
}

enum gearmand_commit
rig_check_once(struct rig *r, struct gearmand_error *err)
{
	enum gearmand_commit result;

	*err = (struct gearmand_error){ .text = "" };
	result = r->ops->check(r->store, err);
	MUST(result <= GEARMAND_COMMIT_BROKEN, "check returned %d", (int)result);
	if (result != GEARMAND_COMMIT_DONE)
		sentence_must_be_there("check", err);
	return result;
}

void
rig_commit(struct rig *r, struct batch *b)
{
	int64_t give_up = now_ms() + PATIENCE * 1000;
	unsigned back_off = BACK_OFF_FIRST;
	enum gearmand_commit result;
	struct gearmand_error err;

	while ((result = rig_commit_once(r, b, &err)) != GEARMAND_COMMIT_DONE) {
		MUST(now_ms() < give_up, "commit fails for %d s: %s", PATIENCE, err.text);
		if (result == GEARMAND_COMMIT_BROKEN)
			rig_close(r);
		gm_pause(back_off);
		back_off = back_off * 2 < BACK_OFF_MOST ? back_off * 2 : BACK_OFF_MOST;
		if (r->store == NULL)
			rig_open(r);
	}
}

void
rig_store(struct rig *r, struct batch *b)
{
	rig_commit(r, b);
	for (size_t i = 0; i < b->count; i++)
		MUST(b->at[i].outcome == GEARMAND_STORED, "%s was refused: %s", shown_key(&b->at[i].job),
		    b->at[i].reason);
	batch_clear(b);
}

void
rig_store_jobs(struct rig *r, const struct jobs *list)
{
	struct batch b = { 0 };

	for (size_t i = 0; i < list->count; i++)
		batch_add(&b, list->at[i]);
	rig_store(r, &b);
}

/* ---- Replaying ---------------------------------------------------------------------- */

void
rig_replay(struct rig *r, gearmand_replay_f *sink_f, void *sink)
{
	struct gearmand_error err = { .text = "" };

	if (r->ops->replay(r->store, sink_f, sink, &err))
		return;
	sentence_must_be_there("replay", &err);
	fail("replay: %s", err.text);
}

static bool
keep_job(void *sink, const struct gearmand_job *j)
{
	MUST(j->unique.len > 0, "replay gave a job without a unique");
	MUST(j->priority <= GEARMAND_LOW, "replay gave a job of priority %d", (int)j->priority);
	jobs_add_copy(sink, j);
	return true;
}

struct jobs
rig_content(struct rig *r)
{
	struct jobs seen = { 0 };

	rig_reopen(r);
	rig_replay(r, keep_job, &seen);
	return seen;
}

void
rig_must_have(struct rig *r, const struct jobs *expected, enum order order)
{
	struct jobs seen = rig_content(r);

	jobs_must_be(&seen, expected, order);
}

void
rig_must_have_nothing(struct rig *r)
{
	rig_must_have(r, &(struct jobs){ 0 }, IN_ORDER);
}

size_t
rig_empty(struct rig *r)
{
	struct jobs seen = rig_content(r);
	struct batch b = { 0 };
	size_t count = seen.count;

	for (size_t i = 0; i < count; i++) {
		if (seen.at[i].flags & GEARMAND_JOB_DEAD)
			batch_unbury(&b, seen.at[i].handle);
		else
			batch_remove(&b, seen.at[i].function, seen.at[i].unique);
		if (b.count == BATCH_MOST || i + 1 == count)
			rig_store(r, &b);
	}
	if (count > 0)
		rig_must_have_nothing(r);
	rig_close(r);
	return count;
}
