/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A batch of changes becomes one transaction, in one round trip.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the batch is the host's.
 *
 * One statement takes the whole batch, as arrays, and is a transaction by itself.  Only when the server finds fault
 * with a row, or when the payloads are many megabytes, is a transaction made of several statements: each takes a part
 * of the batch, and a part at fault is halved until the one job is found that has to be refused.
 */
#include <string.h>

#include "queue_postgres.h"

/* Bytes of one statement: memory that it takes here, in libpq and, more than once, in the server. */
#define STATEMENT_MAX ((size_t)64 << 20)
/* What stays allocated between batches. */
#define KEPT_MAX ((size_t)1 << 20)

/* ---- What is too large ----------------------------------------------------------------------- */

static void
refuse_large(const struct qp_store *s, struct gearmand_change *c)
{
	size_t key = qp_name_length(s, c->job.unique) + qp_name_length(s, c->job.function);

	if (c->op != GEARMAND_ADD || c->outcome == GEARMAND_REFUSED)
		return;
	if (key > QP_KEY_MAX)
		s->host->refuse(c,
		    "a function name of %zu bytes is too long for the PostgreSQL queue, which takes up to "
		    "about %d, half of that when it is not text",
		    c->job.function.len, QP_KEY_MAX - 64);
	else if (c->job.data.len > QP_DATA_MAX)
		s->host->refuse(c, "a job of %zu bytes is too large for the PostgreSQL queue, which takes up to %d",
		    c->job.data.len, QP_DATA_MAX);
}

/* ---- Parameters ------------------------------------------------------------------------------ */

static void
put_gone(struct qp_store *s, const struct qp_batch *b, size_t count)
{
	qp_array_begin(&s->param[QP_GONE_UNIQUE], QP_OID_TEXT, count);
	qp_array_begin(&s->param[QP_GONE_FUNCTION], QP_OID_TEXT, count);
	for (size_t i = 0; i < count; i++) {
		qp_name_put(s, &s->param[QP_GONE_UNIQUE], b->gone[i]->job.unique);
		qp_name_put(s, &s->param[QP_GONE_FUNCTION], b->gone[i]->job.function);
	}
}

static void
put_job(struct qp_store *s, const struct qp_add *a)
{
	const struct gearmand_job *job = &a->change->job;

	qp_name_put(s, &s->param[QP_UNIQUE], job->unique);
	qp_name_put(s, &s->param[QP_FUNCTION], job->function);
	qp_array_int4(&s->param[QP_PRIORITY], (int32_t)job->priority);
	qp_array_bytes(&s->param[QP_DATA], job->data);
	qp_array_int8(&s->param[QP_WHEN], job->run_at);
	qp_name_put(s, &s->param[QP_HANDLE], job->handle);
	qp_array_bytes(&s->param[QP_REDUCER], job->reducer);
	qp_array_int4(&s->param[QP_FLAGS], (int32_t)qp_mark_flags(s, job->flags));
	qp_array_int8(&s->param[QP_ADDED], (s->added | 1) + 1 + 2 * (int64_t)a->place + (a->anew ? 1 : 0));
}

static void
put_added(struct qp_store *s, const struct qp_add *add, size_t count)
{
	static const unsigned types[QP_PARAM_COUNT] = { [QP_UNIQUE] = QP_OID_TEXT,
		[QP_FUNCTION] = QP_OID_TEXT,
		[QP_PRIORITY] = QP_OID_INT4,
		[QP_DATA] = QP_OID_BYTEA,
		[QP_WHEN] = QP_OID_INT8,
		[QP_HANDLE] = QP_OID_TEXT,
		[QP_REDUCER] = QP_OID_BYTEA,
		[QP_FLAGS] = QP_OID_INT4,
		[QP_ADDED] = QP_OID_INT8 };

	for (int i = QP_UNIQUE; i < QP_PARAM_COUNT; i++)
		qp_array_begin(&s->param[i], types[i], count);
	for (size_t i = 0; i < count; i++)
		put_job(s, &add[i]);
}

/* Runs a prepared statement with these. */
static bool
run(struct qp_store *s, const char *statement, const struct qp_batch *gone, size_t gone_count, const struct qp_add *add,
    size_t add_count)
{
	put_gone(s, gone, gone_count);
	put_added(s, add, add_count);
	for (int i = 0; i < QP_PARAM_COUNT; i++) {
		if (s->param[i].failed) {
			qp_fault_text(s, "53200", "out of memory here");
			return false;
		}
	}
	return qp_run(s, statement);
}

static void
drop_large_parameters(struct qp_store *s)
{
	for (int i = 0; i < QP_PARAM_COUNT; i++) {
		if (s->param[i].cap > KEPT_MAX || s->param[i].failed)
			qp_bytes_free(&s->param[i]);
	}
}

/* ---- A transaction of several statements ------------------------------------------------------ */

