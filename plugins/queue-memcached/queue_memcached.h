/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue_memcached.h - insides of the memcached queue module, shared by its files.
 *
 * Runs on:  the store thread; one thread of the module renews the lock.
 * Owns:     two connections to each memcached of the pool, and a lock there that says whose the jobs are.
 *
 * queue_memcached.c  the descriptor; opens and closes; tells of evictions
 * link.c             option -> servers; connections, what went wrong with them, and values that come from them
 * item.c             job <-> key and value
 * commit.c           a batch of changes -> one exchange with each server
 * lock.c             one gearmand per prefix
 * dump.c             the keys of all jobs, which libmemcached cannot fetch completely
 * replay.c           jobs, in order; jobs of gearmand 1.1, and jobs on a server that is not theirs
 */
#ifndef QUEUE_MEMCACHED_H
#define QUEUE_MEMCACHED_H

#include <poll.h>
#include <pthread.h>

#include <libmemcached/memcached.h>

#include <gearmand/module.h>

/* Bytes: the text of a hashed name; longest key of memcached; longest prefix. */
enum { MC_NAME = 24, MC_KEY_MOST = 250, MC_PREFIX_MOST = 200 };

struct mc_key {
	char text[MC_KEY_MOST + 1];
	size_t len;
};

struct mc_value {
	bool is_there;
	uint32_t flags;
	uint64_t cas; /* 0 = the server does not number */
	struct gearmand_slice data;
};

/* BULK: commands are gathered and sent together; those that store or delete have no reply.  TALK: each command waits
 * for its reply, and values come with their CAS. */
enum mc_kind { MC_BULK, MC_TALK, MC_KINDS };

struct mc_link {
	const struct mc_node *node;
	memcached_st *m; /* NULL = not open */
	int fd;          /* a duplicate of the descriptor of a TCP connection; -1 = none */
	memcached_result_st result;
	bool has_value, is_asking;  /* `result` waits for its taker; more may come */
	struct gm_bytes keys, lens; /* that are wanted */
};

struct mc_node {
	char host[256]; /* or the path of a socket */
	in_port_t port;
	char name[280]; /* both, for sentences */
	int timeout;    /* seconds */
	struct mc_link link[MC_KINDS];
	struct gm_bytes asked; /* by commit.c: jobs that were sent there */
	bool has_owner;        /* the item */
	uint64_t evictions;    /* that were told */
};

/* What outlives an opening. */
struct mc_memory {
	struct gm_standby standby;
	uint64_t sequence;   /* of the latest job: goes up, whatever the clock does */
	bool was_broken;     /* when the store was closed */
	struct gm_bytes cut; /* descriptors of broken connections: what was sent on them may still be done */
};

/* The lock, as lock.c holds it. */
struct mc_claim {
	int lease; /* seconds */
	char host[65], machine[72];
	bool is_ours;        /* it was taken, and the thread renews it */
	struct mc_link link; /* of the thread */
	struct pollfd stop;  /* it is to end */
	pthread_t thread;
};

struct mc_store {
	uint32_t magic;
	const struct gearmand_host *host;
	struct mc_memory *memory;
	memcached_st *names;         /* says which server has a key */
	struct mc_node *nodes, *end; /* one behind the last */
	const char *prefix;          /* the host's */
	size_t prefix_len;
	bool is_broken; /* it was said to the host */
	struct mc_key lock_key, owner_key;
	struct mc_node *lock_node;
	struct mc_claim claim;
	int64_t look_at, said_at; /* ns, monotonic: evictions */
	struct gm_bytes value;    /* that is being written */
};

/* link.c.  False, here and below: something has failed, and the error says why. */
bool mc_pool_open(struct mc_store *, struct gearmand_error *);
void mc_pool_close(struct mc_store *);
struct mc_node *mc_node_of(const struct mc_store *, const struct mc_key *);
bool mc_link_open(struct mc_link *, const struct mc_node *, enum mc_kind, struct gearmand_error *);
void mc_link_close(struct mc_link *);
/* What libmemcached returned, as a sentence; true when it is SUCCESS or `fine`. */
bool mc_went_well(struct mc_link *, memcached_return_t, memcached_return_t fine, struct gearmand_error *);
/* Keys stay where they are until they are asked for, behind all commands that are gathered.  Then their values come one
 * after the other, in that order; each is valid until the next. */
void mc_want(struct mc_link *, const struct mc_key *);
bool mc_ask(struct mc_link *, struct gearmand_error *);
bool mc_next(struct mc_link *, const struct mc_key *, struct mc_value *, struct gearmand_error *);
bool mc_ended(struct mc_link *, struct gearmand_error *); /* behind the last one, which is still valid */
bool mc_get(struct mc_link *, const struct mc_key *, struct mc_value *, struct gearmand_error *);

/* item.c */
struct mc_key mc_key_of(const struct mc_store *, const struct gearmand_job *);
struct mc_key mc_key_of_rest(const struct mc_store *, const char *rest, size_t len); /* that is behind the prefix */
bool mc_is_name(const char *rest); /* did this stand behind the prefix of one of our keys? */
/* Stores with this command, memcached_set() or memcached_add(). */
typedef memcached_return_t mc_put_f(memcached_st *, const char *, size_t, const char *, size_t, time_t, uint32_t);
memcached_return_t mc_put(struct mc_store *, mc_put_f *, struct mc_link *, const struct mc_key *,
    const struct gearmand_job *, uint64_t sequence);
/* Slices of the value.  False: it is no job of ours. */
bool mc_value_read(struct gearmand_slice value, struct gearmand_job *, uint64_t *sequence_r);

/* lock.c, queue_memcached.c, commit.c, replay.c */
bool mc_lock_open(struct mc_store *, struct gearmand_error *);
void mc_lock_close(struct mc_store *);
/* Lock and owner were asked for there, behind other keys. */
bool mc_lock_read(struct mc_store *, struct mc_node *, enum mc_kind, struct gearmand_error *);
struct mc_store *mc_store_of(void *store);
bool mc_look(struct mc_store *, struct gearmand_error *); /* at evictions, when it is time */
enum gearmand_commit mc_commit(void *store, struct gearmand_change *, size_t count, struct gearmand_error *);
bool mc_replay(void *store, gearmand_replay_f *, void *sink, struct gearmand_error *);

/* A job to be fetched.  Both structs are sorted as bytes: their order is big-endian. */
struct mc_entry {
	uint64_t order;
	char name[MC_NAME];
};

/* An item that is not where ours belong: gearmand 1.1's, or on a server that had its key in another pool. */
struct mc_stray {
	uint64_t order;
	uint32_t node, is_old;
	struct mc_key key;
};

struct mc_list {
	struct gm_bytes entries, strays; /* of the structs above */
	struct gm_bytes functions;       /* that were seen, each with a NUL before and behind */
	struct mc_key foreign;           /* of an item that is no job; "" = none */
};

#define MC_ALL(bytes, type)   ((type *)(void *)(bytes).data)
#define MC_COUNT(bytes, type) ((bytes).len / sizeof(type))

/* dump.c */
bool mc_dump(struct mc_store *, struct mc_list *, struct gearmand_error *);
void mc_sort(struct gm_bytes *, size_t size); /* entries or strays; each stands there once */

#endif
