/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bench_postgres - what the PostgreSQL module costs beside bare PostgreSQL: rows stored, removed and replayed per second.
 *
 * Runs on:  one thread.
 * Owns:     tables bench_bare and bench_module in the given database, which are dropped again.
 *
 * usage: bench_postgres MODULE.so CONNINFO [ROWS [REPLAYED]]
 *
 * Bare: the same rows in the same table, one INSERT of many rows or one DELETE of many keys per batch, prepared, with an
 * array of text for each column: one round trip and one transaction, nothing else.  Module: its ops, as the store thread calls
 * them.  A server of its own for this: tests/stores/postgres.py.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <libpq-fe.h>

#include "tests/plugins/fake_host.h"

enum { KEY = 37, DATA = 32, PARAMETERS = 6 };

static const char *conninfo;
static size_t rows = 100000, replayed = 1000000;
static char (*keys)[KEY];

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	fprintf(stderr, "bench_postgres: %s\n", what);
	exit(1);
}

static void
make_keys(int is_random)
{
	uint64_t x = 88172645463325252u;

	for (size_t i = 0; i < rows; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		snprintf(keys[i], KEY, "%016" PRIx64 "-%019u", is_random ? x : 0, (unsigned)i);
	}
}

/* ---- Bare ------------------------------------------------------------------------------ */

static void
must(PGconn *c, PGresult *r)
{
	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		die(PQerrorMessage(c));
	PQclear(r);
}

static PGconn *
bare_connect(void)
{
	PGconn *c = PQconnectdb(conninfo);

	if (PQstatus(c) != CONNECTION_OK)
		die(PQerrorMessage(c));
	must(c, PQexec(c, "SET client_min_messages TO warning; SET synchronous_commit TO on"));
	return c;
}

/* "{a,b,c}": none of the texts needs a quote. */
static char *
array_of(size_t from, size_t count, const char *same)
{
	char *text = malloc(count * (KEY + 1) + 3), *p = text;

	if (text == NULL)
		die("no memory");
	*p++ = '{';
	for (size_t i = 0; i < count; i++)
		p += sprintf(p, "%s%s", i == 0 ? "" : ",", same == NULL ? keys[from + i] : same);
	strcpy(p, "}");
	return text;
}

static void
bare_pass(PGconn *c, size_t batch, int is_add)
{
	static const char data[DATA] = "0123456789abcdef0123456789abcde";

	for (size_t i = 0; i < rows; i += batch) {
		size_t n = rows - i < batch ? rows - i : batch;
		char *parameter[PARAMETERS] = { array_of(i, n, NULL), array_of(0, n, "bench"), array_of(0, n, "1"),
			array_of(0, n, data), array_of(0, n, "123456"), array_of(0, n, "H:bench:123456789") };

		must(c, PQexecPrepared(c, is_add ? "add" : "del", is_add ? PARAMETERS : 2, (const char *const *)parameter, NULL, NULL, 1));
		for (int k = 0; k < PARAMETERS; k++)
			free(parameter[k]);
	}
}

static void
bare(size_t batch, double *add_r, double *remove_r)
{
	PGconn *c = bare_connect();
	double start;

	must(c, PQexec(c, "DROP TABLE IF EXISTS bench_bare; CREATE TABLE bench_bare (unique_key TEXT COLLATE \"C\", "
			  "function_name TEXT COLLATE \"C\", priority INTEGER, data BYTEA, when_to_run BIGINT, job_handle TEXT, "
			  "reducer BYTEA, flags INTEGER, added BIGINT, UNIQUE (unique_key, function_name)); CHECKPOINT; SET enable_seqscan TO off; SET enable_hashjoin TO off; "
			  "SET enable_mergejoin TO off; SET enable_bitmapscan TO off; SET plan_cache_mode TO force_generic_plan"));
	must(c, PQprepare(c, "add", "INSERT INTO bench_bare SELECT unnest($1::text[]), unnest($2::text[]), "
				    "unnest($3::int4[]), unnest($4::bytea[]), unnest($5::int8[]), unnest($6::text[]), "
				    "'', 0, unnest($5::int8[])", 0, NULL));
	must(c, PQprepare(c, "del", "DELETE FROM bench_bare t USING unnest($1::text[], $2::text[]) AS k (u, f) "
				    "WHERE t.unique_key = k.u AND t.function_name = k.f", 0, NULL));
	start = seconds();
	bare_pass(c, batch, 1);
	*add_r = (double)rows / (seconds() - start);
	start = seconds();
	bare_pass(c, batch, 0);
	*remove_r = (double)rows / (seconds() - start);
	must(c, PQexec(c, "DROP TABLE bench_bare"));
	PQfinish(c);
}

/* ---- Module ---------------------------------------------------------------------------- */

static void
module_prepare(void)
{
	PGconn *c = bare_connect();

	must(c, PQexec(c, "DROP TABLE IF EXISTS bench_module; CHECKPOINT"));
	PQfinish(c);
}

