/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The Tokyo Cabinet queue: background jobs in one database file, and dead ones in another.
 *
 * Runs on:  the store thread.
 * Owns:     the store: databases and their locks, from open to close.
 *
 * gearmand 1.1 makes a job of each record in its file, so the dead are in a second one beside it: "queue.dead.tch"
 * for "queue.tch".  It is a store like the first, with a journal of its own, and is made when the first job dies.
 */
#include <strings.h>

#include "queue_tokyo.h"

/* ---- The name: "queue.tch#bnum=1000000#opts=d", as Tokyo Cabinet's abstract API has it ---------------- */

static bool
name_ends_in(const char *path, const char *suffix)
{
	size_t len = strlen(path), end = strlen(suffix);

	return len > end && strcasecmp(path + len - end, suffix) == 0;
}

/* The library gets the parameters that shape the file; some of the others would make it throw jobs away. */
static bool
add_parameter(const struct gearmand_host *host, struct tk_name *n, const char *key, const char *value)
{
	static const char *const known[] = { "bnum", "apow", "fpow", "opts", "lmemb", "nmemb", "lcnum", "ncnum" };
	size_t used = strlen(n->parameters), room = sizeof(n->parameters) - used;

	for (size_t i = 0; i < GM_COUNT(known); i++) {
		/* Without the option "l" a file ends at 2 GiB or a little above. */
		if (strcasecmp(key, known[i]) == 0)
			return (size_t)snprintf(n->parameters + used, room, "#%s=%s%s", known[i], value,
				   strcmp(known[i], "opts") == 0 ? "l" : "") < room;
	}
	host->log(host, GEARMAND_LOG_WARNING, "queue file %s: the parameter \"%s\" is ignored", n->path, key);
	return true;
}

static bool
parse_name(const struct gearmand_host *host, const char *text, struct tk_name *n, struct gearmand_error *err)
{
	char copy[TK_PATH], *rest, *value;

	*n = (struct tk_name){ .parameters = "#opts=l" };
	if (text == NULL || text[0] == '\0')
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "the tokyo queue needs --libtokyocabinet-file=NAME, the file that holds the jobs");
	if (strlen(text) >= sizeof(copy) - 1)
		return gm_fail(err, GEARMAND_WHY_LASTING, "--libtokyocabinet-file: the name is too long");
	strcpy(copy, text);
	rest = copy;
	strcpy(n->path, strsep(&rest, "#"));
	n->is_tree = name_ends_in(n->path, ".tcb") || name_ends_in(n->path, ".bdb");
	if (!n->is_tree && !name_ends_in(n->path, ".tch") && !name_ends_in(n->path, ".hdb"))
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "--libtokyocabinet-file=%.200s: a queue is a hash database, whose name ends in .tch, or a B+ tree, "
		    "whose name ends in .tcb; the other kinds of Tokyo Cabinet cannot keep jobs safely",
		    text);
	while (rest != NULL) {
		char *key = strsep(&rest, "#");

		value = strchr(key, '=');
		if (value == NULL)
			continue; /* as the library does */
		*value++ = '\0';
		if (!add_parameter(host, n, key, value))
			return gm_fail(
			    err, GEARMAND_WHY_LASTING, "--libtokyocabinet-file=%.200s: too many parameters", text);
	}
	return true;
}

enum { HOLES_MOST = 16 << 20 }; /* bytes of a file that has no jobs */

/* The library gives no room back. */
bool
tk_store_make_small(struct tk_store *s, size_t most, struct gearmand_error *err)
{
	if (tcadbrnum(s->db) > 0 || tcadbsize(s->db) <= s->head.first + most)
		return true;
	tk_db_drop(s);
	if (ftruncate(s->fd, 0) != 0)
		return tk_fail_errno(s, err, "emptying it");
	return tk_db_make(s, err) && tk_head_load(s, err) && tk_db_open(s, err);
}

static bool
open_store(struct tk_store *s, struct gearmand_error *err)
{
	if (!tk_journal_redo(s, err) || !tk_head_load(s, err))
		return false;
	if (s->head.size == 0 && (!tk_db_make(s, err) || !tk_head_load(s, err)))
		return false;
	/* So that the library does not trust its list of free blocks, which it writes last. */
	if (s->had_journal && !tk_head_mark_open(s))
		return tk_fail_errno(s, err, "writing to it");
	return tk_db_open(s, err) && tk_journal_open(s, err) && tk_store_make_small(s, HOLES_MOST, err);
}

