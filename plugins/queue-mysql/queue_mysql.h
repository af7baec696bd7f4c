/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue_mysql.h - insides of the MySQL queue module, shared by its files.
 *
 * Runs on:  the store thread.
 * Owns:     one connection to one server, and a named lock there that says whose the table is.
 *
 * queue_mysql.c  the descriptor; opens and closes
 * connect.c      options -> a connection, and how the session is set up
 * lock.c         one gearmand per table
 * lease.c        the same in a cluster
 * mark.c         which session stored a row
 * schema.c       the table: made, or taken over from gearmand 1.1
 * text.c         SQL text of any bytes
 * plan.c         which changes of a batch come to what
 * commit.c       a batch of changes -> one transaction
 * replay.c       rows -> jobs, in order
 * sentence.c     error numbers -> what the operator reads, and what the host does next
 */
#ifndef QUEUE_MYSQL_H
#define QUEUE_MYSQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mysql.h>

#include <gearmand/plugin.h>

/* What our columns hold.  The two of the key make 767 bytes, which every row format of InnoDB can index. */
enum { UNIQUE_MAX = 64, FUNCTION_MAX = 703, HANDLE_MAX = 255, REDUCER_MAX = 65535 };

/* SQL text.  `failed` when there was no memory for what came from a job. */
struct my_text {
	char *data; /* free() */
	size_t len, size;
	bool failed;
};

struct my_removal {
	const struct gearmand_job *job;
	size_t at; /* of the key's last REMOVE */
};

/* A batch without what has no effect. */
struct my_plan {
	struct my_removal *removals; /* by function, then unique; each key once */
	size_t removal_count, size;
};

struct my_store {
	uint32_t magic;
	const struct gearmand_host *host;
	MYSQL *db;        /* NULL = none */
	char *database;   /* as the server names it; free() */
	const char *name; /* of the table; the host's */
	char *table;      /* the same, quoted for SQL; the host's allocation */
	char *order;      /* the column that counts the rows, likewise: `seq`, or what the table has */
	char where[300];  /* for sentences: which table, on which server */
	uint32_t mark;    /* of this session, on the rows that it stores */
	bool knows_all;   /* this process has all jobs of the table in memory */
	bool needs_tls;
	bool is_broken; /* the connection is of no use any more */
	bool has_lease; /* see lease.c; its names, fit for SQL */
	char lease_owner[64], lease_node[64], lease_queue[520];
	size_t packet_max; /* bytes of SQL text that the server takes at once */
	struct my_text sql;
	struct my_plan plan;
};

struct my_store *my_store_of(void *store);
/* `x` with each backquote doubled, in backquotes; the host's allocation. */
char *my_quoted_name(const struct gearmand_host *, const char *name);

/* ---- connect.c ---- */

/* A connection with its session set up; NULL: the error says why.  A patient one waits for an answer as long
 * as it takes. */
MYSQL *my_connect(struct my_store *, bool is_patient, struct gearmand_error *);
bool my_session_ready(struct my_store *, struct gearmand_error *); /* at the end of open */
/* Error number of what was run; 0 = all went well.  `sql` may be several statements; the first that fails is the last.
 */
int my_run(MYSQL *, const char *sql, size_t len);
/* The same, printed; results are thrown away.  False: the error is set, with `doing` in it. */
bool my_runf(struct my_store *, MYSQL *, struct gearmand_error *, const char *doing, const char *format, ...)
    GEARMAND_PRINTF(5, 6);
/* The rows of a query, or NULL. */
MYSQL_RES *my_queryf(struct my_store *, struct gearmand_error *, const char *doing, const char *format, ...)
    GEARMAND_PRINTF(4, 5);

/* ---- lock.c ---- */
bool my_lock(struct my_store *, struct gearmand_error *);

/* ---- lease.c ---- */

/* In a cluster: take the row that says whose the table is.  `process`: 32 digits of this process.  May take as long as
 * the session timeout.  True outside of a cluster. */
bool my_lease_take(struct my_store *, const char *process, struct gearmand_error *);
/* The statement that each transaction begins with; nothing outside of a cluster. */
void my_lease_write(const struct my_store *, struct my_text *);
/* It failed because another has the row now; the error says so. */
bool my_lease_is_lost(struct my_store *, int code, struct gearmand_error *);
void my_lease_release(struct my_store *);

/* ---- mark.c ---- */
void my_mark_begin(struct my_store *);                           /* at open */
uint32_t my_mark_flags(const struct my_store *, uint32_t flags); /* as they are stored */
void my_mark_forget(const struct my_store *);                    /* before a replay */
uint32_t my_mark_see(uint32_t stored);                           /* in a replay; the flags */
/* True: no other server has left jobs here that this one does not know. */
bool my_mark_check(struct my_store *, struct gearmand_error *);

/* ---- schema.c ---- */
bool my_schema_open(struct my_store *, struct gearmand_error *);

/* ---- text.c ---- */
void my_text_add(struct my_text *, const char *bytes, size_t len);
void my_text_adds(struct my_text *, const char *);
void my_text_addf(struct my_text *, const char *format, ...) GEARMAND_PRINTF(2, 3); /* short ones */
/* As a literal, and how long it will be.  The session reads backslashes as escapes, and bytes as bytes. */
void my_text_add_literal(struct my_text *, MYSQL *, struct gearmand_slice);
size_t my_literal_length(struct gearmand_slice);
void my_text_clear(struct my_text *); /* gives memory back when it holds much */
void my_text_free(struct my_text *);

/* ---- plan.c ---- */

/* False: no memory. */
bool my_plan_make(struct my_plan *, const struct gearmand_change *, size_t count);
/* Does change number `at`, an ADD, take effect?  Not when the key is removed later on. */
bool my_plan_adds(const struct my_plan *, const struct gearmand_change *, size_t at);
void my_plan_free(struct my_plan *);

/* ---- commit.c, replay.c: ops ---- */
enum gearmand_commit my_commit(void *store, struct gearmand_change *, size_t count, struct gearmand_error *);
enum gearmand_commit my_check(void *store, struct gearmand_error *);
bool my_replay(void *store, gearmand_replay_f *, void *sink, struct gearmand_error *);

/* ---- sentence.c.  `code` is an error number of client or server ---- */

/* What the connection last complained of. */
void my_sentence(const struct my_store *, MYSQL *, struct gearmand_error *, const char *doing);
enum gearmand_why my_why(unsigned code);
enum gearmand_commit my_outcome(unsigned code);
/* Is it the fault of one row, which would fail in every try, whatever becomes of the rest? */
bool my_is_final(unsigned code);

#endif
