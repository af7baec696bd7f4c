/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows become jobs again, in the order in which they were stored.
 *
 * Runs on:  the store thread, before the first commit.
 * Owns:     one row at a time.
 *
 * The server sorts, on its disk when it must.  Rows come through a cursor, some hundreds at a
 * time, and of those one by one: so neither many jobs nor large ones gather here, and to stop costs no more than the
 * rest of some hundreds.
 *
 * What gearmand 1.1 or a person's hand left is read leniently; see also columns.c.
 */
#include "queue_postgres.h"

enum { UNIQUE, FUNCTION, PRIORITY, DATA, WHEN, HANDLE, REDUCER, FLAGS, ATTEMPTS, CHANGED, EXPIRES, ERROR };

#define BEGIN \
	"BEGIN; SET LOCAL statement_timeout TO 0; SET LOCAL enable_seqscan TO on; SET LOCAL work_mem TO '64MB';" \
	"SET LOCAL cursor_tuple_fraction TO 1; SET LOCAL idle_in_transaction_session_timeout TO 0"
#define OPEN_CURSOR \
	"DECLARE jobs BINARY NO SCROLL CURSOR FOR SELECT unique_key, function_name, priority::int4, data," \
	" when_to_run::int8, job_handle, reducer, flags::int4, attempts::int4, changed_at::int8," \
	" expires_at::int8, error FROM %s ORDER BY added"
#define FETCH "FETCH 500 FROM jobs"
enum { FETCH_COUNT = 500 };

struct replay {
	gearmand_replay_f *sink_f;
	void *sink;
	unsigned long long jobs, skipped;
	int rows; /* of one fetch */
	bool stopped, dead;
	char unique[QP_NAME_MAX], function[QP_NAME_MAX], handle[QP_NAME_MAX]; /* of one row */
};

static struct gearmand_slice
column_bytes(const PGresult *r, int column)
{
	return (struct gearmand_slice){ PQgetvalue(r, 0, column), (size_t)PQgetlength(r, 0, column) };
}

static int64_t
column_number(const PGresult *r, int column)
{
	const unsigned char *p = (const unsigned char *)PQgetvalue(r, 0, column);
	int n = PQgetlength(r, 0, column);
	uint64_t v = 0;

	for (int i = 0; i < n; i++)
		v = v << 8 | p[i];
	return n == 4 ? (int32_t)v : (int64_t)v;
}

/* NULL is nothing: an empty payload, no time. */
static void
replay_row(void *arg, const PGresult *r)
{
	struct replay *p = arg;
	int64_t priority = column_number(r, PRIORITY), when = column_number(r, WHEN);
	struct gearmand_job job = {
		.unique = qp_name_read(column_bytes(r, UNIQUE), p->unique),
		.function = qp_name_read(column_bytes(r, FUNCTION), p->function),
		.data = column_bytes(r, DATA),
		.handle = qp_name_read(column_bytes(r, HANDLE), p->handle),
		.reducer = column_bytes(r, REDUCER),
		.run_at = when < 0 ? 0 : when,
		.priority = PQgetisnull(r, 0, PRIORITY) || priority < GEARMAND_HIGH || priority > GEARMAND_LOW
				? GEARMAND_NORMAL
				: (enum gearmand_priority)priority,
		.flags = (uint32_t)column_number(r, FLAGS) & ~(uint32_t)GEARMAND_JOB_DEAD,
		.attempts = (uint32_t)column_number(r, ATTEMPTS),
		.changed_at = column_number(r, CHANGED),
		.expires_at = column_number(r, EXPIRES),
		.error = column_bytes(r, ERROR),
	};

	p->rows++;
	if (p->stopped)
		return;
	/* A function may be "": 1.1 has such jobs, too.  NULL is nobody's. */
	if (PQgetisnull(r, 0, FUNCTION) || job.function.len > GM_FUNCTION_MOST || job.unique.len == 0 ||
	    job.unique.len > GM_UNIQUE_MOST || (p->dead && job.handle.len == 0)) {
		p->skipped++;
		return;
	}
	p->jobs++;
	job.flags |= p->dead ? GEARMAND_JOB_DEAD : 0;
	p->stopped = !p->sink_f(p->sink, &job);
}

static bool
replay_table(struct qp_store *s, struct replay *p, const char *table)
{
	bool ok = qp_ask(s, QP_PATIENT, OPEN_CURSOR, table);

	for (p->rows = FETCH_COUNT; ok && p->rows == FETCH_COUNT && !p->stopped;) {
		p->rows = 0;
		ok = qp_stream(s, FETCH, replay_row, p);
	}
	return ok && qp_ask(s, QP_IN_TIME, "CLOSE jobs");
}

bool
qp_replay(void *store, gearmand_replay_f *sink_f, void *sink, struct gearmand_error *err)
{
	struct qp_store *s = qp_store_of(store);
	struct replay p = { .sink_f = sink_f, .sink = sink };
	char doing[60];
	bool ok = qp_ask(s, QP_PATIENT, BEGIN) && replay_table(s, &p, s->table);

	p.dead = true;
	ok = ok && (p.stopped || replay_table(s, &p, s->dead_table)) && qp_ask(s, QP_IN_TIME, "COMMIT");
	if (!ok) {
		snprintf(doing, sizeof(doing), "after %llu jobs, reading", p.jobs);
		qp_fail_table(s, err, doing);
		(void)qp_ask(s, QP_IN_TIME, "ROLLBACK");
	}
	if (p.skipped > 0)
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "%s: %llu rows of table \"%s\" name no function, or a name that is too long; they are left as they "
		    "are",
		    s->place, p.skipped, s->given);
	return ok;
}
