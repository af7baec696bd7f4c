/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One gearmand per table: a named lock in the server, held as long as the session lives.
 *
 * Runs on:  the store thread.
 * Owns:     a random name for this process.
 *
 * When the network breaks, the server may keep our old session, and its lock, for hours.  So that we know it when
 * we come again, each session also holds a lock that is named after the process: whose session has both is a
 * former self, and is ended.  (Servers before MySQL 5.7.5 and MariaDB 10.0.2 know one lock per session, the
 * latest; there the old session must end by itself.)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "queue_mysql.h"

/* A server that was just killed may need a moment to be gone on the other side, too; a former session of our own may be
 * in the middle of something. */
#define WAIT_NS            INT64_C(1000000000)
#define WAIT_FOR_FORMER_NS INT64_C(5000000000)

/* A table has one name whatever its case, where the server says so. */
#define TABLE_LOCK \
	"CONCAT('gearmand.', LEFT(SHA2(IF(@@lower_case_table_names = 0, CONCAT(DATABASE(), '.', '%s')," \
	" LOWER(CONVERT(CONCAT(DATABASE(), '.', '%s') USING utf8))), 256), 48))"

static const char *
process_lock(void)
{
	static char name[64];
	static pid_t owner;
	unsigned char random[16];

	if (owner == getpid()) /* a child is somebody else */
		return name;
	owner = getpid();
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort();
	strcpy(name, "gearmand-process.");
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(name + strlen(name), 3, "%02x", random[i]);
	return name;
}

/* False: it could not be asked. */
static bool
try_lock(struct my_store *s, const char *table, bool *taken_r, struct gearmand_error *err)
{
	MYSQL_RES *res = my_queryf(s, err, "locking it", "SELECT GET_LOCK('%s', 0), GET_LOCK(" TABLE_LOCK ", 0)",
	    process_lock(), table, table);
	MYSQL_ROW row = res == NULL ? NULL : mysql_fetch_row(res);

	*taken_r = row != NULL && row[1] != NULL && row[1][0] == '1';
	if (res != NULL)
		mysql_free_result(res);
	return res != NULL;
}

/* Asks often: an answer that comes late looks like a connection that is lost. */
static bool
await_lock(struct my_store *s, const char *table, int64_t how_long, bool *taken_r, struct gearmand_error *err)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	int64_t deadline = s->host->monotonic() + how_long;

	while (try_lock(s, table, taken_r, err)) {
		if (*taken_r || s->host->monotonic() >= deadline)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static bool
end_former(struct my_store *s, const char *table, bool *ended_r, struct gearmand_error *err)
{
	MYSQL_RES *res = my_queryf(s, err, "locking it",
	    "SELECT IS_USED_LOCK('%s'), IS_USED_LOCK(" TABLE_LOCK "), CONNECTION_ID()", process_lock(), table, table);
	MYSQL_ROW row = res == NULL ? NULL : mysql_fetch_row(res);

	*ended_r = row != NULL && row[0] != NULL && row[1] != NULL && strcmp(row[0], row[1]) == 0 &&
		   strcmp(row[0], row[2]) != 0;
	if (*ended_r) {
		s->host->log(s->host, GEARMAND_LOG_NOTICE, "%s: ending session %s, a former one of this server",
		    s->where, row[0]);
		(void)my_runf(s, s->db, err, "ending a former session", "KILL %s", row[0]); /* it may be gone by now */
	}
	if (res != NULL)
		mysql_free_result(res);
	return res != NULL;
}

bool
my_lock(struct my_store *s, struct gearmand_error *err)
{
	char *table = s->host->allocate(2 * strlen(s->name) + 1);
	bool taken = false, ended = false, asked;

	mysql_real_escape_string(s->db, table, s->name, strlen(s->name));
	asked = await_lock(s, table, WAIT_NS, &taken, err) && (taken || end_former(s, table, &ended, err)) &&
		(!ended || await_lock(s, table, WAIT_FOR_FORMER_NS, &taken, err));
	s->host->release(table);
	if (asked && !taken) {
		s->host->error_set(err, "%s: %s", s->where,
		    ended ? "a former session of this server is using it, and is being ended"
			  : "another gearmand is using it; each server needs a table of its own");
		/* A server that finds its own lock must not take it for another's, and end. */
		err->why = ended ? GEARMAND_WHY_PASSING : GEARMAND_WHY_IN_USE;
	}
	return taken && my_lease_take(s, strchr(process_lock(), '.') + 1, err);
}
