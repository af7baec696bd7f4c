/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The PostgreSQL queue: background jobs in a table of a database.
 *
 * Runs on:  the store thread.
 * Owns:     the store: one connection and one lock, from open to close.
 */
#include "queue_postgres.h"

#define STORE_MAGIC 0x71707174u /* "qpqt" */

struct qp_store *
qp_store_of(void *store)
{
	return GM_STORE(struct qp_store, store, STORE_MAGIC);
}

static void
qp_close(void **store)
{
	struct qp_store *s;

	if (*store == NULL)
		return;
	s = qp_store_of(*store);
	*store = NULL;
	PQfinish(s->conn);
	for (int i = 0; i < QP_PARAM_COUNT; i++)
		gm_bytes_free(&s->param[i]);
	free(s->table);
	free(s->lock_table);
	free(s->dead_table);
	s->magic = 0;
	s->host->release(s);
}

static bool
qp_open(const struct gearmand_host *host, struct gearmand_opening *opening, void **store_r, struct gearmand_error *err)
{
	struct qp_store *s = host->allocate(sizeof(*s));
	void *store = s;

	if (opening->memory == NULL)
		opening->memory = host->allocate(sizeof(*s->standby));
	s->magic = STORE_MAGIC;
	s->host = host;
	s->standby = opening->memory;
	s->is_first = opening->is_first;
	s->replaces = 1; /* the latest batch of an earlier opening may be stored */
	s->given = host->option(host, "libpq-table");
	s->limit_ms = host->option_number(host, "libpq-timeout") * 1000;
	if (!qp_connect(s, err)) {
		gm_standby_away(s->standby);
	} else if (qp_table_open(s, err) && qp_own(s, err) && qp_columns_open(s, err)) {
		s->standby->saw_owner = false;
		*store_r = s;
		return true;
	}
	qp_close(&store);
	return false;
}

static const struct gearmand_option qp_options[] = {
	{ "libpq-conninfo", GEARMAND_OPT_STRING, .value_name = "STRING", .secret = true,
	    .help = "connection string of PostgreSQL; what it does not say comes from PG... variables" },
	{ "libpq-table", GEARMAND_OPT_STRING, .dflt = "queue", .value_name = "NAME",
	    .help = "table that holds the jobs, also as schema.table; made when missing" },
	{ "libpq-timeout", GEARMAND_OPT_INT, .dflt = "30", .min = "1", .max = "3600", .value_name = "SECONDS",
	    .help = "seconds that the database may take for one batch before it is put off" },
	{ "libpq-session-timeout", GEARMAND_OPT_INT, .dflt = "60", .min = "6", .max = "86400", .value_name = "SECONDS",
	    .help = "seconds without a sign of this server after which the database gives its table to another" },
	{ "libpq-synchronous-commit", GEARMAND_OPT_STRING, .value_name = "LEVEL",
	    .help = "when a commit counts as stored: off, local, remote_write, on, remote_apply; else as the database "
		    "is set, but not off" },
	{ 0 }
};

static const char *const qp_aliases[] = { "libpq", "postgresql", NULL };

static const struct gearmand_queue_ops qp_ops = {
	.size = sizeof(struct gearmand_queue_ops),
	.open = qp_open,
	.replay = qp_replay,
	.commit = qp_commit,
	.close = qp_close,
	.check = qp_check,
	.keeps_dead = true,
	.forget = gm_forget,
};

GEARMAND_QUEUE_PLUGIN(
    "postgres", qp_aliases, "0.1.0", "keeps background jobs in a PostgreSQL database", qp_options, &qp_ops);
