/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue_tokyo.h - insides of the Tokyo Cabinet queue module, shared by its files.
 *
 * Runs on:  the store thread.
 * Owns:     one database file with its journal, and the lock; the same once more for dead jobs.
 *
 * queue_tokyo.c  the descriptor; opens and closes
 * file.c         the file as such: made, locked, its head, still where it was
 * db.c           the library's handle, which writes to memory of our own instead of the file
 * journal.c      what commits write to the file: first here, with one sync, then there
 * record.c       a job <-> key and value
 * commit.c       a batch of changes -> one transaction
 * replay.c       records -> jobs, in order, in bounded memory
 */
#ifndef QUEUE_TOKYO_H
#define QUEUE_TOKYO_H

#include <sys/types.h>

#include <tcadb.h>
#include <tcutil.h>

#include <gearmand/module.h>

enum { TK_VALUE_MOST = 512 << 20, TK_TEXT_MOST = 1 << 20 }; /* bytes of a payload; of a handle or reducer */
enum { TK_PATH = 4096, TK_FILE_PATH = TK_PATH + 16 };

/* The value of --libtokyocabinet-file. */
struct tk_name {
	char path[TK_FILE_PATH]; /* as the operator wrote it */
	char parameters[512];    /* "#bnum=1000#opts=l", for the library */
	bool is_tree;            /* a B+ tree; else a hash database */
};

/* Of the head of a database file. */
struct tk_head {
	uint8_t type, flags, alignment, options; /* alignment: power of two */
	bool is_large;                           /* offsets have 64 bits */
	bool is_swapped;                         /* the library's numbers are big-endian */
	uint64_t buckets, records, size, first;  /* size: of the file; first: offset of the first block */
};

struct tk_store {
	uint32_t magic;
	const struct gearmand_host *host;
	struct tk_name name;

	char *path; /* absolute */
	int fd;     /* of the database file, with the lock; -1 = none */
	dev_t dev;
	ino_t ino;
	struct tk_head head; /* as it was when the file was opened */

	TCADB *db;      /* NULL = not open */
	void *inner;    /* the TCHDB or TCBDB in it */
	char *map;      /* the file as the library sees it */
	size_t map_len; /* more than the file will ever have */
	size_t written; /* bytes in the map that are copies of the file's, about */
	size_t read;    /* bytes of values in the cache of a B+ tree, at most */

	int journal_fd, log_fd; /* -1 = none; log: what a transaction touched, FILE.wal */
	uint64_t generation;
	off_t journal_end; /* where the next batch goes */
	bool had_journal;  /* the file was not closed in order by this module */

	struct gm_bytes key, value, log, redo; /* used again and again */
	uint64_t sequence;                     /* of the latest job */

	struct tk_store *dead; /* that of the dead jobs, by handle; NULL = none has died yet */
	bool is_dead;          /* it is that one */
};

#define TK_STORE_MAGIC 0x71746b79u /* "qtky" */

/* Where no job is left and the file is larger than that when empty: a new one in its place.  The journal is empty. */
bool tk_store_make_small(struct tk_store *, size_t most, struct gearmand_error *);
bool tk_store_again(struct tk_store *, struct gearmand_error *);          /* forgets what is not committed */
bool tk_dead_open(struct tk_store *, bool make, struct gearmand_error *); /* without `make` only if it is there */

bool tk_replay(void *store, gearmand_replay_f *, void *sink, struct gearmand_error *);
enum gearmand_commit tk_check(void *store, struct gearmand_error *);
enum gearmand_commit tk_commit(void *store, struct gearmand_change *, size_t count, struct gearmand_error *);

/* ---- Files (file.c) ---------------------------------------------------------------------------- */

