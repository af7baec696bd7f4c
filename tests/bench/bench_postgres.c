/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bench_postgres - what the PostgreSQL module costs beside bare PostgreSQL; see bare.h.
 *
 * Runs on:  one thread.
 * Owns:     tables bench_bare and bench_module in the given database, which are dropped again.
 *
 * WHERE is a connection string.  Bare: the same rows in the same table, one INSERT of many rows or one DELETE of many
 * keys per batch, prepared, with an array of text for each column: one round trip and one transaction, nothing
 * else.  A server of its own for this: tests/stores/postgres.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "tests/bench/bare.h"

enum { PARAMETERS = 6 };

static PGconn *conn;

static void
must(PGresult *r)
{
	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		bare_die(PQerrorMessage(conn));
	PQclear(r);
}

static void
bare_open(const char *conninfo, struct host *h)
{
	conn = PQconnectdb(conninfo);
	if (PQstatus(conn) != CONNECTION_OK)
		bare_die(PQerrorMessage(conn));
	must(PQexec(conn, "SET client_min_messages TO warning; SET synchronous_commit TO on; SET enable_seqscan TO off;"
			  "SET enable_hashjoin TO off; SET enable_mergejoin TO off; SET enable_bitmapscan TO off;"
			  "SET plan_cache_mode TO force_generic_plan"));
	fake_host_set(h, "libpq-conninfo", conninfo);
	fake_host_set(h, "libpq-table", "bench_module");
}

static void
bare_end(void)
{
	must(PQexec(conn, "DEALLOCATE ALL; DROP TABLE IF EXISTS bench_bare, bench_module"));
	must(PQexec(conn, "CHECKPOINT"));
}

static void
bare_begin(void)
{
	must(PQexec(conn,
	    "CREATE TABLE bench_bare (unique_key TEXT COLLATE \"C\", function_name TEXT COLLATE \"C\","
	    " priority INTEGER, data BYTEA, when_to_run BIGINT, job_handle TEXT, reducer BYTEA, flags INTEGER,"
	    " added BIGINT, UNIQUE (unique_key, function_name))"));
	must(PQprepare(conn, "add",
	    "INSERT INTO bench_bare SELECT unnest($1::text[]), unnest($2::text[]), "
	    "unnest($3::int4[]), unnest($4::bytea[]), unnest($5::int8[]), unnest($6::text[]), "
	    "'', 0, unnest($5::int8[])",
	    0, NULL));
	must(PQprepare(conn, "remove",
	    "DELETE FROM bench_bare t USING unnest($1::text[], $2::text[]) AS k (u, f) "
	    "WHERE t.unique_key = k.u AND t.function_name = k.f",
	    0, NULL));
}

/* "{a,b,c}" */
static char *
array_of(const bare_key *keys, size_t count, const char *same)
{
	char *text = malloc(count * (BARE_KEY + 1) + 3), *p = text;

	if (text == NULL)
		bare_die("no memory");
	*p++ = '{';
	for (size_t i = 0; i < count; i++)
		p += sprintf(p, "%s%s", i == 0 ? "" : ",", same == NULL ? keys[i] : same);
	strcpy(p, "}");
	return text;
}

static void
run(const char *statement, int parameters, const bare_key *keys, size_t count)
{
	static const char *const same[PARAMETERS] = { NULL, BARE_FUNCTION, "1", BARE_DATA, "123456", BARE_HANDLE };
	char *parameter[PARAMETERS] = { NULL };

	for (int k = 0; k < parameters; k++)
		parameter[k] = array_of(keys, count, same[k]);
	must(PQexecPrepared(conn, statement, parameters, (const char *const *)parameter, NULL, NULL, 1));
	for (int k = 0; k < parameters; k++)
		free(parameter[k]);
}

static void
bare_add(const bare_key *keys, size_t count)
{
	run("add", PARAMETERS, keys, count);
}

static void
bare_remove(const bare_key *keys, size_t count)
{
	run("remove", 2, keys, count);
}

int
main(int argc, char **argv)
{
	static const struct bare postgres = { "bench_postgres", bare_open, bare_begin, bare_end, bare_add,
		bare_remove };

	return bare_main(&postgres, argc, argv);
}
