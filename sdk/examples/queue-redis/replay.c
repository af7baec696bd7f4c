/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hashes become jobs again, in the order in which they were stored.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; a window of jobs is on its way at a time, so memory does not grow with their number.
 *
 * The order is a sorted set of keys, in which each job has its number.  Before it is read, a scan of all keys with the
 * prefix looks for what gearmand 1.1 has stored: such jobs are stored anew, at the end of the order.
 */
#include "queue_redis.h"

enum { SCANNED = 100, WINDOW_MOST = 64, WINDOW_BYTES = 8 << 20, UUID = 36 };

#define HEX "[0-9a-fA-F]"

/* A replay as it goes on. */
struct rq_replay {
	struct rq_store *store;
	gearmand_replay_f *sink_f;
	void *sink;
	struct gearmand_error *err;
	bool is_stopped; /* by the sink */
	size_t bytes;    /* of the payloads of a window */
	size_t old, unclear, foreign, gone;
	char unclear_key[100], foreign_key[100]; /* one of them */
};

static struct gearmand_slice
slice_of(const redisReply *text)
{
	return (struct gearmand_slice){ text->str, (size_t)text->len };
}

static bool
batch_is_done(struct rq_replay *r)
{
	return rq_batch_do(r->store, r->err) == GEARMAND_COMMIT_DONE;
}

/* A replay may take longer than the lock lasts. */
static bool
lock_is_kept(struct rq_replay *r)
{
	const struct rq_store *s = r->store;

	return s->host->monotonic() - s->renewed_at < (int64_t)s->lease * 250000000 || batch_is_done(r);
}

/* ---- Jobs of gearmand 1.1 ----------------------------------------------------------- */

/* The key is <prefix>-<function>-<unique>.  Where it ends with a UUID, as clients make them, that is the unique; else
 * what is behind the first '-', as 1.1 itself reads it.  False: it is no key of a job. */
static bool
split_key(struct rq_replay *r, struct gearmand_slice key, struct gearmand_job *job)
{
	const struct rq_store *s = r->store;
	struct gearmand_slice rest = { key.data + s->prefix_len + 1, key.len - s->prefix_len - 1 };
	const char *at = memchr(rest.data, '-', rest.len);
	int uuid = 0;

	if (rest.len > UUID && rest.data[rest.len - UUID - 1] == '-')
		sscanf(rest.data + rest.len - UUID, "%*8" HEX "-%*4" HEX "-%*4" HEX "-%*4" HEX "-%*12" HEX "%n", &uuid);
	if (uuid == UUID)
		at = rest.data + rest.len - UUID - 1;
	if (at == NULL)
		return false;
	job->function = (struct gearmand_slice){ rest.data, (size_t)(at - rest.data) };
	job->unique = (struct gearmand_slice){ at + 1, rest.len - job->function.len - 1 };
	if (uuid != UUID && gm_has_byte(job->unique, '-')) {
		r->unclear++;
		snprintf(r->unclear_key, sizeof(r->unclear_key), "%s", key.data);
	}
	return true;
}

/* `value` is what is stored there; `key` ends with a NUL.  The job gets our fields, a key of ours if that is another,
 * and a unique if it has none. */
static void
adopt(struct rq_replay *r, struct gearmand_slice key, const redisReply *value)
{
	struct rq_store *s = r->store;
	struct gearmand_job job = { .priority = GEARMAND_NORMAL };
	char made[33];

	rq_job_read(value, &job);
	if (value->type == REDIS_REPLY_STRING)
		job.data = slice_of(value);
	if (job.data.data == NULL || (job.function.data == NULL && !split_key(r, key, &job)) ||
	    job.function.len > GM_FUNCTION_MOST || job.unique.len > GM_UNIQUE_MOST || gm_has_byte(job.function, '\0') ||
	    gm_has_byte(job.unique, '\0')) {
		r->foreign++;
		snprintf(r->foreign_key, sizeof(r->foreign_key), "%s", key.data);
		return;
	}
	if (job.unique.len == 0 || gm_is(job.unique, "-")) {
		job.flags = job.unique.len == 0 ? GEARMAND_JOB_NO_UNIQUE : GEARMAND_JOB_UNIQUE_IS_DATA;
		gm_made_unique(made);
		job.unique = gm_slice(made);
	}
	if (!gm_same(rq_key_of(s, &job, false), key))
		rq_batch_drop(s, key, RQ_LIVING);
	rq_batch_put(s, &job, false);
	r->old++;
}

/* ARGV: cursor, pattern, how many.  See job.c about the priority.  Very old ones are a string. */
static const char scan_script[] =
    "local page, old = redis.call('SCAN', ARGV[3], 'MATCH', ARGV[4], 'COUNT', ARGV[5]), {} "
    "for _, key in ipairs(page[2]) do "
    " local type = redis.call('TYPE', key).ok "
    " if type ~= 'none' and (type ~= 'hash' or redis.call('HSTRLEN', key, 'priority') ~= 2) then "
    "  old[#old + 1] = key "
    "  old[#old + 1] = type == 'hash' and redis.call('HGETALL', key) or "
    "   type == 'string' and redis.call('GET', key) "
    " end "
    "end "
    "return {page[1], old}";

