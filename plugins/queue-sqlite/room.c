/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Room for jobs, and a reserve for their removal.
 *
 * Runs on:  the store thread, before a commit that adds jobs.
 * Owns:     nothing.
 *
 * A job is written to SQLite's log first, and moved to the database later; when the file system is full in between, the
 * log can never start over, and nothing can be removed any more.  So jobs are refused while there still is room for
 * what is in the log, and what removals need.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "queue_sqlite.h"

enum { PAGE = 4096, PAGES_BESIDE = 3 /* of index, tree and free list, for a job */ };

#define RESERVE (INT64_C(1) << 20)
#define PLENTY  (INT64_C(64) << 20)

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
size_of(const struct sq_store *s, int file)
{
	struct stat st;

	return stat(s->file[file].path, &st) == 0 ? st.st_size : 0;
}

static int64_t
bytes_left(const struct sq_store *s)
{
	struct statvfs fs;

	return statvfs(s->file[SQ_DB].path, &fs) == 0 ? (int64_t)(fs.f_bavail * fs.f_frsize) : INT64_MAX / 4;
}

static int64_t
largest_file(void)
{
	struct rlimit limit;
	bool is_limited = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < INT64_MAX / 4;

	return is_limited ? (int64_t)limit.rlim_cur : INT64_MAX / 4;
}

/* Of whole pages, for that is what the log has. */
static int64_t
bytes_needed(const struct gearmand_change *changes, size_t count)
{
	int64_t pages = 0;

	for (size_t i = 0; i < count; i++) {
		const struct gearmand_job *job = &changes[i].job;

		if (changes[i].op == GEARMAND_ADD || changes[i].op == GEARMAND_BURY)
			pages += (int64_t)((job->data.len + job->function.len) / PAGE) + PAGES_BESIDE;
	}
	return pages * PAGE;
}

/* A number that the database tells of itself. */
static int64_t
pragma_number(struct sq_store *s, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int64_t number = 0;

	if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return number;
}

/* When all of the log is in the database, the log starts over, in the room that it has. */
static bool
fits(struct sq_store *s, int64_t need)
{
	int64_t page = larger(PAGE, pragma_number(s, "PRAGMA main.page_size"));
	int64_t inside = pragma_number(s, "PRAGMA main.freelist_count") * page, most = largest_file();
	int64_t db, log = need / PAGE * page + RESERVE;
	int in_log = 0, moved = 0;

	(void)sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
	db = larger(0, need / PAGE * page - inside) + larger(0, in_log - moved) * page;
	if (size_of(s, SQ_DB) + db > most || log - RESERVE / 4 * 3 > most)
		return false;
	return db + larger(0, log - size_of(s, SQ_WAL)) <= bytes_left(s);
}

bool
sq_has_room(struct sq_store *s, const struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	int64_t need = bytes_needed(changes, count);

	if (need == 0 || (bytes_left(s) > PLENTY + 4 * need && largest_file() - size_of(s, SQ_DB) > PLENTY + 4 * need))
		return true;
	if (fits(s, need))
		return true;
	if (largest_file() - size_of(s, SQ_DB) < bytes_left(s))
		return gm_fail(err, GEARMAND_WHY_PASSING,
		    "queue file %s: storing jobs: no room: files may have %lld KiB here", s->given,
		    (long long)largest_file() >> 10);
	return gm_fail(err, GEARMAND_WHY_PASSING,
	    "queue file %s: storing jobs: no room: %lld KiB are left on the disk, and a part is kept for removals",
	    s->given, (long long)bytes_left(s) >> 10);
}
