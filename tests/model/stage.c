/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lets the core take a turn and holds all it says against the model.
 *
 * Runs on:  the test's thread.
 * Owns:     struct stage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/model/stage.h"

struct stage t;

uint64_t
draw(uint64_t below)
{
	t.random ^= t.random << 13;
	t.random ^= t.random >> 7;
	t.random ^= t.random << 17;
	return (t.random * 0x2545f4914f6cdd1dULL >> 33) % below;
}

void
wrong(const char *what, const char *expected, const char *got)
{
	fprintf(stderr, "step %ld: %s: expected `%s`, got `%s`\nthe last steps were:\n", t.step, what,
	    expected == NULL ? "nothing" : expected, got == NULL ? "nothing" : got);
	for (long i = t.step - HISTORY + 1; i <= t.step; i++) {
		if (i >= 0)
			fprintf(stderr, "  %ld %s\n", i, t.history[i % HISTORY]);
	}
	exit(1);
}

void
note(const char *what, int peer, long a, long b)
{
	snprintf(t.history[t.step % HISTORY], sizeof t.history[0], "%s peer %d, %ld, %ld", what, peer, a, b);
}

/* ---- What the core says, as text ---- */

static void
reply_text(const struct msg *m, char *out, size_t size)
{
	const struct msg_reply *reply = MSG_AS(msg_reply, m);
	struct buf text = { 0 };

	buf_add_str(&text, m->type == PKT_TEXT ? "TEXT" : pkt_info(m->type)->name);
	if (reply->head_len > PKT_HEAD || reply->data.len > 0)
		buf_add_char(&text, ' ');
	for (uint32_t i = PKT_HEAD; i < reply->head_len; i++)
		buf_add_char(&text, reply->head[i] == '\0' ? ' ' : reply->head[i]);
	buf_add_slice(&text, reply->data);
	snprintf(out, size, "%.*s", (int)text.len, text.data);
	buf_fini(&text);
}

static int
peer_index(uint64_t number)
{
	for (int i = 0; i < PEERS; i++) {
		if (t.model->peers[i].used && t.model->peers[i].number == number)
			return i;
	}
	wrong("a message", NULL, "for a peer that is not there");
}

static void
check_said(struct msg *m)
{
	int peer = peer_index(m->peer);
	struct mpeer *p = &t.model->peers[peer];
	const char *expected;
	char got[TEXT * 4];

	if (m->kind == MSG_REPLY && m->type == PKT_NOOP) {
		if (!p->asleep && !p->unsure)
			wrong("NOOP", "to a sleeping worker", "to one that is awake");
		p->asleep = false;
		return;
	}
	if (m->kind == MSG_PEER_FORGOTTEN)
		strcpy(got, "FORGOTTEN");
	else
		reply_text(m, got, sizeof got);
	expected = model_hears(t.model, peer);
	if (expected == NULL || strcmp(expected, got) != 0) {
		note("what peer hears:", peer, 0, 0);
		wrong("a reply", expected, got);
	}
	if (m->kind == MSG_PEER_FORGOTTEN)
		p->used = false;
}

static void
check_all_said(void)
{
	for (int i = 0; i < PEERS; i++) {
		const char *expected = t.model->peers[i].used ? model_hears(t.model, i) : NULL;

		if (expected != NULL)
			wrong("silence", expected, NULL);
		if (t.model->peers[i].count > 0)
			t.model->peers[i].unsure = true;
	}
}

/* ---- What the core tells the store ---- */

static struct mtell *
tell_at(int i)
{
	return &t.model->tells[(t.model->first_tell + i) % TELLS];
}

static bool
tells_same(struct mtell *tell, const struct msg_store *m)
{
	static const enum msg_kind kinds[] = { MSG_ADD, MSG_REMOVE, MSG_BURY, MSG_UNBURY };
	struct mjob *job = &t.model->jobs[tell->job];
	char handle[TEXT];

	if (kinds[tell->what] != m->msg.kind)
		return false;
	snprintf(handle, sizeof handle, "H:model:%llu", (unsigned long long)tell->number);
	if (tell->what != M_REMOVE && !slice_is(m->handle, handle))
		return false;
	if (tell->what == M_UNBURY)
		return true;
	if (!slice_is(m->function, model_func(tell->func)))
		return false;
	if (tell->what == M_REMOVE)
		return slice_is(m->unique, tell->key) || tell->key[0] == '\0';
	if (job->key[0] == '\0' && job->number == tell->number) { /* a made-up key is learnt here */
		snprintf(job->key, sizeof job->key, "%.*s", (int)m->unique.len, m->unique.data);
		strcpy(tell->key, job->key);
	}
	return slice_is(m->unique, tell->key) && m->run_at == tell->run_at && m->changed_at == tell->changed_at &&
	       m->attempts == (uint32_t)tell->attempts && slice_is(m->error, tell->error) &&
	       (tell->what == M_BURY) == ((m->flags & GEARMAND_JOB_DEAD) != 0);
}

/* Jobs that end between two ADDs may do so in any order; but what is told of one of them is in order. */
static bool
may_be_next(int at)
{
	for (int i = 0; i < at; i++)
		if (tell_at(i)->what == M_ADD || tell_at(i)->number == tell_at(at)->number)
			return false;
	return at == 0 || tell_at(at)->what != M_ADD;
}

static void
check_told(const struct msg_store *m)
{
	static const char *const names[] = { "ADD", "REMOVE", "BURY", "UNBURY" };
	char expected[2 * TEXT], got[4 * TEXT];
	const struct mtell *first = tell_at(0);

	for (int i = 0; i < t.model->tell_count; i++) {
		if (!may_be_next(i) || !tells_same(tell_at(i), m))
			continue;
		for (int n = i; n > 0; n--)
			*tell_at(n) = *tell_at(n - 1);
		t.model->first_tell = (t.model->first_tell + 1) % TELLS;
		t.model->tell_count--;
		return;
	}
	snprintf(expected, sizeof expected, "%s %d %s %llu %lld %d %s", names[first->what], first->func, first->key,
	    (unsigned long long)first->number, (long long)first->changed_at, first->attempts, first->error);
	snprintf(got, sizeof got, "%s %.*s %.*s %.*s %lld %u %.*s", names[m->msg.kind - MSG_ADD], (int)m->function.len,
	    m->function.data, (int)m->unique.len, m->unique.data, (int)m->handle.len, m->handle.data,
	    (long long)m->changed_at, m->attempts, (int)m->error.len, m->error.data);
	wrong("a change for the store", t.model->tell_count > 0 ? expected : NULL, got);
}

void
turn(struct msg *m)
{
	struct list batch, *node;

	list_init(&batch);
	if (m != NULL)
		list_push(&batch, &m->link);
	role_assume(&proc_role);
	proc_turn(t.proc, &batch, t.now, &t.out);
	proc_audit(t.proc);
	model_turn_ends(t.model);
	while ((node = list_pop(&t.out.io[0])) != NULL) {
		struct msg *said = MSG(node);

		check_said(said);
		msg_free(&said);
	}
	check_all_said();
	while ((node = list_pop(&t.out.store)) != NULL) {
		check_told(MSG_AS(msg_store, MSG(node)));
		list_push(&t.changes, node);
	}
	if (t.model->tell_count > 0)
		wrong("a change for the store", tell_at(0)->key, NULL);
	msg_free_all(&t.out.mgmt);
}
