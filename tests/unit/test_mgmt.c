/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The end of the server: who is asked what, in which order, and what comes of answers out of turn.
 *
 * The other classes are played by a rider on management's own loop: it writes down what they are told and answers.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cross/log.h"
#include "cross/msg.h"
#include "mgmt/accept.h"
#include "mgmt/listen.h"
#include "mgmt/mgmt.h"

struct stage {
	struct loop *loop;
	struct mgmt *mgmt;
	struct mbox *core, *store, *io;
	struct listeners listeners;
	struct acceptor *acceptor;
	char told[256];   /* "core SHUTDOWN, store STOP, ..." */
	unsigned serving; /* times that management began to serve */
	unsigned days;    /* that were over */
	bool days_matter;
	bool store_fails; /* the store's thread ends with a sentence instead of flushing */
	bool core_is_mute, store_is_mute;
	char waits_for[64];                 /* what management said that it waits for */
	uint64_t lost;                      /* changes that the store could not save */
	void (*when_quiet)(struct stage *); /* once, when nobody has anything to do; NULL = done */
};

static const char *const kind_names[] = {
#define X(name) #name,
	MSG_KINDS(X)
#undef X
};

static void
note(struct stage *s, const char *who, const struct msg *m)
{
	size_t len = strlen(s->told);

	len += (size_t)snprintf(
	    s->told + len, sizeof s->told - len, "%s%s %s", len > 0 ? ", " : "", who, kind_names[m->kind]);
	if (m->kind == MSG_CRON)
		snprintf(s->told + len, sizeof s->told - len, " %d %d %ld", (int)MSG_AS(msg_cron, m)->table,
		    (int)MSG_AS(msg_cron, m)->line, (long)MSG_AS(msg_cron, m)->next);
}

static void
answer(struct stage *s, enum msg_kind kind, const char *text, uint64_t number)
{
	struct msg_text *t = msg_text_new(kind, slice_str(text));
	struct msg *m = &t->msg;

	t->number = number;
	mbox_post(mgmt_mbox(s->mgmt), &m);
}

static void
play(struct stage *s, const char *who, const struct msg *m)
{
	note(s, who, m);
	if (m->kind == MSG_SHUTDOWN && !s->core_is_mute)
		answer(s, MSG_FLUSHED, "", 0);
	else if (m->kind == MSG_GRACEFUL)
		answer(s, MSG_IDLE, "", 0);
	else if (m->kind == MSG_ALIVE && !s->core_is_mute)
		answer(s, MSG_ALIVE, "", 0);
	else if (m->kind == MSG_STOP && strcmp(who, "store") == 0 && s->store_fails)
		answer(s, MSG_STORE_FAILED, "the disk is gone", 0);
	else if (m->kind == MSG_STOP && strcmp(who, "store") == 0 && !s->store_is_mute)
		answer(s, MSG_STORE_FLUSHED, "", s->lost);
}

static bool
take(struct stage *s, const char *who, struct mbox *box)
{
	struct list msgs, *node;
	bool any = false;

	list_init(&msgs);
	mbox_take(box, &msgs);
	while ((node = list_pop(&msgs)) != NULL) {
		struct msg *m = MSG(node);

		any = true;
		play(s, who, m);
		msg_free(&m);
	}
	return any;
}

static bool
stage_turn(void *self, nsec_t *due_r)
{
	struct stage *s = self;
	bool any = take(s, "core", s->core);
	void (*quiet)(struct stage *) = s->when_quiet;

	(void)due_r;
	any |= take(s, "store", s->store);
	any |= take(s, "io", s->io);
	if (any || quiet == NULL)
		return any;
	s->when_quiet = NULL;
	quiet(s);
	return true;
}

static void
on_serving(void *arg)
{
	((struct stage *)arg)->serving++;
}

/* Nobody waits for a whole one. */
static void
on_day(void *arg)
{
	struct stage *s = arg;

	role_assume(&mgmt_role);
	if (++s->days == 3)
		mgmt_stop(s->mgmt, "SIGTERM");
}

static void
stage_make(struct stage *s)
{
	memset(s, 0, sizeof *s);
	role_take(&mgmt_role);
	role_assume(&mgmt_role);
	s->loop = loop_new();
	waker_bind(loop_waker(s->loop));
	s->mgmt = mgmt_new(s->loop);
	log_start(mgmt_mbox(s->mgmt), GEARMAND_LOG_NOTICE);
	s->core = mbox_new(loop_waker(s->loop));
	s->store = mbox_new(loop_waker(s->loop));
	s->io = mbox_new(loop_waker(s->loop));
	loop_add_rider(s->loop, (struct rider){ stage_turn, s });
}

static void
stage_connect(struct stage *s, bool with_store)
{
	struct accept_config ac = { .listeners = &s->listeners, .io = &s->io, .io_count = 1, .fd_max = 1000 };
	struct mgmt_links links = { .io = &s->io, .io_count = 1, .on_serving = on_serving, .arg = s };

	role_assume(&mgmt_role);
	links.on_day = s->days_matter ? on_day : NULL;
	links.day = 1000000;
	links.acceptor = s->acceptor = acceptor_new(loop_base(s->loop), &ac);
	links.proc = s->core;
	links.store = with_store ? s->store : NULL;
	mgmt_connect(s->mgmt, &links);
}

