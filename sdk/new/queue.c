/* SPDX-License-Identifier: BSD-3-Clause
 *
 * new-queue - a queue module of gearmand.
 *
 * Runs on:  the store thread, which may block, as <gearmand/plugin.h> says.
 * Owns:     the jobs, in memory: they outlive a close of the store, not the server.
 *
 * Fill in: a store in the place of the list and the tree.  When it outlives the server, take --store-in-server from the
 * command of the check: then the check also kills a server, and starts a second one beside it.
 */
#include <search.h>

#include <gearmand/module.h>

struct new_queue_item {
	struct gearmand_job job; /* first: the tree knows an item as its job */
	struct new_queue_item *next, *before;
	char bytes[]; /* what the job's slices refer to */
};

struct new_queue {
	const struct gearmand_host *host;
	void *tree;                        /* tsearch(3), by key */
	struct new_queue_item alive, dead; /* rings, in the order of storing; of these two there is no job */
	int64_t count;
};

/* ---- Keys --------------------------------------------------------------------------- */

/* A dead job goes by its handle, others by function and unique.  Nothing else of REMOVE and UNBURY may be read. */
static struct gearmand_job
new_queue_key(const struct gearmand_change *c)
{
	struct gearmand_job key = { .flags = 0 };

	if (c->op == GEARMAND_BURY || c->op == GEARMAND_UNBURY) {
		key.flags = GEARMAND_JOB_DEAD;
		key.handle = c->job.handle;
	} else {
		key.function = c->job.function;
		key.unique = c->job.unique;
	}
	return key;
}

static int
new_queue_compare(const void *a, const void *b)
{
	const struct gearmand_job *x = a, *y = b;
	uint32_t x_dead = x->flags & GEARMAND_JOB_DEAD, y_dead = y->flags & GEARMAND_JOB_DEAD;
	int order;

	if (x_dead != y_dead)
		return x_dead ? 1 : -1;
	if (x_dead)
		return gm_compare(x->handle, y->handle);
	order = gm_compare(x->function, y->function);
	return order != 0 ? order : gm_compare(x->unique, y->unique);
}

static bool
new_queue_has(const struct new_queue *q, const struct gearmand_job *key)
{
	return tfind(key, &q->tree, new_queue_compare) != NULL;
}

/* ---- Jobs ------------------------------------------------------------------------- */

/* The server's strings are gone when commit returns.  NULL: no memory for what a client sent. */
static struct new_queue_item *
new_queue_copy(const struct gearmand_job *job)
{
	struct new_queue_item *item = malloc(sizeof(*item) + job->function.len + job->unique.len + job->data.len +
					     job->handle.len + job->reducer.len + job->error.len);
	struct gearmand_slice *slices[6];
	char *to;

	if (item == NULL)
		return NULL;
	item->job = *job;
	slices[0] = &item->job.function;
	slices[1] = &item->job.unique;
	slices[2] = &item->job.data;
	slices[3] = &item->job.handle;
	slices[4] = &item->job.reducer;
	slices[5] = &item->job.error;
	to = item->bytes;
	for (size_t i = 0; i < GM_COUNT(slices); to += slices[i++]->len) {
		if (slices[i]->len > 0)
			memcpy(to, slices[i]->data, slices[i]->len);
		slices[i]->data = to;
	}
	return item;
}

static void
new_queue_remove(struct new_queue *q, const struct gearmand_job *key)
{
	struct new_queue_item **found = tfind(key, &q->tree, new_queue_compare), *item;

	if (found == NULL)
		return;
	item = *found;
	tdelete(key, &q->tree, new_queue_compare);
	item->before->next = item->next;
	item->next->before = item->before;
	q->count--;
	free(item);
}

/* The item goes to the end of the order. */
static bool
new_queue_append(struct new_queue *q, struct new_queue_item *ring, struct new_queue_item *item)
{
	if (tsearch(item, &q->tree, new_queue_compare) == NULL)
		return false;
	item->next = ring;
	item->before = ring->before;
	item->before->next = item;
	ring->before = item;
	q->count++;
	return true;
}

/* ---- Operations --------------------------------------------------------------------- */

/* Fill in: open the store.  A failure is told in a sentence, with `error->why`: GEARMAND_WHY_IN_USE when another server
 * has the store.  What is in memory here would be the module's own, and freed by close; `opening->memory` is for the
 * little that must outlive it. */
