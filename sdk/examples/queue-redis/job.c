/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A job is a hash, and a batch of changes is one script: redis does all of it or nothing, in one round trip.
 *
 * Runs on:  the store thread.
 * Owns:     the commands of a batch.
 *
 * A job's hash has `data` and `priority`, since gearmand 1.1 takes no more, and its key is that of 1.1 wherever 1.1 can
 * read it: it takes what is behind the prefix apart at '-', and reads no further than to a blank.  All the rest is
 * where it does not look: other keys, and a second hash for each job.  What 1.1 stores has a priority of one digit,
 * ours has two.
 *
 * The script begins with the lock: a batch counts only while nobody else has had the store since it was opened, and so
 * one that was on its way when the connection broke comes to nothing once the store is open again.  In a redis without
 * room its first write is refused, so nothing is stored; removals and what follows them need no room.
 */
#include "queue_redis.h"

/* A script holds up all others in redis: what a server commits at once is one, and only what is larger is cut. */
enum { FUNCTION_OLD = 512, CHANGES_MOST = 4096 };

/* ARGV: this server, ms, how many jobs come, what is before the key of a second hash; for each change key and list,
 * then fields and values, of which two are for the first hash, until an empty one. */
static const char batch_script[] =
    "local owner = redis.call('GET', KEYS[1]) "
    "if owner ~= ARGV[1] then return owner or '' end "
    "local n, i = 0, 5 "
    "if ARGV[3] ~= '0' then n = redis.call('INCRBY', KEYS[3], ARGV[3]) - ARGV[3] end "
    "while ARGV[i] do "
    " local key, list, j = ARGV[i], KEYS[tonumber(ARGV[i + 1])], i + 2 "
    " while ARGV[j] ~= '' do j = j + 2 end "
    " redis.call('DEL', key, ARGV[4] .. key) "
    " if j == i + 2 then redis.call('ZREM', list, key) else "
    "  n = n + 1 "
    "  redis.call('HSET', key, unpack(ARGV, i + 2, i + 5)) "
    "  redis.call('HSET', ARGV[4] .. key, unpack(ARGV, i + 6, j - 1)) "
    "  redis.call('ZADD', list, n, key) "
    " end "
    " i = j + 1 "
    "end "
    "if redis.call('PEXPIRE', KEYS[2], ARGV[2]) == 0 then redis.pcall('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) end "
    "return n";

static bool
is_for_old(const struct gearmand_job *job)
{
	bool is_clear = job->function.len > 0 && job->function.len < FUNCTION_OLD && !gm_has_byte(job->function, '-');

	for (const char *c = " \t\n\v\f\r*"; *c != '\0'; c++)
		is_clear = is_clear && !gm_has_byte(job->unique, *c);
	return is_clear;
}

/* A key that gearmand 1.1 does not see. */
static void
hidden_begin(const struct rq_store *s, struct gm_bytes *key, const char *word)
{
	gm_bytes_clear(key, SIZE_MAX);
	gm_addf(key, "%s%s", s->hidden, word);
}

struct gearmand_slice
rq_key_of(struct rq_store *s, const struct gearmand_job *job, bool is_dead)
{
	struct gm_bytes *key = &s->key;

	hidden_begin(s, key, is_dead ? "dead:" : "job:");
	if (is_dead) {
		gm_add_slice(key, job->handle);
		return gm_bytes_slice(key);
	}
	if (is_for_old(job)) {
		key->len = 0;
		gm_add(key, s->prefix, s->prefix_len);
	} else {
		gm_addf(key, "%zu", job->function.len);
	}
	gm_add_text(key, "-");
	gm_add_slice(key, job->function);
	gm_add_text(key, "-");
	gm_add_slice(key, job->unique);
	return gm_bytes_slice(key);
}

struct gearmand_slice
rq_second_of(struct rq_store *s, struct gearmand_slice key)
{
	hidden_begin(s, &s->second, "of:");
	gm_add_slice(&s->second, key);
	return gm_bytes_slice(&s->second);
}

/* ---- Fields ------------------------------------------------------------------------- */

enum kind { TEXT, TWO_DIGITS, NUMBER, NUMBER_64 };