static bool
store_part(struct qp_store *s, const struct qp_add *add, size_t count)
{
	if (!qp_ask(s, "SAVEPOINT part", s->limit_ms))
		return false;
	if (run(s, "replace", NULL, 0, add, count))
		return qp_ask(s, "RELEASE part", s->limit_ms);
	if (!qp_fault_is_data(s))
		return false;
	if (count == 1)
		s->host->refuse(add->change, "the PostgreSQL queue does not take this job: %s", s->fault.text);
	if (!qp_ask(s, "ROLLBACK TO part; RELEASE part", s->limit_ms))
		return false;
	return count == 1 || (store_part(s, add, count / 2) && store_part(s, add + count / 2, count - count / 2));
}

static size_t
bytes_of(const struct gearmand_job *job)
{
	return job->function.len + job->unique.len + job->data.len + job->handle.len + job->reducer.len + 100;
}

/* How many of them make one statement. */
static size_t
part_of(const struct qp_add *add, size_t count)
{
	size_t n = 0, bytes = 0;

	while (n < count && (n == 0 || bytes + bytes_of(&add[n].change->job) <= STATEMENT_MAX))
		bytes += bytes_of(&add[n++].change->job);
	return n;
}

/* A job that was removed and added again may be refused; its removal must not be. */
static bool
remove_all(struct qp_store *s, const struct qp_batch *b)
{
	struct gearmand_change **all = s->host->allocate((b->gone_count + b->add_count + 1) * sizeof(*all));
	struct qp_batch gone = { .gone = all };
	bool ok;

	memcpy(all, b->gone, b->gone_count * sizeof(*all));
	gone.gone_count = b->gone_count;
	for (size_t i = 0; i < b->add_count; i++) {
		if (b->add[i].anew)
			all[gone.gone_count++] = b->add[i].change;
	}
	ok = gone.gone_count == 0 || run(s, "gone", &gone, gone.gone_count, NULL, 0);
	s->host->release(all);
	return ok;
}

/* Constraints that would be checked at the end are checked at once: at the end it is too late to tell whose fault it
 * is. */
static bool
store_by_parts(struct qp_store *s, const struct qp_batch *b)
{
	size_t n;

	if (!qp_ask(s, "BEGIN; SET CONSTRAINTS ALL IMMEDIATE", s->limit_ms) || !remove_all(s, b))
		return false;
	for (size_t i = 0; i < b->add_count; i += n) {
		n = part_of(&b->add[i], b->add_count - i);
		if (!store_part(s, &b->add[i], n))
			return false;
	}
	return qp_ask(s, "COMMIT", s->limit_ms);
}

/* ---- The op ------------------------------------------------------------------------------------ */

/* Keys are new, as a rule: not when a batch is repeated, or when a job was done and submitted again meanwhile. */
static bool
has_old_keys(const struct qp_store *s, const struct qp_batch *b)
{
	bool found = s->repeats;

	for (size_t i = 0; i < b->add_count && !found; i++)
		found = b->add[i].anew;
	return found;
}

static bool
store_at_once(struct qp_store *s, const struct qp_batch *b)
{
	const char *add = b->gone_count == 0 ? "add" : "gone+add";
	const char *replace = b->gone_count == 0 ? "replace" : "gone+replace";

	if (b->add_count == 0)
		return run(s, "gone", b, b->gone_count, NULL, 0);
	if (!has_old_keys(s, b)) {
		if (run(s, add, b, b->gone_count, b->add, b->add_count))
			return true;
		if (!qp_fault_is(s, "23505"))
			return false;
	}
	return run(s, replace, b, b->gone_count, b->add, b->add_count);
}

static bool
store_batch(struct qp_store *s, const struct qp_batch *b)
{
	if (b->gone_count + b->add_count == 0)
		return true;
	if (part_of(b->add, b->add_count) == b->add_count) {
		if (store_at_once(s, b))
			return true;
		if (b->add_count == 0 || !qp_fault_is_data(s))
			return false;
	}
	return store_by_parts(s, b);
}

enum gearmand_commit
qp_check(void *store, struct gearmand_error *err)
{
	struct qp_store *s = qp_store_of(store);

	if (!qp_mark_check(s, err))
		return GEARMAND_COMMIT_BROKEN;
	if (qp_ask(s, "SELECT 1", s->limit_ms))
		return GEARMAND_COMMIT_DONE;
	qp_fail(s, err, "looking after it");
	return qp_outcome(s);
}

enum gearmand_commit
qp_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	struct qp_store *s = qp_store_of(store);
	struct qp_batch b;
	bool ok;

	if (!qp_mark_check(s, err))
		return GEARMAND_COMMIT_BROKEN;
	for (size_t i = 0; i < count; i++)
		refuse_large(s, &changes[i]);
	qp_batch_init(&b, s->host, changes, count);
	ok = store_batch(s, &b);
	qp_batch_fini(&b, s->host);
	drop_large_parameters(s);
	s->added = (s->added | 1) + 1 + 2 * (int64_t)count;
	s->repeats = !ok;
	if (ok)
		return GEARMAND_COMMIT_DONE;
	qp_fail(s, err, "storing jobs");
	if (PQtransactionStatus(s->conn) == PQTRANS_INTRANS || PQtransactionStatus(s->conn) == PQTRANS_INERROR) {
		struct qp_fault fault = s->fault;

		(void)qp_ask(s, "ROLLBACK", s->limit_ms); /* else the session is not idle, which is BROKEN */
		s->fault = fault;
	}
	return qp_outcome(s);
}
