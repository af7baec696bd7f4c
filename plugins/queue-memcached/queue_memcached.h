/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue_memcached.h - insides of the memcached queue module, shared by its files.
 *
 * Runs on:  the store thread; one thread of the module renews the lock.
 * Owns:     one connection to each memcached of the pool, and a lock there that says whose the jobs are.
 *
 * libmemcached reads the list of servers and says which of them has a key.  The conversation is ours: the library
 * sends what it buffers without telling which keys were stored, and that is all that matters here.
 *
 * queue_memcached.c  the descriptor; opens and closes
 * pool.c      option -> servers and connections; which of them has a key
 * link.c      one connection: bytes out, lines and blocks in, never for ever
 * text.c      bytes that grow
 * item.c      job <-> key and value
 * commit.c    a batch of changes -> one exchange with each server
 * lock.c      one gearmand per prefix: taken, given back, asked for by each commit; lock.h for these:
 * renew.c     ... renewed by a thread
 * owner.c     ... who had it last
 * life.c      is a process of this machine still there?
 * watch.c     what servers tell of themselves: limits, lost memory
 * dump.c      the keys of all jobs
 * takeover.c  jobs of gearmand 1.1, and those on a server that is not theirs
 * replay.c    jobs, in order
 */
#ifndef QUEUE_MEMCACHED_H
#define QUEUE_MEMCACHED_H

#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <gearmand/plugin.h>

/* Bytes: what a name is hashed to and the text of that; longest key of memcached; longest prefix. */
enum { MC_NAME = 18, MC_NAME_TEXT = 24, MC_KEY_MOST = 250, MC_PREFIX_MOST = 200 };

/* ---- text.c ---------------------------------------------------------------------------- */

/* `failed` when there was no memory for what came from a job. */
struct mc_text {
	char *data; /* free() */
	size_t len, size;
	bool failed;
};

bool mc_text_room(struct mc_text *, size_t more);
void mc_text_add(struct mc_text *, const char *bytes, size_t len);
void mc_text_adds(struct mc_text *, const char *);
void mc_text_addn(struct mc_text *, uint64_t number); /* in decimal */
void mc_text_clear(struct mc_text *);                 /* gives memory back when it holds much */
void mc_text_free(struct mc_text *);
/* A decimal number that is all of the slice, or stands before a blank there; 0 when it is none. */
uint64_t mc_number(struct gearmand_slice);
bool mc_begins(struct gearmand_slice, const char *with);

/* ---- link.c ---------------------------------------------------------------------------- */

/* One memcached of the pool.  Not changed after open. */
struct mc_node {
	char host[256], port[8]; /* host: or the path of a socket */
	char name[280];          /* both, for sentences */
	struct sockaddr_storage address;
	socklen_t address_len; /* 0 = not looked up */
};

/* What a reply that is due answers. */
enum mc_kind { MC_STORE, MC_REMOVE, MC_LOCK, MC_STATS, MC_GET };

struct mc_ask {
	uint32_t kind;   /* enum mc_kind */
	uint32_t number; /* STORE: of the change; GET: how many keys; else what the asker likes */
};

struct mc_link {
	struct mc_node *node;
	int fd; /* -1 = none */
	struct mc_text out;
	size_t sent; /* of `out` */
	struct mc_text in;
	size_t used, at;    /* of `in`: by whole replies; by the one that is being read */
	struct mc_ask *due; /* replies to come, in their order */
	size_t due_first, due_end, due_size;
	size_t keys, taken; /* of a "get" that is being written; of the one that is being read */
	char trouble[160];  /* why it is gone */
};

/* LATE: nothing came for a while; what is due may still come.  GONE: the connection is. */
enum mc_state { MC_WELL, MC_LATE, MC_GONE };

/* Links of one thread.  While it waits for one of them, it goes on sending to all. */
struct mc_pool {
	struct mc_link *links;
	size_t count;
	int patience; /* ms without a byte */
	int stop_fd;  /* readable: do not wait any more; -1 = none */
};

