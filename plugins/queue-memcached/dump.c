/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The keys of all jobs, on all servers.
 *
 * Runs on:  the store thread.
 * Owns:     a connection for each dump; the list is its user's.
 *
 * `lru_crawler metadump hash` walks memcached's hash table, in which an item has one place, so it finds all.  Servers
 * from before they knew "hash" have `metadump all`, which walks lists that memcached sorts items among at the same
 * time: it may miss some.  There it is repeated until it finds nothing new.
 *
 * A server gives the connection back behind its last line.  It must be read fast, else it drops lines; so nothing is
 * done here but to gather.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "queue_memcached.h"

enum { ENTRIES_FIRST = 1024, STRAYS_FIRST = 64, DUMPS_MOST = 20, BUSY_REST = 50, BUSY_MOST = 30000 /* ms */ };

struct dump {
	struct mc_store *store;
	struct mc_list *list;
	size_t node;
	struct mc_link link;
	struct mc_pool pool;
	struct gearmand_error *err;
};

/* ---- The list -------------------------------------------------------------------------------- */

bool
mc_list_add(struct mc_list *list, const struct mc_name *name)
{
	if (list->count == list->size) {
		size_t size = list->size == 0 ? ENTRIES_FIRST : list->size * 2;
		struct mc_entry *entries = reallocarray(list->entries, size, sizeof(*entries));

		if (entries == NULL)
			return false;
		list->entries = entries;
		list->size = size;
	}
	list->entries[list->count++] = (struct mc_entry){ .name = *name };
	return true;
}

static bool
add_stray(struct mc_list *list, const char *key, uint64_t order, size_t node, bool is_old)
{
	if (list->stray_count == list->stray_size) {
		size_t size = list->stray_size == 0 ? STRAYS_FIRST : list->stray_size * 2;
		struct mc_stray *strays = reallocarray(list->strays, size, sizeof(*strays));

		if (strays == NULL)
			return false;
		list->strays = strays;
		list->stray_size = size;
	}
	list->strays[list->stray_count] =
	    (struct mc_stray){ .key = strdup(key), .order = order, .node = (uint32_t)node, .is_old = is_old };
	return list->strays[list->stray_count++].key != NULL;
}

static int
compare_entries(const void *x, const void *y)
{
	const struct mc_entry *a = x, *b = y;

	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	return memcmp(a->name.bytes, b->name.bytes, MC_NAME);
}

static int
compare_strays(const void *x, const void *y)
{
	const struct mc_stray *a = x, *b = y;

	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	return a->node != b->node ? (a->node < b->node ? -1 : 1) : strcmp(a->key, b->key);
}

void
mc_list_sort(struct mc_list *list)
{
	size_t kept = 0;

	if (list->count > 1)
		qsort(list->entries, list->count, sizeof(*list->entries), compare_entries);
	for (size_t i = 0; i < list->count; i++) {
		if (kept == 0 || compare_entries(&list->entries[kept - 1], &list->entries[i]) != 0)
			list->entries[kept++] = list->entries[i];
	}
	list->count = kept;
	if (list->stray_count > 1)
		qsort(list->strays, list->stray_count, sizeof(*list->strays), compare_strays);
	kept = 0;
	for (size_t i = 0; i < list->stray_count; i++) {
		if (kept == 0 || compare_strays(&list->strays[kept - 1], &list->strays[i]) != 0)
			list->strays[kept++] = list->strays[i];
		else
			free(list->strays[i].key);
	}
	list->stray_count = kept;
}

void
mc_list_free(struct mc_list *list)
{
	for (size_t i = 0; i < list->stray_count; i++)
		free(list->strays[i].key);
	free(list->strays);
	free(list->entries);
	*list = (struct mc_list){ .count = 0 };
}

/* ---- A line ---------------------------------------------------------------------------------- */

static int
hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

/* Up to the blank, %xx turned into what it is.  0 = that is no key that could be asked for: the binary protocol takes
 * any bytes, line ends too. */
static size_t
decode_key(struct gearmand_slice text, char key[MC_KEY_MOST + 1])
{
	size_t len = 0;

	for (size_t i = 0; i < text.len && text.data[i] != ' '; i++) {
		int c = (unsigned char)text.data[i];

		if (c == '%' && i + 2 < text.len && hex(text.data[i + 1]) >= 0 && hex(text.data[i + 2]) >= 0) {
			c = hex(text.data[i + 1]) * 16 + hex(text.data[i + 2]);
			i += 2;
		}
		if (len == MC_KEY_MOST || c <= ' ' || c == 0x7f)
			return 0;
		key[len++] = (char)c;
	}
	key[len] = '\0';
	return len;
}

/* What stands behind " name=" in the line. */
static struct gearmand_slice
field(struct gearmand_slice line, const char *name)
{
	const char *found = memmem(line.data, line.len, name, strlen(name));

	if (found == NULL)
		return (struct gearmand_slice){ .len = 0 };
	found += strlen(name);
	return (struct gearmand_slice){ found, line.len - (size_t)(found - line.data) };
}

/* False: no memory. */
static bool
take_key(struct dump *d, const char *key, size_t len, uint64_t order, bool expires)
{
	const struct mc_store *s = d->store;
	struct gearmand_slice rest = { key + s->prefix_len, len - s->prefix_len };
	struct mc_name name = { .bytes = { 0 } };

	if (strcmp(key, s->lock_key) == 0 || strcmp(key, s->owner_key) == 0)
		return true;
	if (mc_key_read(rest, &name))
		return mc_node_of(s, key, len) == d->node ? mc_list_add(d->list, &name)
							  : add_stray(d->list, key, order, d->node, false);
	if (!expires && memchr(rest.data, '-', rest.len) != NULL)
		return add_stray(d->list, key, order, d->node, true);
	strcpy(d->list->foreign_key, key);
	return true;
}

