/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Items that are not where ours belong become jobs of ours: those of gearmand 1.1, and those that went to another
 * server because the pool was another one.
 *
 * Runs on:  the store thread, in replay.
 * Owns:     nothing.
 *
 * Each is read, added under its own key on its server, and then removed where it was.  When that is cut short it is
 * there twice, and the next replay goes on; a job that is there already is kept as it is.
 */
#include <inttypes.h>
#include <string.h>

#include "queue_memcached.h"

enum { WINDOW = 32 };

struct takeover {
	struct mc_store *store;
	struct mc_list *list;
	struct gearmand_error *err;
	uint64_t sequence; /* of the latest job of 1.1: they come before all of ours */
	uint64_t old, moved, left;
	const char *left_key;
	struct mc_stray *strays; /* WINDOW of them, or fewer */
	struct mc_name names[WINDOW];
	uint64_t sequences[WINDOW];
	size_t count;
};

static bool
fail(struct takeover *t, const struct mc_link *l, enum mc_state state)
{
	mc_sentence(t->store, l, state, t->err);
	return false;
}

static void
leave(struct takeover *t, size_t i)
{
	t->left++;
	t->left_key = t->strays[i].key;
}

static void
ask(struct takeover *t, const char *verb, enum mc_kind kind, size_t i)
{
	struct mc_link *l = &t->store->pool.links[t->strays[i].node];

	mc_text_adds(&l->out, verb);
	mc_text_adds(&l->out, t->strays[i].key);
	mc_text_adds(&l->out, "\r\n");
	mc_expect(l, kind, i);
}

/* Writes the job to the server where it belongs. */
static void
add(struct takeover *t, size_t i, const struct gearmand_job *job)
{
	struct mc_store *s = t->store;
	char key[MC_KEY_MOST + 1];
	struct mc_link *l;
	size_t len;

	mc_name_make(&t->names[i], job->function, job->unique);
	len = mc_key_write(s, &t->names[i], key);
	l = &s->pool.links[mc_node_of(s, key, len)];
	mc_write_job(&l->out, "add", key, len, job, t->sequences[i]);
	mc_expect(l, MC_STORE, i);
}

static void
translate(struct takeover *t, size_t i, const struct mc_value *v)
{
	struct mc_stray *stray = &t->strays[i];
	size_t len = t->store->prefix_len;
	struct gearmand_slice rest = { stray->key + len, strlen(stray->key) - len };
	struct gearmand_job job;
	char made[65];

	if (!v->is_there)
		return;
	t->sequences[i] = ++t->sequence;
	if (stray->is_old ? mc_old_read(rest, v, made, &job) : mc_value_read(v->data, &job, &t->sequences[i]))
		add(t, i, &job);
	else
		leave(t, i);
}

static bool
read_all(struct takeover *t)
{
	for (size_t i = 0; i < t->count; i++)
		ask(t, "gets ", MC_GET, i);
	for (size_t i = 0; i < t->count; i++) {
		struct mc_link *l = &t->store->pool.links[t->strays[i].node];
		struct mc_value v;
		enum mc_state state = mc_read_value(&t->store->pool, l, &v);

		if (state != MC_WELL)
			return fail(t, l, state);
		translate(t, i, &v);
		mc_reply_done(l);
	}
	return true;
}

static bool
note_added(struct takeover *t, size_t i)
{
	struct mc_stray *stray = &t->strays[i];

	stray->is_settled = true;
	t->old += stray->is_old;
	t->moved += !stray->is_old;
	if (mc_list_add(t->list, &t->names[i]))
		return true;
	t->store->host->error_set(t->err, "memcached: out of memory for the keys of the jobs");
	return false;
}

static bool
read_added(struct takeover *t, struct mc_link *l)
{
	const struct mc_ask *due;
	struct gearmand_slice line;

	while ((due = mc_next_due(l)) != NULL) {
		size_t i = due->number;
		enum mc_state state = mc_line(&t->store->pool, l, &line);

		if (state == MC_WELL && mc_begins(line, "SERVER_ERROR "))
			leave(t, i);
		else if (state == MC_WELL && !mc_begins(line, "STORED") && !mc_begins(line, "NOT_STORED"))
			state = mc_odd(l, line);
		else if (state == MC_WELL && !note_added(t, i))
			return false;
		if (state != MC_WELL)
			return fail(t, l, state);
		mc_reply_done(l);
	}
	return true;
}

/* All links, for `add` writes to any. */
static bool
read_all_added(struct takeover *t)
{
	for (size_t i = 0; i < t->store->pool.count; i++) {
		if (!read_added(t, &t->store->pool.links[i]))
			return false;
	}
	return true;
}

static bool
remove_settled(struct takeover *t)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->strays[i].is_settled)
			ask(t, "delete ", MC_REMOVE, i);
	}
	for (size_t i = 0; i < t->store->pool.count; i++) {
		struct mc_link *l = &t->store->pool.links[i];
		enum mc_state state = mc_settle(&t->store->pool, l);

		if (state != MC_WELL)
			return fail(t, l, state);
	}
	return true;
}

static void
tell(const struct takeover *t)
{
	const struct gearmand_host *host = t->store->host;

	if (t->old > 0)
		host->log(host, GEARMAND_LOG_NOTICE,
		    "memcached, prefix %s: %" PRIu64 " jobs of gearmand 1.1 are taken over", t->store->prefix, t->old);
	if (t->moved > 0)
		host->log(host, GEARMAND_LOG_NOTICE,
		    "memcached, prefix %s: %" PRIu64 " jobs are moved to the server where this pool has their keys",
		    t->store->prefix, t->moved);
	if (t->left > 0)
		host->log(host, GEARMAND_LOG_WARNING,
		    "memcached, prefix %s: %" PRIu64
		    " items are left alone: where function and unique of gearmand 1.1 meet cannot be told, or they are "
		    "no jobs, or have no room; one is %s",
		    t->store->prefix, t->left, t->left_key);
}

bool
mc_takeover(struct mc_store *s, struct mc_list *list, struct gearmand_error *err)
{
	struct takeover t = { .store = s, .list = list, .err = err };
	bool is_well = true;

	for (size_t at = 0; at < list->stray_count && is_well; at += t.count) {
		t.strays = &list->strays[at];
		t.count = list->stray_count - at < WINDOW ? list->stray_count - at : WINDOW;
		is_well = read_all(&t) && read_all_added(&t) && remove_settled(&t);
	}
	mc_list_sort(list); /* what was there already is in it twice */
	if (is_well)
		tell(&t);
	return is_well;
}
