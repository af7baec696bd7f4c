/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows become jobs again, in the order in which they were stored.
 *
 * Runs on:  the store thread, before the first commit.
 * Owns:     nothing beyond a call.
 *
 * The order is that of `seq`.  Rows come in pages, each one streamed, so one row is in memory at a time, and a
 * replay that is told to stop has little to read to its end.  Nobody else writes: the lock says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue_mysql.h"

enum { PAGE = 1000 };
enum { SEQ, UNIQUE, FUNCTION, PRIORITY, DATA, WHEN, HANDLE, REDUCER, FLAGS };
enum row_end { ROW_OK, ROW_STOP };

struct replay {
	struct my_store *store;
	gearmand_replay_f *sink_f;
	void *sink;
	uint64_t jobs, skipped;
	uint64_t last; /* seq */
};

static struct gearmand_slice
bytes_of(MYSQL_ROW row, const unsigned long *lengths, int column)
{
	return row[column] == NULL ? (struct gearmand_slice){ "", 0 }
				   : (struct gearmand_slice){ row[column], lengths[column] };
}

static int64_t
number_of(MYSQL_ROW row, int column, int64_t otherwise)
{
	return row[column] == NULL ? otherwise : strtoll(row[column], NULL, 10);
}

static bool
is_key(struct gearmand_slice v, size_t max)
{
	return v.len <= max && memchr(v.data, '\0', v.len) == NULL;
}

static enum row_end
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
		.flags = my_mark_see((uint32_t)number_of(row, FLAGS, 0)),
	};

	r->last = strtoull(row[SEQ], NULL, 10);
	/* A function may be "": 1.1 has such jobs, too.  NULL is nobody's. */
	if (row[FUNCTION] == NULL || job.unique.len == 0 || !is_key(job.unique, UNIQUE_MAX) ||
	    !is_key(job.function, 8192)) {
		r->skipped++;
		return ROW_OK;
	}
	r->jobs++;
	return r->sink_f(r->sink, &job) ? ROW_OK : ROW_STOP;
}

static bool
fail(struct replay *r, struct gearmand_error *err)
{
	char doing[100];

	snprintf(doing, sizeof(doing), "reading it after %llu jobs", (unsigned long long)r->jobs);
	my_sentence(r->store, r->store->db, err, doing);
	return false;
}

/* True: *rows_r rows were read, or the host wants no more. */
static bool
replay_page(struct replay *r, unsigned *rows_r, bool *stopped_r, struct gearmand_error *err)
{
	MYSQL *db = r->store->db;
	MYSQL_RES *res;
	MYSQL_ROW row;
	char sql[800];
	int len = snprintf(sql, sizeof(sql),
	    "SELECT %.140s, unique_key, function_name, priority, data, when_to_run, job_handle, reducer, flags"
	    " FROM %.140s WHERE %.140s > %llu ORDER BY %.140s LIMIT %d",
	    r->store->order, r->store->table, r->store->order, (unsigned long long)r->last, r->store->order, PAGE);

	*rows_r = 0;
	if (mysql_real_query(db, sql, (unsigned long)len) != 0 || (res = mysql_use_result(db)) == NULL)
		return fail(r, err);
	while (!*stopped_r && (row = mysql_fetch_row(res)) != NULL) {
		++*rows_r;
		*stopped_r = replay_row(r, row, mysql_fetch_lengths(res)) == ROW_STOP;
	}
	if (!*stopped_r && mysql_errno(db) != 0) {
		bool told = fail(r, err);

		mysql_free_result(res);
		return told;
	}
	mysql_free_result(res); /* reads the rest of the page */
	return true;
}

bool
my_replay(void *store, gearmand_replay_f *sink_f, void *sink, struct gearmand_error *err)
{
	struct my_store *s = my_store_of(store);
	struct replay r = { .store = s, .sink_f = sink_f, .sink = sink };
	bool stopped = false, is_well;
	unsigned rows;

	my_mark_forget(s);
	do {
		is_well = replay_page(&r, &rows, &stopped, err);
	} while (is_well && !stopped && rows == PAGE);
	s->knows_all = is_well && !stopped;
	if (r.skipped > 0)
		s->host->log(s->host, GEARMAND_LOG_WARNING,
		    "%s: %llu rows have no key that a job can have; they are left as they are", s->where,
		    (unsigned long long)r.skipped);
	return is_well;
}
