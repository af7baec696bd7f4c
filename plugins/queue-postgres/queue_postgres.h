/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue_postgres.h - insides of the PostgreSQL queue module, shared by its files.
 *
 * Runs on:  the store thread.
 * Owns:     one connection (a session), and an advisory lock that lives as long as the session.
 *
 * queue_postgres.c  the descriptor; opens and closes
 * connect.c         the connection and the session's settings
 * exchange.c        a question and its answers, with an end to waiting
 * table.c           the table: found by name or made; the lock on it
 * mark.c            which session stored a row
 * columns.c         the table's columns, what gearmand 1.1 left in them, the prepared statements
 * name.c            any bytes <-> text that the database takes
 * array.c           many values as one parameter
 * batch.c           a batch of changes, down to the last change of each key
 * commit.c          a batch -> one transaction, in one round trip
 * replay.c          rows -> jobs, in order
 * sentence.c        SQLSTATE -> what the operator reads, and what the host does next
 */
#ifndef QUEUE_POSTGRES_H
#define QUEUE_POSTGRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include <gearmand/plugin.h>

/* Bytes of a unique and a function together, as they are in the table: an index takes 2704. */
enum { QP_KEY_MAX = 2600 };

/* Bytes of a payload: twice as many still fit the text that pg_dump makes of them. */
enum { QP_DATA_MAX = 500 * 1000 * 1000 };

/* Which bytes a text column of this database takes as they are. */
enum qp_text {
	QP_TEXT_ANY, /* an encoding of single bytes, or none */
	QP_TEXT_UTF8,
	QP_TEXT_ASCII /* another encoding of many bytes: of no use to tell what is valid in it */
};

/* Why the latest question failed. */
struct qp_fault {
	char state[6];  /* SQLSTATE; "" = the connection itself, or no answer */
	char text[384]; /* one line */
};

/* Bytes that grow; see array.c. */
struct qp_bytes {
	char *p;
	size_t len, cap;
	bool failed; /* no memory; stays */
};

enum qp_param { /* $1 ... of all statements */
	QP_GONE_UNIQUE,
	QP_GONE_FUNCTION,
	QP_UNIQUE,
	QP_FUNCTION,
	QP_PRIORITY,
	QP_DATA,
	QP_WHEN,
	QP_HANDLE,
	QP_REDUCER,
	QP_FLAGS,
	QP_ADDED,
	QP_PARAM_COUNT
};

struct qp_store {
	uint32_t magic;
	const struct gearmand_host *host;
	PGconn *conn;
	struct qp_fault fault;
	char place[300];   /* "PostgreSQL database "jobs" at db1:5432" */
	const char *given; /* the table as the operator wrote it; the host's */
	char *table;       /* the same, qualified and quoted for SQL; free() */
	unsigned table_oid;
	int32_t token; /* tells this session's lock from another's */
	enum qp_text text;
	int64_t limit_ms; /* for the server to work on one question; we wait a little longer */
	int64_t added;    /* no job has a number above it, see columns.c */
	uint32_t mark;    /* of this session, on the rows that it stores */
	bool knows_all;   /* this process has all jobs of the table in memory */
	bool repeats;     /* what comes may be stored already: the outcome of the latest batch is not known */
	struct qp_bytes param[QP_PARAM_COUNT];
};

struct qp_store *qp_store_of(void *store);

/* connect.c */
bool qp_connect(struct qp_store *, struct gearmand_error *);

/* table.c */
bool qp_table_open(struct qp_store *, struct gearmand_error *); /* finds or makes it, and locks it */
void qp_table_forsake(const struct qp_store *);                 /* at close: the session may outlive its connection */

/* mark.c */
void qp_mark_begin(struct qp_store *);                           /* at open */
uint32_t qp_mark_flags(const struct qp_store *, uint32_t flags); /* as they are stored */
void qp_mark_forget(const struct qp_store *);                    /* before a replay */
uint32_t qp_mark_see(uint32_t stored);                           /* in a replay; the flags */
/* True: no other server has left jobs here that this one does not know. */
bool qp_mark_check(struct qp_store *, struct gearmand_error *);

