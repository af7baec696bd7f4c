/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A queue module in a host that is not a server, and what its replay said.
 *
 * Runs on:  the process of one test.
 * Owns:     see queue_fixture.h.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/plugins/queue_fixture.h"

/* ---- Slices ------------------------------------------------------------------------------ */

struct gearmand_slice
slice_of_text(const char *s)
{
	return (struct gearmand_slice){ s, strlen(s) };
}

char *
keep(size_t len)
{
	static struct kept {
		struct kept *next;
		char bytes[];
	} * all;
	struct kept *k = malloc(sizeof(*k) + len + 1);

	cr_assert_not_null(k);
	k->next = all;
	all = k;
	return k->bytes;
}

struct gearmand_slice
slice_filled(size_t len, unsigned seed)
{
	char *bytes = keep(len);

	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245u + 12345u;
		bytes[i] = (char)(seed >> 16);
	}
	return (struct gearmand_slice){ bytes, len };
}

bool
slice_same(struct gearmand_slice a, struct gearmand_slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static struct gearmand_slice
slice_copy(struct gearmand_slice v)
{
	char *bytes = malloc(v.len + 1);

	cr_assert_not_null(bytes);
	if (v.len > 0)
		memcpy(bytes, v.data, v.len);
	return (struct gearmand_slice){ bytes, v.len };
}

static void
slice_free(struct gearmand_slice v)
{
	free((void *)(uintptr_t)v.data);
}

/* ---- The queue ----------------------------------------------------------------------------- */

static void
forget_seen(struct queue *q)
{
	for (size_t i = 0; i < q->seen_count; i++) {
		slice_free(q->seen[i].function);
		slice_free(q->seen[i].unique);
		slice_free(q->seen[i].data);
		slice_free(q->seen[i].handle);
		slice_free(q->seen[i].reducer);
		slice_free(q->seen[i].error);
	}
	free(q->seen);
	q->seen = NULL;
	q->seen_count = 0;
}

void
queue_init(struct queue *q, const char *module)
{
	const char *folder = getenv("GEARMAND_PLUGIN_PATH");
	char file[512];

	cr_assert_not_null(folder, "GEARMAND_PLUGIN_PATH must name the folder of the built modules");
	memset(q, 0, sizeof(*q));
	snprintf(file, sizeof(file), "%s/%s", folder, module);
	fake_host_load(&q->host, file);
}

void
queue_fini(struct queue *q)
{
	queue_close(q);
	if (q->host.ops->forget != NULL && q->host.opening.memory != NULL)
		q->host.ops->forget(&q->host.opening.memory);
	forget_seen(q);
}

bool
queue_open(struct queue *q)
{
	bool ok;

	cr_assert_null(q->store);
	q->err.text[0] = '\0';
	q->err.why = GEARMAND_WHY_IN_USE; /* of an earlier try */
	ok = q->host.ops->open(&q->host.table, &q->host.opening, &q->store, &q->err);
	cr_assert_eq(ok, q->store != NULL);
	cr_assert_eq(ok, q->err.text[0] == '\0', "a failure has a sentence: %s", q->err.text);
	return ok;
}

void
queue_expect_no_open(struct queue *q, const char *sentence, enum gearmand_why why)
{
	cr_expect_not(queue_open(q));
	EXPECT_SENTENCE(q, sentence);
	cr_expect_eq(q->err.why, why, "%s", q->err.text);
	queue_close(q);
}

void
queue_close(struct queue *q)
{
	if (q->store != NULL)
		q->host.ops->close(&q->store);
	cr_assert_null(q->store);
}

static bool
see(void *sink, const struct gearmand_job *job)
{
	struct queue *q = sink;
	struct gearmand_job *copy;

	if ((q->seen_count & (q->seen_count - 1)) == 0)
		q->seen = realloc(q->seen, (q->seen_count == 0 ? 1 : q->seen_count * 2) * sizeof(*q->seen));
	copy = &q->seen[q->seen_count++];
	*copy = *job;
	copy->function = slice_copy(job->function);
	copy->unique = slice_copy(job->unique);
	copy->data = slice_copy(job->data);
	copy->handle = slice_copy(job->handle);
	copy->reducer = slice_copy(job->reducer);
	copy->error = slice_copy(job->error);
	return q->seen_count != q->stop_after;
}

bool
queue_replay(struct queue *q)
{
	bool ok;

	forget_seen(q);
	q->err.text[0] = '\0';
	ok = q->host.ops->replay(q->store, see, q, &q->err);
	cr_assert_eq(ok, q->err.text[0] == '\0', "a failure has a sentence: %s", q->err.text);
	return ok;
}

void
queue_reopen_and_replay(struct queue *q)
{
	queue_close(q);
	cr_assert(queue_open(q), "%s", q->err.text);
	cr_assert(queue_replay(q), "%s", q->err.text);
}

/* ---- Changes ------------------------------------------------------------------------------- */

struct gearmand_job
a_job(struct gearmand_slice function, struct gearmand_slice unique, struct gearmand_slice data)
{
	return (
	    struct gearmand_job){ .function = function, .unique = unique, .data = data, .priority = GEARMAND_NORMAL };
}

struct gearmand_change
an_add(struct gearmand_job job)
{
	return (struct gearmand_change){ .op = GEARMAND_ADD, .job = job };
}

struct gearmand_change
a_remove(struct gearmand_slice function, struct gearmand_slice unique)
{
	return (struct gearmand_change){ .op = GEARMAND_REMOVE, .job = { .function = function, .unique = unique } };
}

struct gearmand_change
a_bury(struct gearmand_job job, const char *handle, int64_t changed_at)
{
	job.handle = slice_of_text(handle);
	job.flags |= GEARMAND_JOB_DEAD;
	job.changed_at = changed_at;
	return (struct gearmand_change){ .op = GEARMAND_BURY, .job = job };
}

struct gearmand_change
an_unbury(const char *handle)
{
	return (struct gearmand_change){ .op = GEARMAND_UNBURY, .job = { .handle = slice_of_text(handle) } };
}

enum gearmand_commit
queue_commit(struct queue *q, struct gearmand_change *changes, size_t count)
{
	enum gearmand_commit c;

	q->err.text[0] = '\0';
	c = q->host.ops->commit(q->store, changes, count, &q->err);
	cr_assert_eq(c == GEARMAND_COMMIT_DONE, q->err.text[0] == '\0', "a failure has a sentence: %s", q->err.text);
	return c;
}

enum gearmand_commit
queue_add(struct queue *q, const char *function, const char *unique, const char *data)
{
	struct gearmand_change c = an_add(a_job(slice_of_text(function), slice_of_text(unique), slice_of_text(data)));

	return queue_commit(q, &c, 1);
}

enum gearmand_commit
queue_remove(struct queue *q, const char *function, const char *unique)
{
	struct gearmand_change c = a_remove(slice_of_text(function), slice_of_text(unique));

	return queue_commit(q, &c, 1);
}

enum gearmand_commit
queue_add_many(struct queue *q, const char *prefix, size_t count)
{
	struct gearmand_change *batch = calloc(count, sizeof(*batch));
	char(*keys)[64] = calloc(count, sizeof(*keys));
	enum gearmand_commit c;

	cr_assert(batch != NULL && keys != NULL);
	for (size_t i = 0; i < count; i++) {
		snprintf(keys[i], sizeof(keys[i]), "%s%zu", prefix, i);
		batch[i] = an_add(a_job(S("f"), slice_of_text(keys[i]), slice_of_text(keys[i])));
	}
	c = queue_commit(q, batch, count);
	free(batch);
	free(keys);
	return c;
}

const char *
queue_seen(struct queue *q)
{
	static char text[8192];
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < q->seen_count && at < sizeof(text); i++) {
		const struct gearmand_job *j = &q->seen[i];

		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s%.*s/%.*s=%.*s", i == 0 ? "" : " ",
		    j->flags & GEARMAND_JOB_DEAD ? "+" : "", (int)j->function.len, j->function.data, (int)j->unique.len,
		    j->unique.data, (int)j->data.len, j->data.data);
	}
	return text;
}

const char *
queue_content(struct queue *q)
{
	queue_reopen_and_replay(q);
	return queue_seen(q);
}
