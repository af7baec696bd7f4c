/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The keys of all jobs, on all servers, as a list.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the list is its user's.
 *
 * `lru_crawler metadump hash` walks memcached's hash table, in which an item has one place, so it finds all.  Servers
 * from before they knew "hash" have `metadump all`, which walks lists that memcached sorts items among at the same
 * time: it may miss some.  There it is repeated until it finds nothing new.
 *
 * The answer must be read fast, else a server drops lines; so nothing is done here but to gather.
 */
#include <endian.h>

#include "queue_memcached.h"

enum { BUSY_REST = 50, BUSY_MOST = 30000 /* ms */ };

/* "key=KEY exp=... cas=...", with %xx in the key.  What could not be asked for is nobody's: the binary protocol takes
 * any bytes as a key, line ends too. */
static void
take_line(struct mc_replay *r, const struct mc_node *n, const char *line)
{
	const struct mc_store *s = r->store;
	const char *cas = strstr(line, " cas=");
	struct mc_stray stray = { .node = (uint32_t)(n - s->nodes) };
	struct mc_entry entry = { .order = 0 };
	struct mc_key *key = &stray.key;
	struct gearmand_slice rest;

	stray.order = htobe64(cas == NULL ? 0 : strtoull(cas + strlen(" cas="), NULL, 10));
	for (const char *c = line + strlen("key="); *c != ' ' && *c != '\0'; c++) {
		unsigned byte = (unsigned char)*c;

		if (byte == '%' && sscanf(c + 1, "%2x", &byte) == 1)
			c += 2;
		if (key->len == MC_KEY_MOST || byte <= ' ' || byte == 0x7f)
			return;
		key->text[key->len++] = (char)byte;
	}
	rest = (struct gearmand_slice){ key->text + s->prefix_len, key->len - s->prefix_len };
	if (strncmp(key->text, s->prefix, s->prefix_len) != 0 || gm_is(rest, "lock") || gm_is(rest, "owner"))
		return;
	stray.is_old = !mc_is_name(rest.data);
	memcpy(entry.name, rest.data, rest.len < MC_NAME ? rest.len : MC_NAME);
	if (!stray.is_old && mc_node_of(s, key) == n)
		gm_add(&r->entries, &entry, sizeof(entry));
	else if (!stray.is_old || (strstr(line, " exp=-1") != NULL && gm_has_byte(rest, '-')))
		gm_add(&r->strays, &stray, sizeof(stray));
	else
		r->foreign = *key;
}

static int
compare(const void *a, const void *b, void *size)
{
	return memcmp(a, b, *(size_t *)size);
}

void
mc_sort(struct gm_bytes *b, size_t size)
{
	size_t kept = 0;

	if (b->len > 0)
		qsort_r(b->data, b->len / size, size, compare, &size);
	for (size_t at = 0; at < b->len; at += size) {
		if (kept == 0 || memcmp(b->data + kept - size, b->data + at, size) != 0) {
			memmove(b->data + kept, b->data + at, size);
			kept += size;
		}
	}
	b->len = kept;
}

/* Somebody else's dump is waited for; a crawler that is off is turned on: there is no other way to find the jobs.
 * *knows_r: memcached knows this command. */
static bool
dump_once(struct mc_replay *r, struct mc_node *n, const char *command, bool *knows_r)
{
	struct mc_wire *w = &n->wire;
	char *line;
	bool is_well = mc_wire_line(w, command, &line, r->err);

	if (is_well && strcmp(line, "CLIENT_ERROR lru crawler disabled") == 0)
		is_well =
		    mc_wire_line(w, "lru_crawler enable\r\n", &line, r->err) && mc_wire_line(w, command, &line, r->err);
	for (int waited = 0; is_well && strncmp(line, "BUSY", 4) == 0 && waited < BUSY_MOST; waited += BUSY_REST) {
		gm_pause(BUSY_REST);
		is_well = mc_wire_line(w, command, &line, r->err);
	}
	while (is_well && (strncmp(line, "key=", 4) == 0 || strcmp(line, "OK") == 0)) {
		if (line[0] == 'k')
			take_line(r, n, line);
		is_well = mc_wire_line(w, "", &line, r->err);
	}
	mc_sort(&r->entries, sizeof(struct mc_entry));
	mc_sort(&r->strays, sizeof(struct mc_stray));
	if (!is_well)
		return false;
	*knows_r = strncmp(line, "BADCLASS", 8) != 0;
	if (r->entries.failed || r->strays.failed)
		return mc_wire_fail(w, "out of memory for the keys of the jobs", r->err);
	if (strcmp(line, "ERROR") == 0 || strstr(line, "metadump not allowed") != NULL)
		return gm_fail(r->err, GEARMAND_WHY_LASTING,
		    "memcached %s does not tell which keys it has: it was started with -X, or is older than 1.4.31",
		    n->name);
	return strcmp(line, "END") == 0 || !*knows_r || mc_wire_is_odd(w, line, r->err);
}

bool
mc_dump(struct mc_replay *r)
{
	for (struct mc_node *n = r->store->nodes; n < r->store->end; n++) {
		size_t before, now = SIZE_MAX;
		bool knows_hash, knows_all;

		if (!dump_once(r, n, "lru_crawler metadump hash\r\n", &knows_hash))
			return false;
		do {
			before = now;
			if (!knows_hash && !dump_once(r, n, "lru_crawler metadump all\r\n", &knows_all))
				return false;
			now = r->entries.len + r->strays.len;
		} while (now != before);
	}
	return true;
}
