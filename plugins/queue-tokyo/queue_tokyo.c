/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The Tokyo Cabinet queue: background jobs in one database file.
 *
 * Runs on:  the store thread.
 * Owns:     the store: one database and one lock, from open to close.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "queue_tokyo.h"

#define STORE_MAGIC 0x71746b79u /* "qtky" */

enum { MAPPED_MOST = 256 << 20 }; /* bytes */

struct tk_store *
tk_store_of(void *store)
{
	struct tk_store *s = store;

	if (s == NULL || s->magic != STORE_MAGIC)
		abort();
	return s;
}

/* ---- Buffers --------------------------------------------------------------------------------- */

char *
tk_buf_room(struct tk_buf *b, size_t len)
{
	size_t room = b->room == 0 ? 256 : b->room;
	char *data;

	if (b->room - b->len < len || b->data == NULL) {
		while (room - b->len < len)
			room *= 2;
		data = realloc(b->data, room);
		if (data == NULL) {
			errno = ENOMEM;
			return NULL;
		}
		b->data = data;
		b->room = room;
	}
	return b->data + b->len;
}

bool
tk_buf_add(struct tk_buf *b, const void *bytes, size_t len)
{
	char *to = tk_buf_room(b, len);

	if (to == NULL)
		return false;
	if (len > 0)
		memcpy(to, bytes, len);
	b->len += len;
	return true;
}

/* ---- The database -------------------------------------------------------------------------------- */

/* The file is durable, and closed in order; unless its last transaction could not be taken back: then that is done
 * now, or by the next open. */
void
tk_store_close(struct tk_store *s)
{
	struct gearmand_error ignored = { .text = "" };
	bool sound = !s->is_half_done;

	if (s->db.handle == NULL)
		return;
	if (s->db.hdb == NULL) {
		s->db.kind->close(&s->db);
		return;
	}
	if (!tk_db_failed(&s->db))
		sound = tchdbmemsync(s->db.hdb, true) && sound;
	s->db.kind->close(&s->db);
	if (s->is_half_done)
		sound = tk_undo(s, true, &ignored);
	s->is_half_done = false;
	sound = fsync(s->lock_fd) == 0 && sound && tk_file_is_there(s);
	if (sound)
		(void)tk_file_remove(s, ".wal");
	tk_journal_close(s, sound);
}

static bool
open_db(struct tk_store *s, bool check, struct gearmand_error *err)
{
	struct tk_layout made;

	if (!tk_undo(s, false, err) || !tk_journal_redo(s, err) || !tk_layout_load(s, err) ||
	    (check && !tk_layout_check(s, err)))
		return false;
	if (check)
		(void)tk_file_remove(s, TK_NEW); /* of a server that was killed while it wrote it */
	else
		s->layout.live = s->layout.size; /* not known */
	s->name.tuning.mapped = tk_file_fill(s->lock_fd, MAPPED_MOST) ? MAPPED_MOST : 0;
	errno = 0;
	if (!s->name.kind->open(&s->db, s->path, &s->name.tuning, false)) {
		tk_sentence(s, err, s->db.code, errno, "opening it");
		/* A piece of a new one is no database; if this fails, the next open sees what it is. */
		if (s->layout.size == 0)
			(void)!ftruncate(s->lock_fd, 0);
		return false;
	}
	if (s->layout.largest > s->db.largest)
		s->db.largest = s->layout.largest;
	s->layout.is_swapped = tk_layout_read(&made, s->db.hdb->map) && made.is_swapped;
	return tk_file_watch(s, err) && tk_journal_open(s, err);
}

bool
tk_store_reopen(struct tk_store *s, struct gearmand_error *err)
{
	tk_store_close(s);
	return open_db(s, false, err);
}

static void
tk_close(void **store)
{
	struct tk_store *s;
	struct tk_buf *bufs[5];

	if (*store == NULL)
		return;
	s = tk_store_of(*store);
	*store = NULL;
	tk_store_close(s);
	tk_file_close(s);
	bufs[0] = &s->key, bufs[1] = &s->value, bufs[2] = &s->head, bufs[3] = &s->log, bufs[4] = &s->redo;
	for (size_t i = 0; i < sizeof(bufs) / sizeof(*bufs); i++)
		free(bufs[i]->data);
	s->magic = 0;
	s->host->release(s);
}

static bool
open_memory(struct tk_store *s, struct gearmand_error *err)
{
	if (s->name.kind->open(&s->db, s->name.path, &s->name.tuning, true))
		return true;
	return tk_fail(s, err, GEARMAND_WHY_LASTING, "cannot be made");
}

static bool
tk_open(const struct gearmand_host *host, struct gearmand_opening *opening, void **store_r, struct gearmand_error *err)
{
	struct tk_store *s = host->allocate(sizeof(*s));
	void *store = s;

	(void)opening;
	err->why = GEARMAND_WHY_PASSING;
	s->magic = STORE_MAGIC;
	s->host = host;
	s->lock_fd = s->journal.fd = -1;
	s->has_other_keys = true;
	s->sequence = (uint64_t)host->wall() / 1000; /* a replay knows better, if it is more */
	if (!tk_name_parse(host, host->option(host, "libtokyocabinet-file"), &s->name, err)) {
		tk_close(&store);
		return false;
	}
	s->db.kind = s->name.kind;
	if (s->name.kind->type < 0 ? !open_memory(s, err) : !tk_file_open(s, err) || !open_db(s, true, err)) {
		tk_close(&store);
		return false;
	}
	*store_r = s;
	return true;
}

static const struct gearmand_option tk_options[] = {
	{ "libtokyocabinet-file", GEARMAND_OPT_STRING, .value_name = "NAME",
	    .help = "Database that holds the jobs, as Tokyo Cabinet names it: a file .tch, .tcb or .tct, with "
		    "#parameters; made when missing" },
	{ "libtokyocabinet-optimize", GEARMAND_OPT_SWITCH,
	    .help = "Make the file smaller at start when much of it is holes; this is so anyway" },
	{ "libtokyocabinet-no-optimize", GEARMAND_OPT_SWITCH, .help = "Leave the file as it is at start" }, { 0 }
};

static const char *const tk_aliases[] = { "tokyocabinet", "libtokyocabinet", NULL };

static const struct gearmand_queue_ops tk_ops = {
	.size = sizeof(struct gearmand_queue_ops),
	.open = tk_open,
	.replay = tk_replay,
	.commit = tk_commit,
	.close = tk_close,
	.check = tk_check,
};

GEARMAND_QUEUE_PLUGIN(
    "tokyo", tk_aliases, "0.1.0", "keeps background jobs in a Tokyo Cabinet database", tk_options, &tk_ops);
