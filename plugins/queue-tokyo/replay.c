/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Records become jobs again, in the order in which they were stored.
 *
 * Runs on:  the store thread, before the first commit.
 * Owns:     keys and one record, while it runs.
 *
 * The order is that of the sequence in each record.  Records of gearmand 1.1 have none; they come first, as they
 * lie in the file.  The dead come behind all others, from a file of their own.
 *
 * A record that the server could not name for its removal (its unique is empty, "-" or too long, or its key is not made
 * of its own function and unique) gets a new unique before any job is handed out.  Others' records are left alone.
 */
#include "queue_tokyo.h"

enum { ORDER_MOST = 32 << 20, ENTRY = 48 }; /* bytes of entries at a time, and of one without its key */
enum { RANK = 8, ODD_MOST = 256 };          /* bytes of a rank; records renamed at a time */

#define RANK_NEW (UINT64_C(1) << 62) /* ranks of records with a sequence are above this one */

/* The keys of the lowest ranks that are left, each with its rank in front, big-endian, so that bytes sort as they
 * should.  The file is gone through once for each filling. */
struct order {
	TCLIST *entries;
	size_t bytes;
	struct gm_bytes entry, above, upto;
	bool is_more; /* this pass takes entries above `above` and, if so, not above `upto` */
};

struct replay {
	struct tk_store *store;
	struct order order;
	struct tk_record record;
	TCLIST *odd; /* keys of records to be renamed */
	uint64_t broken;
	bool is_stopped;
};

static struct gearmand_slice
entry_at(const TCLIST *list, int i)
{
	int len;
	const char *data = tclistval(list, i, &len);

	return (struct gearmand_slice){ data, (size_t)len };
}

/* ---- Order -------------------------------------------------------------------------------------------- */

static void
remember(struct gm_bytes *b, struct gearmand_slice s)
{
	gm_bytes_clear(b, SIZE_MAX);
	gm_add_slice(b, s);
	GM_CHECK(!b->failed);
}

static void
drop_upper_half(struct order *o)
{
	int half = tclistnum(o->entries) / 2, len;

	tclistsort(o->entries);
	while (tclistnum(o->entries) > half) {
		free(tclistpop(o->entries, &len));
		o->bytes -= (size_t)len + ENTRY;
	}
	remember(&o->upto, entry_at(o->entries, half - 1));
	o->is_more = true;
}

static void
order_add(struct order *o, uint64_t rank, struct gearmand_slice key)
{
	struct gearmand_slice e;
	char bytes[RANK];

	for (int i = 0; i < RANK; i++)
		bytes[i] = (char)(rank >> (56 - 8 * i));
	remember(&o->entry, (struct gearmand_slice){ bytes, RANK });
	gm_add_slice(&o->entry, key);
	GM_CHECK(!o->entry.failed);
	e = gm_bytes_slice(&o->entry);
	if (gm_compare(e, gm_bytes_slice(&o->above)) <= 0 ||
	    (o->is_more && gm_compare(e, gm_bytes_slice(&o->upto)) > 0))
		return;
	tclistpush(o->entries, e.data, (int)e.len);
	o->bytes += e.len + ENTRY;
	if (o->bytes > ORDER_MOST && tclistnum(o->entries) > 1)
		drop_upper_half(o);
}

/* ---- Names that the server can hand back ------------------------------------------------------------- */

/* Of a record that gets a new unique; 0 = it keeps its own. */
static uint32_t
flag_of(struct replay *r, struct gearmand_slice key)
{
	const struct gearmand_job *job = &r->record.job;
	struct gm_bytes *own = &r->store->key;

	if (r->store->is_dead)
		return 0; /* its key is its handle */
	if (gm_is(job->unique, "-") && (job->flags & (GEARMAND_JOB_NO_UNIQUE | GEARMAND_JOB_UNIQUE_IS_DATA)) == 0)
		return GEARMAND_JOB_UNIQUE_IS_DATA; /* as 1.1 stores it */
	if (job->unique.len == 0 || job->unique.len > GM_UNIQUE_MOST ||
	    (!gm_same(tk_key_first(own, job), key) && !gm_same(tk_key_second(own, job), key)))
		return GEARMAND_JOB_NO_UNIQUE;
	return 0;
}

/* Each in a transaction. */
static bool
rename_odd(struct replay *r)
{
	struct tk_store *s = r->store;
	struct gearmand_job *job = &r->record.job;
	bool ok = true, is_durable;
	char unique[33];

	for (int i = 0; i < tclistnum(r->odd) && ok; i++) {
		struct gearmand_slice key = entry_at(r->odd, i), v;
		char *value = tk_db_get(s, key, &v.len);

		v.data = value;
		ok = value != NULL && tk_record_read(&r->record, v);
		if (ok) {
			job->flags |= flag_of(r, key);
			gm_made_unique(unique);
			job->unique = gm_slice(unique);
			ok = tk_db_begin(s) && tk_db_out(s, key) && tk_put_job(s, job, r->record.sequence) &&
			     tk_db_flush(s) && tk_journal_commit(s, &is_durable);
		}
		free(value);
	}
	tclistclear(r->odd);
	return ok;
}

