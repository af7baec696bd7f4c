/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store thread: opens, replays, then commits one batch after the other, in sickness and in health.
 *
 * Runs on:  store thread; made and freed on the main thread while the other does not run.
 * Owns:     its waker, its mailbox and the module's store.
 *
 * There is no timer for gathering: while one commit runs, what is posted gathers by itself.
 */
#include "io/store.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "cross/log.h"
#include "io/store_priv.h"

#define GIVE_UP_AFTER (10000 * MS)
#define LOST_AFTER    (3000 * MS)
#define CHECK_EVERY   (2000 * MS)
#define FULL_FOR      (10000 * MS)

struct store *
store_new(const struct store_config *config, struct mbox *proc, struct mbox *mgmt)
{
	struct store *s = mem_new(sizeof *s);

	s->opening = (struct gearmand_opening){ .size = sizeof s->opening, .is_first = true };

	s->config = *config;
	CHECK(s->config.batch_max > 0);
	if (s->config.give_up_after == 0)
		s->config.give_up_after = GIVE_UP_AFTER;
	if (s->config.lost_after == 0)
		s->config.lost_after = LOST_AFTER;
	if (s->config.full_for == 0)
		s->config.full_for = FULL_FOR;
	if (s->config.check_every == 0)
		s->config.check_every = CHECK_EVERY;
	s->proc = proc;
	s->mgmt = mgmt;
	s->waker = waker_new(false);
	s->in = mbox_new(s->waker);
	list_init(&s->pending);
	list_init(&s->shut_out);
	s->shut_size = SIZE_MAX;
	list_init(&s->settled);
	CHECK(getrandom(s->hash_key, sizeof s->hash_key, 0) == (ssize_t)sizeof s->hash_key);
	list_init(&s->batch);
	s->give_up_at = s->taken_at = s->check_at = s->let_in_at = NEVER;
	s->waited_for = -1;
	return s;
}

struct mbox *
store_mbox(struct store *s)
{
	return s->in;
}

unsigned
store_ways(const struct store *s)
{
	return (s->adds_at_shutdown ? STORE_ADDS_AT_SHUTDOWN : 0) | (s->config.ops->keeps_dead ? STORE_KEEPS_DEAD : 0);
}

/* ---- Sick and well ------------------------------------------------------------------- */

static STORE void
store_is_well(struct store *s)
{
	if (!s->unwell)
		return;
	s->unwell = false;
	log_post(GEARMAND_LOG_NOTICE, "queue %s: well again", s->config.name);
	store_tell_state(s, "", false);
}

static STORE void
store_is_unwell(struct store *s)
{
	nsec_t now = clock_mono();

	if (s->trouble.text[0] == '\0')
		strcpy(s->trouble.text, "it does not say why");
	if (!s->unwell) {
		s->unwell = true;
		s->back_off = store_next_back_off(0);
		log_post(GEARMAND_LOG_ERROR,
		    "queue %s: changes are not stored; the server tries again until they are: %s", s->config.name,
		    s->trouble.text);
	} else {
		s->back_off = store_next_back_off(s->back_off);
	}
	s->is_full = false;
	store_let_in(s);
	store_tell_state(s, s->trouble.text, false);
	store_drop_superfluous(s);
	s->retry_at = now + s->back_off;
}

static STORE void
store_plan_check(struct store *s)
{
	s->check_at = s->config.ops->check == NULL ? NEVER : clock_mono() + s->config.check_every;
}

static STORE void
store_try(struct store *s)
{
	if (store_reopen(s) && (store_has_batch(s) ? store_commit(s) : store_check(s))) {
		store_is_well(s);
		store_plan_check(s);
		return;
	}
	store_is_unwell(s);
	if (s->taken_at != NEVER)
		s->retry_at = clock_mono() + LOOK_AGAIN;
	if (s->stopping && s->retry_at > s->give_up_at)
		s->retry_at = s->give_up_at;
}

/* ---- The thread ------------------------------------------------------------------------- */

/* What a closed store is to read again it reads when it is opened. */
static STORE void
store_reload(struct store *s)
{
	struct gearmand_error err = { .text = "" };

	s->reload = false;
	if (s->module != NULL && s->config.ops->reload != NULL && !s->config.ops->reload(s->module, &err))
		log_post(GEARMAND_LOG_ERROR, "queue %s stays as it was: %s", s->config.name, err.text);
}

static STORE nsec_t
store_next_look(const struct store *s)
{
	return s->let_in_at < s->check_at ? s->let_in_at : s->check_at;
}

