/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bench_mysql - what the MySQL module costs beside bare MySQL; see bare.h.
 *
 * Runs on:  one thread.
 * Owns:     tables bench_bare and bench_module in the database "jobs" of the given server, which are dropped again.
 *
 * WHERE is the server's socket, over which root comes in.  Bare: the same rows in the same table, one INSERT of many
 * rows or one DELETE of many keys per batch: one round trip and one transaction, nothing else.  A server of its own
 * for this: tests/stores/mysql.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mysql.h>

#include "tests/bench/bare.h"

enum { ROW = 200 };

static MYSQL *db;

static void
must(const char *sql)
{
	if (mysql_query(db, sql) != 0)
		bare_die(mysql_error(db));
}

static void
bare_open(const char *socket_path, struct host *h)
{
	db = mysql_init(NULL);
	if (db == NULL || mysql_real_connect(db, NULL, "root", NULL, "jobs", 0, socket_path, 0) == NULL)
		bare_die(db == NULL ? "no memory" : mysql_error(db));
	fake_host_set(h, "mysql-socket", socket_path);
	fake_host_set(h, "mysql-user", "root");
	fake_host_set(h, "mysql-db", "jobs");
	fake_host_set(h, "mysql-table", "bench_module");
}

static void
bare_end(void)
{
	must("DROP TABLE IF EXISTS bench_bare, bench_module");
}

static void
bare_begin(void)
{
	must("CREATE TABLE bench_bare (unique_key VARBINARY(64), function_name VARBINARY(703), priority INT, data "
	     "LONGBLOB,"
	     " when_to_run BIGINT, job_handle VARBINARY(255), reducer BLOB, flags INT UNSIGNED, seq BIGINT UNSIGNED "
	     "NOT NULL"
	     " AUTO_INCREMENT PRIMARY KEY, UNIQUE KEY (unique_key, function_name)) ENGINE=InnoDB");
}

/* `rest` is what comes behind a key. */
static void
run(const char *head, const char *rest, const char *tail, const bare_key *keys, size_t count)
{
	char *sql = malloc((count + 2) * ROW), *p = sql;

	if (sql == NULL)
		bare_die("no memory");
	p += sprintf(p, "%s", head);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			*p++ = ',';
		p = stpcpy(stpcpy(stpcpy(p, "('"), keys[i]), rest);
	}
	strcpy(p, tail);
	must(sql);
	free(sql);
}

static void
bare_add(const bare_key *keys, size_t count)
{
	run("INSERT INTO bench_bare (unique_key, function_name, priority, data, when_to_run, job_handle, reducer, "
	    "flags) VALUES ",
	    "','" BARE_FUNCTION "',1,'" BARE_DATA "',0,'" BARE_HANDLE "','',0)", "", keys, count);
}

static void
bare_remove(const bare_key *keys, size_t count)
{
	run("DELETE FROM bench_bare WHERE function_name = '" BARE_FUNCTION "' AND unique_key IN (", "')", ")", keys,
	    count);
}

int
main(int argc, char **argv)
{
	static const struct bare mysql = { "bench_mysql", bare_open, bare_begin, bare_end, bare_add, bare_remove };

	return bare_main(&mysql, argc, argv);
}
