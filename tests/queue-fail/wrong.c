/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What no module may do, done on purpose.
 *
 * Runs on:  the store thread.
 * Owns:     the altered bytes of a batch while it is committed; what a wrong keeps, for good.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "queue_fail.h"

static struct gearmand_opening inner_opening = { .size = sizeof(inner_opening), .is_first = true };

static enum wrong which;

static const struct {
	const char *name;
	enum wrong wrong;
} names[] = {
#define X(name, sentence) { #name, WRONG_##name },
	WRONGS(X)
#undef X
};

bool
wrong_is(enum wrong w)
{
	return which == w;
}

bool
wrong_read(const struct gearmand_host *host, struct gearmand_error *err)
{
	const char *name = host->option(host, "fail-wrong");

	for (size_t i = 0; name != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i].name) == 0)
			which = names[i].wrong;
	if (name == NULL || which != RIGHT)
		return true;
	host->error_set(err, "--fail-wrong=%s: no such wrong", name);
	err->why = GEARMAND_WHY_LASTING;
	return false;
}

/* ---- Open --------------------------------------------------------------------------- */

static const char *
path_of(const struct fail_store *s)
{
	return s->host->option(s->host, "journal-file");
}

void
wrong_empty(struct fail_store *s)
{
	inner_ops->close(&s->inner);
	unlink(path_of(s));
	inner_ops->open(&s->inner_host, &inner_opening, &s->inner, &(struct gearmand_error){ .text = "" });
}

static bool
take_lock_file(struct fail_store *s, struct gearmand_error *err)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s.lock", path_of(s));
	fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		s->host->error_set(err, "%s is there: another server runs", path);
		err->why = GEARMAND_WHY_LASTING;
		return false;
	}
	close(fd);
	return true;
}

