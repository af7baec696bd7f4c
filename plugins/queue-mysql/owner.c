/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One gearmand for each table: a named lock in the database, and a row that says whose the table is.
 *
 * Runs on:  the store thread.
 * Owns:     the lock, which ends with the session.
 *
 * The lock.  When the network breaks, the database may keep our old session, and its lock, for hours.  So that we know
 * it when we come again, each session also holds a lock that is named after the process: a session that has both
 * is a former one of our own, and is ended.  (Servers before MySQL 5.7.5 and MariaDB 10.0.2 know one lock for each
 * session, the latest; there the old session must end by itself.)
 *
 * The row, in a table of its own.  A server that lost its connection comes back with its jobs in memory, and does not
 * read the table again.  When it finds another owner in the row, that one has had the table meanwhile: it may have
 * done jobs and left others, so this server must not go on.
 *
 * In a cluster, where each node can be written to, the lock is known to one node only.  There every transaction of ours
 * changes the row: of two that do so at the same time the cluster lets one pass, and one that finds another owner
 * fails.  So a server that took the row over can be sure that nothing of the former owner comes behind it.  The
 * row's count goes up with each commit and each check.  An owner whose count stands still for a while is gone.  How
 * long is a question of patience, not of safety.
 */
#include "queue_mysql.h"

enum { DUPLICATE_KEY = 1062, OUT_OF_RANGE = 1690 };

/* A server that was just killed may need a moment to be gone, on the other side too; a former session of our own may be
 * in the middle of something. */
#define SECOND        INT64_C(1000000000)
#define WAIT          SECOND
#define WAIT_FORMER   (5 * SECOND)
#define LOOK_EVERY_MS 250

#define OTHERS "another gearmand is using it%s; each server needs a table of its own"
#define TABLE_LOCK \
	"CONCAT('gearmand.', LEFT(SHA2(CONCAT(IF(@@lower_case_table_names = 0, DATABASE(), LOWER(DATABASE())), '.', " \
	"%s)," \
	" 256), 48))"
#define CREATE \
	"CREATE TABLE IF NOT EXISTS gearmand_lock (queue VARBINARY(256) NOT NULL PRIMARY KEY, owner VARBINARY(64)" \
	" NOT NULL, node VARBINARY(64) NOT NULL, beats BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB"

struct owner {
	bool is_there, is_ours, is_free;
	char name[65], beats[24];
};

static bool
fail_in_use(struct my_store *s, struct gearmand_error *err, const char *by)
{
	s->standby->saw_owner = true;
	return gm_fail(err, GEARMAND_WHY_IN_USE, "%s: " OTHERS, s->where, by);
}

/* ---- The lock ------------------------------------------------------------------------------------ */

/* Asks often: an answer that comes late looks like a connection that is lost. */
static bool
await_lock(struct my_store *s, int64_t how_long, bool *taken_r, struct gearmand_error *err)
{
	int64_t deadline = s->host->monotonic() + how_long;
	MYSQL_RES *res;
	MYSQL_ROW row;

	for (*taken_r = false;; gm_pause(20)) {
		if (!my_ask(s, s->db, &res, err, "locking it",
			"SELECT GET_LOCK('gearmand-process.%.32s', 0), GET_LOCK(" TABLE_LOCK ", 0)", s->host->identity,
			s->queue))
			return false;
		row = mysql_fetch_row(res);
		*taken_r = row != NULL && row[1] != NULL && row[1][0] == '1';
		mysql_free_result(res);
		if (*taken_r || s->host->monotonic() >= deadline)
			return true;
	}
}

static bool
end_former(struct my_store *s, bool *ended_r, struct gearmand_error *err)
{
	MYSQL_RES *res;
	MYSQL_ROW row;

	if (!my_ask(s, s->db, &res, err, "locking it",
		"SELECT IS_USED_LOCK('gearmand-process.%.32s'), IS_USED_LOCK(" TABLE_LOCK "), CONNECTION_ID()",
		s->host->identity, s->queue))
		return false;
	row = mysql_fetch_row(res);
	*ended_r = row != NULL && row[0] != NULL && row[1] != NULL && strcmp(row[0], row[1]) == 0 &&
		   strcmp(row[0], row[2]) != 0;
	if (*ended_r) {
		s->host->log(s->host, GEARMAND_LOG_NOTICE, "%s: ending session %s, a former one of this server",
		    s->where, row[0]);
		(void)my_ask(s, s->db, NULL, err, "ending a former session", "KILL %s", row[0]); /* may be gone */
	}
	mysql_free_result(res);
	return true;
}

