/* SPDX-License-Identifier: BSD-3-Clause
 *
 * bench_tokyo - what the Tokyo Cabinet module costs beside bare Tokyo Cabinet; see bare.h.
 *
 * Runs on:  one thread.
 * Owns:     two hash databases in the given folder, which are removed again.
 *
 * WHERE is a folder, with TREE in front ("TREE:/var/tmp") for B+ trees.  Bare, for a batch: begin, put or out of each
 * row, commit, sync.  That is not yet safe when power is lost inside a commit; what is, by Tokyo's own means, syncs
 * once per row (SYNC in front: "SYNC:/var/tmp").  A batch of one row is done as gearmand 1.1 does it: put, sync; and
 * out without a sync.  Its rows are those of 1.1, without the handle that the module keeps as well.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tcbdb.h>
#include <tcutil.h>
#include <tchdb.h>

#include "tests/bench/bare.h"

static const char *folder, *kind = "tch";
static bool is_safe;
static TCHDB *hash;
static TCBDB *tree;

static void
path_of(char path[400], const char *which, const char *suffix)
{
	snprintf(path, 400, "%s/bench_tokyo.%ld.%s.%s%s", folder, (long)getpid(), which, kind, suffix);
}

static void
bare_open(const char *where, struct host *h)
{
	char path[400];

	if (strncmp(where, "TREE:", 5) == 0) {
		kind = "tcb";
		where += 5;
	} else if (strncmp(where, "SYNC:", 5) == 0) {
		is_safe = true;
		where += 5;
	}
	folder = where;
	path_of(path, "module", "");
	fake_host_set(h, "libtokyocabinet-file", path);
}

static void
bare_end(void)
{
	static const char *const suffix[] = { "", ".wal", ".journal" };
	char path[400];

	if (hash != NULL)
		tchdbdel(hash);
	if (tree != NULL)
		tcbdbdel(tree);
	hash = NULL;
	tree = NULL;
	for (int i = 0; i < 3; i++) {
		path_of(path, "bare", suffix[i]);
		unlink(path);
		path_of(path, "module", suffix[i]);
		unlink(path);
	}
}

static void
must(bool ok)
{
	if (!ok)
		bare_die(tcerrmsg(hash != NULL ? tchdbecode(hash) : tcbdbecode(tree)));
}

static void
bare_begin(void)
{
	char path[400];
	int mode = HDBOWRITER | HDBOCREAT | (is_safe ? HDBOTSYNC : 0);

	path_of(path, "bare", "");
	if (strcmp(kind, "tcb") == 0) {
		tree = tcbdbnew();
		must(tcbdbopen(tree, path, mode));
	} else {
		hash = tchdbnew();
		must(tchdbopen(hash, path, mode));
	}
}

static void
begin(void)
{
	must(hash != NULL ? tchdbtranbegin(hash) : tcbdbtranbegin(tree));
}

static void
commit(void)
{
	must(hash != NULL ? tchdbtrancommit(hash) : tcbdbtrancommit(tree));
}

static void
sync_all(void)
{
	must(hash != NULL ? tchdbsync(hash) : tcbdbsync(tree));
}

static int
key_of(char key[100], const bare_key *k)
{
	return snprintf(key, 100, BARE_FUNCTION "-%s", *k);
}

static void
put(const bare_key *k)
{
	char key[100], value[200];
	int klen = key_of(key, k);
	int vlen = snprintf(value, sizeof(value), BARE_FUNCTION "%c%s%c10%c" BARE_DATA, 0, *k, 0, 0);

	must(hash != NULL ? tchdbput(hash, key, klen, value, vlen) : tcbdbput(tree, key, klen, value, vlen));
}

static void
out(const bare_key *k)
{
	char key[100];
	int klen = key_of(key, k);

	must(hash != NULL ? tchdbout(hash, key, klen) : tcbdbout(tree, key, klen));
}

static void
run(void (*f)(const bare_key *), const bare_key *keys, size_t count)
{
	begin();
	for (size_t i = 0; i < count; i++)
		f(&keys[i]);
	commit();
	if (!is_safe)
		sync_all();
}

static void
bare_add(const bare_key *keys, size_t count)
{
	if (count == 1) {
		put(keys);
		sync_all();
	} else {
		run(put, keys, count);
	}
}

static void
bare_remove(const bare_key *keys, size_t count)
{
	if (count == 1)
		out(keys);
	else
		run(out, keys, count);
}

int
main(int argc, char **argv)
{
	static const struct bare tokyo = { "bench_tokyo", bare_open, bare_begin, bare_end, bare_add, bare_remove };

	return bare_main(&tokyo, argc, argv);
}
