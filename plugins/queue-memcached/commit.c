/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A batch of changes becomes one exchange with each server: all commands go out, then all replies are read.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the batch is the host's.
 *
 * A job is stored when the server that has its key has said STORED, and the batch is DONE when all have, and the lock
 * was still ours behind them.  All changes of one key go to one server in their order.  memcached has no transactions:
 * when this server or that one dies in between, some of the changes are done and some are not, each of them whole.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lock.h"

/* Lengths that a value's head can tell; bytes that are gathered before they are sent. */
enum { FUNCTION_MOST = 65535, UNIQUE_MOST = 255, TEXT_MOST = 65535, PUSH_AT = 1 << 16 };

/* Removals, and how long they are waited with, ns. */
enum { FEW = 64, MOMENT = 400000 };

#define SAY_FULL_EVERY INT64_C(60000000000) /* ns */

struct outcome {
	enum gearmand_commit commit;
	enum mc_lock lock;
	struct gearmand_error *err;
};

/* The first thing that goes wrong is told, unless something worse does. */
static void
worsen(struct outcome *o, enum gearmand_commit commit)
{
	if (commit > o->commit)
		o->commit = commit;
}

static void
trouble(const struct mc_store *s, size_t node, enum mc_state state, struct outcome *o)
{
	enum gearmand_commit commit = state == MC_LATE ? GEARMAND_COMMIT_AGAIN : GEARMAND_COMMIT_BROKEN;

	if (commit > o->commit)
		mc_sentence(s, &s->pool.links[node], state, o->err);
	worsen(o, commit);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static bool
is_refused(struct mc_store *s, struct gearmand_change *c, size_t node)
{
	const struct gearmand_job *job = &c->job;
	size_t most = s->watches[node].item_most;

	if (c->op != GEARMAND_ADD)
		return false;
	if (job->function.len > FUNCTION_MOST || job->unique.len > UNIQUE_MOST || job->handle.len > TEXT_MOST ||
	    job->reducer.len > TEXT_MOST)
		s->host->refuse(c, "the job's function, key, handle or reducer is too long for the memcached queue");
	else if (most > 0 && mc_value_length(job) > most)
		s->host->refuse(c,
		    "a job of %zu bytes is too large for memcached %s, which takes items of up to %zu (-I)",
		    job->data.len, s->nodes[node].name, most);
	else
		return false;
	return true;
}

static void
ask_change(struct mc_store *s, struct gearmand_change *c, size_t number)
{
	char key[MC_KEY_MOST + 1];
	struct mc_name name;
	struct mc_link *l;
	size_t len, node;

	mc_name_make(&name, c->job.function, c->job.unique);
	len = mc_key_write(s, &name, key);
	node = mc_node_of(s, key, len);
	l = &s->pool.links[node];
	if (is_refused(s, c, node))
		return;
	if (c->op == GEARMAND_ADD) {
		mc_write_job(&l->out, "set", key, len, &c->job, mc_sequence_next(s->host));
	} else {
		mc_text_adds(&l->out, "delete ");
		mc_text_add(&l->out, key, len);
		mc_text_add(&l->out, "\r\n", 2);
	}
	if (!l->out.failed)
		mc_expect(l, c->op == GEARMAND_ADD ? MC_STORE : MC_REMOVE, number);
	if (l->out.len - l->sent >= PUSH_AT)
		mc_push(l);
}

/* False: no memory for what is to be said, and something is half said. */
static bool
ask_all(struct mc_store *s, struct gearmand_change *changes, size_t count)
{
	bool watches = mc_watch_is_due(s);

	for (size_t i = 0; i < count; i++) {
		if (changes[i].outcome != GEARMAND_REFUSED)
			ask_change(s, &changes[i], i);
	}
	mc_lock_ask(s);
	for (size_t i = 0; i < s->pool.count; i++) {
		if (watches)
			mc_watch_ask(&s->pool.links[i]);
		if (s->pool.links[i].out.failed)
			return false;
		mc_push(&s->pool.links[i]);
	}
	return true;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void
say_full(struct mc_store *s, const char *name)
{
	int64_t now = s->host->monotonic();

	if (s->full_said_at != 0 && now - s->full_said_at < SAY_FULL_EVERY)
		return;
	s->full_said_at = now;
	s->host->log(s->host, GEARMAND_LOG_WARNING,
	    "memcached %s is full: jobs are refused until some are done (see its -m)", name);
}

/* To be refused for now rather than tried again: what makes room are removals, and those would wait behind it. */
static enum mc_state
read_stored(struct mc_store *s, size_t node, struct gearmand_change *c, struct outcome *o)
{
	struct mc_link *l = &s->pool.links[node];
	struct gearmand_slice line;
	enum mc_state state = mc_line(&s->pool, l, &line);

	if (state != MC_WELL)
		return state;
	if (mc_begins(line, "SERVER_ERROR object too large")) {
		s->host->refuse(c, "a job of %zu bytes is too large for memcached %s (see its -I)", c->job.data.len,
		    s->nodes[node].name);
	} else if (mc_begins(line, "SERVER_ERROR out of memory storing")) {
		say_full(s, s->nodes[node].name);
		s->host->refuse(c, "memcached %s is full (see its -m)", s->nodes[node].name);
	} else if (mc_begins(line, "SERVER_ERROR ")) {
		s->host->error_set(o->err, "memcached %s: %s", s->nodes[node].name, mc_said(l, line));
		worsen(o, GEARMAND_COMMIT_AGAIN);
	} else if (!mc_begins(line, "STORED")) {
		return mc_odd(l, line);
	}
	mc_reply_done(l);
	return MC_WELL;
}

static enum mc_state
read_removed(struct mc_store *s, struct mc_link *l)
{
	struct gearmand_slice line;
	enum mc_state state = mc_line(&s->pool, l, &line);

	if (state != MC_WELL)
		return state;
	if (!mc_begins(line, "DELETED") && !mc_begins(line, "NOT_FOUND"))
		return mc_odd(l, line);
	mc_reply_done(l);
	return MC_WELL;
}

static void
lose_lock(struct mc_store *s, const char *text, struct outcome *o)
{
	s->host->error_set(o->err, "memcached %s, prefix %s: %s", s->nodes[s->lock_node].name, s->prefix, text);
	o->err->why = GEARMAND_WHY_IN_USE;
	worsen(o, GEARMAND_COMMIT_BROKEN);
}

/* After all has been read: a lock that has expired is taken again.  Nobody had it meanwhile, or its owner would be
 * another. */
static void
judge_lock(struct mc_store *s, struct outcome *o)
{
	enum mc_state state = MC_WELL;

	if (o->commit == GEARMAND_COMMIT_DONE && o->lock == MC_LOCK_EXPIRED)
		state = mc_lock_take_again(s, &o->lock);
	if (state != MC_WELL) {
		trouble(s, s->lock_node, state, o);
	} else if (o->lock == MC_LOCK_TAKEN) {
		lose_lock(s, "another gearmand has taken the lock", o);
	} else if (o->lock == MC_LOCK_MISSED) {
		lose_lock(s, MC_MISSED, o);
	} else if (o->commit == GEARMAND_COMMIT_DONE && o->lock == MC_LOCK_EXPIRED) {
		s->host->error_set(
		    o->err, "memcached %s: the lock has expired, and cannot be had yet", s->nodes[s->lock_node].name);
		worsen(o, GEARMAND_COMMIT_AGAIN);
	}
}

/* All that is due from one server. */
static enum mc_state
read_all(struct mc_store *s, size_t node, struct gearmand_change *changes, struct outcome *o)
{
	struct mc_link *l = &s->pool.links[node];
	enum mc_state state = MC_WELL;
	const struct mc_ask *due;

	while (state == MC_WELL && (due = mc_next_due(l)) != NULL) {
		switch ((enum mc_kind)due->kind) {
		case MC_STORE:
			state = read_stored(s, node, &changes[due->number], o);
			break;
		case MC_REMOVE:
			state = read_removed(s, l);
			break;
		case MC_LOCK:
			state = mc_lock_read(s, &o->lock);
			break;
		case MC_STATS:
			state = mc_watch_read(s, node);
			break;
		case MC_GET:
			break; /* settled before */
		}
	}
	return state;
}

/* ---- The batch ------------------------------------------------------------------------------- */

/* Nobody waits for a removal, and memcached is so fast that each would go by itself: a few that come without an
 * addition are waited with for a moment, in which more come.  That leaves the processors to those who bring them. */
static void
rest(const struct gearmand_change *changes, size_t count)
{
	const struct timespec moment = { .tv_nsec = MOMENT };
	size_t removals = 0;

	while (removals < count && removals < FEW && changes[removals].op == GEARMAND_REMOVE)
		removals++;
	if (count > 0 && removals == count)
		nanosleep(&moment, NULL);
}

/* What an earlier try left is sent and read first. */
static void
settle(struct mc_store *s, struct outcome *o)
{
	for (size_t i = 0; i < s->pool.count; i++) {
		enum mc_state state = mc_settle(&s->pool, &s->pool.links[i]);

		if (state != MC_WELL)
			trouble(s, i, state, o);
	}
}

/* Asks for the lock, and now and then for stats. */
enum gearmand_commit
mc_check(void *store, struct gearmand_error *err)
{
	struct gearmand_change none = { .op = GEARMAND_REMOVE };

	return mc_commit(store, &none, 0, err);
}

enum gearmand_commit
mc_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	struct mc_store *s = mc_store_of(store);
	struct outcome o = { .commit = GEARMAND_COMMIT_DONE, .err = err };

	rest(changes, count);
	settle(s, &o);
	if (o.commit == GEARMAND_COMMIT_DONE && !ask_all(s, changes, count)) {
		s->host->error_set(err, "memcached: out of memory for what is to be stored");
		o.commit = GEARMAND_COMMIT_BROKEN;
	} else if (o.commit == GEARMAND_COMMIT_DONE) {
		for (size_t i = 0; i < s->pool.count; i++) {
			enum mc_state state = read_all(s, i, changes, &o);

			if (state != MC_WELL)
				trouble(s, i, state, &o);
		}
		judge_lock(s, &o);
	}
	if (o.commit == GEARMAND_COMMIT_BROKEN)
		s->is_broken = true;
	return o.commit;
}
