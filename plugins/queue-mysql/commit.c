/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A batch of changes becomes one transaction.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the batch is the server's.
 *
 * A key stands in a batch once, and so does the handle of a dead job, so the order is ours: a job is buried before it
 * is removed, which an engine without transactions needs.  BEGIN, REPLACE of many rows, DELETE of many keys and COMMIT
 * go as one text in one round trip; a batch that is larger than a packet goes in several.  When the database does not
 * take a row, the transaction is undone and made again with a statement for each row, so that this row alone is
 * refused.
 *
 * A literal is as long as its escapes make it, so whether a job fits a packet depends on its bytes.
 */
#include "queue_mysql.h"

/* SQL text that is sent at once, if it may be more; bytes of a row that are not literals; keys in one DELETE; memory
 * that is kept from one batch to the next. */
enum { TEXT_MOST = 4 << 20, ROW_SPARE = 256, KEYS_MOST = 1000, KEPT = 8 << 20, OUT_OF_MEMORY = 1037 };

#define INSERT_HEAD \
	"REPLACE INTO %s(unique_key,function_name,data,job_handle,reducer,error,priority,when_to_run,flags,attempts," \
	"changed_at,expires_at)VALUES"

struct writer {
	struct my_store *s;
	bool is_careful;             /* a statement for each row */
	enum gearmand_op op;         /* of the statement that is open; 0 = none is */
	size_t keys;                 /* in it */
	struct gearmand_slice group; /* the function of the latest key in it */
	int code;                    /* error number; 0 = well so far */
};

/* ---- The text ------------------------------------------------------------------------ */

static size_t
literal_length(struct gearmand_slice v)
{
	size_t len = v.len + 2;

	for (size_t i = 0; i < v.len; i++) {
		switch (v.data[i]) {
		case '\0':
		case '\n':
		case '\r':
		case '\\':
		case '\'':
		case '"':
		case '\x1a':
			len++;
			break;
		default:
			break;
		}
	}
	return len;
}

static void
add_literal(struct writer *w, const char *before, struct gearmand_slice v)
{
	struct gm_bytes *t = &w->s->sql;
	char *to;

	gm_add_text(t, before);
	/* The library wants room for the worst case and its NUL. */
	to = gm_room(t, 2 * v.len + 3);
	if (to == NULL)
		return;
	to[0] = '\'';
	t->len += 1 + (v.len == 0 ? 0 : mysql_real_escape_string(w->s->db, to + 1, v.data, v.len));
	t->data[t->len++] = '\'';
}

static void
end_statement(struct writer *w)
{
	static const char *const ends[] = {
		"", [GEARMAND_ADD] = ";", [GEARMAND_REMOVE] = "));", [GEARMAND_BURY] = ";", [GEARMAND_UNBURY] = ");"
	};

	gm_add_text(&w->s->sql, ends[w->op]);
	w->op = 0;
	w->keys = 0;
}

static void
send_text(struct writer *w)
{
	struct gm_bytes *t = &w->s->sql;

	if (t->failed)
		w->code = OUT_OF_MEMORY;
	if (w->code == 0 && t->len > 0)
		w->code = my_run(w->s->db, t->data, t->len);
	gm_bytes_clear(t, KEPT);
}

static bool
is_put(enum gearmand_op op)
{
	return op == GEARMAND_ADD || op == GEARMAND_BURY;
}

/* Makes room for that many bytes, and opens the statement that they belong to. */
static void
begin_statement(struct writer *w, enum gearmand_op op, size_t more)
{
	struct gm_bytes *t = &w->s->sql;
	size_t most = w->s->packet_max < TEXT_MOST ? w->s->packet_max : TEXT_MOST;
	bool is_of_dead = op == GEARMAND_BURY || op == GEARMAND_UNBURY;

	if (w->op != op || (!is_put(op) && w->keys == KEYS_MOST))
		end_statement(w);
	if (t->len > 0 && t->len + more + strlen(w->s->table) + ROW_SPARE > most) {
		end_statement(w);
		send_text(w);
	}
	if (w->op == 0)
		gm_addf(
		    t, is_put(op) ? INSERT_HEAD : "DELETE FROM %s WHERE ", is_of_dead ? w->s->dead_table : w->s->table);
	w->op = op;
}

/* (function_name='f' AND unique_key IN('a','b'))OR(function_name='g' AND unique_key IN('c')) */
static void
write_removal(struct writer *w, const struct gearmand_job *job)
{
	begin_statement(w, GEARMAND_REMOVE, literal_length(job->function) + literal_length(job->unique));
	if (w->keys > 0 && gm_same(w->group, job->function)) {
		add_literal(w, ",", job->unique);
	} else {
		add_literal(w, w->keys == 0 ? "(function_name=" : "))OR(function_name=", job->function);
		add_literal(w, " AND unique_key IN(", job->unique);
	}
	w->group = job->function;
	w->keys++;
}

static void
write_unburial(struct writer *w, const struct gearmand_job *job)
{
	begin_statement(w, GEARMAND_UNBURY, literal_length(job->handle));
	add_literal(w, w->keys == 0 ? "job_handle IN(" : ",", job->handle);
	w->keys++;
}

static size_t
row_length(const struct gearmand_job *job)
{
	return literal_length(job->unique) + literal_length(job->function) + literal_length(job->data) +
	       literal_length(job->handle) + literal_length(job->reducer) + literal_length(job->error) + ROW_SPARE;
}

