/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One gearmand per table in a cluster: a row that says whose the table is.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; what it knows is the store's.
 *
 * The named lock of lock.c is known to one node only.  In a Galera cluster, where each node can be written to, a row in
 * a table of its own says who has the queue, and every transaction of ours changes it: of two that do so at the same
 * time the cluster lets one pass, and one that finds another owner fails.  So whoever took the row over can be sure
 * that nothing of the former owner comes behind it.
 *
 * The row's count goes up with each commit and each check.  An owner whose count stands still for a while is gone.
 * How long is a question of patience, not of safety.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "queue_mysql.h"

enum { NO_SUCH_TABLE = 1146, DUPLICATE_KEY = 1062, OUT_OF_RANGE = 1690 };

#define LOOK_EVERY_NS (250 * 1000 * 1000)
#define CREATE \
	"CREATE TABLE IF NOT EXISTS gearmand_lock (queue VARBINARY(256) NOT NULL PRIMARY KEY, owner VARBINARY(64)" \
	" NOT NULL, node VARBINARY(64) NOT NULL, beats BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB"

struct owner {
	bool is_there, is_ours, is_here; /* a row; of this process; on the node that we talk to */
	char name[65], beats[24];
};

/* ---- Is it needed? ------------------------------------------------------------------------- */

/* The second column of the first row, or "". */
static bool
show(struct my_store *s, const char *what, char *value, size_t size, struct gearmand_error *err)
{
	MYSQL_RES *res = my_queryf(s, err, "asking for its settings", "SHOW GLOBAL %s", what);
	MYSQL_ROW row = res == NULL ? NULL : mysql_fetch_row(res);

	snprintf(value, size, "%s", row != NULL && row[1] != NULL ? row[1] : "");
	if (res != NULL)
		mysql_free_result(res);
	return res != NULL;
}

static bool
is_cluster(struct my_store *s, bool *is_cluster_r, struct gearmand_error *err)
{
	char value[8];

	if (!show(s, "VARIABLES WHERE variable_name = 'wsrep_on'", value, sizeof(value), err))
		return false;
	*is_cluster_r = strcmp(value, "ON") == 0 || strcmp(value, "1") == 0;
	return true;
}

/* ---- The row -------------------------------------------------------------------------------- */

/* The table's name, one whatever its case, where the server says so; and what a node is called as long as it lives.  As
 * literals. */
static bool
name_row(struct my_store *s, struct gearmand_error *err)
{
	size_t len = strlen(s->name);
	char *name = s->host->allocate(2 * len + 1), node[80];
	MYSQL_RES *res = NULL;
	MYSQL_ROW row;

	mysql_real_escape_string(s->db, name, s->name, len);
	if (show(s, "STATUS WHERE variable_name = 'wsrep_gcomm_uuid'", node, sizeof(node), err))
		res = my_queryf(s, err, "locking it",
		    "SELECT HEX(IF(@@lower_case_table_names = 0, '%s', LOWER(CONVERT('%s' USING utf8)))),"
		    " SHA1(CONCAT(@@hostname, ':', @@datadir, ':%s'))",
		    name, name, node);
	s->host->release(name);
	row = res == NULL ? NULL : mysql_fetch_row(res);
	if (row != NULL && row[0] != NULL && row[1] != NULL) {
		snprintf(s->lease_queue, sizeof(s->lease_queue), "x'%.512s'", row[0]);
		snprintf(s->lease_node, sizeof(s->lease_node), "%.40s", row[1]);
	}
	if (res != NULL)
		mysql_free_result(res);
	return row != NULL;
}

static bool
look(struct my_store *s, struct owner *o, struct gearmand_error *err)
{
	MYSQL_RES *res = my_queryf(s, err, "locking it",
	    "SELECT owner, beats, LEFT(owner, 32) = LEFT('%s', 32), node = '%s' FROM gearmand_lock WHERE queue = %s",
	    s->lease_owner, s->lease_node, s->lease_queue);
	MYSQL_ROW row = res == NULL ? NULL : mysql_fetch_row(res);

	*o = (struct owner){ .is_there = row != NULL };
	if (row != NULL) {
		snprintf(o->name, sizeof(o->name), "%s", row[0]);
		snprintf(o->beats, sizeof(o->beats), "%s", row[1]);
		o->is_ours = row[2][0] == '1';
		o->is_here = row[3][0] == '1';
	}
	if (res != NULL)
		mysql_free_result(res);
	return res != NULL;
}

