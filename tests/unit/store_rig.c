/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The rig of the store thread's tests; see store_rig.h.
 *
 * Runs on:  the queue's functions on the store thread, all else on the test's, which is core and management.
 * Owns:     the one struct store_rig.
 */
#include "store_rig.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "cross/log.h"

/* ---- The queue ---------------------------------------------------------------------------------- */

struct store_rig sr;

static bool
queue_open(
    const struct gearmand_host *host, struct gearmand_opening *opening, void **store_r, struct gearmand_error *error)
{
	(void)host;
	(void)opening;
	cr_assert_eq(error->why, GEARMAND_WHY_PASSING, "each attempt starts without a reason");
	if ((sr.opens++ > 0 || sr.fails_at_start) && sr.fail_opens-- > 0) {
		snprintf(error->text, sizeof error->text, "no way in");
		error->why = sr.why_not;
		return false;
	}
	*store_r = &sr;
	return true;
}

static bool
queue_replay(void *store, gearmand_replay_f *on_job, void *sink, struct gearmand_error *error)
{
	cr_assert_eq(store, &sr);
	for (int i = 0; i < sr.jobs_to_replay; i++) {
		char unique[16];
		struct gearmand_job job = { .function = slice_str("f"), .priority = GEARMAND_LOW, .run_at = i };

		snprintf(unique, sizeof unique, "u%d", i);
		job.unique = slice_str(unique);
		job.data = slice_str("data");
		job.handle = slice_str("H:x:1");
		job.reducer = slice_str("r");
		if (!on_job(sink, &job))
			return false;
	}
	if (sr.replays_that_fail-- <= 0)
		return true;
	snprintf(error->text, sizeof error->text, "the table is gone");
	error->why = sr.replay_why;
	return false;
}

static GEARMAND_PRINTF(2, 3) void refuse(struct gearmand_change *change, const char *format, ...)
{
	char text[100];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	mem_free(change->reason);
	change->reason = mem_dup(text, strlen(text));
	change->outcome = GEARMAND_REFUSED;
}

static void
remember(const struct gearmand_change *change)
{
	static const char signs[] = {
		[GEARMAND_ADD] = '+', [GEARMAND_REMOVE] = '-', [GEARMAND_BURY] = '*', [GEARMAND_UNBURY] = '/'
	};
	const struct gearmand_job *job = &change->job;
	size_t at = strlen(sr.history);

	snprintf(sr.history + at, SR_HISTORY_MAX - at, "%c%.*s%s%.*s ", signs[change->op], (int)job->unique.len,
	    job->unique.data, job->handle.len > 0 ? "@" : "", (int)job->handle.len, job->handle.data);
}

static bool
is_full(const struct gearmand_change *changes, size_t count)
{
	bool has_big = false;
	int adds = 0;

	for (size_t i = 0; i < count; i++) {
		bool takes_room = changes[i].op == GEARMAND_ADD || changes[i].op == GEARMAND_BURY;

		adds += takes_room;
		has_big |= takes_room && slice_is(changes[i].job.unique, "big");
	}
	if (!has_big && (adds == 0 || sr.full_until_removed <= 0)) {
		sr.full_until_removed -= (int)count - adds;
		return false;
	}
	return true;
}

static enum gearmand_commit
queue_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *error)
{
	int call = sr.commits++;
	enum gearmand_commit result = sr.always_again       ? GEARMAND_COMMIT_AGAIN
				      : call < SR_CALLS_MAX ? sr.script[call]
							    : 0;

	cr_assert_eq(store, &sr);
	for (size_t i = 0; i < count; i++)
		if (changes[i].job.unique.len >= 3 && memcmp(changes[i].job.unique.data, "bad", 3) == 0)
			refuse(&changes[i], "bad is %s", "bad");
	if (result == GEARMAND_COMMIT_FULL || (result == GEARMAND_COMMIT_DONE && is_full(changes, count))) {
		snprintf(error->text, sizeof error->text, "no room");
		return GEARMAND_COMMIT_FULL;
	}
	if (result != GEARMAND_COMMIT_DONE) {
		snprintf(error->text, sizeof error->text, "disk on fire");
		error->why = sr.commit_why;
		return result;
	}
	for (size_t i = 0; i < count; i++)
		remember(&changes[i]);
	strcat(sr.history, "| ");
	return result;
}

static void
queue_close(void **store)
{
	cr_assert_eq(*store, &sr);
	*store = NULL;
	sr.closes++;
}

static enum gearmand_commit
queue_check(void *store, struct gearmand_error *error)
{
	cr_assert_eq(store, &sr);
	if (sr.checks++ >= sr.checks_that_fail)
		return GEARMAND_COMMIT_DONE;
	snprintf(error->text, sizeof error->text, "nobody there");
	return GEARMAND_COMMIT_BROKEN;
}

static struct gearmand_queue_ops queue_ops = {
	.size = sizeof queue_ops,
	.open = queue_open,
	.replay = queue_replay,
	.commit = queue_commit,
	.close = queue_close,
};

/* ---- The test is core and management -------------------------------------------------------------- */

static struct waker *waker;

