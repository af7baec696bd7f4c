/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store as the test plays it: rows, commits, refusals and want of room.
 *
 * Runs on:  the test's thread.
 * Owns:     the rows, those of the dead, and the changes that wait for room.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/model/stage.h"

static void
copy(char *out, struct slice text)
{
	snprintf(out, TEXT, "%.*s", (int)text.len, text.data);
}

static uint64_t
number_of(const struct msg_store *m)
{
	char handle[TEXT];

	copy(handle, m->handle);
	return strtoull(handle + strlen("H:model:"), NULL, 10);
}

/* ---- Rows ----------------------------------------------------------------------------------------------- */

static bool
is_of_key(const struct row *row, struct slice function, struct slice key)
{
	return slice_is(function, row->function) && slice_is(key, row->key);
}

static int
row_find(struct slice function, struct slice key)
{
	for (int i = 0; i < t.row_count; i++)
		if (is_of_key(&t.rows[i], function, key))
			return i;
	return -1;
}

static int
dead_find(uint64_t number)
{
	for (int i = 0; i < t.dead_count; i++)
		if (t.dead[i].job.number == number)
			return i;
	return -1;
}

static void
take_out(struct row *rows, int *count, int at)
{
	if (at < 0)
		return;
	memmove(&rows[at], &rows[at + 1], (size_t)(*count - at - 1) * sizeof *rows);
	--*count;
}

/* All that the model is to know of it after a crash is in the message. */
static void
read_job(const struct msg_store *m, struct mjob *job)
{
	char text[TEXT];

	*job = (struct mjob){ .number = number_of(m), .tries = (int)m->attempts, .worker = -1 };
	while (!slice_is(m->function, model_func(job->func)))
		job->func++;
	while ((m->flags & ~GEARMAND_JOB_DEAD) == 0 && !slice_is(m->unique, model_unique(job->unique)))
		job->unique++;
	if (m->flags & GEARMAND_JOB_UNIQUE_IS_DATA)
		job->unique = 1;
	copy(text, m->data);
	job->data = atoi(text + 1);
	job->priority = m->priority;
	job->due = m->run_at;
	job->changed_at = m->changed_at;
	copy(job->key, m->unique);
	copy(text, m->error);
	snprintf(job->error, sizeof job->error, "%.15s", text);
}

/* Behind all others, also when one is replaced. */
static void
row_put(struct row *rows, int *count, int former, const struct msg_store *m)
{
	struct row *row;

	take_out(rows, count, former);
	if (*count == ROWS)
		wrong("the store", "to stay small", "too many rows");
	row = &rows[(*count)++];
	read_job(m, &row->job);
	copy(row->function, m->function);
	copy(row->key, m->unique);
	copy(row->handle, m->handle);
	copy(row->data, m->data);
	row->run_at = m->run_at;
	row->attempts = m->attempts;
	row->changed_at = m->changed_at;
	row->priority = m->priority;
	row->flags = m->flags;
}

static void
store(const struct msg_store *m)
{
	switch ((enum msg_kind)m->msg.kind) {
	case MSG_ADD:
		row_put(t.rows, &t.row_count, row_find(m->function, m->unique), m);
		break;
	case MSG_REMOVE:
		take_out(t.rows, &t.row_count, row_find(m->function, m->unique));
		break;
	case MSG_BURY:
		row_put(t.dead, &t.dead_count, dead_find(number_of(m)), m);
		break;
	default:
		take_out(t.dead, &t.dead_count, dead_find(number_of(m)));
	}
}

/* ---- Want of room --------------------------------------------------------------------------------------- */

/* Does a BURY of this key wait for room?  What belongs to that key waits, too. */
static bool
waits_for_room(const struct msg_store *m)
{
	LIST_EACH(node, &t.held) {
		const struct msg_store *held = MSG_AS(msg_store, MSG(node));

		if (held->msg.kind == MSG_BURY && slice_eq(held->function, m->function) &&
		    slice_eq(held->unique, m->unique))
			return true;
	}
	return false;
}

static void
store_held(bool all)
{
	LIST_EACH_SAFE(node, &t.held) {
		struct msg *m = MSG(node);

		if (!all && waits_for_room(MSG_AS(msg_store, m)))
			continue;
		list_remove(node);
		store(MSG_AS(msg_store, m));
		msg_free(&m);
	}
}

/* One that is not to be dead any more need not become it; then what it was to be removed from goes. */
static void
drop_held(uint64_t number)
{
	LIST_EACH_SAFE(node, &t.held) {
		struct msg *m = MSG(node);

		if (m->kind != MSG_BURY || number_of(MSG_AS(msg_store, m)) != number)
			continue;
		list_remove(node);
		msg_free(&m);
	}
	store_held(false);
}

/* True: it waits, and the core is told that it is done. */
static bool
is_held(struct msg *m)
{
	struct msg_store *change = MSG_AS(msg_store, m);

	if (!t.full)
		return false;
	if (m->kind == MSG_UNBURY)
		drop_held(number_of(change));
	else if ((m->kind == MSG_BURY && draw(4) > 0) || (m->kind == MSG_REMOVE && waits_for_room(change))) {
		list_push(&t.held, &m->link);
		return true;
	}
	return false;
}

