/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store thread, in front of a queue whose behaviour each test scripts: group commit, order, outcomes,
 * a queue that is unwell, or another server's, replay, shutdown.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "cross/log.h"
#include "cross/msg.h"
#include "io/store.h"

/* ---- The queue ---------------------------------------------------------------------------------- */

enum { CALLS_MAX = 64, HISTORY_MAX = 4096 };

/* What a commit is to say; DONE behind the end of the script. */
static enum gearmand_commit script[CALLS_MAX];
/* Written by the store thread, read by the test when a message of that thread has come, or it has ended. */
static struct {
	int opens, closes, commits;
	char history[HISTORY_MAX]; /* "+u1 -u2 | " : one '|' per commit that was done */
	size_t largest;
} queue;
static int fail_opens; /* from the first or second open on */
static bool fails_at_start;
static enum gearmand_why why_not;
static int jobs_to_replay;
static bool replay_fails, always_again;

static bool
queue_open(const struct gearmand_host *host, void **store_r, struct gearmand_error *error)
{
	(void)host;
	cr_assert_eq(error->why, GEARMAND_WHY_PASSING, "each attempt starts without a reason");
	if ((queue.opens++ > 0 || fails_at_start) && fail_opens-- > 0) {
		snprintf(error->text, sizeof error->text, "no way in");
		error->why = why_not;
		return false;
	}
	*store_r = &queue;
	return true;
}

static bool
queue_replay(void *store, gearmand_replay_f *on_job, void *sink, struct gearmand_error *error)
{
	cr_assert_eq(store, &queue);
	for (int i = 0; i < jobs_to_replay; i++) {
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
	if (replay_fails)
		snprintf(error->text, sizeof error->text, "the table is gone");
	return !replay_fails;
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
	size_t at = strlen(queue.history);

	snprintf(queue.history + at, HISTORY_MAX - at, "%c%.*s ", change->op == GEARMAND_ADD ? '+' : '-',
	    (int)change->job.unique.len, change->job.unique.data);
}

static enum gearmand_commit
queue_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *error)
{
	int call = queue.commits++;
	enum gearmand_commit result = always_again ? GEARMAND_COMMIT_AGAIN : call < CALLS_MAX ? script[call] : 0;

	cr_assert_eq(store, &queue);
	queue.largest = count > queue.largest ? count : queue.largest;
	for (size_t i = 0; i < count; i++)
		if (slice_is(changes[i].job.unique, "bad"))
			refuse(&changes[i], "bad is %s", "bad");
	if (result != GEARMAND_COMMIT_DONE) {
		snprintf(error->text, sizeof error->text, "disk on fire");
		return result;
	}
	for (size_t i = 0; i < count; i++)
		remember(&changes[i]);
	strcat(queue.history, "| ");
	return result;
}

static void
queue_close(void **store)
{
	cr_assert_eq(*store, &queue);
	*store = NULL;
	queue.closes++;
}

static const struct gearmand_queue_ops queue_ops = {
	.size = sizeof queue_ops,
	.open = queue_open,
	.replay = queue_replay,
	.commit = queue_commit,
	.close = queue_close,
};

/* ---- The test is core and management -------------------------------------------------------------- */

static struct waker *waker;
static struct mbox *proc, *mgmt;
static struct list core, management;
static struct store *store;
static struct msg *shown;

static struct store_config config = {
	.name = "test",
	.ops = &queue_ops,
	.batch_max = 4,
	.give_up_after = 300000000,
	.lost_after = 1000000000,
};

static void
setup(void)
{

	waker = waker_new(false);
	waker_bind(waker);
	proc = mbox_new(waker);
	mgmt = mbox_new(waker);
	list_init(&core);
	list_init(&management);
	log_start(mgmt, GEARMAND_LOG_NOTICE);
	store = store_new(&config, proc, mgmt);
}

static void
setup_patient(void)
{
	config.wait = true;
	setup();
}

static void
setup_standby(void)
{
	config.standby = true;
	setup();
}

static void
teardown(void)
{
	store_join(store);
	store_free(&store);
	log_start(NULL, GEARMAND_LOG_WARNING);
	msg_free(&shown);
	mbox_free(&proc);
	mbox_free(&mgmt);
	msg_free_all(&core);
	msg_free_all(&management);
	waker_free(&waker);
}

TestSuite(store, .init = setup, .fini = teardown, .timeout = 120);
TestSuite(patient, .init = setup_patient, .fini = teardown, .timeout = 120);
TestSuite(standby, .init = setup_standby, .fini = teardown, .timeout = 120);

