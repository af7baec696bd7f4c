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

/* Peers come and go at a bound: there is room again when it has refused nothing for a while. */
static const nsec_t bound_calm = 10 * A_SECOND;

bool
bound_changes(struct proc *p, enum bound bound, bool room)
{
	static const char *const names[] = {
#define X(name, text, refused) text,
		BOUNDS(X)
#undef X
	};
	static const char *const refused[] = {
#define X(name, text, refused) refused,
		BOUNDS(X)
#undef X
	};
	bool begins = !room && p->refused[bound] == 0, ends = room && p->refused[bound] + bound_calm <= p->now.mono;
	struct buf line = { 0 };

	if (!room || ends)
		p->refused[bound] = room ? 0 : p->now.mono;
	if (!begins && !ends)
		return room;
	buf_add_str(&line, names[bound]);
	buf_add_str(&line, room ? ": there is room again" : " is reached: ");
	if (!room) {
		buf_add_str(&line, refused[bound]);
		buf_add_str(&line, " are refused until there is room");
	}
	proc_log(p, room ? GEARMAND_LOG_NOTICE : GEARMAND_LOG_ERROR, &line);
	buf_fini(&line);
	return room;
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