/* A server that finds its own lock must not take it for another's, and end. */
static bool
take_lock(struct my_store *s, struct gearmand_error *err)
{
	bool taken, ended = false;

	if (gm_standby_waits(s->standby, s->host->monotonic()))
		return fail_in_use(s, err, ", or comes back to it after the database was away");
	if (!await_lock(s, WAIT, &taken, err) || (!taken && !end_former(s, &ended, err)) ||
	    (ended && !await_lock(s, WAIT_FORMER, &taken, err)))
		return false;
	if (!taken && ended)
		return gm_fail(err, GEARMAND_WHY_PASSING,
		    "%s: a former session of this server is using it, and is being ended", s->where);
	return taken || fail_in_use(s, err, "");
}

/* ---- The row --------------------------------------------------------------------------------------- */

/* The second column of the first row, or "". */
static bool
show(struct my_store *s, const char *what, char *value, size_t size, struct gearmand_error *err)
{
	MYSQL_RES *res;
	MYSQL_ROW row;

	if (!my_ask(s, s->db, &res, err, "asking for its settings", "SHOW GLOBAL %s", what))
		return false;
	row = mysql_fetch_row(res);
	snprintf(value, size, "%s", row != NULL && row[1] != NULL ? row[1] : "");
	mysql_free_result(res);
	return true;
}

/* The table's name, one whatever its case, where the server says so; and, in a cluster, what a node is called as long
 * as it lives. */
static bool
name_row(struct my_store *s, struct gearmand_error *err)
{
	size_t len = strlen(s->name);
	char *name = s->host->allocate(2 * len + 1), wsrep_on[8], life[80];
	bool is_cluster = s->host->option_number(s->host, "mysql-cluster") != 0, well;
	MYSQL_RES *res;
	MYSQL_ROW row;

	mysql_real_escape_string(s->db, name, s->name, len);
	well = show(s, "VARIABLES WHERE variable_name = 'wsrep_on'", wsrep_on, sizeof(wsrep_on), err) &&
	       show(s, "STATUS WHERE variable_name = 'wsrep_gcomm_uuid'", life, sizeof(life), err) &&
	       my_ask(s, s->db, &res, err, "locking it",
		   "SELECT HEX(IF(@@lower_case_table_names = 0, '%s', LOWER(CONVERT('%s' USING utf8)))),"
		   " SHA1(CONCAT(@@hostname, ':', @@datadir, ':%s'))",
		   name, name, life);
	s->host->release(name);
	if (!well)
		return false;
	row = mysql_fetch_row(res);
	if (row != NULL && row[0] != NULL && row[1] != NULL) {
		snprintf(s->queue, sizeof(s->queue), "x'%.512s'", row[0]);
		if (is_cluster || strcmp(wsrep_on, "ON") == 0 || strcmp(wsrep_on, "1") == 0)
			snprintf(s->node, sizeof(s->node), "%.40s", row[1]);
	}
	snprintf(s->owner, sizeof(s->owner), "%.32s.%06x", s->host->identity,
	    (unsigned)(s->host->monotonic() / 1000 & 0xffffff));
	mysql_free_result(res);
	return true;
}

/* Free is a row that nobody has, that a former session of ours had, or that a server on this node had, where
 * the lock is free: it is gone.  Outside of a cluster the lock says it all. */
static bool
look(struct my_store *s, struct owner *o, struct gearmand_error *err)
{
	MYSQL_RES *res;
	MYSQL_ROW row;

	if (!my_ask(s, s->db, &res, err, "locking it",
		"SELECT owner, beats, LEFT(owner, 32) = LEFT('%s', 32), node IN ('', '%s') FROM gearmand_lock WHERE "
		"queue = %s",
		s->owner, s->node, s->queue))
		return false;
	row = mysql_fetch_row(res);
	*o = (struct owner){ .is_there = row != NULL, .is_free = true };
	if (row != NULL) {
		snprintf(o->name, sizeof(o->name), "%s", row[0]);
		snprintf(o->beats, sizeof(o->beats), "%s", row[1]);
		o->is_ours = row[2][0] == '1';
		o->is_free = s->node[0] == '\0' || o->is_ours || row[3][0] == '1';
	}
	mysql_free_result(res);
	return true;
}

