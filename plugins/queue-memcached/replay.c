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
#include <endian.h>

#include "queue_memcached.h"

enum { WINDOW = 2048 }; /* keys that are asked for at once */

struct replay {
	struct mc_store *store;
	struct mc_list list;
	gearmand_replay_f *sink_f;
	void *sink;
	struct gearmand_error *err;
	bool is_ordering; /* the first reading of two */
	bool is_stopped;  /* by the sink */
	size_t gone, odd;
	struct mc_key keys[2][WINDOW];
};

/* Windows take turns on the two connections of each node: one is asked for while the one before it is read. */
static struct mc_link *
link_of(const struct replay *r, size_t i)
{
	return &mc_node_of(r->store, &r->keys[i / WINDOW % 2][i % WINDOW])->link[i / WINDOW % 2];
}

static bool
ask_window(struct replay *r, size_t begin, size_t end)
{
	const struct mc_entry *all = MC_ALL(r->list.entries, const struct mc_entry);
	bool is_well = true;

	for (size_t i = begin; i < end; i++) {
		struct mc_key *key = &r->keys[i / WINDOW % 2][i % WINDOW];

		*key = mc_key_of_rest(r->store, all[i].name, MC_NAME);
		mc_want(link_of(r, i), key);
	}
	for (struct mc_node *n = r->store->nodes; n < r->store->end && is_well && begin < end; n++)
		is_well = mc_ask(&n->link[begin / WINDOW % 2], r->err);
	return is_well;
}

static void
take_value(struct replay *r, struct mc_entry *e, const struct mc_key *key, const struct mc_value *v)
{
	uint64_t sequence, *latest = &r->store->memory->sequence;
	struct gearmand_job job;
	bool is_job = v->is_there && mc_value_read(v->data, &job, &sequence) &&
		      strcmp(mc_key_of(r->store, &job).text, key->text) == 0;

	if (r->is_ordering) {
		e->order = is_job ? htobe64(sequence) : UINT64_MAX;
		if (is_job && sequence > *latest && sequence < UINT64_MAX / 2)
			*latest = sequence;
		if (is_job && r->list.strays.len > 0)
			mc_function_seen(&r->list, job.function);
	} else if (is_job) {
		r->is_stopped = !r->sink_f(r->sink, &job);
	} else {
		r->gone += !v->is_there;
		r->odd += v->is_there;
	}
}

static bool
read_list(struct replay *r, bool is_ordering)
{
	size_t count = MC_COUNT(r->list.entries, struct mc_entry);
	size_t asked = count < WINDOW ? count : WINDOW;
	bool is_well = ask_window(r, 0, asked);
	struct mc_value v;

	r->is_ordering = is_ordering;
	for (size_t i = 0; i < count && !r->is_stopped && is_well; i++) {
		const struct mc_key *key = &r->keys[i / WINDOW % 2][i % WINDOW];

		if (i % WINDOW == 0 && asked < count) {
			size_t next = count - asked < WINDOW ? count : asked + WINDOW;

			is_well = ask_window(r, asked, next);
			asked = next;
		}
		is_well = is_well && mc_next(link_of(r, i), key, &v, r->err);
		if (is_well)
			take_value(r, &MC_ALL(r->list.entries, struct mc_entry)[i], key, &v);
		for (struct mc_node *n = r->store->nodes; i % WINDOW == WINDOW - 1 && n < r->store->end && is_well; n++)
			is_well = mc_ended(&n->link[i / WINDOW % 2], r->err);
	}
	for (struct mc_node *n = r->store->nodes; n < r->store->end && is_well; n++)
		is_well = mc_ended(&n->link[MC_BULK], r->err) && mc_ended(&n->link[MC_TALK], r->err);
	return is_well;
}

static void
tell(const struct replay *r, const struct gearmand_host *host, const char *prefix)
{
	if (r->list.foreign.len > 0)
		host->log(host, GEARMAND_LOG_WARNING,
		    "memcached, prefix %s: somebody else's items have this prefix, too, %s for one; they are left "
		    "alone",
		    prefix, r->list.foreign.text);
	if (r->odd > 0)
		host->log(host, GEARMAND_LOG_WARNING,
		    "memcached, prefix %s: %zu items have a job's key and no job in them; they are left alone", prefix,
		    r->odd);
	if (r->gone > 0)
		host->log(host, GEARMAND_LOG_WARNING,
		    "memcached, prefix %s: %zu jobs were gone when they were to be read: evicted, or removed by "
		    "somebody",
		    prefix, r->gone);
}

bool
mc_replay(void *store, gearmand_replay_f *sink_f, void *sink, struct gearmand_error *err)
{
	struct mc_store *s = mc_store_of(store);
	struct replay *r = s->host->allocate(sizeof(*r));
	bool is_well;

	r->store = s;
	r->sink_f = sink_f;
	r->sink = sink;
	r->err = err;
	is_well = mc_dump(s, &r->list, err) && read_list(r, true) && mc_takeover(s, &r->list, err);
	mc_list_sort(&r->list);
	is_well = is_well && read_list(r, false);
	if (is_well)
		tell(r, s->host, s->prefix);
	gm_bytes_free(&r->list.entries);
	gm_bytes_free(&r->list.strays);
	gm_bytes_free(&r->list.functions);
	s->host->release(r);
	return is_well;
}