void
set_full(bool full)
{
	struct msg_text *m = msg_text_new(MSG_STORE_STATE, slice_str(full ? FULL_STORE : ""));

	note(full ? "is full" : "has room", 0, 0, 0);
	if (!full)
		store_held(true);
	t.full = full;
	m->number = full;
	model_trouble(t.model, full);
	turn(&m->msg);
}

/* ---- Commits -------------------------------------------------------------------------------------------- */

static int
job_of(const struct msg_store *m)
{
	for (int i = 0; i < JOBS; i++)
		if (t.model->jobs[i].state != M_FREE && t.model->jobs[i].adding &&
		    t.model->jobs[i].number == number_of(m))
			return i;
	wrong("an ADD", "to be of a job that is being added", m->text);
}

static void
commit_add(struct msg_store *m, bool may_refuse)
{
	bool no_room = t.full && (draw(4) > 0 || waits_for_room(m));
	bool refused = no_room || (may_refuse && draw(20) == 0);
	const char *reason = t.full ? FULL_STORE : "refused";
	int job = job_of(m);

	if (!refused)
		store(m);
	m->outcome = refused ? GEARMAND_REFUSED : GEARMAND_STORED;
	m->reason = refused ? mem_dup(reason, strlen(reason)) : NULL;
	model_added(t.model, job, !refused);
	if (!refused)
		t.model->jobs[job].in_memory = false;
	turn(&m->msg);
}

/* A dead job that the module refuses is in memory alone; nobody is told. */
static void
refuse_bury(const struct msg_store *m)
{
	int i = model_find(t.model, number_of(m));

	if (i >= 0)
		t.model->jobs[i].in_memory = true;
}

static void
commit_other(struct msg *m, bool may_refuse)
{
	struct msg_text *done = msg_text_new(MSG_COMMITTED, slice_of("", 0));

	done->number = 1;
	done->bytes = change_bytes(MSG_AS(msg_store, m));
	if (!is_held(m)) {
		if (m->kind == MSG_BURY && may_refuse && draw(40) == 0)
			refuse_bury(MSG_AS(msg_store, m));
		else
			store(MSG_AS(msg_store, m));
		msg_free(&m);
	}
	model_removed(t.model);
	turn(&done->msg);
}

static void
commit_first(bool may_refuse)
{
	struct msg *m = MSG(list_pop(&t.changes));

	if (m->kind == MSG_ADD)
		commit_add(MSG_AS(msg_store, m), may_refuse);
	else
		commit_other(m, may_refuse);
}

void
commit(uint64_t commits)
{
	note("commits at most:", 0, (long)commits, 0);
	while (commits-- > 0 && !list_is_empty(&t.changes))
		commit_first(true);
}

void
commit_half_a_move(void)
{
	bool is_kick = draw(2) == 0, found = false;

	while (!found && !list_is_empty(&t.changes)) {
		const struct msg_store *m = MSG_AS(msg_store, MSG(list_first(&t.changes)));

		found = is_kick ? m->msg.kind == MSG_ADD && dead_find(number_of(m)) >= 0 : m->msg.kind == MSG_BURY;
		commit_first(!found);
	}
}

/* ---- What must be there --------------------------------------------------------------------------------- */

static bool
has_row(const struct mjob *job)
{
	return row_find(slice_str(model_func(job->func)), slice_str(job->key)) >= 0;
}

void
check_durable(void)
{
	for (int i = 0; i < JOBS; i++) {
		const struct mjob *job = &t.model->jobs[i];
		bool is_dead = job->state == M_BURIED || job->kicked;

		if (job->state == M_FREE || job->state == M_DEAD || !(job->background || job->kicked))
			continue;
		if (!is_dead && !has_row(job))
			wrong("an acknowledged job", "in the store", "nowhere");
		if (is_dead && t.model->keeps_dead && !job->in_memory && !has_row(job) && dead_find(job->number) < 0)
			wrong("a dead job", "in the store", "nowhere");
	}
}

static void
check_dead_row(const struct row *row)
{
	int i = model_find(t.model, row->job.number);
	const struct mjob *job = i < 0 ? NULL : &t.model->jobs[i];

	if (job == NULL || job->state != M_BURIED)
		wrong("a dead job in the store", "on the dead list", row->handle);
	if (row->job.tries != job->tries || strcmp(row->job.error, job->error) != 0)
		wrong("a dead job in the store", "to be as it is", row->handle);
}

void
check_settled(void)
{
	if (t.full)
		set_full(false);
	while (!list_is_empty(&t.changes))
		commit_first(false);
	check_durable();
	for (int i = 0; i < t.dead_count; i++)
		check_dead_row(&t.dead[i]);
	for (int i = 0; i < t.row_count; i++) {
		int job = model_find(t.model, t.rows[i].job.number);

		if (job < 0 || t.model->jobs[job].state == M_BURIED)
			wrong("a job in the store", "to be alive", t.rows[i].handle);
	}
	for (int i = 0; t.model->keeps_dead && i < JOBS; i++)
		if (t.model->jobs[i].state == M_BURIED && !t.model->jobs[i].in_memory &&
		    dead_find(t.model->jobs[i].number) < 0)
			wrong("a dead job", "among the dead in the store", t.model->jobs[i].key);
}
