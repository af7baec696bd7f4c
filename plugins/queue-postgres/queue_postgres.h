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
 * table.c           the table: found by name or made
 * owner.c           one gearmand for each table: the lock, and the row in gearmand_lock
 * columns.c         the table's columns, what gearmand 1.1 left in them, the prepared statements
 * name.c            any bytes <-> text that the database takes
 * commit.c          a batch -> one transaction, in one round trip
 * replay.c          rows -> jobs, in order
 * sentence.c        SQLSTATE -> what the operator reads, and what the server does next
 */
#ifndef QUEUE_POSTGRES_H
#define QUEUE_POSTGRES_H

#include <libpq-fe.h>

#include <gearmand/module.h>

/* Bytes of a unique and a function together, as they are in the table: an index takes 2704.  Bytes of a payload: twice
 * as many still fit the text that pg_dump makes of them.  Room for a name as it is in the table. */
enum { QP_KEY_MAX = 2600, QP_DATA_MAX = 500 * 1000 * 1000, QP_NAME_MAX = 2 + 2 * GM_FUNCTION_MOST };

enum { QP_OID_BYTEA = 17, QP_OID_INT8 = 20, QP_OID_INT4 = 23, QP_OID_TEXT = 25 };

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
	QP_ATTEMPTS,
	QP_CHANGED,
	QP_EXPIRES,
	QP_ERROR,
	QP_PARAM_COUNT
};

/* How long the database may work on a question: --libpq-timeout; or, where nobody can say how long, for as long as it
 * is there at all. */
enum qp_patience { QP_IN_TIME, QP_PATIENT };

struct qp_store {
	uint32_t magic;
	const struct gearmand_host *host;
	struct gm_standby *standby; /* from one opening to the next */
	bool is_first;              /* no other opening of this process came before, so a replay follows */
	PGconn *conn;
	struct qp_fault fault;
	char place[300];   /* "PostgreSQL database "jobs" at db1:5432" */
	const char *given; /* the table as the operator wrote it; the host's */
	char *table;       /* the same, qualified and quoted for SQL; free() */
	char *lock_table;  /* gearmand_lock in the same schema, likewise */
	char *dead_table;  /* TABLE_dead there, likewise */
	unsigned table_oid;
	enum qp_text text;
	int64_t limit_ms;  /* for the database to work on one question; we wait a little longer */
	int64_t added;     /* no job has a number above it, see columns.c */
	unsigned replaces; /* so many batches may have keys that are stored already */
	struct gm_bytes param[QP_PARAM_COUNT];
};

struct qp_store *qp_store_of(void *store);

/* connect.c, table.c, owner.c, columns.c: the steps of an opening.  False: the error says why. */
bool qp_connect(struct qp_store *, struct gearmand_error *);
bool qp_table_open(struct qp_store *, struct gearmand_error *);
bool qp_own(struct qp_store *, struct gearmand_error *);
bool qp_columns_open(struct qp_store *, struct gearmand_error *);

bool qp_is_there(struct qp_store *); /* it answers another connection */

/* exchange.c.  False, or NULL: s->fault says why. */
PGresult *qp_rows(struct qp_store *, enum qp_patience, const char *format, ...) GEARMAND_PRINTF(3, 4);
bool qp_is_done(PGresult *); /* takes */
#define qp_ask(...) qp_is_done(qp_rows(__VA_ARGS__))
bool qp_run(struct qp_store *, const char *statement); /* a prepared one, with s->param */
typedef void qp_row_f(void *arg, const PGresult *);
bool qp_stream(struct qp_store *, const char *sql, qp_row_f *, void *arg); /* rows one by one */

/* name.c */
enum qp_text qp_text_of(const char *encoding);
/* As it is stored; and what was stored -> what it means.  The bytes given, or those in the buffer. */
struct gearmand_slice qp_name_text(const struct qp_store *, struct gearmand_slice, char text[QP_NAME_MAX]);
struct gearmand_slice qp_name_read(struct gearmand_slice, char bytes[QP_NAME_MAX]);

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
/* "table x", then `what` it is or needs.  Always false. */
bool qp_fail_why(const struct qp_store *, struct gearmand_error *, enum gearmand_why, const char *what);
enum gearmand_commit qp_outcome(const struct qp_store *);

#endif