/* Two in the first hash, the others in the second; what is empty or 0 may be left out there. */
static const struct field {
	const char *name;
	size_t place;
	enum kind kind;
	bool is_always;
} fields[] = {
	{ "data", offsetof(struct gearmand_job, data), TEXT, true },
	{ "priority", offsetof(struct gearmand_job, priority), TWO_DIGITS, true },
	{ "function", offsetof(struct gearmand_job, function), TEXT, true },
	{ "unique", offsetof(struct gearmand_job, unique), TEXT, true },
	{ "flags", offsetof(struct gearmand_job, flags), NUMBER, false },
	{ "handle", offsetof(struct gearmand_job, handle), TEXT, false },
	{ "reducer", offsetof(struct gearmand_job, reducer), TEXT, false },
	{ "run_at", offsetof(struct gearmand_job, run_at), NUMBER_64, false },
	{ "attempts", offsetof(struct gearmand_job, attempts), NUMBER, false },
	{ "changed_at", offsetof(struct gearmand_job, changed_at), NUMBER_64, false },
	{ "expires_at", offsetof(struct gearmand_job, expires_at), NUMBER_64, false },
	{ "error", offsetof(struct gearmand_job, error), TEXT, false },
};

static void
put_fields(struct rq_command *c, const struct gearmand_job *job)
{
	for (const struct field *f = fields; f < fields + GM_COUNT(fields); f++) {
		const void *place = (const char *)job + f->place;
		const struct gearmand_slice *text = place;
		long long number = f->kind == NUMBER_64 ? *(const int64_t *)place : *(const uint32_t *)place;

		if (!f->is_always && (f->kind == TEXT ? text->len == 0 : number == 0))
			continue;
		rq_arg_text(c, f->name);
		if (f->kind == TEXT)
			rq_arg(c, *text);
		else if (f->kind == TWO_DIGITS)
			rq_arg(c, (struct gearmand_slice){ number == 0 ? "00" : number == 1 ? "01" : "02", 2 });
		else
			rq_arg_number(c, number);
	}
}

void
rq_job_read(const redisReply *hash, struct gearmand_job *job)
{
	for (size_t at = 0; at + 1 < hash->elements; at += 2) {
		const char *name = hash->element[at]->str, *value = hash->element[at + 1]->str;

		for (const struct field *f = fields; f < fields + GM_COUNT(fields); f++) {
			void *place = (char *)job + f->place;

			if (strcmp(name, f->name) != 0)
				continue;
			if (f->kind == TEXT)
				*(struct gearmand_slice *)place =
				    (struct gearmand_slice){ value, (size_t)hash->element[at + 1]->len };
			else if (f->kind == NUMBER_64)
				*(int64_t *)place = strtoll(value, NULL, 10);
			else
				*(uint32_t *)place = (uint32_t)strtoul(value, NULL, 10);
		}
	}
	if (job->priority > GEARMAND_LOW)
		job->priority = GEARMAND_NORMAL;
}

/* ---- A batch ------------------------------------------------------------------------ */

void
rq_script(struct rq_store *s, struct rq_command *c, const char *script)
{
	static const char *const names[RQ_KEYS] = { "owner", "lock", "sequence", "order", "dead-order" };

	rq_command_clear(c);
	rq_arg_text(c, "EVAL");
	rq_arg_text(c, script);
	rq_arg_number(c, RQ_KEYS);
	for (size_t i = 0; i < RQ_KEYS; i++) {
		hidden_begin(s, &s->key, names[i]);
		rq_arg(c, gm_bytes_slice(&s->key));
	}
	rq_arg_text(c, s->me);
	rq_arg_number(c, 1000LL * s->lease);
}

void
rq_batch_begin(struct rq_store *s)
{
	rq_command_clear(&s->batch);
	s->adds = s->changes = 0;
}

void
rq_batch_put(struct rq_store *s, const struct gearmand_job *job, bool is_dead)
{
	rq_arg(&s->batch, rq_key_of(s, job, is_dead));
	rq_arg_number(&s->batch, 1 + (is_dead ? RQ_DEAD : RQ_LIVING));
	put_fields(&s->batch, job);
	rq_arg_text(&s->batch, "");
	s->batch.text.failed |= s->key.failed;
	s->adds++;
	s->changes++;
}

