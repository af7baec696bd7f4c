/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A batch of changes becomes one transaction, or two: what it says of dead jobs comes first, and is durable before the
 * rest begins.  So a sudden end leaves a job that dies in both files at the worst, and the server takes the later
 * record.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the batch is the server's.
 *
 * Where a job is: gearmand 1.1 makes the key "function-unique", and finds a job nowhere else when it is to remove it.
 * ("a", "b-c") and ("a-b", "c") make the same key, but the value tells whose it is: function and unique stand in it.
 * So a job is at its first key, "function-unique", unless another job has that key; then it is at its second key,
 * "function NUL unique", which nobody else can have.  A job whose names have no '-' need not look: its key splits
 * in one way only.
 */
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "queue_tokyo.h"

enum { KEEP_ROOM = 4 << 20 };  /* bytes of a buffer, from batch to batch */
enum { LEAF = 20 << 10 };      /* bytes of a leaf of a B+ tree, beside its jobs */
enum { ROOM_LEFT = 1 << 20 };  /* bytes of the disk that are left alone, so that removals go through */
enum { ROOM_LEFT_SHARE = 16 }; /* of a small disk: so much of it */

static bool
is_ambiguous(const struct gearmand_job *job)
{
	return gm_has_byte(job->function, '-') || gm_has_byte(job->unique, '-');
}

enum tk_who { NOBODY, THIS_JOB, ANOTHER, UNKNOWN };

static enum tk_who
who_is_at(struct tk_store *s, struct gearmand_slice key, const struct gearmand_job *job)
{
	struct gearmand_slice v;
	char *value = tk_db_get(s, key, &v.len);
	bool is_its;

	v.data = value;
	if (value == NULL)
		return tk_db_is_well(s) ? NOBODY : UNKNOWN;
	is_its = tk_record_is_of(v, job);
	free(value);
	return is_its ? THIS_JOB : ANOTHER;
}

bool
tk_put_job(struct tk_store *s, const struct gearmand_job *job, uint64_t sequence)
{
	struct gearmand_slice key = tk_key_first(&s->key, job);
	enum tk_who who = is_ambiguous(job) ? who_is_at(s, key, job) : THIS_JOB;

	if (who == UNKNOWN || !tk_record_write(&s->value, job, sequence))
		return false;
	if (who == ANOTHER)
		return tk_db_put(s, tk_key_second(&s->key, job), gm_bytes_slice(&s->value));
	if (!tk_db_put(s, key, gm_bytes_slice(&s->value)))
		return false;
	/* It may have been there since another job had its first key. */
	return who == THIS_JOB || tk_db_out(s, tk_key_second(&s->key, job));
}

static bool
remove_job(struct tk_store *s, const struct gearmand_job *job)
{
	struct gearmand_slice key = tk_key_first(&s->key, job);
	enum tk_who who = is_ambiguous(job) ? who_is_at(s, key, job) : THIS_JOB;

	return who != UNKNOWN && tk_db_out(s, who == THIS_JOB ? key : tk_key_second(&s->key, job));
}

static bool
bury_job(struct tk_store *s, const struct gearmand_job *job)
{
	return tk_record_write(&s->value, job, ++s->sequence) && tk_db_put(s, job->handle, gm_bytes_slice(&s->value));
}

static bool
is_of_dead(const struct gearmand_change *c)
{
	return c->op == GEARMAND_BURY || c->op == GEARMAND_UNBURY;
}

static bool
apply(struct tk_store *s, struct gearmand_change *c)
{
	const struct gearmand_job *job = &c->job;

	if (is_of_dead(c) != s->is_dead)
		return true; /* for the other file */
	if (c->op == GEARMAND_REMOVE)
		return remove_job(s, job);
	if (c->op == GEARMAND_UNBURY)
		return tk_db_out(s, job->handle);
	if (job->data.len > TK_VALUE_MOST || job->handle.len > TK_TEXT_MOST || job->reducer.len > TK_TEXT_MOST) {
		s->host->refuse(c, "a job of %zu bytes is too large for the Tokyo Cabinet queue, which takes up to %d",
		    job->data.len, TK_VALUE_MOST);
		return true;
	}
	return s->is_dead ? bury_job(s, job) : tk_put_job(s, job, ++s->sequence);
}

/* The transaction as a whole.  False: errno says why, 0 = the library could not read its file. */
static bool
run_batch(struct tk_store *s, struct gearmand_change *changes, size_t count, bool *is_durable_r)
{
	*is_durable_r = false;
	errno = 0;
	if (!tk_db_begin(s))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!apply(s, &changes[i]))
			return false;
	}
	return tk_db_flush(s) && tk_journal_commit(s, is_durable_r);
}

/* ---- Room -------------------------------------------------------------------------------------------------- */

/* For the jobs, once in the file and once in the journal.  Looking first is better than failing in the middle: to
 * forget a transaction the database is opened anew, and the library forgets its list of holes. */
static bool
has_room(const struct tk_store *s, size_t growth)
{
	uint64_t free_bytes, left, after = tcadbsize(s->db) + growth;
	struct rlimit limit;
	struct statvfs fs;

	if (growth == 0)
		return true;
	errno = EFBIG; /* a file that was made without the option "l" has short offsets */
	if (after > s->map_len || (!s->head.is_large && after > (uint64_t)UINT32_MAX << s->head.alignment))
		return false;
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && after + ROOM_LEFT > limit.rlim_cur)
		return false;
	if (fstatvfs(s->fd, &fs) != 0)
		return true;
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	left = (uint64_t)fs.f_blocks * fs.f_frsize / ROOM_LEFT_SHARE;
	errno = ENOSPC;
	return free_bytes >= 2 * growth + (left < ROOM_LEFT ? left : ROOM_LEFT);
}

