/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue_memcached.h - insides of the memcached queue module, shared by its files.
 *
 * Runs on:  the store thread; one thread of the module renews the lock.
 * Owns:     a connection to each memcached of the pool, and a lock there that says whose the jobs are.
 *
 * queue_memcached.c  the descriptor; option -> servers; opens and closes; tells of evictions
 * wire.c             a connection to a server
 * item.c             job <-> key and value
 * commit.c           a batch of changes -> one exchange with each server
 * lock.c             one gearmand per prefix
 * dump.c             the keys of all jobs
 * replay.c           jobs, in order; jobs of gearmand 1.1, and jobs on a server that is not theirs
 */
#ifndef QUEUE_MEMCACHED_H
#define QUEUE_MEMCACHED_H

#include <inttypes.h>
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

/* A connection. */
struct mc_wire {
	const struct mc_node *node; /* NULL = not open */
	int fd;
	struct gm_bytes out, in; /* gathered commands; what has come */
	size_t at;               /* where in `in` the next reply begins */
};

enum mc_reply { MC_DONE, MC_NOT_DONE, MC_TOO_LARGE, MC_FULL, MC_FAILED };

struct mc_node {
	char host[256]; /* or the path of a socket */
	in_port_t port;
	char name[280]; /* both, for sentences */
	int timeout;    /* seconds */
	struct mc_wire wire;
	bool has_owner;     /* the item */
	uint64_t evictions; /* that were told */
};

/* What outlives an opening. */
struct mc_memory {
	struct gm_standby standby;
	uint64_t sequence;   /* of the latest job: goes up, whatever the clock does */
	bool was_broken;     /* when the store was closed */
	struct gm_bytes cut; /* descriptors of broken connections: what was sent on them may still be done */
};

struct mc_store {
	uint32_t magic;
	const struct gearmand_host *host;
	struct mc_memory *memory;
	memcached_st *names;         /* says which server has a key */
	struct mc_node *nodes, *end; /* one behind the last */
	const char *prefix;          /* the host's */
	size_t prefix_len;
	bool is_broken;       /* it was said to the host */
	struct gm_bytes sent; /* for each change of the batch, the node that replies to it, or NULL */

	/* The lock. */
	struct mc_key lock_key, owner_key;
	struct mc_node *lock_node;
	int lease; /* seconds */
	char host_name[65], machine[72];
	bool is_ours;           /* it was taken, and the thread renews it */
	struct mc_wire renewer; /* of the thread */
	struct pollfd stop;     /* it is to end */
	pthread_t thread;

	int64_t look_at, said_at; /* ns, monotonic: evictions */
};

/* queue_memcached.c.  False, here and below: something has failed, and the error says why. */
struct mc_store *mc_store_of(void *store);
struct mc_node *mc_node_of(const struct mc_store *, const struct mc_key *);
bool mc_look(struct mc_store *, struct gearmand_error *); /* at evictions, when it is time */

/* wire.c.  Commands are gathered in `out`, and sent before a reply is read if they were not sent before.  Lines, which
 * are told without their end, and values, behind which is a NUL, are valid until the next reply is read. */
bool mc_wire_open(struct mc_wire *, const struct mc_node *, struct gearmand_error *);
void mc_wire_close(struct mc_wire *);
void mc_say(struct mc_wire *, const char *verb, const struct mc_key *, const char *rest);
bool mc_wire_send(struct mc_wire *, struct gearmand_error *);
bool mc_wire_line(struct mc_wire *, const char *command, char **line_r, struct gearmand_error *); /* "": no command */
enum mc_reply mc_wire_reply(struct mc_wire *, struct gearmand_error *); /* to a command that changes something */
bool mc_wire_value(struct mc_wire *, struct mc_value *, struct gearmand_error *); /* of a key that was asked for */
bool mc_get(struct mc_wire *, const struct mc_key *, struct mc_value *, struct gearmand_error *); /* both at once */
bool mc_delete(struct mc_wire *, const struct mc_key *, struct gearmand_error *);
/* Always false: what is wrong; what the server should not have said. */
bool mc_wire_fail(const struct mc_wire *, const char *why, struct gearmand_error *);
bool mc_wire_is_odd(const struct mc_wire *, const char *line, struct gearmand_error *);

/* item.c */
struct mc_key mc_key_of(const struct mc_store *, const struct gearmand_job *);
struct mc_key mc_key_of_rest(const struct mc_store *, const char *rest, size_t len); /* that is behind the prefix */
bool mc_is_name(const char *rest); /* did this stand behind the prefix of one of our keys? */
/* Gathers this command, "set" or "add", with the job as its value. */
void mc_put(
    struct mc_wire *, const char *command, const struct mc_key *, const struct gearmand_job *, uint64_t sequence);
/* Slices of the value.  False: it is no job of ours. */
bool mc_value_read(struct gearmand_slice value, struct gearmand_job *, uint64_t *sequence_r);

/* lock.c, commit.c, replay.c */
bool mc_lock_open(struct mc_store *, struct gearmand_error *);
void mc_lock_close(struct mc_store *);
/* Lock and owner were asked for there; the replies to all commands before that are read. */
bool mc_lock_read(struct mc_store *, struct mc_node *, struct gearmand_error *);
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

/* A replay as it goes on. */
struct mc_replay {
	struct mc_store *store;
	struct gm_bytes entries, strays; /* of the structs above */
	struct gm_bytes functions;       /* that were seen, each with a NUL before and behind */
	struct mc_key foreign;           /* of an item that is no job; "" = none */
	gearmand_replay_f *sink_f;
	void *sink;
	struct gearmand_error *err;
	bool is_ordering; /* the first reading of two */
	bool is_stopped;  /* by the sink */
	size_t gone, odd, old, moved, left;
	struct gm_bytes left_keys;
};

#define MC_ALL(bytes, type)   ((type *)(void *)(bytes).data)
#define MC_COUNT(bytes, type) ((bytes).len / sizeof(type))

/* dump.c: entries, strays and `foreign`. */
bool mc_dump(struct mc_replay *);
void mc_sort(struct gm_bytes *, size_t size); /* entries or strays; each stands there once */

#endif
