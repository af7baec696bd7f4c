/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The core's start and end: replay, stop, and crash with a restart from the rows.
 *
 * Runs on:  the test's thread.
 * Owns:     nothing.
 */
#include <string.h>

#include "base/buf.h"
#include "tests/model/stage.h"

void
start(void)
{
	struct proc_config cfg = {
		.handle_prefix = "H:model",
		.first_handle = t.model->next_number,
		.job_retries = (uint32_t)t.model->retries,
		.durable = t.model->durable,
		.keeps_dead = t.model->keeps_dead,
		.queue_timeout = t.model->queue_timeout_ms * 1000000,
		.log_level = GEARMAND_LOG_ERROR,
		.version = "0",
		.verbose = "ERROR",
		.io_count = 1,
		.dead_max = DEAD_MAX,
		.dead_max_bytes = UINT64_MAX,
		.dead_keep = DEAD_KEEP * INT64_C(1000000000),
		.status_max_bytes = UINT64_MAX,
	};

	memcpy(cfg.seed, &t.random, sizeof t.random);
	memset(t.named, 0, sizeof t.named);
	t.full = false;
	t.proc = proc_new(&cfg);
}

static struct msg_store *
replayed(const struct row *row)
{
	struct msg_store *m = msg_new_sized(MSG_REPLAYED, 0, sizeof *m + 2 * TEXT);
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
	strcpy(m->text + TEXT, row->job.error);
	m->error = slice_str(m->text + TEXT);
	m->run_at = row->run_at;
	m->attempts = row->attempts;
	m->changed_at = row->changed_at;
	m->priority = row->priority;
	m->flags = row->flags;
	buf_fini(&body);
	return m;
}

void
replay(void)
{
	for (int i = 0; i < t.row_count; i++) {
		model_replayed(t.model, &t.rows[i].job);
		turn(&replayed(&t.rows[i])->msg);
	}
	for (int i = 0; i < t.dead_count; i++) {
		model_replayed_dead(t.model, &t.dead[i].job);
		turn(&replayed(&t.dead[i])->msg);
	}
	turn(msg_new_sized(MSG_REPLAY_END, 0, sizeof(struct msg_text)));
}

void
stop(void)
{
	proc_free(&t.proc);
	msg_free_all(&t.changes);
	msg_free_all(&t.held);
}

void
crash(void)
{
	uint64_t next = t.model->next_number + draw(1000);
	bool durable = t.model->durable, keeps_dead = t.model->keeps_dead;
	int retries = t.model->retries;
	struct {
		int64_t mono, wall;
	} at = { t.model->mono_ms, t.model->wall_s };

	note("crash", 0, t.row_count, t.dead_count);
	switch (durable ? draw(4) : 3) {
	case 0:
		check_settled();
		break;
	case 1:
		commit_half_a_move();
	}
	if (durable)
		check_durable();
	stop();
	model_fini(t.model);
	model_init(t.model, durable, keeps_dead, retries, next);
	t.model->mono_ms = at.mono;
	t.model->wall_s = at.wall;
	if (!durable)
		t.row_count = 0;
	start();
	replay();
}
