/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The SQLite queue: background jobs in a table of one database file.
 *
 * Runs on:  the store thread.
 * Owns:     the store: one connection and one lock, from open to close.
 */
#include "queue_sqlite.h"

#define SQLITE_VERSION_NEEDED 3025000 /* ON CONFLICT DO UPDATE, row_number() */

static void
sq_close(void **store)
{
	struct sq_store *s;

	if (*store == NULL)
		return;
	s = sq_store_of(*store);
	*store = NULL;
	sq_schema_close(s);
	sq_file_close(s);
	s->magic = 0;
	s->host->release(s);
}

static bool
check_options(const struct sq_store *s, struct gearmand_error *err)
{
	if (s->given == NULL || s->given[0] == '\0')
		s->host->error_set(err, "the sqlite queue needs --libsqlite3-db=FILE, the file that holds the jobs");
	else if (s->table == NULL || s->table[0] == '\0')
		s->host->error_set(err, "--libsqlite3-table needs a name");
	else if (sqlite3_libversion_number() < SQLITE_VERSION_NEEDED)
		s->host->error_set(
		    err, "the sqlite queue needs SQLite 3.25 or newer, this is %s", sqlite3_libversion());
	else
		return true;
	err->why = GEARMAND_WHY_LASTING;
	return false;
}

static bool
sq_open(const struct gearmand_host *host, struct gearmand_opening *opening, void **store_r, struct gearmand_error *err)
{
	struct sq_store *s = host->allocate(sizeof(*s));
	void *store = s;

	(void)opening;
	err->why = GEARMAND_WHY_PASSING;
	s->magic = SQ_MAGIC;
	s->host = host;
	s->lock_fd = -1;
	s->given = host->option(host, "libsqlite3-db");
	s->table = host->option(host, "libsqlite3-table");
	s->busy_ms = host->option_number(host, "libsqlite3-busy-timeout");
	if (!check_options(s, err) || !sq_file_open(s, err) || !sq_schema_open(s, err) || !sq_file_watch(s, err)) {
		sq_close(&store);
		return false;
	}
	*store_r = s;
	return true;
}

static bool
sq_adds_at_shutdown(void *store)
{
	const struct gearmand_host *host = sq_store_of(store)->host;

	return host->option_number(host, "store-queue-on-shutdown") != 0;
}

static const struct gearmand_option sq_options[] = { { "libsqlite3-db", GEARMAND_OPT_PATH, .value_name = "FILE",
							 .help =
							     "database file that holds the jobs; made when missing" },
	{ "libsqlite3-table", GEARMAND_OPT_STRING, .dflt = "gearman_queue", .value_name = "NAME",
	    .help = "table that holds the jobs; made when missing" },
	{ "store-queue-on-shutdown", GEARMAND_OPT_SWITCH,
	    .help = "keep jobs in memory and store them at orderly shutdown only; a crash loses them" },
	{ "libsqlite3-synchronous", GEARMAND_OPT_STRING, .dflt = "FULL", .value_name = "LEVEL",
	    .help = "when a commit counts as stored: FULL or EXTRA survive power loss, NORMAL and OFF only a crash "
		    "of the server" },
	{ "libsqlite3-busy-timeout", GEARMAND_OPT_INT, .dflt = "250", .min = "0", .max = "60000", .value_name = "MS",
	    .help = "milliseconds to wait for another process's lock before the commit is put off" },
	{ 0 } };

static const char *const sq_aliases[] = { "libsqlite3", NULL };

static const struct gearmand_queue_ops sq_ops = {
	.size = sizeof(struct gearmand_queue_ops),
	.open = sq_open,
	.replay = sq_replay,
	.commit = sq_commit,
	.close = sq_close,
	.adds_at_shutdown = sq_adds_at_shutdown,
	.check = sq_check,
	.keeps_dead = true,
};

GEARMAND_QUEUE_PLUGIN(
    "sqlite", sq_aliases, "0.1.0", "keeps background jobs in an SQLite database", sq_options, &sq_ops);