static struct msg *
next_of(struct list *list, struct mbox *box)
{
	msg_free(&shown);
	while (list_is_empty(list) && !mbox_take(box, list))
		waker_sleep(waker, NEVER);
	return shown = MSG(list_pop(list));
}

static uint64_t removed; /* as the core was told */

static void
core_takes(void)
{
	if (next_of(&core, proc)->kind == MSG_REMOVED)
		removed += MSG_AS(msg_text, shown)->number;
}

static struct msg *
to_core(void)
{
	do
		core_takes();
	while (shown->kind == MSG_REMOVED);
	return shown;
}

/* Log lines are looked at one by one, too. */
static struct msg *
to_management(void)
{
	return next_of(&management, mgmt);
}

static void
expect_log(const char *part)
{
	struct msg *m = to_management();

	cr_assert_eq(m->kind, MSG_LOG);
	cr_assert_not_null(strstr(MSG_AS(msg_log, m)->text, part), "%s", MSG_AS(msg_log, m)->text);
}

static void
change(struct list *list, enum msg_kind kind, const char *unique)
{
	size_t len = strlen(unique);
	struct msg_store *m = msg_new_sized(kind, 0, sizeof *m + len);

	memcpy(m->text, unique, len);
	m->function = slice_str("f");
	m->unique = slice_of(m->text, len);
	m->job = &queue;
	list_push(list, &m->msg.link);
}

static void
post(enum msg_kind kind, const char *unique)
{
	struct list one;

	list_init(&one);
	change(&one, kind, unique);
	mbox_post_all(store_mbox(store), &one);
}

static void
tell(enum msg_kind kind)
{
	struct msg *m = msg_new(kind, 0);

	mbox_post(store_mbox(store), &m);
}

static void
stop(void)
{
	tell(MSG_STOP);
}

static void
start_replay(void)
{
	store_start(store);
	cr_assert_eq(to_management()->kind, MSG_STORE_OPEN);
	cr_assert_not(store_adds_at_shutdown(store));
	tell(MSG_REPLAY);
}

static void
start(void)
{
	start_replay();
	cr_assert_eq(to_core()->kind, MSG_REPLAY_END);
	cr_assert_eq(to_management()->kind, MSG_STORE_READY);
}

static void
expect_text(enum msg_kind kind, const char *part)
{
	struct msg *m = to_management();

	cr_assert_eq(m->kind, kind);
	cr_assert_not_null(strstr(MSG_AS(msg_text, m)->text, part), "%s", MSG_AS(msg_text, m)->text);
}

static void
expect_added(const char *unique, enum gearmand_outcome outcome, const char *reason)
{
	struct msg *m = to_core();
	struct msg_store *s = MSG_AS(msg_store, m);

	cr_assert_eq(m->kind, MSG_ADD);
	cr_assert(slice_is(s->unique, unique), "%.*s instead of %s", (int)s->unique.len, s->unique.data, unique);
	cr_assert_eq(s->outcome, outcome);
	cr_assert_eq(s->job, &queue);
	cr_assert((reason == NULL) == (s->reason == NULL));
	cr_assert(reason == NULL || strcmp(reason, s->reason) == 0);
}

static void
expect_state(const char *trouble)
{
	struct msg *m = to_core();

	cr_assert_eq(m->kind, MSG_STORE_STATE);
	cr_assert_str_eq(MSG_AS(msg_text, m)->text, trouble);
}

/* ---- Commits --------------------------------------------------------------------------------------- */

