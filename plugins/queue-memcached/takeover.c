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
#include <endian.h>

#include <sodium.h>

#include "queue_memcached.h"

enum { UUID = 36, NAMES_MOST = 600 };

#define UNKNOWN SIZE_MAX
#define HEX     "[0-9a-fA-F]"

struct takeover {
	struct mc_store *store;
	struct mc_list *list;
	struct gearmand_error *err;
	uint64_t sequence; /* of the latest job of 1.1: they come before all of ours */
	size_t old, moved, left;
	struct gm_bytes left_keys;
};

/* gearmand 1.1 stored a job under <prefix><function>-<unique>.  Where that has one '-', or ends with a UUID as clients
 * make them, it is clear how long the function is.  Else other jobs tell, when just one '-' stands behind a function of
 * theirs. */
static size_t
split(const struct gm_bytes *functions, struct gearmand_slice rest)
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
		if (functions != NULL && memmem(functions->data, functions->len, name, i + 2) != NULL) {
			known = i;
			knowns++;
		}
	}
	return dashes == 1 ? possible : knowns == 1 ? known : UNKNOWN;
}

/* Functions that fit no item are left out. */
void
mc_function_seen(struct mc_list *list, struct gearmand_slice name)
{
	char text[MC_KEY_MOST + 2] = "";

	if (name.len > MC_KEY_MOST)
		return;
	memcpy(text + 1, name.data, name.len);
	if (list->functions.len == 0 || memmem(list->functions.data, list->functions.len, text, name.len + 2) == NULL)
		gm_add(&list->functions, text, name.len + 2);
}

/* Of many jobs without a unique, or with "-", 1.1 kept the latest.  It gets a unique of its own, the same in every try.
 */
static bool
read_old(const struct takeover *t, struct gearmand_slice rest, const struct mc_value *v, char made[65],
    struct gearmand_job *job)
{
	size_t len = split(&t->list->functions, rest);
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
take_over(struct takeover *t, const struct mc_stray *stray, struct gearmand_slice rest)
{
	struct mc_link *from = &t->store->nodes[stray->node].link[MC_TALK], *to;
	struct mc_entry entry = { .order = htobe64(t->sequence + 1) };
	struct gearmand_job job;
	struct mc_value v;
	struct mc_key key;
	uint64_t sequence = t->sequence + 1;
	char made[65];
	memcached_return_t rc = MEMCACHED_E2BIG;

	if (!mc_get(from, &stray->key, &v, t->err))
		return false;
	if (!v.is_there)
		return true;
	if (stray->is_old ? read_old(t, rest, &v, made, &job) : mc_value_read(v.data, &job, &sequence)) {
		key = mc_key_of(t->store, &job);
		to = &mc_node_of(t->store, &key)->link[MC_TALK];
		rc = mc_put(t->store, memcached_add, to, &key, &job, sequence);
		if (rc != MEMCACHED_NOTSTORED && rc != MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE &&
		    !mc_went_well(to, rc, MEMCACHED_E2BIG, t->err))
			return false;
	}
	if (rc == MEMCACHED_SUCCESS) {
		entry.order = htobe64(sequence);
		memcpy(entry.name, key.text + t->store->prefix_len, MC_NAME);
		gm_add(&t->list->entries, &entry, sizeof(entry));
	} else if (rc != MEMCACHED_NOTSTORED) {
		t->left++;
		gm_add(&t->left_keys, stray->key.text, stray->key.len + 1);
		return true;
	}
	t->sequence += stray->is_old;
	t->old += stray->is_old;
	t->moved += !stray->is_old;
	return mc_went_well(
	    from, memcached_delete(from->m, stray->key.text, stray->key.len, 0), MEMCACHED_NOTFOUND, t->err);
}

/* Each item that is left is named, some in a line. */
static void
tell(const struct takeover *t, const struct gearmand_host *host, const char *prefix)
{
	const char *name = t->left_keys.data, *end = name + t->left_keys.len;

	if (t->old > 0)
		host->log(host, GEARMAND_LOG_NOTICE, "memcached, prefix %s: %zu jobs of gearmand 1.1 are taken over",
		    prefix, t->old);
	if (t->moved > 0)
		host->log(host, GEARMAND_LOG_NOTICE,
		    "memcached, prefix %s: %zu jobs are moved to the server where this pool has their keys", prefix,
		    t->moved);
	while (t->left > 0 && name < end) {
		char names[NAMES_MOST + MC_KEY_MOST + 2] = "";

		for (size_t len = 0; len < NAMES_MOST && name < end; name += strlen(name) + 1)
			len += (size_t)sprintf(names + len, " %s", name);
		host->log(host, GEARMAND_LOG_WARNING,
		    "memcached, prefix %s: %zu items are left alone: where function and unique of gearmand 1.1 meet "
		    "cannot be told, or they are no jobs, or they have no room:%s",
		    prefix, t->left, names);
	}
}

bool
mc_takeover(struct mc_store *s, struct mc_list *list, struct gearmand_error *err)
{
	struct takeover t = { .store = s, .list = list, .err = err };
	const struct mc_stray *strays = MC_ALL(list->strays, const struct mc_stray);
	size_t count = MC_COUNT(list->strays, struct mc_stray);
	bool is_well = true;

	for (size_t pass = 0; pass < 2; pass++) { /* the first for the functions */
		for (size_t i = 0; i < count && is_well; i++) {
			struct gearmand_slice rest = { strays[i].key.text + s->prefix_len,
				strays[i].key.len - s->prefix_len };
			size_t len = pass == 0 && strays[i].is_old ? split(NULL, rest) : UNKNOWN;

			if (len != UNKNOWN)
				mc_function_seen(list, (struct gearmand_slice){ rest.data, len });
			if (pass == 1)
				is_well = take_over(&t, &strays[i], rest);
		}
	}
	if (is_well)
		tell(&t, s->host, s->prefix);
	gm_bytes_free(&t.left_keys);
	return is_well;
}