/* From this cursor on; *cursor is where the next page begins. */
static bool
scan_page(struct rq_replay *r, struct gearmand_slice pattern, char cursor[32])
{
	struct rq_store *s = r->store;
	const redisReply *old;
	redisReply *page;

	rq_script(s, &s->head, scan_script);
	rq_arg_text(&s->head, cursor);
	rq_arg(&s->head, pattern);
	rq_arg_number(&s->head, SCANNED);
	page = rq_ask(s, r->err);
	if (page == NULL)
		return false;
	snprintf(cursor, 32, "%s", page->element[0]->str);
	old = page->element[1];
	for (size_t i = 0; i < old->elements; i += 2)
		adopt(r, slice_of(old->element[i]), old->element[i + 1]);
	freeReplyObject(page);
	return s->changes == 0 || batch_is_done(r);
}

static bool
scan_all(struct rq_replay *r)
{
	struct gm_bytes pattern = { .len = 0 };
	char cursor[32] = "0";
	bool is_well;

	for (const char *c = r->store->prefix; *c != '\0'; c++)
		gm_addf(&pattern, strchr("*?[]^-\\", *c) != NULL ? "\\%c" : "%c", *c);
	gm_add_text(&pattern, "-*");
	do
		is_well = !pattern.failed && lock_is_kept(r) && scan_page(r, gm_bytes_slice(&pattern), cursor);
	while (is_well && strcmp(cursor, "0") != 0);
	gm_bytes_free(&pattern);
	return is_well;
}

/* ---- All jobs in order -------------------------------------------------------------- */

/* A job that is gone leaves the order, too. */
static void
give_job(
    struct rq_replay *r, const redisReply *key, const redisReply *first, const redisReply *second, enum rq_key list)
{
	struct gearmand_job job = { .priority = GEARMAND_NORMAL };

	rq_job_read(first, &job);
	rq_job_read(second, &job);
	if (first->elements == 0 || second->elements == 0) {
		r->gone++;
		rq_batch_drop(r->store, slice_of(key), list);
		return;
	}
	if (list == RQ_DEAD)
		job.flags |= GEARMAND_JOB_DEAD;
	r->bytes += job.data.len;
	r->is_stopped = r->is_stopped || !r->sink_f(r->sink, &job);
}

/* Members and scores in turn. */
static bool
give_window(struct rq_replay *r, const redisReply *window, enum rq_key list)
{
	struct rq_store *s = r->store;
	bool is_well = true;

	r->bytes = 0;
	for (size_t i = 0; i < window->elements; i += 2) {
		struct gearmand_slice first = slice_of(window->element[i]), second = rq_second_of(s, first);

		redisAppendCommand(s->redis, "HGETALL %b", first.data, first.len);
		redisAppendCommand(s->redis, "HGETALL %b", second.data, second.len);
	}
	for (size_t i = 0; i < window->elements; i += 2) { /* whatever comes: all of it is read */
		redisReply *first = rq_reply(s, r->err), *second = rq_reply(s, r->err);

		is_well = is_well && first != NULL && second != NULL;
		if (is_well)
			give_job(r, window->element[i], first, second, list);
		freeReplyObject(first);
		freeReplyObject(second);
	}
	return is_well && (s->changes == 0 || batch_is_done(r));
}

/* A window has one job at first, and again behind one of large jobs: redis, too, must have all of it in its memory. */
static bool
give_all(struct rq_replay *r, enum rq_key list)
{
	struct rq_store *s = r->store;
	char after[64] = "-inf";
	size_t size = 1, found = 1;
	bool is_well = true;

	while (is_well && found > 0 && !r->is_stopped) {
		redisReply *window;

		if (!lock_is_kept(r))
			return false;
		redisAppendCommand(s->redis, "ZRANGEBYSCORE %s%s %s +inf WITHSCORES LIMIT 0 %d", s->hidden,
		    list == RQ_DEAD ? "dead-order" : "order", after, (int)size);
		window = rq_reply(s, r->err);
		if (window == NULL)
			return false;
		found = window->elements;
		is_well = give_window(r, window, list);
		if (found > 0)
			snprintf(after, sizeof(after), "(%s", window->element[found - 1]->str);
		freeReplyObject(window);
		size = r->bytes > WINDOW_BYTES ? 1 : size < WINDOW_MOST ? 2 * size : size;
	}
	return is_well;
}

static void
tell_all(const struct rq_replay *r)
{
	const struct rq_store *s = r->store;
	const struct gearmand_host *host = s->host;

	if (r->old > 0)
		host->log(host, GEARMAND_LOG_NOTICE, "%s, prefix %s: %zu jobs of gearmand 1.1 are taken over", s->name,
		    s->prefix, r->old);
	if (r->unclear > 0)
		host->log(host, GEARMAND_LOG_WARNING,
		    "%s, prefix %s: in the keys of %zu of them it cannot be told where the function ends; it is taken "
		    "to end at "
		    "the first '-', as gearmand 1.1 does: %s for one",
		    s->name, s->prefix, r->unclear, r->unclear_key);
	if (r->foreign > 0)
		host->log(host, GEARMAND_LOG_WARNING,
		    "%s, prefix %s: %zu keys have this prefix and are no jobs, %s for one; they are left alone",
		    s->name, s->prefix, r->foreign, r->foreign_key);
	if (r->gone > 0)
		host->log(host, GEARMAND_LOG_NOTICE,
		    "%s, prefix %s: %zu jobs were gone: done by a gearmand 1.1, removed by somebody, or evicted",
		    s->name, s->prefix, r->gone);
}

bool
rq_replay(void *store, gearmand_replay_f *sink_f, void *sink, struct gearmand_error *err)
{
	struct rq_replay r = { .store = rq_store_of(store), .sink_f = sink_f, .sink = sink, .err = err };

	rq_batch_begin(r.store);
	if (!scan_all(&r) || !give_all(&r, RQ_LIVING) || !give_all(&r, RQ_DEAD))
		return false;
	tell_all(&r);
	return true;
}
