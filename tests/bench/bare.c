/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The driver of a module and a bare program, in turn; see bare.h.
 */
#include "tests/bench/bare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { SLICES = 10, BATCH_MOST = 4096, BATCHES_MOST = 2000 /* small batches are slow */ };

static const struct bare *bare;
static struct host host;
static void *store; /* the module's */
static struct gearmand_change *changes;
static bare_key *keys;

void
bare_die(const char *what)
{
	fprintf(stderr, "%s: %s\n", bare->program, what);
	exit(1);
}

static double
seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Random keys are the hard case for an index; ascending ones are what a client without uniques gets. */
static void
make_keys(bool are_random, size_t rows)
{
	uint64_t x = 88172645463325252u;

	for (size_t i = 0; i < rows; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		snprintf(keys[i], BARE_KEY, "%016" PRIx64 "-%019u", are_random ? x : 0, (unsigned)i);
	}
}

/* ---- The module -------------------------------------------------------------------------- */

static void
module_open(void)
{
	struct gearmand_error err = { .text = "" };

	store = NULL;
	if (!host.ops->open(&host.table, &host.opening, &store, &err))
		bare_die(err.text);
}

static void
module_batch(const bare_key *key, size_t count, enum gearmand_op op)
{
	struct gearmand_error err = { .text = "" };

	for (size_t i = 0; i < count; i++)
		changes[i] = (struct gearmand_change){ .op = op,
			.job = { .function = { BARE_FUNCTION, sizeof(BARE_FUNCTION) - 1 },
			    .unique = { key[i], BARE_KEY - 1 },
			    .data = { BARE_DATA, sizeof(BARE_DATA) - 1 },
			    .handle = { BARE_HANDLE, sizeof(BARE_HANDLE) - 1 },
			    .priority = GEARMAND_NORMAL } };
	if (host.ops->commit(store, changes, count, &err) != GEARMAND_COMMIT_DONE)
		bare_die(err.text);
}

static void
module_add(const bare_key *key, size_t count)
{
	module_batch(key, count, GEARMAND_ADD);
}

static void
module_remove(const bare_key *key, size_t count)
{
	module_batch(key, count, GEARMAND_REMOVE);
}

/* ---- In turn ------------------------------------------------------------------------------- */

typedef void batch_f(const bare_key *, size_t count);

static double
timed(batch_f *f, size_t from, size_t count, size_t batch)
{
	double start = seconds();

	for (size_t i = 0; i < count; i += batch)
		f(keys + from + i, count - i < batch ? count - i : batch);
	return seconds() - start;
}

/* Rows a second of each. */
static void
race(batch_f *a, batch_f *b, size_t rows, size_t batch, double *a_r, double *b_r)
{
	size_t slice = (rows / SLICES + batch - 1) / batch * batch;
	double a_time = 0, b_time = 0;

	for (size_t from = 0; from < rows; from += slice) {
		size_t count = rows - from < slice ? rows - from : slice;

		a_time += timed(a, from, count, batch);
		b_time += timed(b, from, count, batch);
	}
	*a_r = (double)rows / a_time;
	*b_r = (double)rows / b_time;
}

static void
compare(const char *kind, size_t rows, size_t batch)
{
	double bare_add, bare_remove, add, del;

	bare->begin();
	module_open();
	race(bare->add, module_add, rows, batch, &bare_add, &add);
	race(bare->remove, module_remove, rows, batch, &bare_remove, &del);
	host.ops->close(&store);
	bare->end();
	printf(
	    "keys=%s batch=%zu bare_add=%.0f add=%.0f add_ratio=%.2f bare_remove=%.0f remove=%.0f remove_ratio=%.2f\n",
	    kind, batch, bare_add, add, add / bare_add, bare_remove, del, del / bare_remove);
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
replay(size_t rows)
{
	struct gearmand_error err = { .text = "" };
	struct rusage before, after;
	double start, opened, end;
	size_t count = 0;

	make_keys(true, rows);
	bare->begin();
	module_open();
	timed(module_add, 0, rows, BATCH_MOST);
	host.ops->close(&store);
	getrusage(RUSAGE_SELF, &before);
	start = seconds();
	module_open();
	opened = seconds();
	if (!host.ops->replay(store, count_job, &count, &err))
		bare_die(err.text);
	end = seconds();
	getrusage(RUSAGE_SELF, &after);
	printf("replayed=%zu open_seconds=%.2f per_s=%.0f more_kib=%ld\n", count, opened - start,
	    (double)count / (end - opened), after.ru_maxrss - before.ru_maxrss);
	host.ops->close(&store);
	bare->end();
}

static size_t
number(int argc, char **argv, int at, size_t otherwise)
{
	return argc > at ? strtoul(argv[at], NULL, 10) : otherwise;
}

int
bare_main(const struct bare *b, int argc, char **argv)
{
	static const size_t batches[] = { 1, 16, 128, 1024, BATCH_MOST };
	size_t rows = number(argc, argv, 3, 100000), replayed = number(argc, argv, 4, 0);

	bare = b;
	if (argc < 3)
		bare_die("usage: MODULE.so WHERE [ROWS [REPLAYED]]");
	keys = calloc((rows > replayed ? rows : replayed) + 1, sizeof(*keys));
	changes = calloc(BATCH_MOST, sizeof(*changes));
	if (keys == NULL || changes == NULL)
		bare_die("no memory");
	fake_host_load(&host, argv[1]);
	bare->open(argv[2], &host);
	bare->end();
	for (int are_random = 0; are_random < 2 && rows > 0; are_random++) {
		make_keys(are_random != 0, rows);
		for (size_t i = 0; i < sizeof(batches) / sizeof(*batches); i++)
			compare(are_random ? "random" : "ascending",
			    rows < batches[i] * BATCHES_MOST ? rows : batches[i] * BATCHES_MOST, batches[i]);
	}
	if (replayed > 0)
		replay(replayed);
	free(changes);
	free(keys);
	return 0;
}
