/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Under which key a job is, or goes.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; s->key and s->head are the store's.
 *
 * gearmand 1.1 makes the key "function-unique".  A job goes there if it can, for 1.1 finds it nowhere else when it is
 * to remove it.  But ("a", "b-c") and ("a-b", "c") make the same key.  The value tells whose it is: function and unique
 * stand in it.  So:
 *
 *   - a job is at its first key, "function-unique", when that is free or holds this very job;
 *   - when another job has that key, it is at its second key, "function NUL unique".
 *
 * Two jobs never share a record: a first key has no NUL in it, so it is nobody's second key; second keys of two jobs
 * differ, as neither name has a NUL; and a first key is taken only when the record's own words name this job, or nobody
 * has it.  A job whose names have no '-' need not look: the key splits in one way only, so nobody else's it can be.
 *
 * A job stays where it is: when a first key becomes free, the job at its second key is still found, as long as some
 * job may be at a second key (s->has_other_keys; a replay finds out).
 */
#include <string.h>

#include "queue_tokyo.h"

enum { SEQUENCE_ROOM = 64 }; /* bytes of the number's head that are read along */

static struct gearmand_slice
make_key(struct tk_buf *key, const struct gearmand_job *job, char between)
{
	key->len = 0;
	if (!tk_buf_add(key, job->function.data, job->function.len) || !tk_buf_add(key, &between, 1) ||
	    !tk_buf_add(key, job->unique.data, job->unique.len))
		return (struct gearmand_slice){ NULL, 0 };
	return (struct gearmand_slice){ key->data, key->len };
}

struct gearmand_slice
tk_key_first(struct tk_buf *key, const struct gearmand_job *job)
{
	return make_key(key, job, '-');
}

struct gearmand_slice
tk_key_second(struct tk_buf *key, const struct gearmand_job *job)
{
	return make_key(key, job, '\0');
}

static bool
has_hyphen(struct gearmand_slice s)
{
	return s.len > 0 && memchr(s.data, '-', s.len) != NULL;
}

static bool
is_ambiguous(const struct gearmand_job *job)
{
	return has_hyphen(job->function) || has_hyphen(job->unique);
}

/* Does the value begin with "function NUL unique NUL"? */
static bool
names(struct gearmand_slice head, const struct gearmand_job *job)
{
	size_t f = job->function.len, u = job->unique.len;

	return head.len >= f + u + 2 && memcmp(head.data, job->function.data, f) == 0 && head.data[f] == '\0' &&
	       (u == 0 || memcmp(head.data + f + 1, job->unique.data, u) == 0) && head.data[f + 1 + u] == '\0';
}

enum { NOBODY, THIS_JOB, ANOTHER, FAILED };

static int
who_is_at(struct tk_store *s, struct gearmand_slice key, const struct gearmand_job *job, uint64_t *sequence_r)
{
	size_t room = job->function.len + job->unique.len + 2 + SEQUENCE_ROOM;
	struct gearmand_slice head;
	int len;

	s->head.len = 0;
	if (key.data == NULL || tk_buf_room(&s->head, room) == NULL)
		return FAILED;
	len = s->db.kind->head(&s->db, key, s->head.data, (int)room);
	if (len == TK_ABSENT)
		return NOBODY;
	if (len < 0)
		return FAILED;
	head = (struct gearmand_slice){ s->head.data, (size_t)len };
	if (!names(head, job))
		return ANOTHER;
	*sequence_r = tk_record_sequence(head);
	return THIS_JOB;
}

bool
tk_place_find(struct tk_store *s, const struct gearmand_job *job, struct tk_place *place)
{
	bool ambiguous = is_ambiguous(job);
	int first, second;

	*place = (struct tk_place){ .key = tk_key_first(&s->key, job) };
	first = who_is_at(s, place->key, job, &place->sequence);
	if (first == FAILED)
		return false;
	place->is_stored = first == THIS_JOB;
	if (first == THIS_JOB || !ambiguous || (first == NOBODY && !s->has_other_keys))
		return true;
	place->key = tk_key_second(&s->key, job);
	second = who_is_at(s, place->key, job, &place->sequence);
	if (second == NOBODY && first == NOBODY)
		place->key = tk_key_first(&s->key, job);
	else
		s->has_other_keys = true;
	place->is_stored = second == THIS_JOB;
	return second != FAILED && place->key.data != NULL;
}

/* The job is there already, or another one has its first key. */
static bool
add_after_look(struct tk_store *s, const struct gearmand_job *job, uint64_t sequence)
{
	struct tk_place place;

	if (!tk_place_find(s, job, &place))
		return false;
	/* A job that is replaced keeps its place in the order. */
	if (!tk_record_write(&s->value, job, place.is_stored ? place.sequence : sequence))
		return false;
	/* Not over the old value: so it is known how much the log of a transaction takes. */
	if (place.is_stored && !s->db.kind->out(&s->db, place.key))
		return false;
	return s->db.kind->put(&s->db, place.key, (struct gearmand_slice){ s->value.data, s->value.len }) == 1;
}

bool
tk_place_add(struct tk_store *s, const struct gearmand_job *job, uint64_t sequence)
{
	struct gearmand_slice key = tk_key_first(&s->key, job);
	int done;

	if (s->has_other_keys && is_ambiguous(job))
		return add_after_look(s, job, sequence);
	if (key.data == NULL || !tk_record_write(&s->value, job, sequence))
		return false;
	done = s->db.kind->put(&s->db, key, (struct gearmand_slice){ s->value.data, s->value.len });
	return done == 1 || (done == 0 && add_after_look(s, job, sequence));
}

/* "function NUL unique NUL", as a value of it begins. */
static bool
make_begin(struct tk_buf *b, const struct gearmand_job *job)
{
	b->len = 0;
	return tk_buf_add(b, job->function.data, job->function.len) && tk_buf_add(b, "", 1) &&
	       tk_buf_add(b, job->unique.data, job->unique.len) && tk_buf_add(b, "", 1);
}

static bool
remove_if_its_own(struct tk_store *s, struct gearmand_slice key, const struct gearmand_job *job)
{
	uint64_t unused;
	int who;

	if (s->db.kind->out_if != NULL)
		return make_begin(&s->head, job) &&
		       s->db.kind->out_if(&s->db, key, (struct gearmand_slice){ s->head.data, s->head.len });
	who = who_is_at(s, key, job, &unused);
	return who != FAILED && (who != THIS_JOB || s->db.kind->out(&s->db, key));
}

bool
tk_place_remove(struct tk_store *s, const struct gearmand_job *job)
{
	struct gearmand_slice key = tk_key_first(&s->key, job);

	if (key.data == NULL)
		return false;
	if (!is_ambiguous(job))
		return s->db.kind->out(&s->db, key);
	if (!remove_if_its_own(s, key, job))
		return false;
	if (!s->has_other_keys)
		return true;
	key = tk_key_second(&s->key, job);
	return key.data != NULL && s->db.kind->out(&s->db, key);
}