static void
write_row(struct writer *w, enum gearmand_op op, const struct gearmand_job *job)
{
	begin_statement(w, op, row_length(job));
	add_literal(w, w->keys == 0 ? "(" : ",(", job->unique);
	add_literal(w, ",", job->function);
	add_literal(w, ",", job->data);
	add_literal(w, ",", job->handle);
	add_literal(w, ",", job->reducer);
	add_literal(w, ",", job->error);
	gm_addf(&w->s->sql, ",%d,%lld,%u,%u,%lld,%lld)", (int)job->priority, (long long)job->run_at,
	    (unsigned)job->flags, (unsigned)job->attempts, (long long)job->changed_at, (long long)job->expires_at);
	w->keys++;
}

/* ---- The batch ----------------------------------------------------------------------- */

/* Each refused by itself, before the rest is touched.  True: the job may be stored. */
static bool
is_fit(struct my_store *s, struct gearmand_change *c)
{
	const struct gearmand_job *job = &c->job;

	if (job->function.len > FUNCTION_MAX)
		s->host->refuse(c,
		    "a function's name of %zu bytes is too long for the MySQL queue, which takes up to %d",
		    job->function.len, (int)FUNCTION_MAX);
	else if (job->unique.len > UNIQUE_MAX || job->handle.len > HANDLE_MAX || job->reducer.len > REDUCER_MAX)
		s->host->refuse(c, "the job's key, handle or reducer is too long for the MySQL queue");
	else if (row_length(job) + strlen(s->table) + ROW_SPARE > s->packet_max)
		s->host->refuse(c,
		    "a job of %zu bytes is too large for the MySQL queue: its server's max_allowed_packet is %zu",
		    job->data.len, s->packet_max);
	return c->outcome != GEARMAND_REFUSED;
}

static void
write_change(struct writer *w, struct gearmand_change *c)
{
	if (c->op == GEARMAND_REMOVE)
		write_removal(w, &c->job);
	else if (c->op == GEARMAND_UNBURY)
		write_unburial(w, &c->job);
	else
		write_row(w, c->op, &c->job);
	if (!w->is_careful || !is_put(c->op))
		return;
	end_statement(w);
	send_text(w);
	if (my_is_final(w->code)) {
		w->s->host->refuse(c, "the MySQL queue does not take this job: %s", mysql_error(w->s->db));
		w->code = 0;
	}
}

static void
write_changes(struct writer *w, enum gearmand_op op, struct gearmand_change *changes, size_t count)
{
	for (size_t i = 0; i < count && w->code == 0; i++) {
		if (changes[i].op == op && changes[i].outcome != GEARMAND_REFUSED)
			write_change(w, &changes[i]);
	}
	end_statement(w);
	if (w->is_careful)
		send_text(w);
}

/* Error number; 0 = it is committed. */
static int
run_batch(struct my_store *s, struct gearmand_change *changes, size_t count, bool is_careful)
{
	struct writer w = { .s = s, .is_careful = is_careful };

	gm_bytes_clear(&s->sql, KEPT);
	gm_add_text(&s->sql, "BEGIN;");
	my_lease_write(s, &s->sql);
	write_changes(&w, GEARMAND_BURY, changes, count);
	write_changes(&w, GEARMAND_REMOVE, changes, count);
	write_changes(&w, GEARMAND_ADD, changes, count);
	write_changes(&w, GEARMAND_UNBURY, changes, count);
	gm_add_text(&s->sql, "COMMIT");
	send_text(&w);
	return w.code;
}

static int
undo(struct my_store *s)
{
	return my_run(s->db, "ROLLBACK", strlen("ROLLBACK"));
}

/* The error is told before what comes next can change it. */
static enum gearmand_commit
give_up(struct my_store *s, int code, const char *doing, struct gearmand_error *err)
{
	enum gearmand_commit outcome = my_outcome(s->db, code);

	if (my_lease_is_lost(s, code, err)) {
		s->is_broken = true;
		return GEARMAND_COMMIT_BROKEN;
	}
	if (code == OUT_OF_MEMORY && mysql_errno(s->db) == 0)
		gm_fail(err, GEARMAND_WHY_PASSING, "%s: %s: out of memory", s->where, doing);
	else
		my_fail(s, s->db, err, doing);
	s->is_broken = outcome == GEARMAND_COMMIT_BROKEN || undo(s) != 0;
	return s->is_broken ? GEARMAND_COMMIT_BROKEN : outcome;
}

/* In a cluster it also shows the others that we live. */
enum gearmand_commit
my_check(void *store, struct gearmand_error *err)
{
	struct my_store *s = my_store_of(store);
	int code;

	gm_bytes_clear(&s->sql, KEPT);
	my_lease_write(s, &s->sql);
	gm_add_text(&s->sql, "DO 0");
	code = my_run(s->db, s->sql.data, s->sql.len);
	return code == 0 ? GEARMAND_COMMIT_DONE : give_up(s, code, "looking after it", err);
}

enum gearmand_commit
my_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	struct my_store *s = my_store_of(store);
	size_t left = 0;
	int code;

	for (size_t i = 0; i < count; i++)
		left += !is_put(changes[i].op) || is_fit(s, &changes[i]);
	if (left == 0)
		return GEARMAND_COMMIT_DONE;
	code = run_batch(s, changes, count, false);
	if (my_is_final(code)) {
		code = undo(s);
		if (code == 0)
			code = run_batch(s, changes, count, true);
	}
	return code == 0 ? GEARMAND_COMMIT_DONE : give_up(s, code, "storing jobs", err);
}
