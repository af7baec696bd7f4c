/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Records become jobs again, in the order in which they were stored.
 *
 * Runs on:  the store thread, before the first commit.
 * Owns:     keys and one record, while it runs.
 *
 * The order is that of the sequence in each record.  Records of gearmand 1.1 have none; they come first, as they
 * lie in the file.
 *
 * A record that the host could not name for its removal (its unique empty, "-" or too long, or its key not made of its
 * own function and unique) is stored again under a name that it can, before any job is handed out.  What is no job is
 * left alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "order.h"
#include "queue_tokyo.h"

enum { ORDER_MOST = 32 << 20, RENAMED_AT_ONCE = 256 };
enum { RANDOM = 16, MADE_UNIQUE = 2 * RANDOM };

#define RANK_NEW (UINT64_C(1) << 62) /* ranks of records with a sequence are above this one */

struct replay {
	struct tk_store *store;
	struct tk_order order;
	struct tk_record record;
	TCXSTR *key, *value;
	struct tk_buf own; /* keys, to compare with */
	struct {
		char *key;
		size_t len;
	} odd[RENAMED_AT_ONCE];
	int odd_count;
	uint64_t jobs, broken;
	bool has_other_keys, is_stopped;
	char example[80]; /* key of a broken record */
};

static struct gearmand_slice
slice_of(const TCXSTR *x)
{
	return (struct gearmand_slice){ tcxstrptr(x), (size_t)tcxstrsize(x) };
}

static bool
is(struct gearmand_slice a, struct gearmand_slice b)
{
	return a.data != NULL && a.len == b.len && memcmp(a.data, b.data, b.len) == 0;
}

/* ---- Names that the host can hand back --------------------------------------------------------------- */

static bool
is_dash(struct gearmand_slice unique)
{
	return unique.len == 1 && unique.data[0] == '-';
}

/* Of a unique; 0 = it is one. */
static uint32_t
flag_of(const struct gearmand_job *job)
{
	if (job->unique.len == 0 || job->unique.len > TK_UNIQUE_MAX)
		return GEARMAND_JOB_NO_UNIQUE;
	if (is_dash(job->unique) && (job->flags & (GEARMAND_JOB_NO_UNIQUE | GEARMAND_JOB_UNIQUE_IS_DATA)) == 0)
		return GEARMAND_JOB_UNIQUE_IS_DATA; /* as 1.1 stores it */
	return 0;
}

static bool
has_odd_key(struct replay *r, struct gearmand_slice key)
{
	if (is(tk_key_first(&r->own, &r->record.job), key))
		return false;
	if (!is(tk_key_second(&r->own, &r->record.job), key))
		return true;
	r->has_other_keys = true;
	return false;
}

/* False: no memory. */
static bool
note_odd(struct replay *r, struct gearmand_slice key)
{
	if (r->odd_count == RENAMED_AT_ONCE)
		return true;
	r->odd[r->odd_count].key = malloc(key.len + 1);
	if (r->odd[r->odd_count].key == NULL)
		return false;
	memcpy(r->odd[r->odd_count].key, key.data, key.len);
	r->odd[r->odd_count++].len = key.len;
	return true;
}

static bool
make_unique(struct gearmand_job *job, uint32_t flag, char unique[MADE_UNIQUE + 1])
{
	unsigned char random[RANDOM];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return false;
	for (size_t i = 0; i < RANDOM; i++)
		snprintf(unique + 2 * i, 3, "%02x", random[i]);
	job->unique = (struct gearmand_slice){ unique, MADE_UNIQUE };
	job->flags |= flag;
	return true;
}

/* The job in r->record, whose data is in `value`. */
static bool
store_anew(struct replay *r, struct gearmand_slice key)
{
	struct tk_store *s = r->store;
	char unique[MADE_UNIQUE + 1];
	struct tk_place place;
	uint32_t flag = flag_of(&r->record.job);

	if (flag == 0) {
		if (!tk_place_find(s, &r->record.job, &place))
			return false;
		flag = place.is_stored ? GEARMAND_JOB_NO_UNIQUE : 0; /* there are two of it */
	}
	return (flag == 0 || make_unique(&r->record.job, flag, unique)) &&
	       tk_place_add(s, &r->record.job, r->record.sequence) && s->db.kind->out(&s->db, key);
}

static bool
rename_one(struct replay *r, struct gearmand_slice key)
{
	struct tk_store *s = r->store;
	int size = 0;
	char *value = s->db.kind->get(&s->db, key, &size);
	struct gearmand_slice v = { value, (size_t)size };
	bool ok = value != NULL && tk_record_read(&r->record, v) && tk_begin(s, v.len + 2 * TK_FUNCTION_MAX) &&
		  store_anew(r, key) && tk_end(s);

	free(value);
	return ok;
}