void
rq_batch_drop(struct rq_store *s, struct gearmand_slice key, enum rq_key list)
{
	rq_arg(&s->batch, key);
	rq_arg_number(&s->batch, 1 + list);
	rq_arg_text(&s->batch, "");
	s->batch.text.failed |= s->key.failed;
	s->changes++;
}

/* Was the store ours?  What it has from before we opened it last is an old copy of what was there. */
static bool
must_be_ours(struct rq_store *s, const redisReply *reply, struct gearmand_error *err)
{
	if (reply->type == REDIS_REPLY_INTEGER) {
		if (reply->integer > s->memory->sequence)
			s->memory->sequence = reply->integer;
		s->renewed_at = s->host->monotonic();
		return true;
	}
	if (reply->len > 0 && strncmp(reply->str, s->host->identity, strlen(s->host->identity)) != 0)
		return rq_lose(s, "another gearmand has taken it over", err);
	return gm_fail(err, GEARMAND_WHY_PASSING, "%s: it was emptied, or came back with older data", s->name);
}

static bool
must_be_copied(const struct rq_store *s, const redisReply *reply, struct gearmand_error *err)
{
	if (reply->type == REDIS_REPLY_INTEGER && reply->integer >= s->replicas)
		return true;
	return gm_fail(err, GEARMAND_WHY_PASSING,
	    "%s: %lld of its replicas have what was stored, --redis-wait wants %d", s->name, reply->integer,
	    s->replicas);
}

enum gearmand_commit
rq_batch_do(struct rq_store *s, struct gearmand_error *err)
{
	enum gearmand_commit outcome = GEARMAND_COMMIT_BROKEN;
	bool waits = s->replicas > 0 && s->changes > 0;
	redisReply *done = NULL, *copied = NULL;

	rq_script(s, &s->head, batch_script);
	rq_arg_number(&s->head, (long long)s->adds);
	rq_arg(&s->head, rq_second_of(s, (struct gearmand_slice){ "", 0 }));
	if (rq_send(s, &s->head, &s->batch, err)) {
		if (waits)
			redisAppendCommand(s->redis, "WAIT %d %d", s->replicas, 750 * s->timeout);
		done = rq_reply(s, err);
		outcome = s->outcome;
	}
	if (waits && (done != NULL || outcome != GEARMAND_COMMIT_BROKEN))
		copied = rq_reply(s, err);
	if (done != NULL && must_be_ours(s, done, err))
		outcome = GEARMAND_COMMIT_DONE;
	if (outcome == GEARMAND_COMMIT_DONE && waits && (copied == NULL || !must_be_copied(s, copied, err)))
		outcome = copied == NULL ? GEARMAND_COMMIT_BROKEN : GEARMAND_COMMIT_AGAIN;
	freeReplyObject(done);
	freeReplyObject(copied);
	rq_batch_begin(s);
	s->is_broken = outcome == GEARMAND_COMMIT_BROKEN;
	return outcome;
}

enum gearmand_commit
rq_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	struct rq_store *s = rq_store_of(store);
	enum gearmand_commit outcome;

	rq_batch_begin(s);
	for (struct gearmand_change *c = changes; c < changes + count; c++) {
		const bool is_dead = c->op == GEARMAND_BURY || c->op == GEARMAND_UNBURY;

		if (s->changes == CHANGES_MOST && (outcome = rq_batch_do(s, err)) != GEARMAND_COMMIT_DONE)
			return outcome;
		if (c->op == GEARMAND_REMOVE || c->op == GEARMAND_UNBURY)
			rq_batch_drop(s, rq_key_of(s, &c->job, is_dead), is_dead ? RQ_DEAD : RQ_LIVING);
		else if ((long long)c->job.data.len > s->job_most)
			s->host->refuse(c, "a job of %zu bytes is too large for %s (see its proto-max-bulk-len)",
			    c->job.data.len, s->name);
		else
			rq_batch_put(s, &c->job, is_dead);
	}
	return rq_batch_do(s, err);
}