/* Sleeps until there is something to do, be it only a look at the store; false at the end. */
static STORE bool
store_wait(struct store *s)
{
	for (;;) {
		bool idle;
		nsec_t until;

		store_take(s);
		if (s->reload)
			store_reload(s);
		idle = !store_has_batch(s) && list_is_empty(&s->pending);
		if (idle && s->stopping && clock_mono() < s->let_in_at)
			return false;
		until = s->unwell ? s->retry_at : idle ? store_next_look(s) : 0;
		if (until == 0 || clock_mono() >= until)
			return true;
		waker_sleep(s->waker, until);
	}
}

/* What other servers do with the jobs is not ours to mend: false, and no more is done. */
static STORE bool
store_serve(struct store *s)
{
	store_plan_check(s);
	while (store_wait(s)) {
		if (!store_has_batch(s))
			store_gather(s);
		store_try(s);
		if (store_is_lost(s))
			return false;
		if (s->unwell && clock_mono() >= s->give_up_at)
			break;
	}
	return true;
}

/* Ends the thread's work; what it could not save is given up. */
static STORE void
store_end(struct store *s)
{
	size_t lost = s->count + s->unsaved;
	const char *why = list_is_empty(&s->shut_out) ? s->trouble.text : s->told.text;

	list_splice(&s->pending, &s->shut_out);
	LIST_EACH(node, &s->pending)
		lost++;
	if (lost > 0)
		log_post(GEARMAND_LOG_ERROR, "queue %s: given up at shutdown, %zu changes are not saved: %s",
		    s->config.name, lost, why);
	store_close(s);
	store_tell_mgmt(s, MSG_STORE_FLUSHED, "", lost);
}

static STORE void
store_fail(struct store *s, const char *sentence)
{
	store_close(s);
	store_tell_mgmt(s, MSG_STORE_FAILED, sentence, 0);
}

static STORE void
store_fail_open(struct store *s)
{
	char text[700];

	snprintf(text, sizeof text, "cannot open the queue %s: %s", s->config.name, s->trouble.text);
	store_fail(s, text);
}

static STORE void
store_lose(struct store *s)
{
	char text[700];

	snprintf(text, sizeof text,
	    "queue %s: another server has taken it over; this one stops, so that no job is run by both: %s",
	    s->config.name, s->trouble.text);
	store_fail(s, text);
}

/* Until the core is there to be told of jobs; false: there is nothing to do any more. */
static STORE bool
store_await_core(struct store *s)
{
	for (store_take(s); !s->replay && !s->stopping; store_take(s))
		waker_sleep(s->waker, NEVER);
	return !s->stopping;
}

/* A lock that passes may be in the way of the replay, too: then all begins again with the opening. */
static STORE bool
store_replay_patiently(struct store *s)
{
	while (!store_replay(s)) {
		store_close(s);
		if (!store_wait_at_start(s, "read") || !store_open(s))
			return false;
	}
	store_say_started(s);
	return true;
}

static STORE void
store_live(struct store *s)
{
	if (!store_open(s)) {
		if (s->stopping)
			store_end(s);
		else
			store_fail_open(s);
		return;
	}
	store_tell_mgmt(s, MSG_STORE_OPEN, "", 0);
	if (store_await_core(s)) {
		if (!store_replay_patiently(s) && !s->stopping) {
			store_fail(s, s->trouble.text);
			return;
		}
		if (!s->stopping)
			store_tell_mgmt(s, MSG_STORE_READY, "", 0);
		if (!s->stopping && !store_serve(s)) {
			store_lose(s);
			return;
		}
	}
	store_end(s);
}

static void *
store_thread(void *arg)
{
	struct store *s = arg;

	pthread_setname_np(pthread_self(), "gm-store");
	role_take(&store_role);
	role_assume(&store_role);
	log_thread("store");
	waker_bind(s->waker);
	store_live(s);
	msg_free_spares();
	return NULL;
}

/* Signals are for the management thread. */
void
store_start(struct store *s)
{
	sigset_t all, before;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&s->thread, NULL, store_thread, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	CHECK(failed == 0);
	s->has_thread = true;
}

void
store_join(struct store *s)
{
	if (s->has_thread)
		pthread_join(s->thread, NULL);
	s->has_thread = false;
}

void
store_free(struct store **sp)
{
	struct store *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	CHECK(!s->has_thread);
	role_take(&store_role); /* its thread has ended, or never was */
	role_assume(&store_role);
	store_close(s);
	if (s->config.ops->forget != NULL && s->opening.memory != NULL)
		s->config.ops->forget(&s->opening.memory);
	store_drop_batch(s);
	msg_free_all(&s->pending);
	msg_free_all(&s->shut_out);
	mem_free(s->changes);
	mbox_free(&s->in);
	waker_free(&s->waker);
	mem_free(s);
}
