/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Items become jobs again, in the order in which they were stored.
 *
 * Runs on:  the store thread.
 * Owns:     a list of all keys while it runs, 32 bytes for each; values come one after the other.
 *
 * Nothing that memcached tells of an item says when it was stored, but for its own number (CAS), which changes when
 * a job moves, is nothing among several servers, and can be switched off.  So all values are read twice: for the
 * sequence number in each, and then in that order.
 */
#include <inttypes.h>
#include <string.h>

#include "queue_memcached.h"

enum { WINDOW = 2048, KEYS_MOST = 32, LINE_MOST = 1900 }; /* keys that are asked for at once; in a line; its bytes */

struct replay {
	struct mc_store *store;
	struct mc_list list;
	gearmand_replay_f *sink_f;
	void *sink;
	struct gearmand_error *err;
	bool is_ordering; /* the first reading of two */
	bool is_stopped;  /* by the sink */
	uint64_t jobs, gone, odd;
};

/* ---- Reading values -------------------------------------------------------------------------- */

static struct mc_link *
link_of(struct mc_store *s, const struct mc_entry *e, char key[MC_KEY_MOST + 1], size_t *len_r)
{
	*len_r = mc_key_write(s, &e->name, key);
	return &s->pool.links[mc_node_of(s, key, *len_r)];
}

static void
end_line(struct mc_link *l)
{
	if (l->keys == 0)
		return;
	mc_text_add(&l->out, "\r\n", 2);
	mc_expect(l, MC_GET, l->keys);
	l->keys = 0;
}

static void
ask_for(struct mc_store *s, const struct mc_entry *entries, size_t count)
{
	char key[MC_KEY_MOST + 1];

	for (size_t i = 0; i < count; i++) {
		size_t len;
		struct mc_link *l = link_of(s, &entries[i], key, &len);

		if (l->keys == 0)
			mc_text_add(&l->out, "get", 3);
		mc_text_add(&l->out, " ", 1);
		mc_text_add(&l->out, key, len);
		if (++l->keys == KEYS_MOST || l->keys * (len + 1) > LINE_MOST)
			end_line(l);
	}
	for (size_t i = 0; i < s->pool.count; i++) {
		end_line(&s->pool.links[i]);
		mc_push(&s->pool.links[i]);
	}
}

static void
take(struct replay *r, struct mc_entry *e, const struct mc_value *v)
{
	struct gearmand_job job;
	struct mc_name name;
	uint64_t sequence;
	bool is_job = v->is_there && mc_value_read(v->data, &job, &sequence);

	if (is_job) {
		mc_name_make(&name, job.function, job.unique);
		is_job = memcmp(&name, &e->name, sizeof(name)) == 0;
	}
	if (r->is_ordering) {
		e->order = is_job ? sequence : UINT64_MAX;
		if (is_job)
			mc_sequence_seen(sequence);
		return;
	}
	r->gone += !v->is_there;
	r->odd += v->is_there && !is_job;
	if (!is_job)
		return;
	r->jobs++;
	r->is_stopped = !r->sink_f(r->sink, &job);
}

static bool
fail(struct replay *r, const struct mc_link *l, enum mc_state state)
{
	char text[sizeof(r->err->text)];

	mc_sentence(r->store, l, state, r->err);
	strcpy(text, r->err->text);
	r->store->host->error_set(r->err, "%s (after %" PRIu64 " jobs)", text, r->jobs);
	return false;
}

static bool
read_values(struct replay *r, struct mc_entry *entries, size_t count)
{
	char key[MC_KEY_MOST + 1];

	for (size_t i = 0; i < count && !r->is_stopped; i++) {
		size_t len;
		struct mc_link *l = link_of(r->store, &entries[i], key, &len);
		struct mc_value v;
		enum mc_state state = mc_read_one(&r->store->pool, l, (struct gearmand_slice){ key, len }, &v);

		if (state != MC_WELL)
			return fail(r, l, state);
		take(r, &entries[i], &v);
		state = mc_read_one_done(&r->store->pool, l);
		if (state != MC_WELL)
			return fail(r, l, state);
	}
	return true;
}

/* How many are asked for at once, from there on. */
static size_t
window_at(const struct replay *r, size_t at)
{
	return r->list.count - at < WINDOW ? r->list.count - at : WINDOW;
}

/* The next are asked for before these are read, so that the servers have something to do. */
static bool
read_list(struct replay *r, bool is_ordering)
{
	size_t count;

	r->is_ordering = is_ordering;
	ask_for(r->store, r->list.entries, window_at(r, 0));
	for (size_t at = 0; at < r->list.count && !r->is_stopped; at += count) {
		count = window_at(r, at);
		ask_for(r->store, r->list.entries + at + count, window_at(r, at + count));
		if (!read_values(r, r->list.entries + at, count))
			return false;
	}
	return true;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static bool
put_in_order(struct replay *r)
{
	bool is_well = read_list(r, true);

	mc_list_sort(&r->list);
	return is_well;
}

static bool
settle(struct replay *r)
{
	for (size_t i = 0; i < r->store->pool.count; i++) {
		struct mc_link *l = &r->store->pool.links[i];
		enum mc_state state = mc_settle(&r->store->pool, l);

		if (state != MC_WELL)
			return fail(r, l, state);
	}
	return true;
}

static void
tell(const struct replay *r)
{
	const struct gearmand_host *host = r->store->host;

	if (r->list.foreign_key[0] != '\0')
		host->log(host, GEARMAND_LOG_WARNING,
		    "memcached, prefix %s: somebody else's items have this prefix, too, %s for one; they are left "
		    "alone",
		    r->store->prefix, r->list.foreign_key);
	if (r->odd > 0)
		host->log(host, GEARMAND_LOG_WARNING,
		    "memcached, prefix %s: %" PRIu64 " items have a job's key and no job in them; they are left alone",
		    r->store->prefix, r->odd);
	if (r->gone > 0)
		host->log(host, GEARMAND_LOG_WARNING,
		    "memcached, prefix %s: %" PRIu64
		    " jobs were gone when they were to be read: evicted, or removed by somebody",
		    r->store->prefix, r->gone);
}

bool
mc_replay(void *store, gearmand_replay_f *sink_f, void *sink, struct gearmand_error *err)
{
	struct replay r = { .store = mc_store_of(store), .sink_f = sink_f, .sink = sink, .err = err };
	bool is_well = settle(&r) && mc_dump(r.store, &r.list, err) && mc_takeover(r.store, &r.list, err) &&
		       put_in_order(&r) && read_list(&r, false);

	if (is_well)
		tell(&r);
	mc_list_free(&r.list);
	return is_well;
}