static bool
look_or_make(struct my_store *s, struct owner *o, struct gearmand_error *err)
{
	if (look(s, o, err))
		return true;
	if (mysql_errno(s->db) != NO_SUCH_TABLE)
		return false;
	err->text[0] = '\0';
	return my_runf(s, s->db, err, "making its lock table gearmand_lock", "%s", CREATE) && look(s, o, err);
}

/* False without `taken`: somebody was quicker, or it went wrong, which the error tells. */
static bool
take(struct my_store *s, const struct owner *o, bool *taken_r, struct gearmand_error *err)
{
	bool is_done =
	    o->is_there ? my_runf(s, s->db, err, "locking it",
			      "UPDATE gearmand_lock SET owner = '%s', node = '%s', beats = beats + 1"
			      " WHERE queue = %s AND owner = '%s' AND beats = %s",
			      s->lease_owner, s->lease_node, s->lease_queue, o->name, o->beats)
			: my_runf(s, s->db, err, "locking it", "INSERT INTO gearmand_lock VALUES (%s, '%s', '%s', 1)",
			      s->lease_queue, s->lease_owner, s->lease_node);

	*taken_r = is_done && mysql_affected_rows(s->db) == 1;
	return is_done || mysql_errno(s->db) == DUPLICATE_KEY;
}

/* ---- Taking it -------------------------------------------------------------------------------- */

static bool
fail_in_use(struct my_store *s, struct gearmand_error *err)
{
	s->host->error_set(err,
	    "%s: another gearmand is using it, by the row in table gearmand_lock; each server needs "
	    "a table of its own",
	    s->where);
	err->why = GEARMAND_WHY_IN_USE;
	return false;
}

/* Nobody has it, a former self had it, or one who had it on this node, where the named lock is free: he is gone. */
static bool
is_free(const struct owner *o)
{
	return !o->is_there || o->name[0] == '\0' || o->is_ours || o->is_here;
}

/* Watches the owner: he shows that he lives, or he is gone. */
static bool
await_silence(struct my_store *s, struct owner *o, struct gearmand_error *err)
{
	const struct timespec pause = { .tv_nsec = LOOK_EVERY_NS };
	int64_t until =
	    s->host->monotonic() + s->host->option_number(s->host, "mysql-session-timeout") * INT64_C(1000000000);
	const struct owner first = *o;

	while (!is_free(o) && s->host->monotonic() < until) {
		nanosleep(&pause, NULL);
		if (!look(s, o, err))
			return false;
		if (!is_free(o) && (strcmp(o->beats, first.beats) != 0 || strcmp(o->name, first.name) != 0))
			return fail_in_use(s, err);
	}
	return true;
}

bool
my_lease_take(struct my_store *s, const char *process, struct gearmand_error *err)
{
	bool is_wanted = s->host->option_number(s->host, "mysql-cluster") != 0, taken = false;
	struct owner o;

	if (!is_wanted && !is_cluster(s, &is_wanted, err))
		return false;
	if (!is_wanted)
		return true;
	snprintf(s->lease_owner, sizeof(s->lease_owner), "%.32s.%06x", process, (unsigned)s->mark);
	if (!name_row(s, err) || !look_or_make(s, &o, err) || !await_silence(s, &o, err) || !take(s, &o, &taken, err))
		return false;
	s->has_lease = taken;
	return taken || fail_in_use(s, err);
}

/* ---- Keeping it ------------------------------------------------------------------------------- */

/* Another owner makes a number that is out of range. */
void
my_lease_write(const struct my_store *s, struct my_text *t)
{
	if (s->has_lease)
		my_text_addf(t,
		    "INSERT INTO gearmand_lock VALUES (%s, '%s', '%s', 1) ON DUPLICATE KEY UPDATE"
		    " beats = IF(owner = '%s', beats + 1, beats - beats - 1);",
		    s->lease_queue, s->lease_owner, s->lease_node, s->lease_owner);
}

bool
my_lease_is_lost(struct my_store *s, int code, struct gearmand_error *err)
{
	struct owner o;

	if (!s->has_lease || code != OUT_OF_RANGE || !look(s, &o, err) ||
	    (o.is_there && strcmp(o.name, s->lease_owner) == 0))
		return false;
	s->has_lease = false;
	return !fail_in_use(s, err);
}

void
my_lease_release(struct my_store *s)
{
	struct gearmand_error unused = { .text = "" };

	if (s->has_lease && !s->is_broken)
		(void)my_runf(s, s->db, &unused, "unlocking it",
		    "UPDATE gearmand_lock SET owner = '' WHERE queue = %s AND owner = '%s'", s->lease_queue,
		    s->lease_owner);
	s->has_lease = false;
}