bool tk_file_open(struct tk_store *, struct gearmand_error *); /* finds or makes it, locks it */
bool tk_file_is_there(const struct tk_store *);
/* Reads the head into s->head; size 0: the file is empty, or its making was broken off and it is empty now. */
bool tk_head_load(struct tk_store *, struct gearmand_error *);
/* The mark that the library puts on a file that it writes to, and takes off when it closes it. */
bool tk_head_is_open(const struct tk_store *);
bool tk_head_mark_open(struct tk_store *);

void tk_file_path(const struct tk_store *, const char *suffix, char path[TK_FILE_PATH]);
int tk_file_open_beside(const struct tk_store *, const char *suffix);
bool tk_file_remove(const struct tk_store *, const char *suffix); /* true as well when there was no such file */
bool tk_folder_sync(const struct tk_store *);
bool tk_read_at(int fd, void *bytes, size_t len, off_t at);
bool tk_write_at(int fd, const void *bytes, size_t len, off_t at);
uint64_t tk_number(const char *bytes, int len, bool is_swapped);

/* All are false, for `return tk_fail(...)`.  `doing` reads like "storing jobs"; NULL = nothing. */
bool tk_fail(const struct tk_store *, struct gearmand_error *, enum gearmand_why, const char *what);
bool tk_fail_errno(const struct tk_store *, struct gearmand_error *, const char *doing);
/* What the server does about that errno. */
enum gearmand_commit tk_outcome(int error);

/* ---- The database (db.c) ------------------------------------------------------------------------- */

bool tk_db_make(struct tk_store *, struct gearmand_error *); /* of the empty file */
bool tk_db_open(struct tk_store *, struct gearmand_error *);
void tk_db_drop(struct tk_store *);          /* closes without a change to the file */
bool tk_db_close(struct tk_store *);         /* all is committed and in the file: closes as the library does */
bool tk_db_is_well(const struct tk_store *); /* all calls since it was opened did what they should */

bool tk_db_begin(struct tk_store *);
bool tk_db_flush(struct tk_store *); /* all that the transaction changed is in the map */
bool tk_db_end(struct tk_store *);   /* once it is in the file */

bool tk_db_put(struct tk_store *, struct gearmand_slice key, struct gearmand_slice value);
bool tk_db_out(struct tk_store *, struct gearmand_slice key);                 /* true as well when there is none */
char *tk_db_get(struct tk_store *, struct gearmand_slice key, size_t *len_r); /* free(); NULL: absent, or failed */

/* ---- Safety (journal.c) ---------------------------------------------------------------------------- */

bool tk_journal_redo(struct tk_store *, struct gearmand_error *); /* before the library opens the file */
bool tk_journal_open(struct tk_store *, struct gearmand_error *); /* the file is safe as it is */
bool tk_journal_commit(struct tk_store *, bool *is_durable_r);    /* ends the transaction; errno */
bool tk_journal_settle(struct tk_store *);    /* the file is made safe, and the journal starts over */
bool tk_journal_give_room(struct tk_store *); /* its reserve; false: there was none left */
void tk_journal_close(struct tk_store *, bool remove);

/* ---- Jobs (record.c) --------------------------------------------------------------------------------- */

struct tk_record {
	struct gearmand_job job; /* points into the value */
	uint64_t sequence;       /* 0 = written by gearmand 1.1 */
	struct gm_bytes text;    /* handle and reducer; keep it for the next record, free it in the end */
};

bool tk_record_write(struct gm_bytes *value, const struct gearmand_job *, uint64_t sequence);
bool tk_record_read(struct tk_record *, struct gearmand_slice value); /* false: it is not a job */
/* Does the value begin as that of this job? */
bool tk_record_is_of(struct gearmand_slice value, const struct gearmand_job *);
/* Valid until the next call with the same buffer. */
struct gearmand_slice tk_key_first(struct gm_bytes *, const struct gearmand_job *);
struct gearmand_slice tk_key_second(struct gm_bytes *, const struct gearmand_job *);

bool tk_put_job(struct tk_store *, const struct gearmand_job *, uint64_t sequence);

#endif
