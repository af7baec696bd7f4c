/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bare.h - a queue module beside a bare program that writes the same rows: rows stored, removed and replayed per
 * second.
 *
 * Runs on:  one thread.
 * Owns:     the keys, the loaded module and its store; the bare program owns its own.
 *
 * usage: bench_STORE MODULE.so WHERE [ROWS [REPLAYED]]
 *
 * The bare program does for each batch what the store needs and nothing else; the module's ops are called as the
 * store thread calls them.  The two take turns, a tenth of the rows each, so that what disturbs the machine
 * disturbs both.  Prints a line of name=value for each kind of keys and size of batch, and one for the replay.
 */
#ifndef TESTS_BENCH_BARE_H
#define TESTS_BENCH_BARE_H

#include <stddef.h>

#include "tests/plugins/fake_host.h"

/* Of a row, but for its key.  None of these needs a quote anywhere. */
#define BARE_FUNCTION "bench"
#define BARE_DATA     "0123456789abcdef0123456789abcdef"
#define BARE_HANDLE   "H:bench:123456789"

enum { BARE_KEY = 37 }; /* with its NUL */

typedef char bare_key[BARE_KEY];

struct bare {
	const char *program;
	void (*open)(const char *where, struct host *); /* once; sets the module's options */
	void (*begin)(void); /* an empty store for the bare program; the module's is not there yet */
	void (*end)(void);   /* both are gone; the module's may never have been there */
	/* One batch: one transaction where the store has them. */
	void (*add)(const bare_key *, size_t count);
	void (*remove)(const bare_key *, size_t count);
};

int bare_main(const struct bare *, int argc, char **argv);
_Noreturn void bare_die(const char *what); /* with the program's name in front */

#endif