/* ---- A pass -------------------------------------------------------------------------------------------- */

static bool
is_job(struct replay *r, struct gearmand_slice key, struct gearmand_slice value)
{
	struct gearmand_job *job = &r->record.job;

	if (!tk_record_read(&r->record, value) || job->function.len > GM_FUNCTION_MOST)
		return false;
	job->flags = (job->flags & ~(uint32_t)GEARMAND_JOB_DEAD) | (r->store->is_dead ? GEARMAND_JOB_DEAD : 0);
	return !r->store->is_dead || gm_same(job->handle, key);
}

/* The record is the nth one of the file. */
static void
take_record(struct replay *r, uint64_t n, struct gearmand_slice key, struct gearmand_slice value)
{
	struct tk_store *s = r->store;

	if (!is_job(r, key, value)) {
		r->broken++;
	} else if (flag_of(r, key) != 0) {
		if (tclistnum(r->odd) < ODD_MOST)
			tclistpush(r->odd, key.data, (int)key.len);
	} else {
		if (r->record.sequence > s->sequence)
			s->sequence = r->record.sequence;
		order_add(&r->order, r->record.sequence != 0 ? RANK_NEW + r->record.sequence : n, key);
	}
}

/* As many records as there are: the chain of a damaged B+ tree may be a ring. */
static bool
scan(struct replay *r)
{
	struct tk_store *s = r->store;
	uint64_t count = tcadbrnum(s->db);
	bool ok = tcadbiterinit(s->db);

	r->broken = 0;
	for (uint64_t n = 1; n <= count && ok; n++) {
		int len = 0;
		char *key = tcadbiternext(s->db, &len), *value;
		struct gearmand_slice k = { key, (size_t)len }, v;

		v.data = value = key == NULL ? NULL : tk_db_get(s, k, &v.len);
		ok = value != NULL;
		if (ok)
			take_record(r, n, k, v);
		free(key);
		free(value);
	}
	return ok;
}

static bool
hand_out(struct replay *r, gearmand_replay_f *sink_f, void *sink)
{
	struct order *o = &r->order;

	tclistsort(o->entries);
	for (int i = 0; i < tclistnum(o->entries) && !r->is_stopped; i++) {
		struct gearmand_slice entry = entry_at(o->entries, i), key = { entry.data + RANK, entry.len - RANK }, v;
		char *value = tk_db_get(r->store, key, &v.len);

		v.data = value;
		if (value == NULL || !is_job(r, key, v)) {
			free(value);
			return false;
		}
		r->is_stopped = !sink_f(sink, &r->record.job);
		free(value);
	}
	remember(&o->above, gm_bytes_slice(&o->upto));
	return true;
}

static bool
run_passes(struct replay *r, gearmand_replay_f *sink_f, void *sink)
{
	do {
		tclistclear(r->order.entries);
		r->order.bytes = 0;
		r->order.is_more = false;
		if (!scan(r))
			return false;
		if (tclistnum(r->odd) > 0) {
			r->order.is_more = true; /* the same pass again, with their new names */
			if (!rename_odd(r))
				return false;
		} else if (!hand_out(r, sink_f, sink)) {
			return false;
		}
	} while (r->order.is_more && !r->is_stopped);
	return true;
}

static bool
replay_file(struct tk_store *s, gearmand_replay_f *sink_f, void *sink, bool *is_stopped_r, struct gearmand_error *err)
{
	struct replay *r = s->host->allocate(sizeof(*r));
	bool ok;

	r->store = s;
	r->odd = tclistnew();
	r->order.entries = tclistnew();
	errno = 0;
	ok = run_passes(r, sink_f, sink);
	if (!ok) {
		tk_fail_errno(s, err, "reading its jobs");
		tk_db_drop(s);
	}
	if (r->broken > 0)
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "queue file %s: %llu records are not jobs; they are left as they are", s->name.path,
		    (unsigned long long)r->broken);
	*is_stopped_r = r->is_stopped;
	tclistdel(r->odd);
	tclistdel(r->order.entries);
	gm_bytes_free(&r->order.entry);
	gm_bytes_free(&r->order.above);
	gm_bytes_free(&r->order.upto);
	gm_bytes_free(&r->record.text);
	s->host->release(r);
	return ok;
}

bool
tk_replay(void *store, gearmand_replay_f *sink_f, void *sink, struct gearmand_error *err)
{
	struct tk_store *s = GM_STORE(struct tk_store, store, TK_STORE_MAGIC);
	bool is_stopped;

	return replay_file(s, sink_f, sink, &is_stopped, err) &&
	       (is_stopped || s->dead == NULL || replay_file(s->dead, sink_f, sink, &is_stopped, err));
}
