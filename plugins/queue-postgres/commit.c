/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A batch of changes becomes one transaction, in one round trip.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the batch is the server's.
 *
 * One statement takes the whole batch, as arrays, and is a transaction by itself.  Only when the database finds fault
 * with a row, or when the payloads are many megabytes, is a transaction made of several statements: each takes a part
 * of the batch, and a part at fault is halved until the one job is found that has to be refused.
 *
 * A key stands in a batch once.  When an ADD is refused, a row that its key has in the table goes all the same: it is
 * of a job that is done, or of an earlier try.
 */
#include <arpa/inet.h>

#include "queue_postgres.h"

/* Bytes of one statement: memory that it takes here, in libpq and, more than once, in the database. */
#define STATEMENT_MAX ((size_t)64 << 20)
/* What stays allocated between batches. */
#define KEPT_MAX ((size_t)1 << 20)
/* Batches that replace what is there, after one in which keys were there. */
#define REPLACE_FOR 64

struct batch {
	struct gearmand_change **add, **gone;
	size_t add_count, gone_count;
	const char *statement; /* "store"; or "bury", of the dead, whose keys are their handles */
};

/* ---- Parameters: arrays of one dimension in PostgreSQL's binary format -------------------------- */

static void
put_int4(struct gm_bytes *b, uint32_t v)
{
	v = htonl(v);
	gm_add(b, &v, sizeof(v));
}

static void
begin_array(struct gm_bytes *b, unsigned element, size_t count)
{
	/* Dimensions, no NULL in it, type; the only dimension's length, and the index of the first. */
	const uint32_t head[] = { htonl(count > 0), 0, htonl(element), htonl((uint32_t)count), htonl(1) };

	gm_bytes_clear(b, SIZE_MAX);
	gm_add(b, head, count == 0 ? 3 * sizeof(*head) : sizeof(head));
}

static void
put_bytes(struct gm_bytes *b, struct gearmand_slice v)
{
	put_int4(b, (uint32_t)v.len);
	gm_add_slice(b, v);
}

static void
put_number(struct gm_bytes *b, int64_t v, uint32_t size)
{
	put_int4(b, size);
	if (size == 8)
		put_int4(b, (uint32_t)((uint64_t)v >> 32));
	put_int4(b, (uint32_t)v);
}

static void
put_name(const struct qp_store *s, struct gm_bytes *b, struct gearmand_slice v)
{
	char text[QP_NAME_MAX];

	put_bytes(b, qp_name_text(s, v, text));
}

static void
put_job(struct qp_store *s, const struct gearmand_job *job, size_t place)
{
	put_name(s, &s->param[QP_UNIQUE], job->unique);
	put_name(s, &s->param[QP_FUNCTION], job->function);
	put_number(&s->param[QP_PRIORITY], (int64_t)job->priority, 4);
	put_bytes(&s->param[QP_DATA], job->data);
	put_number(&s->param[QP_WHEN], job->run_at, 8);
	put_name(s, &s->param[QP_HANDLE], job->handle);
	put_bytes(&s->param[QP_REDUCER], job->reducer);
	put_number(&s->param[QP_FLAGS], job->flags, 4);
	put_number(&s->param[QP_ADDED], s->added + 1 + (int64_t)place, 8);
	put_number(&s->param[QP_ATTEMPTS], job->attempts, 4);
	put_number(&s->param[QP_CHANGED], job->changed_at, 8);
	put_number(&s->param[QP_EXPIRES], job->expires_at, 8);
	put_bytes(&s->param[QP_ERROR], job->error);
}

static bool
is_of_dead(const struct gearmand_change *c)
{
	return c->op == GEARMAND_BURY || c->op == GEARMAND_UNBURY;
}

/* Runs a prepared statement with the first `gone_count` removals and these additions, the first of which is number
 * `place` in the batch. */
static bool
run_with(
    struct qp_store *s, const char *statement, const struct batch *b, size_t gone_count, size_t place, size_t add_count)
{
	static const unsigned types[QP_PARAM_COUNT] = { QP_OID_TEXT, QP_OID_TEXT, QP_OID_TEXT, QP_OID_TEXT, QP_OID_INT4,
		QP_OID_BYTEA, QP_OID_INT8, QP_OID_TEXT, QP_OID_BYTEA, QP_OID_INT4, QP_OID_INT8, QP_OID_INT4,
		QP_OID_INT8, QP_OID_INT8, QP_OID_BYTEA };
	bool failed = false;

	for (int i = 0; i < QP_PARAM_COUNT; i++)
		begin_array(&s->param[i], types[i], i < QP_UNIQUE ? gone_count : add_count);
	for (size_t i = 0; i < gone_count; i++) {
		bool dead = is_of_dead(b->gone[i]);

		put_name(s, &s->param[QP_GONE_UNIQUE], dead ? b->gone[i]->job.handle : b->gone[i]->job.unique);
		put_name(s, &s->param[QP_GONE_FUNCTION], dead ? gm_slice("") : b->gone[i]->job.function);
	}
	for (size_t i = place; i < place + add_count; i++)
		put_job(s, &b->add[i]->job, i);
	for (int i = 0; i < QP_PARAM_COUNT; i++)
		failed = failed || s->param[i].failed;
	if (!failed)
		return qp_run(s, statement);
	qp_fault_text(s, "53200", "out of memory here");
	return false;
}

/* ---- A transaction of several statements ------------------------------------------------------ */

