/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The log of SQLite (FILE-wal) is moved to the database from time to time, and starts over.
 *
 * Runs on:  the store thread, at the end of a commit that made the log long.
 * Owns:     nothing.
 *
 * A page that changed many times moves once, so longer is faster.  It cannot start over while somebody reads an
 * old state; then it grows, and the operator is told.
 */
#include <sys/stat.h>

#include "queue_sqlite.h"

enum { CHECKPOINT_FRAMES = 4096 /* 16 MiB with pages of 4 KiB */, WARN_FRAMES = 4 * CHECKPOINT_FRAMES };

static void
warn_of_length(struct sq_store *s, int frames)
{
	struct stat st;

	if (frames < s->warn_frames || stat(s->file[SQ_WAL].path, &st) != 0)
		return;
	s->warn_frames = frames > INT32_MAX / 2 ? INT32_MAX : frames * 2;
	s->host->log(s->host, GEARMAND_LOG_WARNING,
	    "queue file %s: its log has grown to %lld MiB; does another process read the file in a long transaction?",
	    s->given, (long long)st.st_size >> 20);
}

/* What it cannot do now is tried again after the next commit; the commit itself is done. */
static int
on_commit(void *store, sqlite3 *db, const char *name, int frames)
{
	struct sq_store *s = store;

	(void)db;
	(void)name;
	if (frames < CHECKPOINT_FRAMES) {
		s->warn_frames = WARN_FRAMES;
		return SQLITE_OK;
	}
	sq_checkpoint_now(s);
	warn_of_length(s, frames);
	return SQLITE_OK;
}

void
sq_checkpoint_open(struct sq_store *s)
{
	s->warn_frames = WARN_FRAMES;
	sqlite3_wal_hook(s->db, on_commit, s);
}

void
sq_checkpoint_now(struct sq_store *s)
{
	(void)sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}
