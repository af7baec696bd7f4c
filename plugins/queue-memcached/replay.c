/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Items become jobs again, in the order in which they were stored.
 *
 * Runs on:  the store thread.
 * Owns:     a list of all keys while it runs, 32 bytes for each; values come one after the other.
 *
 * memcached does not tell in which order items were stored.  So all values are read twice: for the sequence number in
 * each, and then in that order.
 *
 * In between, items that are not where ours belong become jobs of ours: those of gearmand 1.1, and those that went to
 * another server because the pool was another one.  Each is read, added under its own key on its server, and then
 * removed where it was.  When that is cut short it is there twice, and the next replay goes on; a job that is there
 * already is kept as it is.
 */
#include <endian.h>

#include <sodium.h>

#include "queue_memcached.h"

enum { WINDOW = 512, UUID = 36, NAMES_MOST = 600 }; /* keys that are asked for at once */

#define UNKNOWN SIZE_MAX
#define HEX     "[0-9a-fA-F]"

/* gearmand 1.1 stored a job under <prefix><function>-<unique>.  Where that has one '-', or ends with a UUID as clients
 * make them, it is clear how long the function is.  Else other jobs tell, when just one '-' stands behind a function of
 * theirs. */
static size_t
split(const struct mc_replay *r, struct gearmand_slice rest)
{
	size_t known = UNKNOWN, knowns = 0, possible = UNKNOWN, dashes = 0;
	int uuid = 0;

	if (rest.len > UUID && rest.data[rest.len - UUID - 1] == '-')
		sscanf(rest.data + rest.len - UUID, "%*8" HEX "-%*4" HEX "-%*4" HEX "-%*4" HEX "-%*12" HEX "%n", &uuid);
	if (uuid == UUID)
		return rest.len - UUID - 1;
	if (rest.len >= 2 && memchr(rest.data, '-', rest.len) == rest.data + rest.len - 2)
		return rest.len - 2; /* the unique "-" */
	for (size_t i = rest.len; i-- > 0 && rest.len - i - 1 <= GM_UNIQUE_MOST;) {
		char name[MC_KEY_MOST + 2] = "";

		if (rest.data[i] != '-')
			continue;
		possible = i;
		dashes++;
		memcpy(name + 1, rest.data, i);
		if (r->functions.len > 0 && memmem(r->functions.data, r->functions.len, name, i + 2) != NULL) {
			known = i;
			knowns++;
		}
	}
	return dashes == 1 ? possible : knowns == 1 ? known : UNKNOWN;
}

/* Functions that fit no item are left out. */
static void
function_seen(struct mc_replay *r, struct gearmand_slice name)
{
	struct gm_bytes *all = &r->functions;
	char text[MC_KEY_MOST + 2] = "";

	if (name.len > MC_KEY_MOST)
		return;
	memcpy(text + 1, name.data, name.len);
	if (all->len == 0 || memmem(all->data, all->len, text, name.len + 2) == NULL)
		gm_add(all, text, name.len + 2);
}

/* Of many jobs without a unique, or with "-", 1.1 kept the latest.  It gets a unique of its own, the same in every try.
 */
static bool
read_old(const struct mc_replay *r, struct gearmand_slice rest, const struct mc_value *v, char made[65],
    struct gearmand_job *job)
{
	size_t len = split(r, rest);
	uint8_t hash[16];

	if (len == UNKNOWN || v->flags > GEARMAND_LOW)
		return false;
	*job = (struct gearmand_job){ .data = v->data, .priority = (enum gearmand_priority)v->flags };
	job->function = (struct gearmand_slice){ rest.data, len };
	job->unique = (struct gearmand_slice){ rest.data + len + 1, rest.len - len - 1 };
	if (job->unique.len > 0 && !gm_is(job->unique, "-"))
		return true;
	job->flags = job->unique.len == 0 ? GEARMAND_JOB_NO_UNIQUE : GEARMAND_JOB_UNIQUE_IS_DATA;
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)rest.data, rest.len, NULL, 0);
	strcpy(made, "gearmand-1.1-");
	sodium_bin2hex(made + strlen(made), 2 * sizeof(hash) + 1, hash, sizeof(hash));
	job->unique = gm_slice(made);
	return true;
}

static bool
take_over(struct mc_replay *r, const struct mc_stray *stray, struct gearmand_slice rest)
{
	struct mc_wire *from = &r->store->nodes[stray->node].wire, *to;
	struct mc_entry entry;
	struct gearmand_job job;
	struct mc_value v;
	struct mc_key key;
	uint64_t sequence = r->old + 1;
	char made[65];
	enum mc_reply reply = MC_TOO_LARGE;

	if (!mc_get(from, &stray->key, &v, r->err))
		return false;
	if (!v.is_there)
		return true;
	if (stray->is_old ? read_old(r, rest, &v, made, &job) : mc_value_read(v.data, &job, &sequence)) {
		key = mc_key_of(r->store, &job);
		to = &mc_node_of(r->store, &key)->wire;
		mc_put(to, "add", &key, &job, sequence);
		reply = mc_wire_reply(to, r->err);
	}
	if (reply == MC_FAILED)
		return false;
	if (reply == MC_DONE) {
		entry.order = htobe64(sequence);
		memcpy(entry.name, key.text + r->store->prefix_len, MC_NAME);
		gm_add(&r->entries, &entry, sizeof(entry));
	} else if (reply != MC_NOT_DONE) {
		r->left++;
		gm_addf(&r->left_keys, " %s", stray->key.text);
		return true;
	}
	r->old += stray->is_old;
	r->moved += !stray->is_old;
	return mc_delete(from, &stray->key, r->err);
}