static void *
module_open(struct fake_host *h)
{
	struct gearmand_error err = { .text = "" };
	void *store = NULL;

	if (!h->ops->open(&h->table, &store, &err))
		die(err.text);
	return store;
}

static void
module_pass(struct fake_host *h, void *store, size_t batch, enum gearmand_op op)
{
	static const char data[DATA] = "0123456789abcdef0123456789abcde";
	struct gearmand_change *mem = calloc(batch, sizeof(*mem));
	struct gearmand_error err = { .text = "" };

	if (mem == NULL)
		die("no memory");
	for (size_t i = 0; i < rows; i += batch) {
		size_t n = rows - i < batch ? rows - i : batch;

		for (size_t j = 0; j < n; j++)
			mem[j] = (struct gearmand_change){ .op = op,
				.job = { .function = { "bench", 5 }, .unique = { keys[i + j], KEY - 1 },
				    .data = { data, DATA }, .handle = { "H:bench:123456789", 17 },
				    .priority = GEARMAND_NORMAL } };
		if (h->ops->commit(store, mem, n, &err) != GEARMAND_COMMIT_DONE)
			die(err.text);
	}
	free(mem);
}

static void
module(struct fake_host *h, size_t batch, double *add_r, double *remove_r)
{
	double start;
	void *store;

	module_prepare();
	store = module_open(h);
	start = seconds();
	module_pass(h, store, batch, GEARMAND_ADD);
	*add_r = (double)rows / (seconds() - start);
	start = seconds();
	module_pass(h, store, batch, GEARMAND_REMOVE);
	*remove_r = (double)rows / (seconds() - start);
	h->ops->close(&store);
	module_prepare();
}

static void
compare(struct fake_host *h, const char *kind, size_t batch)
{
	double bare_add, bare_remove, add, del;

	bare(batch, &bare_add, &bare_remove);
	module(h, batch, &add, &del);
	printf("| %-10s | %6zu | %9.0f | %9.0f | %4.2f | %9.0f | %9.0f | %4.2f |\n", kind, batch, bare_add, add,
	    add / bare_add, bare_remove, del, del / bare_remove);
	fflush(stdout);
}

/* ---- Replay ------------------------------------------------------------------------------ */

static bool
count_job(void *sink, const struct gearmand_job *job)
{
	(void)job;
	++*(size_t *)sink;
	return true;
}

static void
replay(struct fake_host *h)
{
	struct gearmand_error err = { .text = "" };
	struct rusage before, after;
	size_t count = 0;
	double start;
	void *store;

	rows = replayed;
	make_keys(1);
	module_prepare();
	store = module_open(h);
	module_pass(h, store, 4096, GEARMAND_ADD);
	h->ops->close(&store);
	getrusage(RUSAGE_SELF, &before);
	start = seconds();
	store = module_open(h);
	printf("open: %.2f s\n", seconds() - start);
	start = seconds();
	if (!h->ops->replay(store, count_job, &count, &err))
		die(err.text);
	getrusage(RUSAGE_SELF, &after);
	printf("replay: %zu jobs in %.2f s, %.0f jobs/s, %ld KiB of memory\n", count, seconds() - start,
	    (double)count / (seconds() - start), after.ru_maxrss - before.ru_maxrss);
	h->ops->close(&store);
	module_prepare();
}

int
main(int argc, char **argv)
{
	static const size_t batches[] = { 1, 16, 128, 1024, 8192 };
	struct fake_host h;

	if (argc < 3)
		die("usage: bench_postgres MODULE.so CONNINFO [ROWS [REPLAYED]]");
	conninfo = argv[2];
	if (argc > 3)
		rows = strtoul(argv[3], NULL, 10);
	if (argc > 4)
		replayed = strtoul(argv[4], NULL, 10);
	keys = rows == 0 ? NULL : calloc(rows > replayed ? rows : replayed, sizeof(*keys));
	if (keys == NULL)
		die("no rows");
	fake_host_load(&h, argv[1]);
	fake_host_set(&h, "libpq-conninfo", conninfo);
	fake_host_set(&h, "libpq-table", "bench_module");
	printf("| keys       |  batch | bare ADD/s | module/s  | ratio | bare DEL/s | module/s | ratio |\n"
	       "|---|---|---|---|---|---|---|---|\n");
	for (int is_random = 0; is_random < 2; is_random++) {
		size_t all = rows;

		make_keys(is_random);
		for (size_t i = 0; i < sizeof(batches) / sizeof(*batches); i++) {
			rows = all < batches[i] * 2000 ? all : batches[i] * 2000; /* small batches are slow */
			compare(&h, is_random ? "random" : "ascending", batches[i]);
			rows = all;
		}
	}
	if (replayed > 0)
		replay(&h);
	free(keys);
	return 0;
}
