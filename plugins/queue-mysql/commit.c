/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A batch of changes becomes one transaction.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; the batch is the host's.
 *
 * BEGIN, DELETE of many keys, INSERT of many rows and COMMIT go as one text in one round trip; a batch that is
 * larger than a packet goes in several.  When the server does not take a row, the transaction is undone and made
 * again with a statement for each row, so that this row alone is refused.
 *
 * A literal is as long as its escapes make it, so whether a job fits a packet depends on its bytes.
 */
#include <string.h>

#include "queue_mysql.h"

#define INSERT_TAIL \
	" ON DUPLICATE KEY UPDATE priority=VALUES(priority),data=VALUES(data),when_to_run=VALUES(when_to_run)," \
	"job_handle=VALUES(job_handle),reducer=VALUES(reducer),flags=VALUES(flags)"

/* SQL text that is sent at once, if it may be more; bytes of a row that are not literals; keys in one DELETE. */
enum { TEXT_MOST = 4 << 20, ROW_SPARE = 128, KEYS_MOST = 1000 };

enum form { NONE, REMOVING, ADDING };

struct writer {
	struct my_store *s;
	bool is_careful;                 /* a statement for each row */
	enum form form;                  /* of the statement that is open */
	size_t keys;                     /* in it */
	const struct gearmand_job *last; /* the key before, in it */
	int code;                        /* error number; 0 = well so far */
};

/* ---- The text ------------------------------------------------------------------------ */

static void
end_statement(struct writer *w)
{
	if (w->form == REMOVING)
		my_text_adds(&w->s->sql, "));");
	else if (w->form == ADDING)
		my_text_adds(&w->s->sql, INSERT_TAIL ";");
	w->form = NONE;
	w->keys = 0;
	w->last = NULL;
}

static void
send_text(struct writer *w)
{
	struct my_text *t = &w->s->sql;

	if (w->code == 0 && !t->failed && t->len > 0)
		w->code = my_run(w->s->db, t->data, t->len);
	if (t->failed)
		w->code = 1037; /* out of memory */
	my_text_clear(t);
}

/* Room for that many bytes, with what ends the statement. */
static void
make_room(struct writer *w, size_t more)
{
	size_t most = w->s->packet_max < TEXT_MOST ? w->s->packet_max : TEXT_MOST;

	if (w->s->sql.len + more + sizeof(INSERT_TAIL) + ROW_SPARE <= most || w->s->sql.len == 0)
		return;
	end_statement(w);
	send_text(w);
}

static void
begin_statement(struct writer *w, enum form form)
{
	struct my_text *t = &w->s->sql;

	if (w->form == form)
		return;
	end_statement(w);
	if (form == REMOVING) {
		my_text_adds(t, "DELETE FROM ");
		my_text_adds(t, w->s->table);
		my_text_adds(t, " WHERE ");
	} else {
		my_text_adds(t, "INSERT INTO ");
		my_text_adds(t, w->s->table);
		my_text_adds(t, "(unique_key,function_name,priority,data,when_to_run,job_handle,reducer,flags)VALUES");
	}
	w->form = form;
}

/* (function_name='f' AND unique_key IN ('a','b')) OR (function_name='g' AND unique_key IN ('c')) */
static void
write_removal(struct writer *w, const struct gearmand_job *job)
{
	struct my_text *t = &w->s->sql;
	const struct gearmand_job *last;

	if (w->keys == KEYS_MOST)
		end_statement(w);
	make_room(w, my_literal_length(job->function) + my_literal_length(job->unique) + strlen(w->s->table));
	begin_statement(w, REMOVING);
	last = w->last;
	if (last != NULL && last->function.len == job->function.len &&
	    memcmp(last->function.data, job->function.data, job->function.len) == 0) {
		my_text_adds(t, ",");
	} else {
		my_text_adds(t, last == NULL ? "(function_name=" : "))OR(function_name=");
		my_text_add_literal(t, w->s->db, job->function);
		my_text_adds(t, " AND unique_key IN(");
	}
	my_text_add_literal(t, w->s->db, job->unique);
	w->last = job;
	w->keys++;
}

static size_t
row_length(const struct gearmand_job *job)
{
	return my_literal_length(job->unique) + my_literal_length(job->function) + my_literal_length(job->data) +
	       my_literal_length(job->handle) + my_literal_length(job->reducer) + ROW_SPARE;
}

/* What stands before a row and behind it, when it is alone. */
static size_t
insert_length(const struct my_store *s)
{
	return strlen(s->table) + sizeof(INSERT_TAIL) + 2 * ROW_SPARE;
}

static void
write_row(struct writer *w, const struct gearmand_job *job)
{
	struct my_text *t = &w->s->sql;

	make_room(w, row_length(job) + strlen(w->s->table));
	begin_statement(w, ADDING);
	my_text_adds(t, w->keys == 0 ? "(" : ",(");
	my_text_add_literal(t, w->s->db, job->unique);
	my_text_adds(t, ",");
	my_text_add_literal(t, w->s->db, job->function);
	my_text_addf(t, ",%d,", (int)job->priority);
	my_text_add_literal(t, w->s->db, job->data);
	my_text_addf(t, ",%lld,", (long long)job->run_at);
	my_text_add_literal(t, w->s->db, job->handle);
	my_text_adds(t, ",");
	my_text_add_literal(t, w->s->db, job->reducer);
	my_text_addf(t, ",%u)", (unsigned)my_mark_flags(w->s, job->flags));
	w->keys++;
}