enum mc_state mc_link_open(struct mc_pool *, struct mc_link *);
void mc_link_close(struct mc_link *);
void mc_link_free(struct mc_link *);
/* A reply of this kind will come.  After what asks for it was added to `out`. */
void mc_expect(struct mc_link *, enum mc_kind, size_t number);
/* The next reply that is due; NULL = none. */
const struct mc_ask *mc_next_due(const struct mc_link *);
/* Sends what can be sent without waiting. */
void mc_push(struct mc_link *);

/* The next line, without its end, or so many bytes and the line's end after them.  Valid until the next of these. */
enum mc_state mc_line(struct mc_pool *, struct mc_link *, struct gearmand_slice *line_r);
enum mc_state mc_block(struct mc_pool *, struct mc_link *, size_t len, struct gearmand_slice *block_r);
/* A reply was read to its end.  Until then a LATE one is read again from its beginning. */
void mc_reply_done(struct mc_link *);
/* Keeps what a server said, as a sentence. */
const char *mc_said(struct mc_link *, struct gearmand_slice line);
/* The same of one that does not keep to the protocol: the link is GONE. */
enum mc_state mc_odd(struct mc_link *, struct gearmand_slice line);

/* The reply to one "get" or "gets".  *there_r false: it has no such key. */
struct mc_value {
	bool is_there;
	uint32_t flags;
	uint64_t cas; /* 0 = it does not tell */
	struct gearmand_slice data;
};
enum mc_state mc_read_value(struct mc_pool *, struct mc_link *, struct mc_value *);
/* The same of a "get" of several keys, one after the other in their order; and when this one has been looked at. */
enum mc_state mc_read_one(struct mc_pool *, struct mc_link *, struct gearmand_slice key, struct mc_value *);
enum mc_state mc_read_one_done(struct mc_pool *, struct mc_link *);
/* Reads away what is due. */
enum mc_state mc_settle(struct mc_pool *, struct mc_link *);

/* ---- life.c ---------------------------------------------------------------------------- */

struct mc_process {
	int pid;
	unsigned long long started;
	char machine[72];
};

void mc_process_self(struct mc_process *);
/* It was one of this machine, and is not there any more. */
bool mc_process_is_gone(const struct mc_process *);

/* What a server says of itself in its lock. */
struct mc_claim {
	const char *key; /* of the lock */
	const char *id;  /* of the process; for its life */
	int lease;       /* seconds */
	uint64_t count;  /* of renewals */
	struct mc_process process;
};

/* ---- The store ------------------------------------------------------------------------- */

struct memcached_st;
struct mc_renewer; /* renew.c */

struct mc_store {
	uint32_t magic;
	const struct gearmand_host *host;
	struct memcached_st *names; /* which server has a key */
	struct mc_node *nodes;      /* pool.count of them */
	struct mc_pool pool;
	const char *prefix; /* the host's */
	size_t prefix_len;
	bool is_broken; /* it was said to the host */

	char lock_key[MC_KEY_MOST + 1];
	char owner_key[MC_KEY_MOST + 1]; /* on the same node */
	size_t lock_node;
	struct mc_claim claim;
	struct mc_renewer *renewer;

	struct mc_watch *watches; /* by node */
	int64_t watch_at;         /* ns, monotonic */
	int64_t full_said_at;
};

struct mc_store *mc_store_of(void *store);
/* "memcached HOST:PORT: <what its link says>" */
void mc_sentence(const struct mc_store *, const struct mc_link *, enum mc_state, struct gearmand_error *);

/* ---- pool.c ---------------------------------------------------------------------------- */
bool mc_pool_make(struct mc_store *, struct gearmand_error *);
bool mc_pool_connect(struct mc_store *, struct gearmand_error *);
void mc_pool_free(struct mc_store *);
size_t mc_node_of(const struct mc_store *, const char *key, size_t len);

/* ---- item.c ---------------------------------------------------------------------------- */

struct mc_name {
	uint8_t bytes[MC_NAME];
};

/* Numbers that go up, whatever the clock does: above all that were seen, in this process and in replay. */
uint64_t mc_sequence_next(const struct gearmand_host *);
void mc_sequence_seen(uint64_t);