static bool
new_queue_open(
    const struct gearmand_host *host, struct gearmand_opening *opening, void **store_r, struct gearmand_error *error)
{
	struct new_queue *q = opening->memory;

	if (q == NULL) {
		q = calloc(1, sizeof(*q));
		if (q == NULL)
			return gm_fail(error, GEARMAND_WHY_PASSING, "new-queue: out of memory");
		q->alive.next = q->alive.before = &q->alive;
		q->dead.next = q->dead.before = &q->dead;
		opening->memory = q;
	}
	q->host = host;
	*store_r = q;
	return true;
}

/* Fill in: read the store, a job at a time, so that memory does not grow with it. */
static bool
new_queue_replay(void *store, gearmand_replay_f *replay, void *sink, struct gearmand_error *error)
{
	const struct new_queue *q = store;
	const struct new_queue_item *rings[] = { &q->alive, &q->dead }; /* dead jobs come last */

	(void)error;
	for (size_t i = 0; i < GM_COUNT(rings); i++)
		for (const struct new_queue_item *item = rings[i]->next; item != rings[i]; item = item->next)
			if (!replay(sink, &item->job))
				return true;
	return true;
}

static void
new_queue_apply(struct new_queue *q, struct gearmand_change *c)
{
	const struct gearmand_job key = new_queue_key(c);
	bool stays = c->op == GEARMAND_ADD || c->op == GEARMAND_BURY;
	struct new_queue_item *item = stays ? new_queue_copy(&c->job) : NULL;

	if (stays && item == NULL) {
		q->host->refuse(c, "out of memory");
		return;
	}
	new_queue_remove(q, &key);
	if (stays && !new_queue_append(q, c->op == GEARMAND_BURY ? &q->dead : &q->alive, item)) {
		q->host->refuse(c, "out of memory");
		free(item);
	}
}

/* Fill in: write the whole batch, sync it once, and only then answer DONE: clients are told then that their jobs are
 * safe.  A batch may come again. */
static enum gearmand_commit
new_queue_commit(void *store, struct gearmand_change *change, size_t count, struct gearmand_error *error)
{
	struct new_queue *q = store;
	int64_t most = q->host->option_number(q->host, "new-queue-max-jobs"), after = q->count;

	for (size_t i = 0; i < count; i++) {
		const struct gearmand_job key = new_queue_key(&change[i]);

		if ((change[i].op == GEARMAND_ADD || change[i].op == GEARMAND_BURY) && !new_queue_has(q, &key))
			after++;
	}
	if (after > most && after > q->count) {
		q->host->error_set(
		    error, "there are as many jobs as --new-queue-max-jobs allows, %lld", (long long)most);
		return GEARMAND_COMMIT_FULL;
	}
	for (size_t i = 0; i < count; i++)
		new_queue_apply(q, &change[i]);
	return GEARMAND_COMMIT_DONE;
}

/* Fill in: close what open opened. */
static void
new_queue_close(void **store)
{
	*store = NULL;
}

/* After the last close. */
static void
new_queue_forget(void **memory)
{
	struct new_queue *q = *memory;
	struct new_queue_item *rings[] = { &q->alive, &q->dead };

	for (size_t i = 0; i < GM_COUNT(rings); i++)
		while (rings[i]->next != rings[i])
			new_queue_remove(q, &rings[i]->next->job);
	gm_forget(memory);
}

/* ---- The descriptor ----------------------------------------------------------------- */

/* Fill in: all modules share one command line, so names begin with the module's. */
static const struct gearmand_option options[] = {
	{ .name = "new-queue-max-jobs",
	    .type = GEARMAND_OPT_INT,
	    .dflt = "1000000",
	    .min = "1",
	    .value_name = "NUMBER",
	    .help = "jobs past which new ones are refused" },
	{ 0 },
};

static const struct gearmand_queue_ops ops = {
	.size = sizeof(ops),
	.open = new_queue_open,
	.replay = new_queue_replay,
	.commit = new_queue_commit,
	.close = new_queue_close,
	.forget = new_queue_forget,
	.keeps_dead = true,
};

GEARMAND_QUEUE_PLUGIN("new-queue", NULL, "0.1", "keeps jobs in memory", options, &ops);