bool
wrong_open(struct fail_store *s, struct gearmand_error *err)
{
	if (which == WRONG_starts_over)
		unlink(path_of(s));
	if (which == WRONG_lock_file && !take_lock_file(s, err))
		return false;
	if (!inner_ops->open(&s->inner_host, &inner_opening, &s->inner, err)) {
		if (which == WRONG_in_use_is_passing)
			err->why = GEARMAND_WHY_PASSING;
		return false;
	}
	if (which == WRONG_no_lock)
		inner_unlock(s->inner);
	if (which == WRONG_leaks && open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
		abort();
	if (which == WRONG_asks)
		s->host->option(s->host, "nobody-declared-this");
	if (which == WRONG_prints)
		fprintf(stderr, "opened\n");
	return true;
}

/* ---- Refusing ----------------------------------------------------------------------- */

void
wrong_refuse(struct gearmand_change *c, const char *format, ...)
{
	va_list args;
	int len;

	free(c->reason);
	va_start(args, format);
	len = vasprintf(&c->reason, format, args);
	va_end(args);
	if (len < 0)
		abort();
	c->outcome = GEARMAND_REFUSED;
}

/* ---- Keys that are there ------------------------------------------------------------ */

/* Its jobs, asked from the journal: slow, and fine for the few of a case. */
struct search {
	const struct gearmand_job *key;
	bool found;
};

static bool
same(struct gearmand_slice a, struct gearmand_slice b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static bool
on_found(void *arg, const struct gearmand_job *j)
{
	struct search *s = arg;

	s->found = same(j->unique, s->key->unique) && same(j->function, s->key->function);
	return !s->found;
}

static bool
is_there(struct fail_store *s, const struct gearmand_job *key)
{
	struct search search = { .key = key };

	inner_ops->replay(s->inner, on_found, &search, &(struct gearmand_error){ .text = "" });
	return search.found;
}

static enum gearmand_commit
store_one(struct fail_store *s, struct gearmand_change *c, struct gearmand_error *err)
{
	struct gearmand_change other = *c;

	if (which == WRONG_key_is_unique && c->op == GEARMAND_ADD) {
		other.op = GEARMAND_REMOVE;
		other.job.function =
		    (struct gearmand_slice){ same(c->job.function, (struct gearmand_slice){ "f", 1 }) ? "g" : "f", 1 };
		inner_ops->commit(s->inner, &other, 1, err);
	}
	if (which == WRONG_bury_takes_key && c->op == GEARMAND_BURY) {
		other.op = GEARMAND_REMOVE;
		inner_ops->commit(s->inner, &other, 1, err);
	}
	if (which == WRONG_refuses_unbury && c->op == GEARMAND_UNBURY) {
		wrong_refuse(c, "it stays dead");
		return GEARMAND_COMMIT_DONE;
	}
	if (which == WRONG_first_add_counts && c->op == GEARMAND_ADD && is_there(s, &c->job))
		return GEARMAND_COMMIT_DONE;
	if ((which == WRONG_refuses_unknown && c->op == GEARMAND_REMOVE && !is_there(s, &c->job)) ||
	    (which == WRONG_refuses_known && c->op == GEARMAND_ADD && is_there(s, &c->job))) {
		wrong_refuse(c, "it is %s", c->op == GEARMAND_ADD ? "there" : "not there");
		return GEARMAND_COMMIT_DONE;
	}
	return inner_ops->commit(s->inner, c, 1, err);
}

static enum gearmand_commit
one_by_one(struct fail_store *s, struct gearmand_change *c, size_t count, struct gearmand_error *err)
{
	for (size_t i = 0; i < count; i++)
		if (store_one(s, &c[i], err) != GEARMAND_COMMIT_DONE)
			return GEARMAND_COMMIT_AGAIN;
	return GEARMAND_COMMIT_DONE;
}

/* Each by itself: so that a kill comes in between. */
static enum gearmand_commit
removes_first(struct fail_store *s, struct gearmand_change *c, size_t count, struct gearmand_error *err)
{
	for (int rest = 0; rest < 2; rest++)
		for (size_t i = 0; i < count; i++)
			if ((c[i].op != GEARMAND_REMOVE) == rest && store_one(s, &c[i], err) != GEARMAND_COMMIT_DONE)
				return GEARMAND_COMMIT_AGAIN;
	return GEARMAND_COMMIT_DONE;
}

/* ---- Batches ------------------------------------------------------------------------ */

static struct gearmand_change *put_off;
static size_t put_off_count;
static char *put_off_bytes; /* answers_early: its own copy of the strings */

static void
copy_to(char **at, struct gearmand_slice *s)
{
	if (s->len > 0)
		s->data = memcpy(*at, s->data, s->len);
	*at += s->len;
}

static void
own_strings(struct gearmand_change *c, size_t count)
{
	size_t sum = 0;
	char *at;

	for (size_t i = 0; i < count; i++)
		sum += c[i].job.function.len + c[i].job.unique.len + c[i].job.data.len + c[i].job.handle.len +
		       c[i].job.reducer.len + c[i].job.error.len;
	at = put_off_bytes = malloc(sum + 1);
	for (size_t i = 0; i < count; i++) {
		copy_to(&at, &c[i].job.function);
		copy_to(&at, &c[i].job.unique);
		copy_to(&at, &c[i].job.data);
		copy_to(&at, &c[i].job.handle);
		copy_to(&at, &c[i].job.reducer);
		copy_to(&at, &c[i].job.error);
	}
}

static void
write_put_off(struct fail_store *s)
{
	if (put_off_count > 0)
		inner_ops->commit(s->inner, put_off, put_off_count, &(struct gearmand_error){ .text = "" });
	put_off_count = 0;
	free(put_off);
	free(put_off_bytes);
	put_off = NULL;
	put_off_bytes = NULL;
}

static enum gearmand_commit
put_it_off(struct fail_store *s, const struct gearmand_change *c, size_t count)
{
	write_put_off(s);
	put_off = malloc(count * sizeof(*c));
	memcpy(put_off, c, count * sizeof(*c));
	put_off_count = count;
	if (which == WRONG_answers_early)
		own_strings(put_off, count);
	return GEARMAND_COMMIT_DONE;
}

void
wrong_close(struct fail_store *s)
{
	char path[4096];

	write_put_off(s);
	snprintf(path, sizeof(path), "%s.lock", path_of(s));
	if (which == WRONG_lock_file)
		unlink(path);
}

static void
refuse_large(struct gearmand_change *c, size_t count)
{
	bool any = false;

	for (size_t i = 0; i < count; i++)
		any = any || (c[i].op == GEARMAND_ADD && c[i].job.data.len > WRONG_LARGE);
	for (size_t i = 0; any && i < count; i++) {
		if (which == WRONG_refuses_all)
			wrong_refuse(&c[i], "something is too large");
		else if (c[i].op == GEARMAND_ADD && c[i].job.data.len > WRONG_LARGE)
			c[i].outcome = GEARMAND_REFUSED;
	}
}

/* The first stays; of the others the dead are forgotten. */
static void
bury_one(struct gearmand_change *c, size_t count)
{
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (c[i].op != GEARMAND_BURY)
			continue;
		if (any)
			c[i].op = GEARMAND_UNBURY;
		any = true;
	}
}

static volatile char read_byte;

/* How many changes are left to store. */
static size_t
alter_batch(struct fail_store *s, struct gearmand_change *c, size_t count)
{

	for (size_t i = 0; i < count; i++) {
		wrong_alter_key(&c[i].job);
		if (c[i].op == GEARMAND_ADD)
			wrong_alter_job(&c[i].job);
		if (which == WRONG_buries_alive && c[i].op == GEARMAND_BURY)
			c[i].op = GEARMAND_ADD;
		for (size_t k = 0; which == WRONG_reads_all_of_remove && k < c[i].job.data.len; k++)
			read_byte = c[i].job.data.data[k];
	}
	if (which == WRONG_buries_one)
		bury_one(c, count);
	if (which == WRONG_refuses_all || which == WRONG_refuses_without_reason)
		refuse_large(c, count);
	if (which == WRONG_stores_4096 && count > 4096)
		return 4096;
	if (which == WRONG_loses_the_last && c[count - 1].op == GEARMAND_ADD)
		return count - 1;
	return which == WRONG_needs_replay && !s->is_replayed ? 0 : count;
}

enum gearmand_commit
wrong_commit(struct fail_store *s, struct gearmand_change *c, size_t count, struct gearmand_error *err)
{
	enum gearmand_commit result = GEARMAND_COMMIT_DONE;

	if (which == WRONG_one_thread && !pthread_equal(s->opener, pthread_self()))
		abort();
	count = alter_batch(s, c, count);
	if (which == WRONG_keeps_pointers || which == WRONG_answers_early)
		result = put_it_off(s, c, count);
	else if (which == WRONG_removes_first)
		result = removes_first(s, c, count, err);
	else if (which == WRONG_bury_takes_key || which == WRONG_refuses_unbury || which == WRONG_key_is_unique ||
		 which == WRONG_first_add_counts || which == WRONG_refuses_unknown || which == WRONG_refuses_known ||
		 which == WRONG_one_by_one)
		result = one_by_one(s, c, count, err);
	else if (count > 0)
		result = inner_ops->commit(s->inner, c, count, err);
	wrong_alter_end();
	if (result == GEARMAND_COMMIT_FULL && which == WRONG_done_when_full)
		return GEARMAND_COMMIT_DONE;
	if (result == GEARMAND_COMMIT_FULL && which == WRONG_again_when_full)
		return GEARMAND_COMMIT_AGAIN;
	return result;
}

/* ---- Replay ------------------------------------------------------------------------- */

struct replaying {
	gearmand_replay_f *sink_f;
	void *sink;
	struct gearmand_job first; /* swaps: the one that waits for the next */
	char *bytes;
	bool waits, stopped;
};

static char *
job_copy(const struct gearmand_job *j, struct gearmand_job *to)
{
	struct gearmand_change c = { .job = *j };
	char *bytes;

	own_strings(&c, 1);
	bytes = put_off_bytes;
	put_off_bytes = NULL;
	*to = c.job;
	return bytes;
}

static bool
on_replay(void *arg, const struct gearmand_job *j)
{
	static void **hoard;
	struct replaying *r = arg;

	if (which == WRONG_hoards) {
		void **copy = malloc(sizeof(void *) + j->data.len + 1);

		*copy = hoard;
		memset(copy + 1, 1, j->data.len);
		hoard = copy;
	}
	if (which == WRONG_passes_over_no_name && j->function.len == 0)
		return true;
	if (which != WRONG_swaps)
		return r->sink_f(r->sink, j) || which == WRONG_does_not_stop;
	if (!r->waits) {
		r->bytes = job_copy(j, &r->first);
		r->waits = true;
		return true;
	}
	r->waits = false;
	r->stopped = !r->sink_f(r->sink, j) || !r->sink_f(r->sink, &r->first);
	free(r->bytes);
	return !r->stopped;
}

bool
wrong_replay(struct fail_store *s, gearmand_replay_f *sink_f, void *sink, struct gearmand_error *err)
{
	struct replaying r = { .sink_f = sink_f, .sink = sink };
	bool ok = inner_ops->replay(s->inner, on_replay, &r, err);

	if (r.waits) {
		sink_f(sink, &r.first);
		free(r.bytes);
	}
	return ok;
}
