/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store thread: replays, then commits one batch after the other, in sickness and in health.
 *
 * Runs on:  store thread; made, opened and freed on the main thread while the other does not run.
 * Owns:     its waker, its mailbox and the module's store.
 *
 * There is no timer for gathering: while one commit runs, what is posted gathers by itself.
 */
#include "io/store.h"

#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "cross/log.h"
#include "io/store_priv.h"

#define MS             INT64_C(1000000)
#define BACK_OFF_FIRST (100 * MS)
#define BACK_OFF_MOST  (5000 * MS)
#define GIVE_UP_AFTER  (10000 * MS)

struct store *
store_new(const struct store_config *config, struct mbox *proc, struct mbox *mgmt)
{
	struct store *s = mem_new(sizeof *s);

	s->config = *config;
	CHECK(s->config.batch_max > 0);
	if (s->config.give_up_after == 0)
		s->config.give_up_after = GIVE_UP_AFTER;
	s->proc = proc;
	s->mgmt = mgmt;
	s->waker = waker_new(false);
	s->in = mbox_new(s->waker);
	list_init(&s->pending);
	list_init(&s->batch);
	s->give_up_at = NEVER;
	return s;
}

struct mbox *
store_mbox(struct store *s)
{
	return s->in;
}

bool
store_open(struct store *s, struct gearmand_error *error)
{
	return s->config.ops->open(s->config.host, &s->module, error);
}

bool
store_adds_at_shutdown(const struct store *s)
{
	return s->config.ops->adds_at_shutdown != NULL && s->config.ops->adds_at_shutdown(s->module);
}

static STORE void
store_close(struct store *s)
{
	if (s->module != NULL)
		s->config.ops->close(&s->module);
	s->module = NULL;
}

void
store_take(struct store *s)
{
	struct list msgs, *node;

	list_init(&msgs);
	mbox_take(s->in, &msgs);
	while ((node = list_pop(&msgs)) != NULL) {
		struct msg *m = MSG(node);

		if (m->kind == MSG_STOP && !s->stopping) {
			s->stopping = true;
			s->give_up_at = clock_mono() + s->config.give_up_after;
		}
		if (m->kind == MSG_STOP || s->stopping) {
			msg_free(&m);
			continue;
		}
		CHECK(m->kind == MSG_ADD || m->kind == MSG_REMOVE);
		list_push(&s->pending, &m->link);
	}
}

/* ---- Sick and well ------------------------------------------------------------------- */

/* An empty text: it is well again. */
static STORE void
store_tell_state(struct store *s, const char *trouble)
{
	struct msg *m = &msg_text_new(MSG_STORE_STATE, slice_str(trouble))->msg;

	mbox_post(s->proc, &m);
}

static STORE void
store_is_well(struct store *s)
{
	if (!s->unwell)
		return;
	s->unwell = false;
	log_post(GEARMAND_LOG_NOTICE, "queue %s: well again", s->config.name);
	store_tell_state(s, "");
}

static STORE void
store_is_unwell(struct store *s)
{
	nsec_t now = clock_mono();

	if (s->trouble.text[0] == '\0')
		strcpy(s->trouble.text, "it does not say why");
	if (!s->unwell) {
		s->unwell = true;
		s->back_off = BACK_OFF_FIRST;
		log_post(GEARMAND_LOG_ERROR, "queue %s: cannot store, tries again until it can: %s", s->config.name,
		    s->trouble.text);
		store_tell_state(s, s->trouble.text);
	} else {
		s->back_off = s->back_off * 2 > BACK_OFF_MOST ? BACK_OFF_MOST : s->back_off * 2;
	}
	s->retry_at = now + s->back_off;
}

static STORE bool
store_is_open(struct store *s)
{
	if (s->module != NULL)
		return true;
	s->trouble.text[0] = '\0';
	return s->config.ops->open(s->config.host, &s->module, &s->trouble);
}

static STORE void
store_try(struct store *s)
{
	if (store_is_open(s) && store_commit(s)) {
		store_is_well(s);
		return;
	}
	store_is_unwell(s);
	if (s->stopping && s->retry_at > s->give_up_at)
		s->retry_at = s->give_up_at;
}

/* ---- The thread ------------------------------------------------------------------------- */

/* Sleeps until there is something to do; false at the end. */
static STORE bool
store_wait(struct store *s)
{
	for (;;) {
		store_take(s);
		if (!store_has_batch(s) && list_is_empty(&s->pending)) {
			if (s->stopping)
				return false;
			waker_sleep(s->waker, NEVER);
		} else if (!s->unwell || clock_mono() >= s->retry_at) {
			return true;
		} else {
			waker_sleep(s->waker, s->retry_at);
		}
	}
}

/* Returns how many changes it could not save. */
static STORE size_t
store_serve(struct store *s)
{
	size_t lost = 0;

	while (store_wait(s)) {
		if (!store_has_batch(s))
			store_gather(s);
		store_try(s);
		if (s->unwell && clock_mono() >= s->give_up_at)
			break;
	}
	lost = s->count;
	LIST_EACH(node, &s->pending)
		lost++;
	if (lost > 0)
		log_post(GEARMAND_LOG_ERROR, "queue %s: given up at shutdown, %zu changes are not saved: %s",
		    s->config.name, lost, s->trouble.text);
	return lost;
}

static STORE void
store_tell_mgmt(struct store *s, enum msg_kind kind, const char *text, uint64_t number)
{
	struct msg_text *t = msg_text_new(kind, slice_str(text));
	struct msg *m = &t->msg;

	t->number = number;
	mbox_post(s->mgmt, &m);
}

static void *
store_thread(void *arg)
{
	struct store *s = arg;
	size_t lost;

	pthread_setname_np(pthread_self(), "gm-store");
	role_take(&store_role);
	role_assume(&store_role);
	log_thread("store");
	waker_bind(s->waker);
	if (!store_replay(s)) {
		store_tell_mgmt(s, MSG_STORE_FAILED, s->trouble.text, 0);
		return NULL;
	}
	store_tell_mgmt(s, MSG_STORE_READY, "", 0);
	lost = store_serve(s);
	store_close(s);
	store_tell_mgmt(s, MSG_STORE_FLUSHED, "", lost);
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
	store_drop_batch(s);
	msg_free_all(&s->pending);
	mem_free(s->changes);
	mbox_free(&s->in);
	waker_free(&s->waker);
	mem_free(s);
}