bool
tk_store_again(struct tk_store *s, struct gearmand_error *err)
{
	tk_db_drop(s);
	return tk_head_load(s, err) && tk_db_open(s, err);
}

/* What belongs to the file stays beside it when it could not be closed in order, or has lost its name. */
static void
close_store(struct tk_store *s)
{
	bool sound = s->db != NULL && s->journal_fd >= 0 && tk_db_is_well(s) && tk_journal_settle(s);

	if (sound)
		sound = tk_db_close(s) && fsync(s->fd) == 0 && tk_file_is_there(s);
	else
		tk_db_drop(s);
	tk_journal_close(s, sound);
	if (s->fd >= 0)
		close(s->fd);
	free(s->path);
	gm_bytes_free(&s->key);
	gm_bytes_free(&s->value);
	gm_bytes_free(&s->log);
	gm_bytes_free(&s->redo);
	s->magic = 0;
	s->host->release(s);
}

static void
tk_close(void **store)
{
	struct tk_store *s;

	if (*store == NULL)
		return;
	s = GM_STORE(struct tk_store, *store, TK_STORE_MAGIC);
	*store = NULL;
	if (s->dead != NULL)
		close_store(s->dead);
	close_store(s);
}

static struct tk_store *
new_store(const struct gearmand_host *host)
{
	struct tk_store *s = host->allocate(sizeof(*s));

	s->magic = TK_STORE_MAGIC;
	s->host = host;
	s->fd = s->journal_fd = s->log_fd = -1;
	s->sequence = (uint64_t)host->wall() / 1000; /* if a job has more, the replay finds out */
	return s;
}

bool
tk_dead_open(struct tk_store *s, bool make, struct gearmand_error *err)
{
	struct tk_store *dead = new_store(s->host);
	const char *ending = s->path + strlen(s->path) - 4;
	bool is_missing, ok;

	dead->is_dead = true;
	dead->name = s->name;
	snprintf(dead->name.path, sizeof(dead->name.path), "%.*s.dead%s", (int)(ending - s->path), s->path, ending);
	is_missing = !make && access(dead->name.path, F_OK) != 0 && errno == ENOENT;
	ok = is_missing || (tk_file_open(dead, err) && open_store(dead, err));
	if (ok && !is_missing)
		s->dead = dead;
	else
		close_store(dead);
	return ok;
}

static bool
tk_open(const struct gearmand_host *host, struct gearmand_opening *opening, void **store_r, struct gearmand_error *err)
{
	struct tk_store *s;
	void *store;

	(void)opening;
	if (strcmp(tcversion, _TC_VERSION) != 0)
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "the tokyo queue was built with Tokyo Cabinet %s and works with no other version; this one is %s",
		    _TC_VERSION, tcversion);
	store = s = new_store(host);
	if (!parse_name(host, host->option(host, "libtokyocabinet-file"), &s->name, err) || !tk_file_open(s, err) ||
	    !open_store(s, err) || !tk_dead_open(s, false, err)) {
		tk_close(&store);
		return false;
	}
	*store_r = s;
	return true;
}

static const struct gearmand_option tk_options[] = {
	{ "libtokyocabinet-file", GEARMAND_OPT_STRING, .value_name = "NAME",
	    .help = "database that holds the jobs, a file .tch or .tcb with #parameters; made when missing" },
	{ "libtokyocabinet-optimize", GEARMAND_OPT_SWITCH,
	    .help = "does nothing; gearmand 1.1 rewrote the file at each start" },
	{ 0 }
};

static const char *const tk_aliases[] = { "tokyocabinet", "libtokyocabinet", NULL };

static const struct gearmand_queue_ops tk_ops = {
	.size = sizeof(struct gearmand_queue_ops),
	.open = tk_open,
	.replay = tk_replay,
	.commit = tk_commit,
	.close = tk_close,
	.check = tk_check,
	.keeps_dead = true,
};

GEARMAND_QUEUE_PLUGIN(
    "tokyo", tk_aliases, "0.1.0", "keeps background jobs in a Tokyo Cabinet database", tk_options, &tk_ops);
