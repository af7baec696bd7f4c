/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The name of a database as Tokyo's abstract API has it: "casket.tch#bnum=1000000#opts=ld".
 *
 * Runs on:  the store thread.
 * Owns:     nothing.
 *
 * The API itself is not used: it hides what a transaction needs, waits for locks, and maps the file in a way
 * that kills the process when the disk is full.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "queue_tokyo.h"

static bool
fail(const struct gearmand_host *host, struct gearmand_error *err, const char *text, const char *why)
{
	host->error_set(err, "--libtokyocabinet-file=%.300s: %s", text, why);
	err->why = GEARMAND_WHY_LASTING;
	return false;
}

/* ---- Kinds --------------------------------------------------------------------------------- */

static const struct {
	const char *suffix;
	const struct tk_kind *kind;
} suffixes[] = {
	{ ".tch", &tk_hash },
	{ ".hdb", &tk_hash },
	{ ".tcb", &tk_tree },
	{ ".bdb", &tk_tree },
	{ ".tct", &tk_table },
	{ ".tdb", &tk_table },
};

static bool
ends_in(const char *path, const char *suffix)
{
	size_t len = strlen(path), end = strlen(suffix);

	return len > end && strcasecmp(path + len - end, suffix) == 0;
}

static bool
find_kind(const struct gearmand_host *host, const char *text, struct tk_name *n, struct gearmand_error *err)
{
	if (strcmp(n->path, "*") == 0) {
		n->kind = &tk_memory_hash;
		return true;
	}
	if (strcmp(n->path, "+") == 0) {
		n->kind = &tk_memory_tree;
		return true;
	}
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		if (ends_in(n->path, suffixes[i].suffix)) {
			n->kind = suffixes[i].kind;
			return true;
		}
	}
	if (ends_in(n->path, ".tcf") || ends_in(n->path, ".fdb"))
		return fail(host, err, text,
		    "a fixed-length database has numbers for keys and cannot hold jobs; "
		    "use .tch (hash) or .tcb (B+ tree)");
	return fail(host, err, text,
	    "the name must end in .tch (hash), .tcb (B+ tree) or .tct (table), "
	    "or be * or + (in memory)");
}

/* ---- Parameters ------------------------------------------------------------------------------ */

static bool
set_mode(
    const struct gearmand_host *host, const char *text, struct tk_name *n, const char *mode, struct gearmand_error *err)
{
	n->may_create = strchr(mode, 'c') != NULL;
	n->may_lock = strchr(mode, 'e') == NULL;
	if (strchr(mode, 'w') == NULL)
		return fail(host, err, text, "mode has no w: a queue must be written");
	if (strchr(mode, 't') != NULL)
		return fail(host, err, text, "mode has t, which would throw all jobs away at each start; leave it out");
	if (!n->may_lock)
		host->log(host, GEARMAND_LOG_WARNING,
		    "queue file %s: mode=e opens it without a lock; nothing keeps "
		    "a second server away",
		    n->path);
	return true;
}

static uint8_t
options_of(const char *letters)
{
	static const struct {
		char letter;
		uint8_t bit;
	} known[] = { { 'l', HDBTLARGE }, { 'd', HDBTDEFLATE }, { 'b', HDBTBZIP }, { 't', HDBTTCBS } };
	uint8_t opts = HDBTLARGE; /* without it a file ends at 2 GiB or a little above */

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strchr(letters, known[i].letter) != NULL)
			opts |= known[i].bit;
	}
	return opts;
}

static bool
is_one_of(const char *key, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (strcasecmp(key, *list) == 0)
			return true;
	}
	return false;
}

/* What only tells how Tokyo is to use memory, or when to move records about: nothing that must be. */
static const char *const ignored[] = { "xmsiz", "rcnum", "dfunit", "width", "limsiz", NULL };
static const char *const numbers[] = { "bnum", "lmemb", "nmemb", "lcnum", "ncnum", "apow", "fpow", NULL };

