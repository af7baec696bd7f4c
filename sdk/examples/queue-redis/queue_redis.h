/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue_redis.h - insides of the redis queue module, shared by its files.
 *
 * Runs on:  the store thread.
 * Owns:     one connection to a redis, and the keys of one prefix there.
 *
 * queue_redis.c  the descriptor; opens and closes; one server per prefix
 * wire.c         the connection; what redis says, as a sentence
 * job.c          job <-> key and fields; a batch of changes -> one script
 * replay.c       jobs, in order; jobs of gearmand 1.1
 */
#ifndef QUEUE_REDIS_H
#define QUEUE_REDIS_H

#include <hiredis/hiredis.h>

#include <gearmand/module.h>

enum { RQ_PREFIX_MOST = 200, RQ_ME = 240 }; /* bytes */

/* Keys besides those of jobs, in the order in which scripts have them. */
enum rq_key { RQ_OWNER, RQ_LOCK, RQ_SEQUENCE, RQ_LIVING, RQ_DEAD, RQ_KEYS };

/* A command as redis reads it, argument by argument. */
struct rq_command {
	struct gm_bytes text;
	size_t args;
};

/* What lives longer than one opening. */
struct rq_memory {
	struct gm_standby standby;
	bool was_broken;    /* when the store was closed */
	long long sequence; /* the last number that was given to a job */
};

struct rq_store {
	uint32_t magic;
	const struct gearmand_host *host;
	struct rq_memory *memory;
	redisContext *redis;
	char name[300]; /* of the redis, for sentences */
	const char *prefix;
	size_t prefix_len;
	char hidden[RQ_PREFIX_MOST + 3]; /* what the keys begin with that gearmand 1.1 must not see */
	char me[RQ_ME];                  /* what the lock says while it is ours: another text for each opening */
	int timeout, lease, replicas;    /* seconds; seconds; how many must have a commit */
	long long job_most;              /* bytes of a payload */
	bool is_ours, is_broken;         /* the lock was taken; it was said to the host */
	enum gearmand_commit outcome;    /* see rq_reply() */
	struct rq_command head, batch;   /* the changes of a batch, and what goes before them */
	size_t adds, changes;            /* of the batch */
	int64_t renewed_at;              /* the lock; ns, monotonic */
	struct gm_bytes key, second;     /* of rq_key_of(), rq_second_of() */
};

/* wire.c.  False or NULL: something has failed, the error says why, and `outcome` what it means to a commit. */
bool rq_connect(struct rq_store *, struct gearmand_error *);
void rq_arg(struct rq_command *, struct gearmand_slice);
void rq_arg_text(struct rq_command *, const char *);
void rq_arg_number(struct rq_command *, long long);
void rq_command_clear(struct rq_command *);
bool rq_send(struct rq_store *, const struct rq_command *head, const struct rq_command *rest, struct gearmand_error *);
/* The reply to the next command, which the caller frees.  rq_read: also an error of redis. */
redisReply *rq_read(struct rq_store *, struct gearmand_error *);
redisReply *rq_reply(struct rq_store *, struct gearmand_error *);
redisReply *rq_ask(struct rq_store *, struct gearmand_error *); /* sends `head`; the reply */

/* job.c */
/* Where the job is; of the dead by its handle.  Valid until the next call. */
struct gearmand_slice rq_key_of(struct rq_store *, const struct gearmand_job *, bool is_dead);
struct gearmand_slice rq_second_of(struct rq_store *, struct gearmand_slice key); /* the key of its second hash */
void rq_job_read(const redisReply *, struct gearmand_job *); /* the fields of a hash are slices of the reply */
/* A script is to have the keys that the store has besides jobs. */
void rq_script(struct rq_store *, struct rq_command *, const char *script);
/* A batch begins, gets what is to be there and what is to be gone, and is done in one round trip: all or nothing. */
void rq_batch_begin(struct rq_store *);
void rq_batch_put(struct rq_store *, const struct gearmand_job *, bool is_dead);
void rq_batch_drop(struct rq_store *, struct gearmand_slice key, enum rq_key list);
enum gearmand_commit rq_batch_do(struct rq_store *, struct gearmand_error *);
enum gearmand_commit rq_commit(void *store, struct gearmand_change *, size_t count, struct gearmand_error *);

/* queue_redis.c, replay.c */
struct rq_store *rq_store_of(void *store);
bool rq_lose(const struct rq_store *, const char *why, struct gearmand_error *); /* false: the store is another's */
bool rq_replay(void *store, gearmand_replay_f *, void *sink, struct gearmand_error *);

#endif