/* Bytes of a value before function, unique, handle, reducer and data. */
enum { MC_HEAD = 32 };

void mc_name_make(struct mc_name *, struct gearmand_slice function, struct gearmand_slice unique);
/* The key in `key`, and how long it is. */
size_t mc_key_write(const struct mc_store *, const struct mc_name *, char key[MC_KEY_MOST + 1]);
/* Is this, which came behind the prefix, a key of ours? */
bool mc_key_read(struct gearmand_slice rest, struct mc_name *);
size_t mc_value_length(const struct gearmand_job *);
/* "verb key flags 0 length" and the value, as one command. */
void mc_write_job(struct mc_text *, const char *verb, const char *key, size_t key_len, const struct gearmand_job *,
    uint64_t sequence);
/* Slices of the value.  False: it is no job of ours. */
bool mc_value_read(struct gearmand_slice value, struct gearmand_job *, uint64_t *sequence_r);
/* What gearmand 1.1 keeps under <prefix><function>-<unique>; false: nobody can tell where the one ends and the other
 * begins.  `made` has room for a key of our own where 1.1 had none. */
bool mc_old_read(struct gearmand_slice rest, const struct mc_value *, char made[65], struct gearmand_job *);

/* ---- commit.c, replay.c: ops ------------------------------------------------------------- */
enum gearmand_commit mc_commit(void *store, struct gearmand_change *, size_t count, struct gearmand_error *);
enum gearmand_commit mc_check(void *store, struct gearmand_error *);
bool mc_replay(void *store, gearmand_replay_f *, void *sink, struct gearmand_error *);

/* ---- lock.c ---------------------------------------------------------------------------- */
bool mc_lock_open(struct mc_store *, struct gearmand_error *);
void mc_lock_close(struct mc_store *);

/* MISSED: another server has had it since we had it. */
enum mc_lock { MC_LOCK_OURS, MC_LOCK_EXPIRED, MC_LOCK_TAKEN, MC_LOCK_MISSED };

/* In a commit: asks, and reads what came. */
void mc_lock_ask(struct mc_store *);
enum mc_state mc_lock_read(struct mc_store *, enum mc_lock *);
/* When it had expired; nothing else may be due.  EXPIRED: it could not be had yet. */
enum mc_state mc_lock_take_again(struct mc_store *, enum mc_lock *);

/* ---- watch.c --------------------------------------------------------------------------- */

/* What a server tells of itself. */
struct mc_watch {
	uint64_t pid, started, evictions, flushes;
	uint64_t item_most; /* bytes of the largest item; 0 = unknown */
	bool evicts;
	int64_t said_at; /* that it evicts */
	bool is_known;
};

bool mc_watch_open(struct mc_store *, struct gearmand_error *);
/* In a commit, now and then. */
bool mc_watch_is_due(struct mc_store *);
void mc_watch_ask(struct mc_link *);
enum mc_state mc_watch_read(struct mc_store *, size_t node);

/* ---- dump.c, takeover.c ------------------------------------------------------------------ */

/* A job to be fetched. */
struct mc_entry {
	uint64_t order;
	struct mc_name name;
};

/* An item that is not where ours belong: gearmand 1.1's, or on a server that had its key in another pool. */
struct mc_stray {
	char *key; /* free() */
	uint64_t order;
	uint32_t node;
	bool is_old, is_settled;
};

struct mc_list {
	struct mc_entry *entries;
	size_t count, size;
	struct mc_stray *strays;
	size_t stray_count, stray_size;
	char foreign_key[MC_KEY_MOST + 1]; /* of an item that is no job; "" = none */
};

bool mc_list_add(struct mc_list *, const struct mc_name *);
/* By order, each once. */
void mc_list_sort(struct mc_list *);
void mc_list_free(struct mc_list *);
bool mc_dump(struct mc_store *, struct mc_list *, struct gearmand_error *);
bool mc_takeover(struct mc_store *, struct mc_list *, struct gearmand_error *);

#endif
