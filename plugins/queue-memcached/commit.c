/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A batch of changes becomes one exchange with each server: all commands go out, and behind them a "get" of the lock
 * and of the owner; then the replies are read.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the batch is the host's.
 *
 * Each job has a reply of its own, which says that it is stored or why not.  The batch is DONE when all jobs are stored
 * or refused, and the lock was still ours behind them.  A removal has no reply: memcached does commands in their order,
 * so the reply to a "get" behind it tells that it was done.
 *
 * When this server or memcached dies in between, some of the changes are done and some are not, each of them whole.
 */
#include "queue_memcached.h"

/* Removals, and how long they are waited with, ns; bytes that are sent at once, and of a text in a value, at most. */
enum { FEW = 64, MOMENT = 400000, GATHER_MOST = 1 << 16, TEXT_MOST = 65535 };

static bool
send_change(struct mc_store *s, struct gearmand_change *c, struct gearmand_error *err)
{
	const struct mc_key key = mc_key_of(s, &c->job);
	struct mc_node *n = mc_node_of(s, &key), *replies = NULL;

	if (c->op == GEARMAND_REMOVE) {
		mc_say(&n->wire, "delete ", &key, " noreply\r\n");
	} else if (c->job.handle.len > TEXT_MOST || c->job.reducer.len > TEXT_MOST) {
		s->host->refuse(c, "the job's handle or reducer is too long for the memcached queue");
	} else {
		mc_put(&n->wire, "set", &key, &c->job, ++s->memory->sequence);
		replies = n;
	}
	gm_add(&s->sent, &replies, sizeof(replies));
	n->wire.out.failed |= s->sent.failed;
	return n->wire.out.len < GATHER_MOST || mc_wire_send(&n->wire, err);
}

/* Asks for lock and owner behind all that was sent, and reads all replies.  *full_r: a node had no room for a job. */
static bool
exchange(struct mc_store *s, struct gearmand_change *changes, struct mc_node **full_r, struct gearmand_error *err)
{
	struct mc_node **sent = MC_ALL(s->sent, struct mc_node *);

	for (struct mc_node *n = s->nodes; n < s->end; n++) {
		mc_say(&n->wire, "get ", &s->lock_key, "\r\n");
		mc_say(&n->wire, "get ", &s->owner_key, "\r\n");
		if (!mc_wire_send(&n->wire, err))
			return false;
	}
	for (size_t i = 0; i < MC_COUNT(s->sent, struct mc_node *); i++) {
		enum mc_reply reply = sent[i] == NULL ? MC_DONE : mc_wire_reply(&sent[i]->wire, err);

		if (reply == MC_FULL)
			*full_r = sent[i];
		else if (reply == MC_TOO_LARGE)
			s->host->refuse(&changes[i], "a job of %zu bytes is too large for memcached %s (see its -I)",
			    changes[i].job.data.len, sent[i]->name);
		else if (reply != MC_DONE)
			return reply == MC_NOT_DONE && mc_wire_is_odd(&sent[i]->wire, "NOT_STORED", err);
	}
	for (struct mc_node *n = s->nodes; n < s->end; n++) {
		if (!mc_lock_read(s, n, err))
			return false;
	}
	return mc_look(s, err);
}

/* None of the jobs is to be there when memcached was full. */
static enum gearmand_commit
undo(struct mc_store *s, struct gearmand_change *changes, const char *full, struct gearmand_error *err)
{
	struct mc_node **sent = MC_ALL(s->sent, struct mc_node *), *none = NULL;

	for (size_t i = 0; i < MC_COUNT(s->sent, struct mc_node *); i++) {
		const struct mc_key key = mc_key_of(s, &changes[i].job);

		if (sent[i] != NULL)
			mc_say(&sent[i]->wire, "delete ", &key, " noreply\r\n");
	}
	s->sent.len = 0;
	if (!exchange(s, NULL, &none, err))
		return GEARMAND_COMMIT_BROKEN;
	gm_fail(err, GEARMAND_WHY_PASSING, "memcached %s is full (see its -m)", full);
	return GEARMAND_COMMIT_FULL;
}

/* Nobody waits for a removal, and memcached is so fast that each would go by itself: a few that come without an
 * addition are waited with for a moment, in which more come.  That leaves the processors to those who bring them. */
enum gearmand_commit
mc_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	struct mc_store *s = mc_store_of(store);
	const struct timespec moment = { .tv_nsec = MOMENT };
	enum gearmand_commit outcome = GEARMAND_COMMIT_BROKEN;
	struct mc_node *full = NULL;
	size_t removals = 0;
	bool is_well = true;

	while (removals < count && removals < FEW && changes[removals].op == GEARMAND_REMOVE)
		removals++;
	if (count > 0 && removals == count)
		nanosleep(&moment, NULL);
	gm_bytes_clear(&s->sent, SIZE_MAX);
	for (size_t i = 0; i < count && is_well; i++)
		is_well = send_change(s, &changes[i], err);
	if (is_well && exchange(s, changes, &full, err))
		outcome = full == NULL ? GEARMAND_COMMIT_DONE : undo(s, changes, full->name, err);
	s->is_broken = outcome == GEARMAND_COMMIT_BROKEN;
	return outcome;
}
