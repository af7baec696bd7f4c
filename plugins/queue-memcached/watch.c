/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What servers tell of themselves: how large an item may be, and whether they have forgotten any.
 *
 * Runs on:  the store thread.
 * Owns:     what each server said last; when each one was started, for the life of the process.
 *
 * Jobs that memcached forgets are still in this server's memory and run, but they do not survive its restart any
 * more: so it is said, once each time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue_memcached.h"

#define LOOK_EVERY        INT64_C(10000000000) /* ns */
#define SAY_AT_MOST_EVERY INT64_C(600000000000)

/* Servers that this process has had open, by name. */
struct seen {
	struct seen *next;
	struct mc_watch watch;
	char name[];
};

static struct seen *all_seen;

static struct mc_watch *
seen_of(struct mc_store *s, const char *name)
{
	struct seen *k = all_seen;

	while (k != NULL && strcmp(k->name, name) != 0)
		k = k->next;
	if (k == NULL) {
		k = s->host->allocate(sizeof(*k) + strlen(name) + 1);
		strcpy(k->name, name);
		k->next = all_seen;
		all_seen = k;
	}
	return &k->watch;
}

/* ---- Reading ------------------------------------------------------------------------------- */

/* "STAT name value" */
static void
read_stat(struct gearmand_slice line, struct mc_watch *w, uint64_t *time, uint64_t *uptime)
{
	static const char stat[] = "STAT ";
	const struct {
		const char *name;
		uint64_t *to;
	} numbers[] = { { "pid ", &w->pid }, { "time ", time }, { "uptime ", uptime }, { "evictions ", &w->evictions },
		{ "cmd_flush ", &w->flushes }, { "item_size_max ", &w->item_most } };

	line.data += sizeof(stat) - 1;
	line.len -= sizeof(stat) - 1;
	if (mc_begins(line, "evictions on") || mc_begins(line, "evictions off")) { /* a setting */
		w->evicts = mc_begins(line, "evictions on");
		return;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		size_t len = strlen(numbers[i].name);

		if (mc_begins(line, numbers[i].name))
			*numbers[i].to = mc_number((struct gearmand_slice){ line.data + len, line.len - len });
	}
}

static enum mc_state
read_stats(struct mc_pool *p, struct mc_link *l, struct mc_watch *w)
{
	uint64_t time = 0, uptime = 0;
	struct gearmand_slice line;
	enum mc_state state;

	while ((state = mc_line(p, l, &line)) == MC_WELL && mc_begins(line, "STAT "))
		read_stat(line, w, &time, &uptime);
	if (state != MC_WELL)
		return state;
	if (!(line.len == 3 && mc_begins(line, "END")))
		return mc_odd(l, line);
	if (time > 0)
		w->started = time - uptime;
	mc_reply_done(l);
	return MC_WELL;
}

/* ---- What is said --------------------------------------------------------------------------- */

/* Clocks are read at two moments: a second of difference is none. */
static bool
is_restarted(const struct mc_watch *before, const struct mc_watch *now)
{
	return before->pid != now->pid || now->started > before->started + 2;
}

static void
compare(struct mc_store *s, const char *name, struct mc_watch *before, struct mc_watch *now)
{
	const struct gearmand_host *host = s->host;
	int64_t at = host->monotonic();

	if (is_restarted(before, now)) {
		host->log(host, GEARMAND_LOG_WARNING,
		    "memcached %s was restarted, and has forgotten what it had: jobs that wait here run, but do not "
		    "survive a "
		    "restart of this server",
		    name);
		return;
	}
	if (now->flushes > before->flushes)
		host->log(host, GEARMAND_LOG_WARNING,
		    "memcached %s was emptied (flush_all): jobs that wait here run, but do not survive a restart of "
		    "this server",
		    name);
	now->said_at = before->said_at;
	if (now->evictions <= before->evictions)
		return;
	if (before->said_at != 0 && at - before->said_at < SAY_AT_MOST_EVERY) {
		now->evictions = before->evictions; /* told when it is time */
		return;
	}
	now->said_at = at;
	host->log(host, GEARMAND_LOG_WARNING,
	    "memcached %s is full and has evicted %" PRIu64 " items, jobs perhaps: those that wait here run, but do "
	    "not survive a restart of this server; give it more memory "
	    "(-m), and -M so that it refuses instead",
	    name, now->evictions - before->evictions);
}

/* ---- When ----------------------------------------------------------------------------------- */

void
mc_watch_ask(struct mc_link *l)
{
	mc_text_adds(&l->out, "stats\r\n");
	mc_expect(l, MC_STATS, 0);
}

enum mc_state
mc_watch_read(struct mc_store *s, size_t node)
{
	struct mc_watch *before = seen_of(s, s->nodes[node].name), now = *before;
	enum mc_state state = read_stats(&s->pool, &s->pool.links[node], &now);

	if (state != MC_WELL)
		return state;
	if (before->is_known)
		compare(s, s->nodes[node].name, before, &now);
	now.is_known = true;
	*before = s->watches[node] = now;
	return MC_WELL;
}

bool
mc_watch_is_due(struct mc_store *s)
{
	int64_t now = s->host->monotonic();

	if (now < s->watch_at)
		return false;
	s->watch_at = now + LOOK_EVERY;
	return true;
}

/* False: the link's trouble is told. */
static bool
open_one(struct mc_store *s, size_t node, struct gearmand_error *err)
{
	struct mc_link *l = &s->pool.links[node];
	struct mc_watch settings = { .pid = 0 };
	enum mc_state state;

	mc_text_adds(&l->out, "stats settings\r\n");
	mc_expect(l, MC_STATS, 0);
	mc_watch_ask(l);
	mc_push(l);
	state = read_stats(&s->pool, l, &settings);
	if (state == MC_WELL)
		state = mc_watch_read(s, node);
	if (state != MC_WELL) {
		mc_sentence(s, l, state, err);
		if (strstr(l->trouble, "unauthenticated") != NULL)
			err->why = GEARMAND_WHY_LASTING;
		return false;
	}
	s->watches[node].item_most = settings.item_most;
	s->watches[node].evicts = settings.evicts;
	if (settings.evicts)
		s->host->log(s->host, GEARMAND_LOG_NOTICE,
		    "memcached %s evicts jobs when it is full; started with -M it refuses new ones instead",
		    s->nodes[node].name);
	return true;
}

bool
mc_watch_open(struct mc_store *s, struct gearmand_error *err)
{
	s->watches = s->host->allocate(s->pool.count * sizeof(*s->watches));
	(void)mc_watch_is_due(s);
	for (size_t i = 0; i < s->pool.count; i++) {
		if (!open_one(s, i, err))
			return false;
	}
	return true;
}
