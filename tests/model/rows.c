/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The store as the test plays it: rows, commits and refusals; crash and restart from the rows.
 *
 * Runs on:  the test's thread.
 * Owns:     the rows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tests/model/stage.h"

static int
row_find(struct slice function, struct slice key)
{
	for (int i = 0; i < t.row_count; i++) {
		if (slice_is(function, t.rows[i].function) && slice_is(key, t.rows[i].key))
			return i;
	}
	return -1;
}

static void
copy(char *out, struct slice text)
{
	snprintf(out, TEXT, "%.*s", (int)text.len, text.data);
}

static int
job_of(const struct msg_store *m)
{
	char handle[TEXT];

	copy(handle, m->handle);
	for (int i = 0; i < JOBS; i++) {
		if (t.model->jobs[i].state != M_FREE && t.model->jobs[i].adding &&
		    t.model->jobs[i].number == strtoull(handle + strlen("H:model:"), NULL, 10))
			return i;
	}
	wrong("an ADD", "to be of a job that is being added", handle);
}

static void
row_put(const struct msg_store *m)
{
	int i = row_find(m->function, m->unique);
	struct row *row = &t.rows[i < 0 ? t.row_count++ : i];

	if (t.row_count == ROWS)
		wrong("the store", "to stay small", "too many rows");
	row->job = t.model->jobs[job_of(m)];
	copy(row->function, m->function);
	copy(row->key, m->unique);
	copy(row->handle, m->handle);
	copy(row->data, m->data);
	if (m->attempts > (uint32_t)row->job.tries)
		wrong("the store", "to know of no attempt that was not made", row->handle);
	row->job.tries = (int)m->attempts;
	row->job.due = m->run_at;
	row->run_at = m->run_at;
	row->attempts = m->attempts;
	row->changed_at = m->changed_at;
	row->priority = m->priority;
	row->flags = m->flags;
}

static void
row_remove(const struct msg_store *m)
{
	int i = row_find(m->function, m->unique);

	if (i < 0)
		return;
	memmove(&t.rows[i], &t.rows[i + 1], (size_t)(t.row_count - i - 1) * sizeof *t.rows);
	t.row_count--;
}

/* Commits the first `count` changes; their outcomes go back one by one. */
void
commit(uint64_t commits)
{
	struct list *node;

	while (commits-- > 0 && (node = list_pop(&t.changes)) != NULL) {
		struct msg *m = MSG(node);
		struct msg_store *change = MSG_AS(msg_store, m);
		bool refused = draw(20) == 0;
		int job;

		if (m->kind == MSG_REMOVE) {
			struct msg_text *done = msg_text_new(MSG_COMMITTED, slice_of("", 0));

			row_remove(change);
			done->number = 1;
			done->bytes = change_bytes(change);
			msg_free(&m);
			model_removed(t.model);
			turn(&done->msg);
			continue;
		}
		job = job_of(change);
		if (!refused)
			row_put(change);
		change->outcome = refused ? GEARMAND_REFUSED : GEARMAND_STORED;
		change->reason = refused ? mem_dup("refused", 7) : NULL;
		model_added(t.model, job, !refused);
		turn(m);
	}
}

void
start(void)
{
	struct proc_config cfg = {
		.handle_prefix = "H:model",
		.first_handle = t.model->next_number,
		.job_retries = (uint32_t)t.model->retries,
		.durable = t.model->durable,
		.queue_timeout = t.model->queue_timeout_ms * 1000000,
		.log_level = GEARMAND_LOG_ERROR,
		.version = "0",
		.verbose = "ERROR",
		.io_count = 1,
		.dead_max = DEAD_MAX,
		.dead_max_bytes = UINT64_MAX,
		.status_max_bytes = UINT64_MAX,
	};

	memcpy(cfg.seed, &t.random, sizeof t.random);
	memset(t.named, 0, sizeof t.named);
	t.proc = proc_new(&cfg);
}

void
replay(void)
{
	for (int i = 0; i < t.row_count; i++) {
		const struct row *row = &t.rows[i];
		struct msg_store *m = msg_new_sized(MSG_REPLAYED, 0, sizeof *m + TEXT);
		struct buf body = { 0 };

		buf_add(&body, row->function, strlen(row->function) + 1);
		buf_add(&body, row->key, strlen(row->key) + 1);
		buf_add_str(&body, row->data);
		m->msg.blob = blob_copy(buf_slice(&body));
		m->function = slice_of(m->msg.blob->data, strlen(row->function));
		m->unique = slice_of(m->function.data + m->function.len + 1, strlen(row->key));
		m->data = slice_of(m->unique.data + m->unique.len + 1, strlen(row->data));
		strcpy(m->text, row->handle);
		m->handle = slice_str(m->text);
		m->run_at = row->run_at;
		m->attempts = row->attempts;
		m->changed_at = row->changed_at;
		m->priority = row->priority;
		m->flags = row->flags;
		buf_fini(&body);
		model_replayed(t.model, &row->job);
		turn(&m->msg);
	}
	turn(msg_new_sized(MSG_REPLAY_END, 0, sizeof(struct msg_text)));
}

/* Whatever was acknowledged and has not ended must be in the store. */
void
check_durable(void)
{
	for (int i = 0; i < JOBS; i++) {
		const struct mjob *job = &t.model->jobs[i];

		if (job->state == M_FREE || job->state == M_DEAD || !job->background)
			continue;
		if (row_find(slice_str(model_func(job->func)), slice_str(job->key)) < 0)
			wrong("an acknowledged job", "in the store", "nowhere");
	}
}

void
stop(void)
{
	proc_free(&t.proc);
	msg_free_all(&t.changes);
}

void
crash(void)
{
	uint64_t next = t.model->next_number + draw(1000);
	bool durable = t.model->durable;
	int retries = t.model->retries;
	struct {
		int64_t mono, wall;
	} at = { t.model->mono_ms, t.model->wall_s };

	note("crash", 0, t.row_count, 0);
	if (durable)
		check_durable();
	stop();
	model_fini(t.model);
	model_init(t.model, durable, retries, next);
	t.model->mono_ms = at.mono;
	t.model->wall_s = at.wall;
	if (!durable)
		t.row_count = 0;
	start();
	replay();
}