Test(store, what_gathered_is_one_batch_in_order_and_bounded)
{
	struct list burst;

	list_init(&burst);
	change(&burst, MSG_ADD, "a");
	change(&burst, MSG_ADD, "b");
	change(&burst, MSG_REMOVE, "a");
	change(&burst, MSG_ADD, "a");
	change(&burst, MSG_REMOVE, "b");
	mbox_post_all(store_mbox(store), &burst);
	start();
	expect_added("a", GEARMAND_STORED, NULL);
	expect_added("b", GEARMAND_STORED, NULL);
	expect_added("a", GEARMAND_STORED, NULL);
	stop();
	cr_assert_eq(to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_str_eq(queue.history, "+a +b -a +a | -b | ");
	while (removed < 2)
		core_takes();
}

Test(store, refused_change_comes_back_with_its_reason_alone)
{
	struct list burst;

	list_init(&burst);
	change(&burst, MSG_ADD, "a");
	change(&burst, MSG_ADD, "bad");
	change(&burst, MSG_REMOVE, "bad");
	change(&burst, MSG_ADD, "b");
	mbox_post_all(store_mbox(store), &burst);
	start();
	expect_added("a", GEARMAND_STORED, NULL);
	expect_added("bad", GEARMAND_REFUSED, "bad is bad");
	expect_added("b", GEARMAND_STORED, NULL);
	stop();
}

Test(store, unwell_queue_is_asked_again_with_the_whole_batch_and_says_so_once)
{
	struct list burst;

	script[0] = script[1] = GEARMAND_COMMIT_AGAIN;
	list_init(&burst);
	change(&burst, MSG_ADD, "bad");
	change(&burst, MSG_ADD, "a");
	mbox_post_all(store_mbox(store), &burst);
	start();
	expect_state("disk on fire");
	post(MSG_ADD, "b");
	expect_added("bad", GEARMAND_REFUSED, "bad is bad");
	expect_added("a", GEARMAND_STORED, NULL);
	expect_state("");
	expect_added("b", GEARMAND_STORED, NULL);
	expect_log("disk on fire");
	expect_log("well again");
	stop();
	cr_assert_eq(to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_str_eq(queue.history, "+bad +a | +b | ");
	cr_assert_eq(queue.opens, 1);
}

Test(store, broken_queue_is_closed_and_opened_again)
{
	script[0] = GEARMAND_COMMIT_BROKEN;
	fail_opens = 1;
	post(MSG_ADD, "a");
	start();
	expect_state("disk on fire");
	expect_state("no way in");
	expect_added("a", GEARMAND_STORED, NULL);
	expect_state("");
	expect_log("disk on fire");
	expect_log("well again");
	stop();
	cr_assert_eq(to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_eq(queue.opens, 3);
	cr_assert_eq(queue.closes, 2);
}

Test(store, one_that_another_server_has_taken_over_is_lost_and_not_written_to)
{
	script[0] = GEARMAND_COMMIT_BROKEN;
	fail_opens = 1 << 30;
	why_not = GEARMAND_WHY_IN_USE;
	post(MSG_ADD, "a");
	start();
	expect_log("disk on fire");
	expect_text(MSG_STORE_FAILED, "another server has taken it over; this one stops");
	store_join(store);
	cr_assert_eq(queue.commits, 1);
	cr_assert_eq(queue.closes, 1);
}

Test(store, one_that_looks_taken_for_a_moment_goes_on)
{
	script[0] = GEARMAND_COMMIT_BROKEN;
	fail_opens = 1; /* a session of its own that lingers */
	why_not = GEARMAND_WHY_IN_USE;
	post(MSG_ADD, "a");
	start();
	expect_state("disk on fire");
	expect_state("no way in");
	expect_added("a", GEARMAND_STORED, NULL);
	stop();
}

Test(store, one_that_will_never_open_again_is_asked_again_nevertheless)
{
	script[0] = GEARMAND_COMMIT_BROKEN;
	fail_opens = 3;
	why_not = GEARMAND_WHY_LASTING;
	post(MSG_ADD, "a");
	start();
	expect_state("disk on fire");
	expect_state("no way in");
	expect_added("a", GEARMAND_STORED, NULL);
	cr_assert_eq(queue.opens, 5);
	stop();
}

/* ---- Start ----------------------------------------------------------------------------------------- */

static void
fail_first(int opens, enum gearmand_why why)
{
	fails_at_start = true;
	fail_opens = opens;
	why_not = why;
	store_start(store);
}

static void
expect_failed_open(void)
{
	expect_text(MSG_STORE_FAILED, "cannot open the queue test: no way in");
	store_join(store);
	cr_assert_eq(queue.closes, 0);
}

Test(store, that_cannot_be_opened_fails_at_once)
{
	fail_first(1, GEARMAND_WHY_PASSING);
	expect_failed_open();
	cr_assert_eq(queue.opens, 1);
}

Test(patient, waits_for_one_that_is_down_and_says_so_once)
{
	fail_first(3, GEARMAND_WHY_PASSING);
	expect_log("queue test: waiting until it can be opened: no way in");
	expect_text(MSG_STORE_WAITING, "no way in");
	expect_log("queue test: open now");
	cr_assert_eq(to_management()->kind, MSG_STORE_OPEN);
	cr_assert_eq(queue.opens, 4);
	tell(MSG_REPLAY);
	cr_assert_eq(to_core()->kind, MSG_REPLAY_END);
	stop();
}

Test(patient, does_not_wait_for_what_lasts)
{
	fail_first(1, GEARMAND_WHY_LASTING);
	expect_failed_open();
}

Test(patient, does_not_wait_for_another_server)
{
	fail_first(1, GEARMAND_WHY_IN_USE);
	expect_failed_open();
}

Test(patient, hears_a_stop_while_it_waits)
{
	fail_first(1 << 30, GEARMAND_WHY_PASSING);
	expect_log("waiting");
	cr_assert_eq(to_management()->kind, MSG_STORE_WAITING);
	stop();
	cr_assert_eq(to_management()->kind, MSG_STORE_FLUSHED);
	store_join(store);
}

Test(patient, hears_a_stop_before_replay)
{
	store_start(store);
	cr_assert_eq(to_management()->kind, MSG_STORE_OPEN);
	stop();
	cr_assert_eq(to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert(!mbox_take(proc, &core), "nothing was replayed");
	cr_assert_eq(queue.closes, 1);
}

Test(standby, takes_over_from_another_server)
{
	fail_first(2, GEARMAND_WHY_IN_USE);
	expect_log("queue test: standing by: no way in");
	expect_text(MSG_STORE_WAITING, "standing by");
	expect_log("this server is active now");
	cr_assert_eq(to_management()->kind, MSG_STORE_OPEN);
	cr_assert_eq(queue.opens, 3);
	stop();
}

Test(standby, waits_for_one_that_is_down_too)
{
	fail_first(1, GEARMAND_WHY_PASSING);
	expect_log("waiting until it can be opened");
	cr_assert_eq(to_management()->kind, MSG_STORE_WAITING);
	expect_log("open now");
	cr_assert_eq(to_management()->kind, MSG_STORE_OPEN);
	stop();
}

/* ---- Shutdown -------------------------------------------------------------------------------------- */

Test(store, stop_commits_what_came_before_it)
{
	start();
	post(MSG_ADD, "a");
	post(MSG_REMOVE, "b");
	stop();
	post(MSG_ADD, "too late");
	cr_assert_eq(to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_eq(MSG_AS(msg_text, shown)->number, 0);
	expect_added("a", GEARMAND_STORED, NULL);
	while (removed == 0)
		core_takes();
	cr_assert(list_is_empty(&core));
	cr_assert_null(strstr(queue.history, "too late"));
	cr_assert_eq(queue.closes, 1, "closed on its own thread");
}

Test(store, shutdown_of_an_unwell_queue_ends_and_says_what_is_lost)
{
	always_again = true;
	post(MSG_ADD, "a");
	start();
	expect_state("disk on fire");
	expect_log("disk on fire");
	post(MSG_REMOVE, "b");
	stop();
	expect_log("2 changes are not saved: disk on fire");
	cr_assert_eq(to_management()->kind, MSG_STORE_FLUSHED);
	cr_assert_eq(MSG_AS(msg_text, shown)->number, 2);
}

/* ---- Replay ------------------------------------------------------------------------------------------ */

Test(store, replay_hands_over_every_job_as_it_was)
{
	enum { JOBS = 20000 };
	char unique[16];

	jobs_to_replay = JOBS;
	start_replay();
	for (int i = 0; i < JOBS; i++) {
		struct msg *m = to_core();
		struct msg_store *s = MSG_AS(msg_store, m);
		int len = snprintf(unique, sizeof unique, "u%d", i);

		cr_assert_eq(m->kind, MSG_REPLAYED);
		cr_assert(slice_is(s->function, "f") && slice_is(s->unique, unique) && slice_is(s->data, "data"));
		cr_assert(slice_is(s->handle, "H:x:1") && slice_is(s->reducer, "r"));
		cr_assert(s->run_at == i && s->priority == GEARMAND_LOW);
		cr_assert_eq(m->blob->len, 2 + (size_t)len + 1 + 4, "function NUL unique NUL data");
	}
	cr_assert_eq(to_core()->kind, MSG_REPLAY_END);
	cr_assert_eq(MSG_AS(msg_text, shown)->number, JOBS);
	expect_log("20000 jobs");
	cr_assert_eq(to_management()->kind, MSG_STORE_READY);
	stop();
}

Test(store, replay_that_fails_ends_the_start)
{
	replay_fails = true;
	jobs_to_replay = 1;
	start_replay();
	cr_assert_eq(to_management()->kind, MSG_STORE_FAILED);
	cr_assert_str_eq(MSG_AS(msg_text, shown)->text, "the table is gone");
}

Test(store, shutdown_ends_a_replay)
{
	jobs_to_replay = 1 << 30;
	start_replay();
	cr_assert_eq(to_core()->kind, MSG_REPLAYED);
	stop();
	while (to_core()->kind != MSG_REPLAY_END)
		cr_assert_eq(shown->kind, MSG_REPLAYED);
	while (to_management()->kind != MSG_STORE_FLUSHED)
		;
}
