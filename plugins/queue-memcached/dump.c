/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The keys of all jobs, on all servers, as a list.
 *
 * Runs on:  the store thread.
 * Owns:     a connection for each dump; the list is its user's.
 *
 * `lru_crawler metadump hash` walks memcached's hash table, in which an item has one place, so it finds all.  Servers
 * from before they knew "hash" have `metadump all`, which walks lists that memcached sorts items among at the same
 * time: it may miss some.  There it is repeated until it finds nothing new.
 *
 * The answer must be read fast, else a server drops lines; so nothing is done here but to gather.
 */
#include <endian.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "queue_memcached.h"

enum { DUMPS_MOST = 20, BUSY_REST = 50, BUSY_MOST = 30000 /* ms */ };

struct dump {
	struct mc_store *store;
	struct mc_list *list;
	struct mc_node *node;
	FILE *in;
	char *line; /* free() */
	size_t size;
	struct gearmand_error *err;
};

static bool
dump_failed(const struct dump *d, const char *why)
{
	return gm_fail(d->err, GEARMAND_WHY_PASSING, "memcached %s: %s", d->node->name, why);
}

static bool
dump_connect(struct dump *d)
{
	const struct timeval patience = { .tv_sec = d->node->timeout };
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL, *a;
	struct addrinfo local = {
		.ai_family = AF_UNIX, .ai_addr = (struct sockaddr *)&path, .ai_addrlen = sizeof(path)
	};
	char port[8];

	snprintf(port, sizeof(port), "%u", (unsigned)d->node->port);
	memcpy(path.sun_path, d->node->host, strnlen(d->node->host, sizeof(path.sun_path) - 1));
	if (d->node->host[0] != '/' && getaddrinfo(d->node->host, port, &hints, &found) != 0)
		return dump_failed(d, "its address is not found");
	for (a = found == NULL ? &local : found; a != NULL && d->in == NULL; a = a->ai_next) {
		int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			d->in = fdopen(fd, "r");
		if (d->in == NULL && fd >= 0)
			close(fd);
	}
	if (found != NULL)
		freeaddrinfo(found);
	return d->in != NULL || dump_failed(d, strerror(errno));
}

/* Into d->line, without its end: the answer to the command, or the next line. */
static bool
dump_line(struct dump *d, const char *command)
{
	if (command[0] != '\0' && send(fileno(d->in), command, strlen(command), MSG_NOSIGNAL) < 0)
		return dump_failed(d, strerror(errno));
	if (getline(&d->line, &d->size, d->in) < 0)
		return dump_failed(d, feof(d->in) ? "it closed the connection" : "it does not answer");
	d->line[strcspn(d->line, "\r\n")] = '\0';
	return true;
}

/* "key=KEY exp=... cas=...", with %xx in the key.  What could not be asked for is nobody's: the binary protocol takes
 * any bytes as a key, line ends too. */
static void
take_line(struct dump *d)
{
	const struct mc_store *s = d->store;
	const char *cas = strstr(d->line, " cas=");
	struct mc_stray stray = { .node = (uint32_t)(d->node - s->nodes) };
	struct mc_entry entry = { .order = 0 };
	struct mc_key *key = &stray.key;
	struct gearmand_slice rest;

	stray.order = htobe64(cas == NULL ? 0 : strtoull(cas + strlen(" cas="), NULL, 10));
	for (const char *c = d->line + strlen("key="); *c != ' ' && *c != '\0'; c++) {
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
	if (!stray.is_old && mc_node_of(s, key) == d->node)
		gm_add(&d->list->entries, &entry, sizeof(entry));
	else if (!stray.is_old || (strstr(d->line, " exp=-1") != NULL && gm_has_byte(rest, '-')))
		gm_add(&d->list->strays, &stray, sizeof(stray));
	else
		d->list->foreign = *key;
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

/* Somebody else's dump is waited for; a crawler that is off is turned on: there is no other way to find the jobs. */
static bool
dump_once(struct dump *d, const char *command)
{
	bool is_well = dump_line(d, command);

	if (is_well && strcmp(d->line, "CLIENT_ERROR lru crawler disabled") == 0)
		is_well = dump_line(d, "lru_crawler enable\r\n") && dump_line(d, command);
	for (int waited = 0; is_well && strncmp(d->line, "BUSY", 4) == 0 && waited < BUSY_MOST; waited += BUSY_REST) {
		gm_pause(BUSY_REST);
		is_well = dump_line(d, command);
	}
	while (is_well && (strncmp(d->line, "key=", 4) == 0 || strcmp(d->line, "OK") == 0)) {
		if (d->line[0] == 'k')
			take_line(d);
		is_well = dump_line(d, "");
	}
	mc_sort(&d->list->entries, sizeof(struct mc_entry));
	mc_sort(&d->list->strays, sizeof(struct mc_stray));
	if (d->list->entries.failed || d->list->strays.failed)
		return dump_failed(d, "out of memory for the keys of the jobs");
	if (is_well && (strcmp(d->line, "ERROR") == 0 || strstr(d->line, "metadump not allowed") != NULL))
		return gm_fail(d->err, GEARMAND_WHY_LASTING,
		    "memcached %s does not tell which keys it has: it was started with -X, or is older than 1.4.31",
		    d->node->name);
	if (is_well && strcmp(d->line, "END") != 0 && strncmp(d->line, "BADCLASS", 8) != 0)
		return gm_fail(
		    d->err, GEARMAND_WHY_PASSING, "memcached %s: it says \"%.100s\"", d->node->name, d->line);
	return is_well;
}

bool
mc_dump(struct mc_store *s, struct mc_list *list, struct gearmand_error *err)
{
	bool is_well = true;

	for (struct mc_node *n = s->nodes; n < s->end && is_well; n++) {
		struct dump d = { .store = s, .list = list, .node = n, .err = err };
		size_t before = SIZE_MAX, now = 0;

		is_well = dump_connect(&d) && dump_once(&d, "lru_crawler metadump hash\r\n");
		for (int i = 0; is_well && (i > 0 || d.line[0] == 'B') && i < DUMPS_MOST && now != before; i++) {
			before = i == 0 ? SIZE_MAX : now;
			is_well = dump_once(&d, "lru_crawler metadump all\r\n");
			now = list->entries.len + list->strays.len;
		}
		if (d.in != NULL)
			fclose(d.in);
		free(d.line);
	}
	return is_well;
}