static bool
store_part(struct qp_store *s, const struct batch *b, size_t place, size_t count)
{
	size_t half = count / 2;

	if (!qp_ask(s, QP_IN_TIME, "SAVEPOINT part"))
		return false;
	if (run_with(s, b->statement, b, 0, place, count))
		return qp_ask(s, QP_IN_TIME, "RELEASE part");
	if (!qp_fault_is_data(s))
		return false;
	if (count == 1)
		s->host->refuse(b->add[place], "the PostgreSQL queue does not take this job: %s", s->fault.text);
	if (!qp_ask(s, QP_IN_TIME, "ROLLBACK TO part; RELEASE part"))
		return false;
	return count == 1 || (store_part(s, b, place, half) && store_part(s, b, place + half, count - half));
}

/* How many of them make one statement. */
static size_t
part_of(const struct batch *b, size_t place)
{
	size_t n = place, bytes = 0;

	while (n < b->add_count) {
		const struct gearmand_job *job = &b->add[n]->job;

		bytes += job->function.len + job->unique.len + job->data.len + job->handle.len + job->reducer.len +
			 job->error.len + 130;
		if (n > place && bytes > STATEMENT_MAX)
			break;
		n++;
	}
	return n - place;
}

/* What they replace goes first. */
static bool
put_by_parts(struct qp_store *s, const struct batch *b)
{
	struct batch replaced = { .gone = b->add };
	size_t n;

	if (!run_with(s, b->statement, b, b->gone_count, 0, 0) ||
	    !run_with(s, b->statement, &replaced, b->add_count, 0, 0))
		return false;
	for (size_t i = 0; i < b->add_count; i += n) {
		n = part_of(b, i);
		if (!store_part(s, b, i, n))
			return false;
	}
	return true;
}

/* Constraints that would be checked at the end are checked at once: at the end it is too late to tell whose fault it
 * is. */
static bool
store_by_parts(struct qp_store *s, const struct batch *b, const struct batch *dead)
{
	return qp_ask(s, QP_IN_TIME, "BEGIN; SET CONSTRAINTS ALL IMMEDIATE") && put_by_parts(s, dead) &&
	       put_by_parts(s, b) && qp_ask(s, QP_IN_TIME, "COMMIT");
}

/* ---- The ops ----------------------------------------------------------------------------------- */

/* Keys are new, as a rule: not when a batch is repeated, or when a job was done and submitted again meanwhile.  To
 * replace costs half as much again. */
static bool
store_at_once(struct qp_store *s, const struct batch *b)
{
	if (s->replaces == 0 || b->add_count == 0) {
		if (run_with(s, "store", b, b->gone_count, 0, b->add_count))
			return true;
		if (!qp_fault_is(s, "23505"))
			return false;
		s->replaces = REPLACE_FOR;
	}
	s->replaces--;
	return run_with(s, "replace", b, b->gone_count, 0, b->add_count);
}

static bool
store_batch(struct qp_store *s, const struct batch *b, const struct batch *dead)
{
	if (b->gone_count + b->add_count + dead->gone_count + dead->add_count == 0)
		return true;
	if (part_of(b, 0) == b->add_count && dead->gone_count + dead->add_count == 0) {
		if (store_at_once(s, b))
			return true;
		if (b->add_count == 0 || !qp_fault_is_data(s))
			return false;
	}
	return store_by_parts(s, b, dead);
}

/* True: the job may be stored. */
static bool
is_fit(const struct qp_store *s, struct gearmand_change *c)
{
	char text[QP_NAME_MAX];

	if (qp_name_text(s, c->job.unique, text).len + qp_name_text(s, c->job.function, text).len > QP_KEY_MAX)
		s->host->refuse(c,
		    "a function name of %zu bytes is too long for the PostgreSQL queue, which takes up to "
		    "about %d, half of that when it is not text",
		    c->job.function.len, QP_KEY_MAX - 64);
	else if (c->job.data.len > QP_DATA_MAX)
		s->host->refuse(c, "a job of %zu bytes is too large for the PostgreSQL queue, which takes up to %d",
		    c->job.data.len, QP_DATA_MAX);
	return c->outcome != GEARMAND_REFUSED;
}

enum gearmand_commit
qp_check(void *store, struct gearmand_error *err)
{
	struct qp_store *s = qp_store_of(store);

	if (qp_ask(s, QP_IN_TIME, "SELECT 1"))
		return GEARMAND_COMMIT_DONE;
	qp_fail(s, err, "looking after it");
	return qp_outcome(s);
}

enum gearmand_commit
qp_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	struct qp_store *s = qp_store_of(store);
	struct batch b = { .add = s->host->allocate((4 * count + 1) * sizeof(*b.add)), .statement = "store" };
	struct batch dead = { .add = b.add + 2 * count, .gone = b.add + 3 * count, .statement = "bury" };
	bool ok;

	b.gone = b.add + count;
	for (size_t i = 0; i < count; i++) {
		struct batch *to = is_of_dead(&changes[i]) ? &dead : &b;
		bool is_put = changes[i].op == GEARMAND_ADD || changes[i].op == GEARMAND_BURY;

		if (is_put && is_fit(s, &changes[i]))
			to->add[to->add_count++] = &changes[i];
		else
			to->gone[to->gone_count++] = &changes[i];
	}
	ok = store_batch(s, &b, &dead);
	s->host->release(b.add);
	for (int i = 0; i < QP_PARAM_COUNT; i++)
		gm_bytes_clear(&s->param[i], KEPT_MAX);
	s->added += (int64_t)count;
	if (ok)
		return GEARMAND_COMMIT_DONE;
	s->replaces = REPLACE_FOR;
	qp_fail(s, err, "storing jobs");
	/* Else the session is not idle, which is BROKEN. */
	if (PQtransactionStatus(s->conn) == PQTRANS_INTRANS || PQtransactionStatus(s->conn) == PQTRANS_INERROR)
		(void)qp_ask(s, QP_IN_TIME, "ROLLBACK");
	return qp_outcome(s);
}