static struct store_config config = {
	.name = "test",
	.ops = &queue_ops,
	.batch_max = 4,
	.give_up_after = 300000000,
	.check_every = 1000000,
	.lost_after = 1000000000,
	.full_for = 200000000,
};

void
sr_init(void)
{
	waker = waker_new(false);
	waker_bind(waker);
	sr.proc = mbox_new(waker);
	sr.mgmt = mbox_new(waker);
	list_init(&sr.core);
	list_init(&sr.management);
	log_start(sr.mgmt, GEARMAND_LOG_NOTICE);
	sr.store = store_new(&config, sr.proc, sr.mgmt);
}

void
sr_init_patient(void)
{
	config.wait = true;
	sr_init();
}

void
sr_init_full_for_long(void)
{
	config.full_for = INT64_C(3600) * 1000000000;
	sr_init();
}

void
sr_init_standby(void)
{
	config.standby = true;
	sr_init();
}

void
sr_fini(void)
{
	store_join(sr.store);
	store_free(&sr.store);
	log_start(NULL, GEARMAND_LOG_WARNING);
	msg_free(&sr.shown);
	mbox_free(&sr.proc);
	mbox_free(&sr.mgmt);
	msg_free_all(&sr.core);
	msg_free_all(&sr.management);
	waker_free(&waker);
}

static struct msg *
next_of(struct list *list, struct mbox *box)
{
	msg_free(&sr.shown);
	while (list_is_empty(list) && !mbox_take(box, list))
		waker_sleep(waker, NEVER);
	return sr.shown = MSG(list_pop(list));
}

void
sr_core_takes(void)
{
	if (next_of(&sr.core, sr.proc)->kind == MSG_COMMITTED)
		sr.removed += MSG_AS(msg_text, sr.shown)->number;
}

struct msg *
sr_to_core(void)
{
	do
		sr_core_takes();
	while (sr.shown->kind == MSG_COMMITTED);
	return sr.shown;
}

/* Log lines are looked at one by one, too. */
struct msg *
sr_to_management(void)
{
	return next_of(&sr.management, sr.mgmt);
}

void
sr_expect_log(const char *part)
{
	struct msg *m = sr_to_management();

	cr_assert_eq(m->kind, MSG_LOG);
	cr_assert_not_null(strstr(MSG_AS(msg_log, m)->text, part), "%s", MSG_AS(msg_log, m)->text);
}

void
sr_change(struct list *list, enum msg_kind kind, const char *unique)
{
	size_t len = strlen(unique), key_len = strcspn(unique, "@");
	struct msg_store *m = msg_new_sized(kind, 0, sizeof *m + len);

	memcpy(m->text, unique, len);
	m->function = kind == MSG_UNBURY ? slice_of("", 0) : slice_str("f");
	m->unique = slice_of(m->text, key_len);
	if (key_len < len)
		m->handle = slice_of(m->text + key_len + 1, len - key_len - 1);
	m->data = m->unique; /* longer names are larger jobs */
	m->job = &sr;
	list_push(list, &m->msg.link);
}

void
sr_post(enum msg_kind kind, const char *unique)
{
	struct list one;

	list_init(&one);
	sr_change(&one, kind, unique);
	sr_post_all(&one);
}

void
sr_post_all(struct list *burst)
{
	mbox_post_all(store_mbox(sr.store), burst);
}

void
sr_tell(enum msg_kind kind)
{
	struct msg *m = msg_new(kind, 0);

	mbox_post(store_mbox(sr.store), &m);
}

void
sr_stop(void)
{
	sr_tell(MSG_STOP);
}

void
sr_start_replay(void)
{
	queue_ops.check = sr.has_check ? queue_check : NULL;
	store_start(sr.store);
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_OPEN);
	cr_assert_not(store_ways(sr.store));
	sr_tell(MSG_REPLAY);
}

void
sr_start(void)
{
	sr_start_replay();
	cr_assert_eq(sr_to_core()->kind, MSG_REPLAY_END);
	cr_assert_eq(sr_to_management()->kind, MSG_STORE_READY);
}

void
sr_expect_text(enum msg_kind kind, const char *part)
{
	struct msg *m = sr_to_management();

	cr_assert_eq(m->kind, kind);
	cr_assert_not_null(strstr(MSG_AS(msg_text, m)->text, part), "%s", MSG_AS(msg_text, m)->text);
}

void
sr_expect_added(const char *unique, enum gearmand_outcome outcome, const char *reason)
{
	struct msg *m = sr_to_core();
	struct msg_store *s = MSG_AS(msg_store, m);

	cr_assert_eq(m->kind, MSG_ADD);
	cr_assert(slice_is(s->unique, unique), "%.*s instead of %s", (int)s->unique.len, s->unique.data, unique);
	cr_assert_eq(s->outcome, outcome);
	cr_assert_eq(s->job, &sr);
	cr_assert((reason == NULL) == (s->reason == NULL));
	cr_assert(reason == NULL || strcmp(reason, s->reason) == 0);
}

void
sr_expect_state(const char *trouble)
{
	struct msg *m = sr_to_core();

	cr_assert_eq(m->kind, MSG_STORE_STATE);
	cr_assert_str_eq(MSG_AS(msg_text, m)->text, trouble);
}