static bool
take_over_all(struct mc_replay *r)
{
	const struct mc_stray *all = MC_ALL(r->strays, const struct mc_stray);
	size_t count = MC_COUNT(r->strays, struct mc_stray);
	bool is_well = true;

	for (size_t i = 0; i < 2 * count && is_well; i++) { /* all twice: the first time for the functions */
		const struct mc_stray *stray = &all[i % count];
		struct gearmand_slice rest = { stray->key.text + r->store->prefix_len,
			stray->key.len - r->store->prefix_len };
		size_t len = stray->is_old && i < count ? split(r, rest) : UNKNOWN;

		if (len != UNKNOWN)
			function_seen(r, (struct gearmand_slice){ rest.data, len });
		if (i >= count)
			is_well = take_over(r, stray, rest);
	}
	return is_well;
}

static void
take_value(struct mc_replay *r, struct mc_entry *e, const struct mc_key *key, const struct mc_value *v)
{
	uint64_t sequence, *latest = &r->store->memory->sequence;
	struct gearmand_job job;
	bool is_job = v->is_there && mc_value_read(v->data, &job, &sequence) &&
		      strcmp(mc_key_of(r->store, &job).text, key->text) == 0;

	if (r->is_ordering) {
		e->order = is_job ? htobe64(sequence) : UINT64_MAX;
		if (is_job && sequence > *latest && sequence < UINT64_MAX / 2)
			*latest = sequence;
		if (is_job && r->strays.len > 0)
			function_seen(r, job.function);
	} else if (is_job) {
		r->is_stopped = !r->sink_f(r->sink, &job);
	} else {
		r->gone += !v->is_there;
		r->odd += v->is_there;
	}
}

static bool
read_list(struct mc_replay *r, bool is_ordering)
{
	struct mc_entry *all = MC_ALL(r->entries, struct mc_entry);
	size_t count = MC_COUNT(r->entries, struct mc_entry);
	bool is_well = true;

	r->is_ordering = is_ordering;
	for (size_t at = 0; at < count && !r->is_stopped && is_well; at += WINDOW) {
		size_t n = count - at < WINDOW ? count - at : WINDOW;

		for (size_t i = 0; i < n; i++) {
			const struct mc_key key = mc_key_of_rest(r->store, all[at + i].name, MC_NAME);

			mc_say(&mc_node_of(r->store, &key)->wire, "get ", &key, "\r\n");
		}
		for (struct mc_node *node = r->store->nodes; node < r->store->end && is_well; node++)
			is_well = mc_wire_send(&node->wire, r->err);
		for (size_t i = 0; i < n && is_well; i++) {
			const struct mc_key key = mc_key_of_rest(r->store, all[at + i].name, MC_NAME);
			struct mc_value v;

			is_well = mc_wire_value(&mc_node_of(r->store, &key)->wire, &v, r->err);
			if (is_well && !r->is_stopped)
				take_value(r, &all[at + i], &key, &v);
		}
	}
	return is_well;
}

static void
tell(const struct mc_replay *r, const struct gearmand_host *host, const char *prefix)
{
	const struct {
		enum gearmand_level level;
		size_t count;
		const char *text;
	} all[] = { { GEARMAND_LOG_NOTICE, r->old, "jobs of gearmand 1.1 are taken over" },
		{ GEARMAND_LOG_NOTICE, r->moved, "jobs are moved to the server where this pool has their keys" },
		{ GEARMAND_LOG_WARNING, r->odd, "items have a job's key and no job in them; they are left alone" },
		{ GEARMAND_LOG_WARNING, r->gone,
		    "jobs were gone when they were to be read: evicted, or removed by somebody" } };

	if (r->foreign.len > 0)
		host->log(host, GEARMAND_LOG_WARNING,
		    "memcached, prefix %s: somebody else's items have this prefix, too, %s for one; they are left "
		    "alone",
		    prefix, r->foreign.text);
	for (size_t i = 0; i < GM_COUNT(all); i++) {
		if (all[i].count > 0)
			host->log(
			    host, all[i].level, "memcached, prefix %s: %zu %s", prefix, all[i].count, all[i].text);
	}
	for (size_t at = 0, len = 0; at < r->left_keys.len; at += len) { /* each is named, some in a line */
		const char *names = r->left_keys.data + at;

		len = r->left_keys.len - at;
		if (len > NAMES_MOST)
			len = (size_t)((const char *)memrchr(names, ' ', NAMES_MOST) - names);
		host->log(host, GEARMAND_LOG_WARNING,
		    "memcached, prefix %s: %zu items are left alone: where function and unique of gearmand 1.1 meet "
		    "cannot be told, or they are no jobs, or they have no room:%.*s",
		    prefix, r->left, (int)len, names);
	}
}

bool
mc_replay(void *store, gearmand_replay_f *sink_f, void *sink, struct gearmand_error *err)
{
	struct mc_store *s = mc_store_of(store);
	struct mc_replay r = { .store = s, .sink_f = sink_f, .sink = sink, .err = err };
	bool is_well = mc_dump(&r) && read_list(&r, true) && take_over_all(&r);

	mc_sort(&r.entries, sizeof(struct mc_entry));
	is_well = is_well && read_list(&r, false);
	if (is_well)
		tell(&r, s->host, s->prefix);
	gm_bytes_free(&r.entries);
	gm_bytes_free(&r.strays);
	gm_bytes_free(&r.functions);
	gm_bytes_free(&r.left_keys);
	return is_well;
}
