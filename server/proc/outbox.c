/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a turn says, by reader; and lines for the log.
 *
 * Runs on:  processing thread.
 * Owns:     nothing; the driver has the outbox.
 */
#include <string.h>

#include "base/mem.h"
#include "proc/state.h"

void
proc_log(struct proc *p, enum gearmand_level level, const struct buf *line)
{
	struct msg_log *log;
	struct msg *m;

	if (level > p->cfg.log_level)
		return;
	log = msg_new_sized(MSG_LOG, 0, sizeof *log + line->len + 1);
	log->level = level;
	log->wall = p->now.wall;
	memcpy(log->thread, "proc", 5);
	if (line->len > 0)
		memcpy(log->text, line->data, line->len);
	m = &log->msg;
	list_push(&p->out->mgmt, &m->link);
}

void
outbox_init(struct outbox *out, unsigned io_count)
{
	list_init(&out->store);
	list_init(&out->mgmt);
	out->io = mem_new(io_count * sizeof *out->io);
	for (unsigned i = 0; i < io_count; i++)
		list_init(&out->io[i]);
	out->io_count = io_count;
}

void
outbox_fini(struct outbox *out)
{
	msg_free_all(&out->store);
	msg_free_all(&out->mgmt);
	for (unsigned i = 0; i < out->io_count; i++)
		msg_free_all(&out->io[i]);
	mem_free(out->io);
	out->io = NULL;
}