/* columns.c */
bool qp_columns_open(struct qp_store *, struct gearmand_error *);

/* exchange.c.  False: s->fault says why.  `limit_ms` 0 = wait for as long as it takes. */
bool qp_ask(struct qp_store *, const char *sql, int64_t limit_ms);
bool qp_askf(struct qp_store *, int64_t limit_ms, const char *format, ...) GEARMAND_PRINTF(3, 4);
PGresult *qp_rows(struct qp_store *, const char *sql, int64_t limit_ms); /* NULL: failed */
bool qp_prepare(struct qp_store *, const char *statement, const char *sql);
bool qp_run(struct qp_store *, const char *statement); /* a prepared one, with s->param */
/* Rows one by one: NULL at the end, and when it fails, then with *ok_r false.  Call until NULL. */
bool qp_stream(struct qp_store *, const char *sql);
PGresult *qp_stream_next(struct qp_store *, bool *ok_r);

/* name.c */
enum qp_text qp_text_of(const char *encoding);
size_t qp_name_length(const struct qp_store *, struct gearmand_slice);               /* as it is stored */
void qp_name_put(const struct qp_store *, struct qp_bytes *, struct gearmand_slice); /* an element of an array */
/* In place: what was stored -> what it means. */
void qp_name_read(struct gearmand_slice *, char *bytes);

/* array.c: PostgreSQL's binary format */
enum { QP_OID_BYTEA = 17, QP_OID_INT8 = 20, QP_OID_INT4 = 23, QP_OID_TEXT = 25 };
void qp_bytes_add(struct qp_bytes *, const void *, size_t);
void qp_bytes_free(struct qp_bytes *);
void qp_array_begin(struct qp_bytes *, unsigned element, size_t count); /* forgets what was there */
void qp_array_bytes(struct qp_bytes *, struct gearmand_slice);
void qp_array_int4(struct qp_bytes *, int32_t);
void qp_array_int8(struct qp_bytes *, int64_t);

/* batch.c */
struct qp_add {
	struct gearmand_change *change;
	size_t place; /* in the batch */
	bool anew;    /* the key was removed before, in the same batch: the job goes to the end of the queue */
};
struct qp_batch { /* both by key */
	struct qp_add *add;
	struct gearmand_change **gone;
	size_t add_count, gone_count;
};
void qp_batch_init(struct qp_batch *, const struct gearmand_host *, struct gearmand_change *, size_t count);
void qp_batch_fini(struct qp_batch *, const struct gearmand_host *);

/* commit.c, replay.c: ops */
enum gearmand_commit qp_commit(void *store, struct gearmand_change *, size_t count, struct gearmand_error *);
enum gearmand_commit qp_check(void *store, struct gearmand_error *);
bool qp_replay(void *store, gearmand_replay_f *, void *sink, struct gearmand_error *);

/* sentence.c */
void qp_fault_result(struct qp_store *, const PGresult *);
void qp_fault_text(struct qp_store *, const char *state, const char *text);
void qp_fault_connection(struct qp_store *, const char *text); /* of libpq, verbose; several lines */
bool qp_fault_is(const struct qp_store *, const char *state);  /* or a class, its first two letters */
bool qp_fault_is_data(const struct qp_store *);                /* a row's fault, and no other's */
/* From s->fault; `doing` reads like "storing jobs", or "making" the table.  Always false. */
bool qp_fail(const struct qp_store *, struct gearmand_error *, const char *doing);
bool qp_fail_table(const struct qp_store *, struct gearmand_error *, const char *doing);
/* "table x" and then `why`, which no waiting helps. */
bool qp_fail_lasting(const struct qp_store *, struct gearmand_error *, const char *why);
enum gearmand_commit qp_outcome(const struct qp_store *);

#endif