static bool
look_or_make(struct my_store *s, struct owner *o, struct gearmand_error *err)
{
	if (look(s, o, err))
		return true;
	if (mysql_errno(s->db) != NO_SUCH_TABLE)
		return false;
	err->text[0] = '\0';
	return my_ask(s, s->db, NULL, err, "making its lock table gearmand_lock", "%s", CREATE) && look(s, o, err);
}

/* Watches the owner: it shows that it lives, or it is gone. */
static bool
await_silence(struct my_store *s, struct owner *o, struct gearmand_error *err)
{
	int64_t until = s->host->monotonic() + s->host->option_number(s->host, "mysql-session-timeout") * SECOND;
	const struct owner first = *o;

	while (!o->is_free && s->host->monotonic() < until) {
		gm_pause(LOOK_EVERY_MS);
		if (!look(s, o, err))
			return false;
		if (!o->is_free && (strcmp(o->beats, first.beats) != 0 || strcmp(o->name, first.name) != 0))
			return fail_in_use(s, err, ", by the row in table gearmand_lock");
	}
	return true;
}

/* Somebody may be quicker. */
static bool
take_row(struct my_store *s, const struct owner *o, struct gearmand_error *err)
{
	bool is_done;

	if (o->is_there)
		is_done = my_ask(s, s->db, NULL, err, "locking it",
		    "UPDATE gearmand_lock SET owner = '%s', node = '%s', beats = beats + 1"
		    " WHERE queue = %s AND owner = '%s' AND beats = %s",
		    s->owner, s->node, s->queue, o->name, o->beats);
	else
		is_done = my_ask(s, s->db, NULL, err, "locking it",
		    "INSERT INTO gearmand_lock VALUES (%s, '%s', '%s', 1)", s->queue, s->owner, s->node);
	if (is_done ? mysql_affected_rows(s->db) != 1 : mysql_errno(s->db) == DUPLICATE_KEY)
		return fail_in_use(s, err, ", by the row in table gearmand_lock");
	s->has_lease = is_done && s->node[0] != '\0';
	return is_done;
}

bool
my_own(struct my_store *s, struct gearmand_error *err)
{
	struct owner o;

	if (!name_row(s, err) || !take_lock(s, err) || !look_or_make(s, &o, err) || !await_silence(s, &o, err))
		return false;
	if (!s->is_first && o.is_there && !o.is_ours)
		return gm_fail(err, GEARMAND_WHY_IN_USE,
		    "%s: another gearmand has had the table meanwhile, and may have left jobs in it", s->where);
	return take_row(s, &o, err);
}

/* ---- Keeping it ------------------------------------------------------------------------------------ */

/* Another owner makes a number that is out of range. */
void
my_lease_write(const struct my_store *s, struct gm_bytes *t)
{
	if (s->has_lease)
		gm_addf(t,
		    "INSERT INTO gearmand_lock VALUES (%s, '%s', '%s', 1) ON DUPLICATE KEY UPDATE"
		    " beats = IF(owner = '%s', beats + 1, beats - beats - 1);",
		    s->queue, s->owner, s->node, s->owner);
}

bool
my_lease_is_lost(struct my_store *s, int code, struct gearmand_error *err)
{
	struct owner o;

	if (!s->has_lease || code != OUT_OF_RANGE || !look(s, &o, err) || (o.is_there && strcmp(o.name, s->owner) == 0))
		return false;
	s->has_lease = false;
	return !fail_in_use(s, err, ", by the row in table gearmand_lock");
}

void
my_lease_release(struct my_store *s)
{
	struct gearmand_error unused;

	if (s->has_lease && !s->is_broken)
		(void)my_ask(s, s->db, NULL, &unused, "unlocking it",
		    "UPDATE gearmand_lock SET node = '' WHERE queue = %s AND owner = '%s'", s->queue, s->owner);
	s->has_lease = false;
}