/* ---- The batch ----------------------------------------------------------------------- */

/* Each refused by itself, before the rest is touched. */
static void
refuse_unfit(struct my_store *s, struct gearmand_change *c)
{
	const struct gearmand_job *job = &c->job;

	if (c->op != GEARMAND_ADD || c->outcome == GEARMAND_REFUSED)
		return;
	if (job->function.len > FUNCTION_MAX)
		s->host->refuse(c,
		    "a function's name of %zu bytes is too long for the MySQL queue, which takes up to %d",
		    job->function.len, (int)FUNCTION_MAX);
	else if (job->unique.len > UNIQUE_MAX || job->handle.len > HANDLE_MAX || job->reducer.len > REDUCER_MAX)
		s->host->refuse(c, "the job's key, handle or reducer is too long for the MySQL queue");
	else if (row_length(job) + insert_length(s) > s->packet_max)
		s->host->refuse(c,
		    "a job of %zu bytes is too large for the MySQL queue: its server's max_allowed_packet is %zu",
		    job->data.len, s->packet_max);
}

static void
refuse_alone(struct writer *w, struct gearmand_change *c)
{
	if (!my_is_final((unsigned)w->code))
		return;
	w->s->host->refuse(c, "the MySQL queue does not take this job: %s", mysql_error(w->s->db));
	w->code = 0;
}

static void
write_additions(struct writer *w, struct gearmand_change *changes, size_t count)
{
	for (size_t i = 0; i < count && w->code == 0; i++) {
		if (changes[i].op != GEARMAND_ADD || changes[i].outcome == GEARMAND_REFUSED ||
		    !my_plan_adds(&w->s->plan, changes, i))
			continue;
		write_row(w, &changes[i].job);
		if (!w->is_careful)
			continue;
		end_statement(w);
		send_text(w);
		refuse_alone(w, &changes[i]);
	}
}

/* Error number; 0 = it is committed. */
static int
run_batch(struct my_store *s, struct gearmand_change *changes, size_t count, bool is_careful)
{
	struct writer w = { .s = s, .is_careful = is_careful };

	my_text_clear(&s->sql);
	my_text_adds(&s->sql, "BEGIN;");
	my_lease_write(s, &s->sql);
	for (size_t i = 0; i < s->plan.removal_count && w.code == 0; i++)
		write_removal(&w, s->plan.removals[i].job);
	end_statement(&w);
	if (is_careful)
		send_text(&w);
	write_additions(&w, changes, count);
	end_statement(&w);
	my_text_adds(&s->sql, "COMMIT");
	send_text(&w);
	return w.code;
}

static bool
is_empty(const struct my_store *s, const struct gearmand_change *changes, size_t count)
{
	size_t i = 0;

	while (i < count && (changes[i].op != GEARMAND_ADD || changes[i].outcome == GEARMAND_REFUSED))
		i++;
	return s->plan.removal_count == 0 && i == count;
}

static int
undo(struct my_store *s)
{
	return my_run(s->db, "ROLLBACK", strlen("ROLLBACK"));
}

static enum gearmand_commit
give_up(struct my_store *s, int code, const char *doing, struct gearmand_error *err)
{
	if (my_lease_is_lost(s, code, err)) {
		s->is_broken = true;
		return GEARMAND_COMMIT_BROKEN;
	}
	if (mysql_errno(s->db) != 0)
		my_sentence(s, s->db, err, doing);
	else
		s->host->error_set(err, "%s: %s: out of memory", s->where, doing);
	s->is_broken = my_outcome((unsigned)code) != GEARMAND_COMMIT_AGAIN || undo(s) != 0;
	return s->is_broken ? GEARMAND_COMMIT_BROKEN : GEARMAND_COMMIT_AGAIN;
}

static bool
is_complete(struct my_store *s, struct gearmand_error *err)
{
	s->is_broken = !my_mark_check(s, err);
	return !s->is_broken;
}

/* In a cluster it also shows the others that we live. */
enum gearmand_commit
my_check(void *store, struct gearmand_error *err)
{
	struct my_store *s = my_store_of(store);
	int code;

	if (!is_complete(s, err))
		return GEARMAND_COMMIT_BROKEN;
	my_text_clear(&s->sql);
	my_lease_write(s, &s->sql);
	my_text_adds(&s->sql, "DO 0");
	code = my_run(s->db, s->sql.data, s->sql.len);
	return code == 0 ? GEARMAND_COMMIT_DONE : give_up(s, code, "looking after it", err);
}

enum gearmand_commit
my_commit(void *store, struct gearmand_change *changes, size_t count, struct gearmand_error *err)
{
	struct my_store *s = my_store_of(store);
	int code;

	if (!is_complete(s, err))
		return GEARMAND_COMMIT_BROKEN;
	for (size_t i = 0; i < count; i++)
		refuse_unfit(s, &changes[i]);
	if (!my_plan_make(&s->plan, changes, count)) {
		s->host->error_set(err, "%s: out of memory", s->where);
		return GEARMAND_COMMIT_AGAIN;
	}
	if (is_empty(s, changes, count))
		return GEARMAND_COMMIT_DONE;
	code = run_batch(s, changes, count, false);
	if (my_is_final((unsigned)code)) {
		code = undo(s);
		if (code == 0)
			code = run_batch(s, changes, count, true);
	}
	return code == 0 ? GEARMAND_COMMIT_DONE : give_up(s, code, "storing jobs", err);
}