static bool
take_line(struct dump *d, struct gearmand_slice line)
{
	char key[MC_KEY_MOST + 1];
	size_t len;

	line.data += strlen("key=");
	line.len -= strlen("key=");
	len = decode_key(line, key);
	if (len <= d->store->prefix_len || memcmp(key, d->store->prefix, d->store->prefix_len) != 0)
		return true;
	return take_key(d, key, len, mc_number(field(line, " cas=")), !mc_begins(field(line, " exp="), "-1"));
}

/* ---- A dump ---------------------------------------------------------------------------------- */

static bool
fail(struct dump *d, enum mc_state state)
{
	mc_sentence(d->store, &d->link, state, d->err);
	return false;
}

/* Sends the command; what it answers first that is no "OK". */
static enum mc_state
ask(struct dump *d, const char *mode, struct gearmand_slice *line_r)
{
	enum mc_state state;

	mc_text_adds(&d->link.out, "lru_crawler metadump ");
	mc_text_adds(&d->link.out, mode);
	mc_text_adds(&d->link.out, "\r\n");
	do
		state = mc_line(&d->pool, &d->link, line_r);
	while (state == MC_WELL && line_r->len == 2 && mc_begins(*line_r, "OK"));
	return state;
}

/* The same, when somebody else's dump is over. */
static enum mc_state
ask_in_turn(struct dump *d, const char *mode, struct gearmand_slice *line_r)
{
	const struct timespec rest = { .tv_nsec = BUSY_REST * 1000000 };
	enum mc_state state = ask(d, mode, line_r);

	for (int waited = 0; state == MC_WELL && mc_begins(*line_r, "BUSY") && waited < BUSY_MOST;
	     waited += BUSY_REST) {
		nanosleep(&rest, NULL);
		state = ask(d, mode, line_r);
	}
	return state;
}

/* From its first line on. */
static bool
gather(struct dump *d, struct gearmand_slice line)
{
	enum mc_state state = MC_WELL;

	while (state == MC_WELL && mc_begins(line, "key=")) {
		if (!take_line(d, line)) {
			d->store->host->error_set(d->err, "memcached: out of memory for the keys of the jobs");
			return false;
		}
		d->link.used = d->link.at;
		state = mc_line(&d->pool, &d->link, &line);
	}
	if (state == MC_WELL && !mc_begins(line, "END"))
		state = mc_odd(&d->link, line);
	d->link.used = d->link.at;
	return state == MC_WELL || fail(d, state);
}

/* A crawler that is off is turned on: there is no other way to find the jobs. */
static enum mc_state
turn_on(struct dump *d)
{
	struct gearmand_slice line;
	enum mc_state state;

	mc_text_adds(&d->link.out, "lru_crawler enable\r\n");
	state = mc_line(&d->pool, &d->link, &line);
	return state != MC_WELL || mc_begins(line, "OK") ? state : mc_odd(&d->link, line);
}

static bool
repeat(struct dump *d, struct gearmand_slice line)
{
	size_t before;
	enum mc_state state;

	for (int i = 0; i < DUMPS_MOST; i++) {
		before = d->list->count + d->list->stray_count;
		if (!gather(d, line))
			return false;
		mc_list_sort(d->list);
		if (i > 0 && d->list->count + d->list->stray_count == before)
			break;
		state = ask_in_turn(d, "all", &line);
		if (state != MC_WELL)
			return fail(d, state);
	}
	return true;
}

static bool
dump_node(struct dump *d)
{
	struct gearmand_slice line;
	enum mc_state state = mc_link_open(&d->pool, &d->link);

	if (state == MC_WELL)
		state = ask_in_turn(d, "hash", &line);
	if (state == MC_WELL && mc_begins(line, "CLIENT_ERROR lru crawler disabled")) {
		state = turn_on(d);
		if (state == MC_WELL)
			state = ask_in_turn(d, "hash", &line);
	}
	if (state != MC_WELL)
		return fail(d, state);
	if (!mc_begins(line, "BADCLASS"))
		return gather(d, line);
	state = ask_in_turn(d, "all", &line);
	return state == MC_WELL ? repeat(d, line) : fail(d, state);
}

static void
explain(struct dump *d)
{
	if (strstr(d->link.trouble, "metadump not allowed") == NULL &&
	    strstr(d->link.trouble, "says \"ERROR\"") == NULL)
		return;
	d->store->host->error_set(d->err,
	    "memcached %s does not tell which keys it has: it was started with -X, or is older than 1.4.31",
	    d->link.node->name);
}

bool
mc_dump(struct mc_store *s, struct mc_list *list, struct gearmand_error *err)
{
	bool is_well = true;

	for (size_t i = 0; i < s->pool.count && is_well; i++) {
		struct dump d = { .store = s, .list = list, .node = i, .err = err };

		d.link = (struct mc_link){ .node = &s->nodes[i], .fd = -1 };
		d.pool = (struct mc_pool){ .links = &d.link, .count = 1, .patience = s->pool.patience, .stop_fd = -1 };
		is_well = dump_node(&d);
		if (!is_well)
			explain(&d);
		mc_link_free(&d.link);
	}
	mc_list_sort(list);
	return is_well;
}
