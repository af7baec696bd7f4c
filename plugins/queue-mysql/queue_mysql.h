/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue_mysql.h - insides of the MySQL queue module, shared by its files.
 *
 * Runs on:  the store thread.
 * Owns:     one connection to one server, with a named lock there and a row that say whose the table is.
 *
 * queue_mysql.c  the descriptor; opens and closes
 * connect.c      options -> a connection, and how its session is set up; statements
 * owner.c        one gearmand for each table: the named lock, and the row in gearmand_lock
 * schema.c       the table: made, or taken over from another gearmand; that of the dead jobs
 * commit.c       a batch of changes -> one transaction
 * replay.c       rows -> jobs, in order
 * sentence.c     error numbers -> what the operator reads, and what the server does next
 */
#ifndef QUEUE_MYSQL_H
#define QUEUE_MYSQL_H

#include <mysql.h>

#include <gearmand/module.h>

/* What our columns hold.  The two of the key make 767 bytes, which every row format of InnoDB can index. */
enum { UNIQUE_MAX = 64, FUNCTION_MAX = 703, HANDLE_MAX = 255, REDUCER_MAX = 65535 };

enum { NO_SUCH_TABLE = 1146 }; /* an error number */

struct my_store {
	uint32_t magic;
	const struct gearmand_host *host;
	struct gm_standby *standby; /* from one opening to the next */
	bool is_first;              /* no other opening of this process came before, so a replay follows */
	MYSQL *db;                  /* NULL = no connection */
	char *database;             /* as the database server names it; free() */
	const char *name;           /* of the table; the host's */
	char *table;                /* the same, quoted for SQL; the host's allocation */
	char *order;                /* the column that counts the rows, likewise: `seq`, or what the table has */
	char *dead_table;           /* TABLE_dead, likewise; its rows are counted by `seq` */
	char where[300];            /* for sentences: which table, on which server */
	bool needs_tls;
	bool is_broken;      /* the connection is of no use any more */
	bool has_lease;      /* in a cluster: each transaction changes the row in gearmand_lock */
	char owner[64];      /* this session, in that row: the server's identity and a number */
	char node[48];       /* of the database that we talk to; "" outside of a cluster */
	char queue[520];     /* the table's name in that row, as a literal */
	size_t packet_max;   /* bytes of SQL text that the database takes at once */
	struct gm_bytes sql; /* of a batch */
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
/* One statement, printed.  False: the error is set, with `doing` in it.  `res_r` NULL: its rows are thrown away. */
bool my_ask(struct my_store *, MYSQL *, MYSQL_RES **res_r, struct gearmand_error *, const char *doing,
    const char *format, ...) GEARMAND_PRINTF(6, 7);

/* ---- owner.c ---- */

/* Takes the table for this server, or says who has it.  In a cluster it may take as long as the session timeout. */
bool my_own(struct my_store *, struct gearmand_error *);
/* In a cluster: the statement that each transaction begins with. */
void my_lease_write(const struct my_store *, struct gm_bytes *);
/* It failed because another has the row now; the error says so. */
bool my_lease_is_lost(struct my_store *, int code, struct gearmand_error *);
void my_lease_release(struct my_store *);

/* ---- schema.c ---- */
bool my_schema_open(struct my_store *, struct gearmand_error *);

/* ---- commit.c, replay.c: ops ---- */
enum gearmand_commit my_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *);
enum gearmand_commit my_check(void *store, struct gearmand_error *);
bool my_replay(void *store, gearmand_replay_f *, void *sink, struct gearmand_error *);

/* ---- sentence.c.  `code` is an error number of client or server ---- */

/* What the connection last complained of.  Always false. */
bool my_fail(const struct my_store *, MYSQL *, struct gearmand_error *, const char *doing);
enum gearmand_commit my_outcome(MYSQL *, int code);
/* Is it the fault of one row, which would fail in every try, whatever becomes of the rest? */
bool my_is_final(int code);

#endif
