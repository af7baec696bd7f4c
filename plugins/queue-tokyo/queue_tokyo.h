/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue_tokyo.h - insides of the Tokyo Cabinet queue module, shared by its files.
 *
 * Runs on:  the store thread.
 * Owns:     one database file with what belongs to it, and a lock on it.
 *
 * queue_tokyo.c  the descriptor; opens and closes
 * name.c         "casket.tch#bnum=1000" -> path, kind, tuning
 * file.c         the file as such: made, locked, still where it was
 * kind.c         hash database and B+ tree behind one table of calls; kind_other.c table and memory
 * header.c       the head of a database file, and whether its blocks are sound; content.c what is in them
 * undo.c         Tokyo's log of a transaction: what it touched, and taking it back
 * journal.c      what commits wrote, for after a loss of power
 * record.c       job <-> key and value
 * place.c        under which key a job is, or goes
 * commit.c       a batch of changes -> one transaction
 * replay.c       records -> jobs, in order; order.c sorts them in bounded memory
 * rewrite.c      the file without its holes
 * sentence.c     error codes -> what the operator reads, and what the host does next
 */
#ifndef QUEUE_TOKYO_H
#define QUEUE_TOKYO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <tcutil.h>
#include <tchdb.h>

#include <gearmand/plugin.h>

#include "layout.h"

enum { TK_UNIQUE_MAX = 64, TK_FUNCTION_MAX = 8192 };
enum { TK_VALUE_MAX = 512 << 20 }; /* bytes of a record; Tokyo counts in int, and joins free blocks up to this */

/* Bytes that grow; free() of `data` is the owner's. */
struct tk_buf {
	char *data;
	size_t len, room;
};

/* ---- The name (name.c) ------------------------------------------------------------------ */

struct tk_tuning {
	int64_t bnum, lmemb, nmemb, lcnum, ncnum; /* -1: as Tokyo, or we, think best */
	int8_t apow, fpow;
	uint8_t opts; /* HDBT*; the other kinds have the same bits */
	int64_t
	    mapped; /* bytes of the file; 0 = the bucket array alone.  Only what has its blocks on the disk may be */
};

struct tk_kind;

struct tk_name {
	char path[4096]; /* as the operator wrote it */
	const struct tk_kind *kind;
	struct tk_tuning tuning;
	bool may_create, may_lock;
};

/* False: error says what is wrong with it.  Logs what is ignored. */
bool tk_name_parse(const struct gearmand_host *, const char *text, struct tk_name *, struct gearmand_error *);

/* ---- Kinds of database (kind.c, kind_other.c) ----------------------------------------------- */

struct tk_db {
	const struct tk_kind *kind;
	void *handle;     /* TCHDB, TCBDB, TCTDB or TCADB; NULL = not open */
	TCHDB *hdb;       /* the hash database that every file is; NULL in memory */
	void *cursor;     /* BDBCUR */
	int code;         /* TCE* of an open that failed */
	size_t cached;    /* B+ tree: bytes of data in its cache, at most */
	uint64_t largest; /* B+ tree: bytes of a record that was or is there, at least */
	uint64_t passed;  /* B+ tree: records since `first` */
};

enum { TK_ABSENT = -1, TK_FAILED = -2 };

struct tk_kind {
	const char *what; /* "hash database" */
	int type;         /* in the head of the file; -1 in memory */
	bool (*open)(struct tk_db *, const char *path, const struct tk_tuning *, bool create);
	void (*close)(struct tk_db *); /* takes back a transaction */
	bool (*begin)(struct tk_db *);
	bool (*flush)(struct tk_db *); /* all that the transaction changed is in the file's pages */
	bool (*commit)(struct tk_db *);
	bool (*abort)(struct tk_db *);
	/* Where there is none.  1: done, 0: there is one, TK_FAILED. */
	int (*put)(struct tk_db *, struct gearmand_slice key, struct gearmand_slice value);
	bool (*out)(struct tk_db *, struct gearmand_slice key); /* true, too, when there is none */
	/* The same if the value begins so; NULL where looking first costs no more. */
	bool (*out_if)(struct tk_db *, struct gearmand_slice key, struct gearmand_slice begin);
	/* The first `max` bytes of the value; how many, TK_ABSENT or TK_FAILED. */
	int (*head)(struct tk_db *, struct gearmand_slice key, char *bytes, int max);
	char *(*get)(struct tk_db *, struct gearmand_slice key, int *size_r); /* free(); NULL = absent or failed */
	bool (*first)(struct tk_db *);
	/* 1, 0 at the end, TK_FAILED. */
	int (*next)(struct tk_db *, TCXSTR *key, TCXSTR *value);
	uint64_t (*count)(struct tk_db *);
};

extern const struct tk_kind tk_hash, tk_tree, tk_table, tk_memory_hash, tk_memory_tree;

bool tk_db_failed(const struct tk_db *); /* only a new open helps */
int tk_db_code(const struct tk_db *);    /* TCE* */

/* ---- The store ------------------------------------------------------------------------------ */

struct tk_journal {
	int fd; /* -1 = none */
	uint64_t generation;
	off_t end;          /* where the next batch goes */
	int64_t settled_at; /* monotonic: when the database was last made safe as a whole */
	bool is_full;       /* the disk is: not tried until the database is settled */
};

struct tk_store {
	uint32_t magic;
	const struct gearmand_host *host;
	struct tk_name name;
	struct tk_db db;
	char *path;  /* absolute; NULL in memory */
	int lock_fd; /* the database file; -1 = none */
	dev_t dev;
	ino_t ino;
	struct tk_layout layout; /* at open */
	struct tk_journal journal;
	struct tk_buf key, value, head, log, redo;
	uint64_t sequence;   /* of the latest job */
	bool has_other_keys; /* some job may be under its second key */
	bool is_half_done;   /* a transaction could not be taken back */
};