/* Bytes that the file may grow. */
static size_t
growth_of(const struct tk_store *s, const struct gearmand_change *changes, size_t count)
{
	size_t growth = 0, least = 512 + ((size_t)1 << s->head.alignment) + (s->name.is_tree ? LEAF : 0);

	for (size_t i = 0; i < count; i++) {
		const struct gearmand_job *job = &changes[i].job;

		if (changes[i].op == (s->is_dead ? GEARMAND_BURY : GEARMAND_ADD))
			growth += least + 2 * (job->function.len + job->unique.len) + job->data.len +
				  6 * (job->handle.len + job->reducer.len + job->error.len);
	}
	return growth;
}

static enum gearmand_commit
see_file(struct tk_store *s, struct gearmand_error *err)
{
	if (tk_file_is_there(s))
		return GEARMAND_COMMIT_DONE;
	tk_fail(s, err, GEARMAND_WHY_PASSING,
	    "it was deleted or replaced while in use; what it held is not stored any more");
	return GEARMAND_COMMIT_BROKEN;
}

static enum gearmand_commit
check_file(struct tk_store *s, struct gearmand_error *err)
{
	if (s->db != NULL && !tk_journal_settle(s)) {
		tk_fail_errno(s, err, "syncing it");
		return GEARMAND_COMMIT_BROKEN;
	}
	return see_file(s, err);
}

enum gearmand_commit
tk_check(void *store, struct gearmand_error *err)
{
	struct tk_store *s = GM_STORE(struct tk_store, store, TK_STORE_MAGIC);
	enum gearmand_commit outcome = check_file(s, err);

	return outcome == GEARMAND_COMMIT_DONE && s->dead != NULL ? check_file(s->dead, err) : outcome;
}

/* Nothing of the batch is stored; or its outcome is unknown, and opening the file tells. */
static enum gearmand_commit
give_up(struct tk_store *s, bool is_durable, struct gearmand_error *err)
{
	enum gearmand_commit outcome = is_durable ? GEARMAND_COMMIT_BROKEN : tk_outcome(errno);
	struct gearmand_error again = { .text = "" };

	tk_fail_errno(s, err, "storing jobs");
	if (outcome == GEARMAND_COMMIT_BROKEN)
		tk_db_drop(s);
	else if (!tk_store_again(s, &again))
		outcome = GEARMAND_COMMIT_BROKEN;
	return outcome;
}

/* What the batch has for this file. */
static enum gearmand_commit
commit_to(struct tk_store *s, struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	struct gm_bytes *bytes[] = { &s->value, &s->log, &s->redo };
	size_t growth = growth_of(s, changes, count);
	enum gearmand_commit outcome;
	bool is_durable, ok;

	/* A file of holes alone can be had anew. */
	if (!has_room(s, growth) &&
	    !(tcadbrnum(s->db) == 0 && tk_journal_settle(s) && tk_store_make_small(s, 0, err) && has_room(s, growth))) {
		if (s->db == NULL)
			return GEARMAND_COMMIT_BROKEN;
		tk_fail_errno(s, err, "storing jobs");
		return GEARMAND_COMMIT_FULL;
	}
	ok = run_batch(s, changes, count, &is_durable);
	/* Others may have filled the disk; a removal still goes through. */
	if (!ok && !is_durable && growth == 0 && tk_outcome(errno) == GEARMAND_COMMIT_FULL && tk_journal_give_room(s)) {
		if (tk_store_again(s, err))
			ok = run_batch(s, changes, count, &is_durable);
	}
	/* The file's name is looked at last, so that nothing is called stored that went to a file without a name. */
	outcome = ok ? see_file(s, err) : give_up(s, is_durable, err);
	for (size_t i = 0; i < GM_COUNT(bytes); i++)
		gm_bytes_clear(bytes[i], KEEP_ROOM);
	return outcome;
}

/* Once there is a job for it.  It takes as much room as the first file when that was empty. */
static enum gearmand_commit
make_dead(struct tk_store *s, struct gearmand_error *err)
{
	if (has_room(s, s->head.first))
		return tk_dead_open(s, true, err) ? GEARMAND_COMMIT_DONE : GEARMAND_COMMIT_BROKEN;
	tk_fail_errno(s, err, "making a file for dead jobs");
	return GEARMAND_COMMIT_FULL;
}

enum gearmand_commit
tk_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	struct tk_store *s = GM_STORE(struct tk_store, store, TK_STORE_MAGIC);
	enum gearmand_commit outcome = GEARMAND_COMMIT_DONE;
	size_t of_dead = 0, buried = 0;

	if (s->db == NULL || (s->dead != NULL && s->dead->db == NULL)) {
		tk_fail(s, err, GEARMAND_WHY_PASSING, "it is not open");
		return GEARMAND_COMMIT_BROKEN;
	}
	for (size_t i = 0; i < count; i++) {
		of_dead += is_of_dead(&changes[i]);
		buried += changes[i].op == GEARMAND_BURY;
	}
	if (buried > 0 && s->dead == NULL)
		outcome = make_dead(s, err);
	if (outcome == GEARMAND_COMMIT_DONE && of_dead > 0 && s->dead != NULL)
		outcome = commit_to(s->dead, changes, count, err);
	if (outcome == GEARMAND_COMMIT_DONE && of_dead < count)
		outcome = commit_to(s, changes, count, err);
	return outcome;
}
