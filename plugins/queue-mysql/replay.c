/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows become jobs again, in the order in which they were stored; the dead last.
 *
 * Runs on:  the store thread, before the first commit.
 * Owns:     nothing beyond a call.
 *
 * Rows come in pages, each one streamed, so one row is in memory at a time, and a replay that is told to stop has
 * little to read to its end.  Nobody else writes: the lock says so.
 */
#include "queue_mysql.h"

enum { PAGE = 1000 };
enum { ORDER, UNIQUE, FUNCTION, PRIORITY, DATA, WHEN, HANDLE, REDUCER, FLAGS, ATTEMPTS, CHANGED, EXPIRES, ERROR };

struct replay {
	struct my_store *store;
	gearmand_replay_f *sink_f;
	void *sink;
	unsigned long long jobs, skipped, last; /* `last` in the order */
	bool is_stopped, is_dead;
};

static struct gearmand_slice
bytes_of(MYSQL_ROW row, const unsigned long *lengths, int column)
{
	return (struct gearmand_slice){ row[column] == NULL ? "" : row[column], lengths[column] };
}

static int64_t
number_of(MYSQL_ROW row, int column, int64_t otherwise)
{
	return row[column] == NULL ? otherwise : strtoll(row[column], NULL, 10);
}

/* A function may be "": 1.1 has such jobs, too.  NULL is nobody's. */
static void
replay_row(struct replay *r, MYSQL_ROW row, const unsigned long *lengths)
{
	int64_t priority = number_of(row, PRIORITY, GEARMAND_NORMAL), when = number_of(row, WHEN, 0);
	struct gearmand_job job = {
		.unique = bytes_of(row, lengths, UNIQUE),
		.function = bytes_of(row, lengths, FUNCTION),
		.data = bytes_of(row, lengths, DATA),
		.handle = bytes_of(row, lengths, HANDLE),
		.reducer = bytes_of(row, lengths, REDUCER),
		.run_at = when < 0 ? 0 : when,
		.priority = priority < GEARMAND_HIGH || priority > GEARMAND_LOW ? GEARMAND_NORMAL
										: (enum gearmand_priority)priority,
		.flags = (uint32_t)number_of(row, FLAGS, 0) & ~(uint32_t)GEARMAND_JOB_DEAD,
		.attempts = (uint32_t)number_of(row, ATTEMPTS, 0),
		.changed_at = number_of(row, CHANGED, 0),
		.expires_at = number_of(row, EXPIRES, 0),
		.error = bytes_of(row, lengths, ERROR),
	};

	r->last = strtoull(row[ORDER], NULL, 10);
	if (row[FUNCTION] == NULL || job.function.len > GM_FUNCTION_MOST || gm_has_byte(job.function, '\0') ||
	    job.unique.len == 0 || job.unique.len > GM_UNIQUE_MOST || gm_has_byte(job.unique, '\0') ||
	    (r->is_dead && job.handle.len == 0)) {
		r->skipped++;
		return;
	}
	r->jobs++;
	job.flags |= r->is_dead ? GEARMAND_JOB_DEAD : 0;
	r->is_stopped = !r->sink_f(r->sink, &job);
}

/* The number of rows that were read, or -1. */
static int
replay_page(struct replay *r)
{
	MYSQL *db = r->store->db;
	const char *order = r->is_dead ? "seq" : r->store->order;
	struct gm_bytes *sql = &r->store->sql;
	MYSQL_RES *res;
	MYSQL_ROW row;
	int rows = 0;

	gm_bytes_clear(sql, SIZE_MAX);
	gm_addf(sql,
	    "SELECT %s, unique_key, function_name, priority, data, when_to_run, job_handle, reducer, flags, attempts,"
	    " changed_at, expires_at, error FROM %s WHERE %s > %llu ORDER BY %s LIMIT %d",
	    order, r->is_dead ? r->store->dead_table : r->store->table, order, r->last, order, PAGE);
	if (mysql_real_query(db, sql->data, sql->len) != 0 || (res = mysql_use_result(db)) == NULL)
		return -1;
	while (!r->is_stopped && (row = mysql_fetch_row(res)) != NULL) {
		rows++;
		replay_row(r, row, mysql_fetch_lengths(res));
	}
	if (!r->is_stopped && mysql_errno(db) != 0)
		rows = -1;
	mysql_free_result(res); /* reads the rest of the page */
	return rows;
}

static bool
replay_pages(struct replay *r, bool is_dead)
{
	int rows = PAGE;

	r->is_dead = is_dead;
	r->last = 0;
	while (rows == PAGE && !r->is_stopped)
		rows = replay_page(r);
	return rows >= 0;
}

bool
my_replay(void *store, gearmand_replay_f *sink_f, void *sink, struct gearmand_error *err)
{
	struct my_store *s = my_store_of(store);
	struct replay r = { .store = s, .sink_f = sink_f, .sink = sink };
	char doing[100];
	bool well = replay_pages(&r, false) && replay_pages(&r, true);

	if (r.skipped > 0)
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "%s: %llu rows have no key that a job can have; they are left as they are", s->where, r.skipped);
	snprintf(doing, sizeof(doing), "reading it after %llu jobs", r.jobs);
	return well || my_fail(s, s->db, err, doing);
}
