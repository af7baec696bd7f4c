/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A batch of changes becomes one exchange with each server: commands without replies go out, and behind them a "get" of
 * all jobs that should be there now, of the lock and of the owner.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the batch is the host's.
 *
 * A job is stored when the value that came back has the sequence number that was sent.  Jobs that are missing are
 * stored again one by one, with a reply, which gives the reason; large jobs always go so, for they would have to come
 * back whole.  The batch is DONE when all jobs are stored or refused, and the lock was still ours behind them.  A
 * removal needs no look: memcached does commands in their order, so a "get" that was answered tells that it was done.
 *
 * When this server or memcached dies in between, some of the changes are done and some are not, each of them whole.
 */
#include "queue_memcached.h"

/* Removals, and how long they are waited with, ns; bytes of a payload that is read back, of buffers that are kept, of
 * texts whose length a value can tell. */
enum { FEW = 64, MOMENT = 400000, READ_BACK_MOST = 16384, KEPT = 1 << 21, TEXT_MOST = 65535 };

/* A job that was sent to a node. */
struct asked {
	struct mc_key key;
	struct gearmand_change *change;
	uint64_t sequence;
	bool comes_back, is_stored;
};

#define EACH_ASKED(a, n) \
	struct asked *a = MC_ALL((n)->asked, struct asked); \
	a < MC_ALL((n)->asked, struct asked) + MC_COUNT((n)->asked, struct asked); \
	a++

static bool
send_change(struct mc_store *s, struct gearmand_change *c, struct gearmand_error *err)
{
	struct asked a = { mc_key_of(s, &c->job), c, 0, c->job.data.len <= READ_BACK_MOST, false };
	struct mc_node *n = mc_node_of(s, &a.key);
	struct mc_link *l = &n->link[MC_BULK];
	memcached_return_t rc = MEMCACHED_SUCCESS;

	if (c->op == GEARMAND_REMOVE) {
		rc = memcached_delete(l->m, a.key.text, a.key.len, 0);
	} else if (c->job.handle.len > TEXT_MOST || c->job.reducer.len > TEXT_MOST) {
		s->host->refuse(c, "the job's handle or reducer is too long for the memcached queue");
	} else {
		a.sequence = ++s->memory->sequence;
		gm_add(&n->asked, &a, sizeof(a));
		if (n->asked.failed)
			rc = MEMCACHED_MEMORY_ALLOCATION_FAILURE;
		else if (a.comes_back)
			rc = mc_put(s, memcached_set, l, &a.key, &c->job, a.sequence);
	}
	return mc_went_well(l, rc, MEMCACHED_BUFFERED, err);
}

/* Sends what is gathered, and reads back. */
static bool
exchange(struct mc_store *s, struct gearmand_error *err)
{
	bool is_well = true;

	for (struct mc_node *n = s->nodes; n < s->end && is_well; n++) {
		for (EACH_ASKED(a, n)) {
			if (a->comes_back)
				mc_want(&n->link[MC_BULK], &a->key);
		}
		mc_want(&n->link[MC_BULK], &s->lock_key);
		mc_want(&n->link[MC_BULK], &s->owner_key);
		is_well = mc_ask(&n->link[MC_BULK], err);
	}
	for (struct mc_node *n = s->nodes; n < s->end && is_well; n++) {
		for (EACH_ASKED(a, n)) {
			struct gearmand_job job;
			struct mc_value v;
			uint64_t sequence;

			if (a->comes_back && !mc_next(&n->link[MC_BULK], &a->key, &v, err))
				return false;
			a->is_stored = a->comes_back && v.is_there && mc_value_read(v.data, &job, &sequence) &&
				       sequence == a->sequence;
		}
		is_well = mc_lock_read(s, n, MC_BULK, err);
	}
	return is_well && mc_look(s, err);
}

/* None of the jobs is to be there when memcached was full. */
static enum gearmand_commit
undo(struct mc_store *s, const struct mc_node *full, struct gearmand_error *err)
{
	bool is_well = true;

	for (struct mc_node *n = s->nodes; n < s->end; n++) {
		struct mc_link *l = &n->link[MC_BULK];

		for (EACH_ASKED(a, n))
			is_well = is_well && mc_went_well(l, memcached_delete(l->m, a->key.text, a->key.len, 0),
						 MEMCACHED_BUFFERED, err);
	}
	if (!is_well || !exchange(s, err))
		return GEARMAND_COMMIT_BROKEN;
	gm_fail(err, GEARMAND_WHY_PASSING, "memcached %s is full (see its -m)", full->name);
	return GEARMAND_COMMIT_FULL;
}

/* What is large or missing, and then the lock again, for it must be ours behind all. */
static enum gearmand_commit
set_rest(struct mc_store *s, struct gearmand_error *err)
{
	bool is_any = false;

	for (struct mc_node *n = s->nodes; n < s->end; n++) {
		struct mc_link *l = &n->link[MC_TALK];

		for (EACH_ASKED(a, n)) {
			memcached_return_t rc = MEMCACHED_SUCCESS;

			if (!a->is_stored)
				rc = mc_put(s, memcached_set, l, &a->key, &a->change->job, a->sequence);
			is_any = is_any || !a->is_stored;
			if (rc == MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE)
				return undo(s, n, err);
			if (rc == MEMCACHED_E2BIG)
				s->host->refuse(a->change,
				    "a job of %zu bytes is too large for memcached %s (see its -I)",
				    a->change->job.data.len, n->name);
			if (!mc_went_well(l, rc, MEMCACHED_E2BIG, err))
				return GEARMAND_COMMIT_BROKEN;
		}
	}
	if (is_any) {
		mc_want(&s->lock_node->link[MC_TALK], &s->lock_key);
		mc_want(&s->lock_node->link[MC_TALK], &s->owner_key);
		if (!mc_ask(&s->lock_node->link[MC_TALK], err) || !mc_lock_read(s, s->lock_node, MC_TALK, err))
			return GEARMAND_COMMIT_BROKEN;
	}
	return GEARMAND_COMMIT_DONE;
}

/* Nobody waits for a removal, and memcached is so fast that each would go by itself: a few that come without an
 * addition are waited with for a moment, in which more come.  That leaves the processors to those who bring them. */
enum gearmand_commit
mc_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	struct mc_store *s = mc_store_of(store);
	const struct timespec moment = { .tv_nsec = MOMENT };
	enum gearmand_commit outcome = GEARMAND_COMMIT_BROKEN;
	size_t removals = 0;
	bool is_well = true;

	while (removals < count && removals < FEW && changes[removals].op == GEARMAND_REMOVE)
		removals++;
	if (count > 0 && removals == count)
		nanosleep(&moment, NULL);
	for (struct mc_node *n = s->nodes; n < s->end; n++)
		gm_bytes_clear(&n->asked, KEPT);
	for (size_t i = 0; i < count && is_well; i++)
		is_well = send_change(s, &changes[i], err);
	if (is_well && exchange(s, err))
		outcome = set_rest(s, err);
	s->is_broken = outcome == GEARMAND_COMMIT_BROKEN;
	return outcome;
}
