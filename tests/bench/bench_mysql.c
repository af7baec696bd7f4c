/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bench_mysql - what the MySQL module costs beside bare MySQL: rows stored, removed and replayed per second.
 *
 * Runs on:  one thread.
 * Owns:     tables bench_bare and bench_module in the database "jobs" of the given server, which are dropped again.
 *
 * usage: bench_mysql MODULE.so SOCKET [ROWS [REPLAYED]]
 *
 * Bare: the same rows in the same table, one INSERT of many rows or one DELETE of many keys per batch: one round trip
 * and one transaction, nothing else.  Module: its ops, as the store thread calls them.  A server of its own for this:
 * tests/stores/mysql.py, whose root comes in.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <mysql.h>

#include "tests/plugins/fake_host.h"

enum { KEY = 37, DATA = 32, ROW = 200 };

static const char *socket_path;
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
	fprintf(stderr, "bench_mysql: %s\n", what);
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
must(MYSQL *c, const char *sql)
{
	if (mysql_query(c, sql) != 0)
		die(mysql_error(c));
}

static MYSQL *
bare_connect(void)
{
	MYSQL *c = mysql_init(NULL);

	if (c == NULL || mysql_real_connect(c, NULL, "root", NULL, "jobs", 0, socket_path, 0) == NULL)
		die(c == NULL ? "no memory" : mysql_error(c));
	return c;
}

/* None of the bytes needs an escape. */
static void
bare_pass(MYSQL *c, size_t batch, int is_add)
{
	char *sql = malloc(batch * ROW + ROW), *p;

	if (sql == NULL)
		die("no memory");
	for (size_t i = 0; i < rows; i += batch) {
		size_t n = rows - i < batch ? rows - i : batch;

		p = sql + sprintf(sql, is_add ? "INSERT INTO bench_bare (unique_key, function_name, priority, data, when_to_run,"
						" job_handle, reducer, flags) VALUES "
					      : "DELETE FROM bench_bare WHERE function_name = 'bench' AND unique_key IN (");
		for (size_t j = i; j < i + n; j++)
			p += sprintf(p, is_add ? "%s('%s','bench',1,'0123456789abcdef0123456789abcdef',0,'H:bench:123456789','',0)"
					       : "%s'%s'", j == i ? "" : ",", keys[j]);
		strcpy(p, is_add ? "" : ")");
		must(c, sql);
	}
	free(sql);
}

static void
bare(size_t batch, double *add_r, double *remove_r)
{
	MYSQL *c = bare_connect();
	double start;

	must(c, "DROP TABLE IF EXISTS bench_bare");
	must(c, "CREATE TABLE bench_bare (unique_key VARBINARY(64), function_name VARBINARY(703), priority INT, data LONGBLOB, "
		"when_to_run BIGINT, job_handle VARBINARY(255), reducer BLOB, flags INT UNSIGNED, seq BIGINT UNSIGNED NOT NULL "
		"AUTO_INCREMENT PRIMARY KEY, UNIQUE KEY (unique_key, function_name)) ENGINE=InnoDB");
	start = seconds();
	bare_pass(c, batch, 1);
	*add_r = (double)rows / (seconds() - start);
	start = seconds();
	bare_pass(c, batch, 0);
	*remove_r = (double)rows / (seconds() - start);
	must(c, "DROP TABLE bench_bare");
	mysql_close(c);
}

/* ---- Module ---------------------------------------------------------------------------- */

static void
module_prepare(void)
{
	MYSQL *c = bare_connect();

	must(c, "DROP TABLE IF EXISTS bench_module");
	mysql_close(c);
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
		die("usage: bench_mysql MODULE.so SOCKET [ROWS [REPLAYED]]");
	socket_path = argv[2];
	if (argc > 3)
		rows = strtoul(argv[3], NULL, 10);
	if (argc > 4)
		replayed = strtoul(argv[4], NULL, 10);
	keys = rows == 0 ? NULL : calloc(rows > replayed ? rows : replayed, sizeof(*keys));
	if (keys == NULL)
		die("no rows");
	fake_host_load(&h, argv[1]);
	fake_host_set(&h, "mysql-socket", socket_path);
	fake_host_set(&h, "mysql-user", "root");
	fake_host_set(&h, "mysql-db", "jobs");
	fake_host_set(&h, "mysql-table", "bench_module");
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