static void
stage_open(struct stage *s, bool with_store)
{
	stage_make(s);
	stage_connect(s, with_store);
	role_assume(&mgmt_role);
	mgmt_begin(s->mgmt);
}

static void
on_waiting(void *arg, const char *why)
{
	struct stage *s = arg;

	snprintf(s->waits_for, sizeof s->waits_for, "%s", why);
}

static bool
stage_open_store(struct stage *s, void (*when_quiet)(struct stage *))
{
	stage_make(s);
	stage_connect(s, true);
	s->when_quiet = when_quiet;
	role_assume(&mgmt_role);
	return mgmt_open_store(s->mgmt, on_waiting, s);
}

/* Until management stops its loop. */
static void
stage_run(struct stage *s, void (*when_quiet)(struct stage *))
{
	s->when_quiet = when_quiet;
	loop_run(s->loop);
	take(s, "core", s->core);
	take(s, "store", s->store);
	take(s, "io", s->io);
}

static void
stage_close(struct stage *s)
{
	log_start(NULL, GEARMAND_LOG_FATAL);
	acceptor_free(&s->acceptor);
	mgmt_free(&s->mgmt);
	mbox_free(&s->core);
	mbox_free(&s->store);
	mbox_free(&s->io);
	loop_free(&s->loop);
}

static void
terminate(struct stage *s)
{
	role_assume(&mgmt_role);
	mgmt_stop(s->mgmt, "SIGTERM");
}

static void
terminate_twice(struct stage *s)
{
	role_assume(&mgmt_role);
	mgmt_stop(s->mgmt, "SIGTERM");
	mgmt_stop(s->mgmt, "SIGTERM");
}

static void
drain(struct stage *s)
{
	role_assume(&mgmt_role);
	mgmt_drain(s->mgmt);
}

static void
store_is_ready(struct stage *s)
{
	answer(s, MSG_STORE_READY, "", 0);
	s->when_quiet = terminate;
}

static void
replay_fails(struct stage *s)
{
	answer(s, MSG_STORE_FAILED, "the table cannot be read", 0);
}

/* The store's thread fails while the core is asked to flush. */
static void
replay_fails_late(struct stage *s)
{
	role_assume(&mgmt_role);
	mgmt_stop(s->mgmt, "SIGTERM");
	answer(s, MSG_STORE_FAILED, "the table cannot be read", 0);
}

Test(mgmt, without_a_store_the_core_is_flushed_and_io_writes_what_is_left)
{
	struct stage s;

	stage_open(&s, false);
	cr_assert_eq(s.serving, 1);
	stage_run(&s, terminate);
	cr_assert_str_eq(s.told, "core SHUTDOWN, io STOP");
	role_assume(&mgmt_role);
	cr_assert_null(mgmt_failure(s.mgmt));
	cr_assert_not(mgmt_hurried(s.mgmt));
	stage_close(&s);
}

static void
wait_for_days(struct stage *s)
{
	(void)s;
}

Test(mgmt, while_it_serves_it_says_each_time_that_a_day_is_over)
{
	struct stage s;

	stage_make(&s);
	s.days_matter = true;
	stage_connect(&s, false);
	role_assume(&mgmt_role);
	mgmt_begin(s.mgmt);
	stage_run(&s, wait_for_days);
	cr_assert_eq(s.days, 3);
	cr_assert_str_eq(s.told, "core SHUTDOWN, io STOP");
	stage_close(&s);
}

static void
ask_for_cron(struct stage *s)
{
	static const struct slice fields[SCHED_FIELDS] = { { "1", 1 }, { "*", 1 }, { "*", 1 }, { "*", 1 }, { "*", 1 } };
	struct msg_cron *m = msg_new_sized(MSG_CRON, 0, sizeof *m);
	struct msg *msg = &m->msg;

	m->table = 3;
	m->line = 5;
	m->after = 1700000000; /* 22:13:20 UTC */
	cr_assert(sched_read(fields, true, &m->sched));
	mbox_post(mgmt_mbox(s->mgmt), &msg);
	s->when_quiet = terminate;
}

Test(mgmt, it_tells_the_core_when_a_cron_line_is_next)
{
	struct stage s;

	setenv("TZ", "UTC0", 1);
	stage_open(&s, false);
	stage_run(&s, ask_for_cron);
	cr_assert_str_eq(s.told, "core CRON 3 5 1700002860, core SHUTDOWN, io STOP");
	stage_close(&s);
}

Test(mgmt, it_serves_when_the_stored_jobs_are_back_and_asks_the_core_again_behind_the_last_commit)
{
	struct stage s;

	stage_open(&s, true);
	cr_assert_eq(s.serving, 0);
	stage_run(&s, store_is_ready);
	cr_assert_eq(s.serving, 1);
	cr_assert_str_eq(s.told, "core SHUTDOWN, store STOP, core SHUTDOWN, io STOP");
	role_assume(&mgmt_role);
	cr_assert_null(mgmt_failure(s.mgmt));
	stage_close(&s);
}