static bool
rename_odd(struct replay *r)
{
	bool ok = true;

	for (int i = 0; i < r->odd_count; i++) {
		ok = ok && rename_one(r, (struct gearmand_slice){ r->odd[i].key, r->odd[i].len });
		free(r->odd[i].key);
	}
	r->odd_count = 0;
	if (!ok)
		tk_abort(r->store);
	return ok;
}

/* ---- A pass -------------------------------------------------------------------------------------------- */

static void
note_broken(struct replay *r, struct gearmand_slice key)
{
	size_t len = key.len < sizeof(r->example) - 1 ? key.len : sizeof(r->example) - 1;

	r->broken++;
	for (size_t i = 0; i < len; i++)
		r->example[i] = key.data[i] >= ' ' && key.data[i] <= '~' ? key.data[i] : '?';
	r->example[len] = '\0';
}

static bool
is_job(struct replay *r, struct gearmand_slice value)
{
	const struct gearmand_job *job = &r->record.job;

	return tk_record_read(&r->record, value) && job->function.len > 0 && job->function.len <= TK_FUNCTION_MAX;
}

/* `n`: which record of the pass it is. */
static bool
look_at(struct replay *r, uint64_t n)
{
	struct gearmand_slice key = slice_of(r->key);
	uint64_t rank = n;

	if (!is_job(r, slice_of(r->value))) {
		note_broken(r, key);
		return true;
	}
	if (flag_of(&r->record.job) != 0 || has_odd_key(r, key))
		return note_odd(r, key);
	if (r->record.sequence > r->store->sequence)
		r->store->sequence = r->record.sequence;
	if (r->record.sequence != 0)
		rank = RANK_NEW + r->record.sequence;
	return tk_order_add(&r->order, rank, key);
}

static bool
scan(struct replay *r)
{
	struct tk_db *db = &r->store->db;
	uint64_t n = 0;
	int more = 0;

	r->broken = 0;
	if (!db->kind->first(db))
		return false;
	while ((more = db->kind->next(db, r->key, r->value)) == 1) {
		if (!look_at(r, ++n))
			return false;
	}
	return more == 0;
}

static bool
hand_out(struct replay *r, gearmand_replay_f *sink_f, void *sink)
{
	struct tk_db *db = &r->store->db;

	for (size_t i = 0; i < r->order.count && !r->is_stopped; i++) {
		int size;
		char *value = db->kind->get(db, tk_order_key(&r->order, i), &size);
		bool ok = value != NULL && is_job(r, (struct gearmand_slice){ value, (size_t)size });

		if (ok) {
			r->jobs++;
			r->is_stopped = !sink_f(sink, &r->record.job);
		}
		free(value);
		if (!ok)
			return false;
	}
	return true;
}

static bool
run(struct replay *r, gearmand_replay_f *sink_f, void *sink)
{
	while (!r->is_stopped && tk_order_pass(&r->order)) {
		if (!scan(r))
			return false;
		if (r->odd_count > 0) {
			if (!rename_odd(r))
				return false;
			tk_order_again(&r->order);
			continue;
		}
		tk_order_sort(&r->order);
		if (!hand_out(r, sink_f, sink))
			return false;
	}
	return true;
}

static void
report(const struct replay *r)
{
	const struct tk_store *s = r->store;

	if (r->broken > 0)
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "queue file %s: %llu records are no jobs (the last one has the key \"%s\"); they are left as they "
		    "are",
		    s->name.path, (unsigned long long)r->broken, r->example);
}

bool
tk_replay(void *store, gearmand_replay_f *sink_f, void *sink, struct gearmand_error *err)
{
	struct tk_store *s = tk_store_of(store);
	struct replay *r = s->host->allocate(sizeof(*r));
	char doing[64];
	bool ok;

	r->store = s;
	r->key = tcxstrnew();
	r->value = tcxstrnew();
	tk_order_init(&r->order, ORDER_MOST);
	errno = 0;
	ok = run(r, sink_f, sink);
	if (!ok) {
		snprintf(doing, sizeof(doing), "reading it after %llu jobs", (unsigned long long)r->jobs);
		tk_sentence(s, err, tk_db_failed(&s->db) || errno == 0 ? TCERHEAD : 0, errno, doing);
	}
	report(r);
	if (ok && !r->is_stopped)
		s->has_other_keys = r->has_other_keys;
	tcxstrdel(r->key);
	tcxstrdel(r->value);
	tk_order_fini(&r->order);
	free(r->record.text.data);
	free(r->own.data);
	ok = ok && !r->is_stopped;
	s->host->release(r);
	if (ok)
		tk_rewrite(s);
	return ok || err->text[0] == '\0';
}