static void
set_number(struct tk_tuning *t, const char *key, int64_t n)
{
	int8_t small = n < 0 ? -1 : n > 100 ? 100 : (int8_t)n;

	if (strcasecmp(key, "bnum") == 0)
		t->bnum = n;
	else if (strcasecmp(key, "lmemb") == 0)
		t->lmemb = n;
	else if (strcasecmp(key, "nmemb") == 0)
		t->nmemb = n;
	else if (strcasecmp(key, "lcnum") == 0)
		t->lcnum = n;
	else if (strcasecmp(key, "ncnum") == 0)
		t->ncnum = n;
	else if (strcasecmp(key, "apow") == 0)
		t->apow = small;
	else
		t->fpow = small;
}

/* Tokyo's own: "1k" is 1024. */
static int64_t
number_of(const char *value)
{
	int64_t n = tcatoix(value);

	return n > INT32_MAX ? INT32_MAX : n;
}

static bool
set_parameter(const struct gearmand_host *host, const char *text, struct tk_name *n, const char *key, const char *value,
    struct gearmand_error *err)
{
	if (strcasecmp(key, "mode") == 0)
		return set_mode(host, text, n, value, err);
	if (strcasecmp(key, "opts") == 0)
		n->tuning.opts = options_of(value);
	else if (strcasecmp(key, "capnum") == 0 || strcasecmp(key, "capsiz") == 0)
		return fail(host, err, text, "capnum and capsiz would throw jobs away; leave them out");
	else if (strcasecmp(key, "idx") == 0)
		return fail(host, err, text, "an index (idx) is of no use to a queue; leave it out");
	else if (is_one_of(key, numbers))
		set_number(&n->tuning, key, number_of(value));
	else if (!is_one_of(key, ignored))
		host->log(host, GEARMAND_LOG_WARNING, "queue file %s: there is no parameter \"%s\"", n->path, key);
	return true;
}

static bool
parse_parameters(
    const struct gearmand_host *host, const char *text, struct tk_name *n, char *rest, struct gearmand_error *err)
{
	char *next, *value;

	for (; rest != NULL; rest = next) {
		next = strchr(rest, '#');
		if (next != NULL)
			*next++ = '\0';
		value = strchr(rest, '=');
		if (value == NULL)
			continue; /* as Tokyo does */
		*value++ = '\0';
		if (!set_parameter(host, text, n, rest, value, err))
			return false;
	}
	return true;
}

bool
tk_name_parse(const struct gearmand_host *host, const char *text, struct tk_name *n, struct gearmand_error *err)
{
	char copy[sizeof(n->path)], *rest;
	bool ok;

	*n = (struct tk_name){ .may_create = true,
		.may_lock = true,
		.tuning = { .bnum = -1,
		    .lmemb = -1,
		    .nmemb = -1,
		    .lcnum = -1,
		    .ncnum = -1,
		    .apow = -1,
		    .fpow = -1,
		    .opts = HDBTLARGE } };
	if (text == NULL || text[0] == '\0') {
		host->error_set(err, "the tokyo queue needs --libtokyocabinet-file=NAME, the file that holds the jobs");
		err->why = GEARMAND_WHY_LASTING;
		return false;
	}
	if (strlen(text) >= sizeof(copy))
		return fail(host, err, text, "the name is too long");
	memcpy(copy, text, strlen(text) + 1);
	rest = strchr(copy, '#');
	if (rest != NULL)
		*rest++ = '\0';
	memcpy(n->path, copy, strlen(copy) + 1);
	ok = find_kind(host, text, n, err) && parse_parameters(host, text, n, rest, err);
	if (ok && n->kind->type < 0)
		host->log(host, GEARMAND_LOG_WARNING, "queue file %s: a %s; jobs do not outlive this process", n->path,
		    n->kind->what);
	return ok;
}