Test(mgmt, changes_that_the_store_did_not_take_at_the_end_are_a_failure)
{
	struct stage s;

	stage_open(&s, true);
	s.lost = 3;
	stage_run(&s, store_is_ready);
	role_assume(&mgmt_role);
	cr_assert_not_null(mgmt_failure(s.mgmt));
	stage_close(&s);
}

Test(mgmt, jobs_that_cannot_be_read_back_are_a_failed_start)
{
	struct stage s;

	stage_open(&s, true);
	stage_run(&s, replay_fails);
	role_assume(&mgmt_role);
	cr_assert_str_eq(mgmt_failure(s.mgmt), "the table cannot be read");
	cr_assert_eq(s.serving, 0);
	stage_close(&s);
}

Test(mgmt, sigterm_during_replay_does_not_serve_and_ends)
{
	struct stage s;

	stage_open(&s, true);
	stage_run(&s, terminate);
	cr_assert_eq(s.serving, 0);
	cr_assert_str_eq(s.told, "core SHUTDOWN, store STOP, core SHUTDOWN, io STOP");
	stage_close(&s);
}

Test(mgmt, a_store_that_fails_while_the_server_ends_is_not_waited_for)
{
	struct stage s;

	stage_open(&s, true);
	s.store_fails = true;
	stage_run(&s, terminate);
	cr_assert_str_eq(s.told, "core SHUTDOWN, store STOP, io STOP");
	stage_close(&s);
	stage_open(&s, true);
	stage_run(&s, replay_fails_late);
	cr_assert_str_eq(s.told, "core SHUTDOWN, io STOP");
	role_assume(&mgmt_role);
	cr_assert_str_eq(mgmt_failure(s.mgmt), "the table cannot be read");
	stage_close(&s);
}

Test(mgmt, graceful_shutdown_goes_on_when_the_core_is_idle)
{
	struct stage s;

	stage_open(&s, false);
	stage_run(&s, drain);
	cr_assert_str_eq(s.told, "core GRACEFUL, core SHUTDOWN, io STOP");
	stage_close(&s);
}

Test(mgmt, a_second_sigterm_waits_for_nobody)
{
	struct stage s;

	stage_open(&s, true);
	s.core_is_mute = true;
	stage_run(&s, terminate_twice);
	role_assume(&mgmt_role);
	cr_assert(mgmt_hurried(s.mgmt));
	stage_close(&s);
}

/* ---- Opening ---------------------------------------------------------------------------------- */

static void
store_waits_and_opens(struct stage *s)
{
	answer(s, MSG_STORE_WAITING, "the database is down", 0);
	answer(s, MSG_STORE_OPEN, "", 0);
}

static void
store_does_not_open(struct stage *s)
{
	answer(s, MSG_STORE_FAILED, "wrong password", 0);
}

/* It opens in the moment in which it is told to stop. */
static void
terminate_too_late(struct stage *s)
{
	terminate(s);
	answer(s, MSG_STORE_OPEN, "", 0);
}

static void
terminate_mute(struct stage *s)
{
	s->store_is_mute = true;
	terminate(s);
}

Test(mgmt, the_store_is_open_before_anything_else_is_asked)
{
	struct stage s;

	cr_assert(stage_open_store(&s, store_waits_and_opens));
	cr_assert_str_eq(s.waits_for, "the database is down");
	role_assume(&mgmt_role);
	mgmt_begin(s.mgmt);
	stage_run(&s, store_is_ready);
	cr_assert_eq(s.serving, 1);
	stage_close(&s);
}

Test(mgmt, a_store_that_does_not_open_is_a_failed_start)
{
	struct stage s;

	cr_assert_not(stage_open_store(&s, store_does_not_open));
	role_assume(&mgmt_role);
	cr_assert_str_eq(mgmt_failure(s.mgmt), "wrong password");
	stage_close(&s);
}

Test(mgmt, sigterm_while_the_store_is_opened_is_no_failure)
{
	void (*const ways[])(struct stage *) = { terminate, terminate_too_late, drain };
	struct stage s;

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		cr_assert_not(stage_open_store(&s, ways[i]));
		cr_assert_str_eq(s.told, "store STOP");
		role_assume(&mgmt_role);
		cr_assert_null(mgmt_failure(s.mgmt));
		cr_assert_not(mgmt_hurried(s.mgmt));
		stage_close(&s);
	}
}

Test(mgmt, sigterm_does_not_wait_for_a_module_that_is_stuck_in_opening)
{
	struct stage s;

	cr_assert_not(stage_open_store(&s, terminate_mute));
	role_assume(&mgmt_role);
	cr_assert_null(mgmt_failure(s.mgmt));
	cr_assert(mgmt_hurried(s.mgmt));
	stage_close(&s);
}