struct tk_store *tk_store_of(void *store);
/* The database, under the same lock all the time. */
void tk_store_close(struct tk_store *);
bool tk_store_reopen(struct tk_store *, struct gearmand_error *);

bool tk_replay(void *store, gearmand_replay_f *, void *sink, struct gearmand_error *);
enum gearmand_commit tk_check(void *store, struct gearmand_error *);
enum gearmand_commit tk_commit(void *store, struct gearmand_change *, size_t count, struct gearmand_error *);

/* False when there is no memory. */
bool tk_buf_add(struct tk_buf *, const void *bytes, size_t len);
char *tk_buf_room(struct tk_buf *, size_t len); /* `len` bytes behind the end, not yet counted in */

/* ---- Files (file.c) ---------------------------------------------------------------------------- */

bool tk_file_open(struct tk_store *, struct gearmand_error *);  /* finds or makes, locks */
bool tk_file_watch(struct tk_store *, struct gearmand_error *); /* once Tokyo has it open */
bool tk_file_is_there(const struct tk_store *);
/* The first `most` bytes have their blocks on the disk; false where that cannot be had, or does not last. */
bool tk_file_fill(int fd, off_t most);
void tk_file_close(struct tk_store *);
int tk_file_lock(int fd); /* 0, or errno; EAGAIN: somebody has it */
void tk_file_name(const struct tk_store *, const char *suffix, char *path, size_t size);
bool tk_file_remove(const struct tk_store *, const char *suffix); /* true, too, when there is none */
bool tk_folder_sync(const struct tk_store *);
bool tk_read_at(int fd, void *bytes, size_t len, off_t at);
bool tk_write_at(int fd, const void *bytes, size_t len, off_t at);

/* ---- Safety (undo.c, journal.c) ------------------------------------------------------------------ */

/* One region that a transaction touched, as it was. */
struct tk_region {
	uint64_t at;
	uint32_t len;
	const char *bytes;
};

struct tk_log {
	bool is_swapped;
	uint64_t file_size; /* when the transaction began */
	const char *rest, *end;
};

/* False when it is no log of a transaction, or not yet. */
bool tk_log_begin(struct tk_log *, const struct tk_buf *, bool is_swapped);
bool tk_log_next(struct tk_log *, struct tk_region *);
bool tk_log_read(int fd, struct tk_buf *); /* the whole file */

/* Before Tokyo opens the file: takes back what a killed process left half done.  `always`: even when
 * the file says that it was closed in order. */
bool tk_undo(struct tk_store *, bool always, struct gearmand_error *);

/* Before Tokyo opens the file, after tk_undo(): repeats what was committed and a loss of power took. */
bool tk_journal_redo(struct tk_store *, struct gearmand_error *);
bool tk_journal_open(struct tk_store *, struct gearmand_error *); /* the database is safe as it is */
/* Ends the transaction of s->db; true: it is durable.  False: errno may say why, and it is still open. */
bool tk_journal_commit(struct tk_store *);
/* While there is nothing to do: the database is made safe as a whole. */
bool tk_journal_rest(struct tk_store *);
void tk_journal_close(struct tk_store *, bool in_order);

/* ---- Jobs (record.c, place.c) ---------------------------------------------------------------------- */

struct tk_record {
	struct gearmand_job job; /* into the value */
	uint64_t sequence;       /* 0 = written by gearmand 1.1 */
	struct tk_buf text;      /* handle and reducer; keep for the next record, free() in the end */
};

bool tk_record_write(struct tk_buf *value, const struct gearmand_job *, uint64_t sequence);
/* False: not a job. */
bool tk_record_read(struct tk_record *, struct gearmand_slice value);
/* What comes before the data may be cut off behind `function` and `unique`; 0 = not known. */
uint64_t tk_record_sequence(struct gearmand_slice head);

/* A key is valid until the next call with the same buffer.  Empty: no memory. */
struct gearmand_slice tk_key_first(struct tk_buf *, const struct gearmand_job *);
struct gearmand_slice tk_key_second(struct tk_buf *, const struct gearmand_job *);

struct tk_place {
	struct gearmand_slice key;
	bool is_stored;    /* the job is there now */
	uint64_t sequence; /* its; 0 = none */
};

/* Where an ADD of it goes. */
bool tk_place_find(struct tk_store *, const struct gearmand_job *, struct tk_place *);
bool tk_place_add(struct tk_store *, const struct gearmand_job *, uint64_t sequence);
bool tk_place_remove(struct tk_store *, const struct gearmand_job *);

/* ---- A transaction (commit.c) --------------------------------------------------------------------------- */

/* For one job of that size in the place of another record.  When any step fails, tk_abort(), and then
 * tk_store_reopen() or close. */
bool tk_begin(struct tk_store *, size_t size);
bool tk_end(struct tk_store *); /* true: it is durable */
void tk_abort(struct tk_store *);

#define TK_NEW ".new" /* suffix of the file that is being written */

/* ---- The rest ------------------------------------------------------------------------------------------ */

/* After a replay, if it is worth while: the file without its holes.  A failure is logged, and harmless. */
void tk_rewrite(struct tk_store *);

/* `doing` reads like "storing jobs"; `cause` is an errno, 0 = Tokyo's code tells all. */
void tk_sentence(const struct tk_store *, struct gearmand_error *, int code, int cause, const char *doing);
bool tk_is_full(int cause);
bool tk_fail(const struct tk_store *, struct gearmand_error *, enum gearmand_why, const char *what);
bool tk_fail_errno(const struct tk_store *, struct gearmand_error *, const char *doing);

#endif
