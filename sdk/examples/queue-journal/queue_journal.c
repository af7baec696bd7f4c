/* SPDX-License-Identifier: BSD-3-Clause
 *
 * queue_journal.c - an example of a queue module: keeps background jobs in a journal, one plain file.
 *
 * Every change is appended as a record; one write and one fdatasync carry a whole batch, and the last
 * record of a batch says so: what has no such end was cut short by a crash and does not count.  An index in
 * memory knows where each live job is.  When the last job is gone the file starts over.
 *
 * Runs on:  the store thread (open: also at start-up), as <gearmand/plugin.h> says.
 * Owns:     the file, which it locks, and the index.
 */
#include <search.h>
#include <sys/file.h>

#include <gearmand/module.h>

static const char signature[8] = "GMJRNL1\n"; /* begins the file; no NUL */

enum {
	PARTS = 6,     /* function, unique, handle, reducer, data, error: in this order behind a record */
	KEPT = 1 << 20 /* bytes of memory from one batch, or record, to the next */
};

/* A record as it is in the file, in this machine's byte order. */
struct record {
	uint32_t check; /* of all that follows */
	uint32_t op;    /* enum gearmand_op */
	uint32_t len[PARTS];
	uint32_t priority, flags;
	uint32_t is_last; /* of its batch */
	uint32_t attempts;
	int64_t run_at, changed_at, expires_at;
};

/* Of a dead job the handle is the key: it is in the place of the unique, and the function is empty. */
struct key {
	uint32_t function_len, unique_len;
	bool is_dead;
	off_t at;     /* of its latest ADD or BURY */
	char bytes[]; /* function, then unique */
};

struct journal {
	const struct gearmand_host *host;
	const char *path;
	int fd;
	off_t end;
	void *index; /* tsearch(3) tree of struct key */
	size_t live; /* keys in it */
	struct gm_bytes batch, body;
	size_t last; /* place of the batch's last record */
};

/* ---- Records ------------------------------------------------------------------------ */

/* FNV-1a: good enough to tell a record from the torn end of a write. */
static uint32_t
checksum(uint32_t sum, const void *from, size_t n)
{
	const unsigned char *p = from;

	while (n-- > 0)
		sum = (sum ^ *p++) * 16777619u;
	return sum;
}

static uint32_t
record_check(const struct record *r, const char *body, size_t len)
{
	return checksum(checksum(2166136261u, &r->op, sizeof(*r) - offsetof(struct record, op)), body, len);
}

static size_t
record_body(const struct record *r)
{
	size_t sum = 0;

	for (int i = 0; i < PARTS; i++)
		sum += r->len[i];
	return sum;
}

/* ---- The index ---------------------------------------------------------------------- */

static int
key_compare(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->is_dead != y->is_dead)
		return x->is_dead ? 1 : -1;
	if (x->function_len != y->function_len)
		return x->function_len < y->function_len ? -1 : 1;
	if (x->unique_len != y->unique_len)
		return x->unique_len < y->unique_len ? -1 : 1;
	return memcmp(x->bytes, y->bytes, x->function_len + x->unique_len);
}

static bool
is_put(uint32_t op)
{
	return op == GEARMAND_ADD || op == GEARMAND_BURY;
}

static bool
is_of_dead(uint32_t op)
{
	return op == GEARMAND_BURY || op == GEARMAND_UNBURY;
}

/* `bytes`: a record's body. */
static struct key *
key_new(struct journal *j, const struct record *r, const char *bytes, off_t at)
{
	const bool dead = is_of_dead(r->op);
	size_t names = (size_t)r->len[0] + r->len[1], len = dead ? r->len[2] : names;
	struct key *k = j->host->allocate(sizeof(*k) + len);

	k->function_len = dead ? 0 : r->len[0];
	k->unique_len = dead ? r->len[2] : r->len[1];
	k->is_dead = dead;
	k->at = at;
	memcpy(k->bytes, dead ? bytes + names : bytes, len);
	return k;
}

static void
index_remove(struct journal *j, const struct key *k)
{
	struct key **found = tfind(k, &j->index, key_compare);
	struct key *old;

	if (found == NULL)
		return;
	old = *found;
	tdelete(k, &j->index, key_compare);
	j->host->release(old);
	j->live--;
}

/* What a record at this place of the file says. */
static void
index_apply(struct journal *j, const struct record *r, const char *body, off_t at)
{
	struct key *k = key_new(j, r, body, at);

	index_remove(j, k);
	if (is_put(r->op) && tsearch(k, &j->index, key_compare) != NULL)
		j->live++;
	else
		j->host->release(k);
}

static bool
index_has(struct journal *j, const struct record *r, const char *body, off_t at)
{
	struct key *k = key_new(j, r, body, at);
	struct key **found = tfind(k, &j->index, key_compare);
	bool is_latest = found != NULL && (*found)->at == at;

	j->host->release(k);
	return is_latest;
}

/* ---- Reading ------------------------------------------------------------------------ */

static bool
read_at(int fd, void *to, size_t n, off_t at)
{
	while (n > 0) {
		ssize_t got = pread(fd, to, n, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to = (char *)to + got;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

/* The record at this place, its body in j->body.  False: none that is whole. */
static bool
record_read(struct journal *j, off_t at, off_t file_end, struct record *r)
{
	size_t len;
	char *body;

	if (file_end - at < (off_t)sizeof(*r) || !read_at(j->fd, r, sizeof(*r), at))
		return false;
	len = record_body(r);
	if ((size_t)(file_end - at) - sizeof(*r) < len)
		return false;
	gm_bytes_clear(&j->body, KEPT);
	body = gm_room(&j->body, len);
	return body != NULL && read_at(j->fd, body, len, at + (off_t)sizeof(*r)) &&
	       record_check(r, body, len) == r->check;
}

/* Where the last whole batch ends. */
static off_t
journal_find_end(struct journal *j, off_t file_end)
{
	off_t end = sizeof(signature);
	struct record r;

	for (off_t at = end; record_read(j, at, file_end, &r);) {
		at += (off_t)(sizeof(r) + record_body(&r));
		if (r.is_last)
			end = at;
	}
	return end;
}

/* Learns what is in the file.  What a crash left half written is cut off: nobody was told that it is stored. */
static bool
journal_read(struct journal *j, off_t file_end, struct gearmand_error *err)
{
	struct record r;

	j->end = journal_find_end(j, file_end);
	if (j->body.failed) /* so that was not the end */
		return gm_fail(err, GEARMAND_WHY_PASSING, "%s: out of memory", j->path);
	for (off_t at = sizeof(signature); at < j->end && record_read(j, at, j->end, &r);
	     at += (off_t)(sizeof(r) + record_body(&r)))
		index_apply(j, &r, j->body.data, at);
	if (j->end == file_end)
		return true;
	j->host->log(j->host, GEARMAND_LOG_WARNING, "%s: cutting off the last %lld bytes, which are no whole batch",
	    j->path, (long long)(file_end - j->end));
	if (ftruncate(j->fd, j->end) == 0)
		return true;
	j->host->error_set(err, "%s: %s", j->path, strerror(errno));
	return false;
}

/* ---- Operations --------------------------------------------------------------------- */

static void
journal_close(void **store)
{
	struct journal *j = *store;

	*store = NULL;
	if (j == NULL)
		return;
	if (j->fd >= 0)
		close(j->fd); /* and unlocks */
	tdestroy(j->index, j->host->release);
	gm_bytes_free(&j->batch);
	gm_bytes_free(&j->body);
	j->host->release(j);
}

static bool
journal_start(struct journal *j, struct gearmand_error *err)
{
	char begin[sizeof(signature)];
	off_t size;

	j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (j->fd < 0 || (size = lseek(j->fd, 0, SEEK_END)) < 0) {
		j->host->error_set(err, "%s: %s", j->path, strerror(errno));
		return false;
	}
	if (flock(j->fd, LOCK_EX | LOCK_NB) != 0) {
		j->host->error_set(err, "%s is in use by another server", j->path);
		err->why = GEARMAND_WHY_IN_USE;
		return false;
	}
	if (size == 0 && pwrite(j->fd, signature, sizeof(signature), 0) != (ssize_t)sizeof(signature)) {
		j->host->error_set(err, "%s: %s", j->path, strerror(errno));
		return false;
	}
	if (!read_at(j->fd, begin, sizeof(begin), 0) || memcmp(begin, signature, sizeof(begin)) != 0) {
		j->host->error_set(err, "%s is no journal of this module", j->path);
		err->why = GEARMAND_WHY_LASTING;
		return false;
	}
	return journal_read(j, size == 0 ? (off_t)sizeof(signature) : size, err);
}

static bool
journal_open(
    const struct gearmand_host *host, struct gearmand_opening *opening, void **store_r, struct gearmand_error *err)
{
	struct journal *j = host->allocate(sizeof(*j));
	void *store = j;

	(void)opening;
	*j = (struct journal){ .host = host, .path = host->option(host, "journal-file"), .fd = -1 };
	if (j->path == NULL) {
		host->error_set(err, "--journal-file is needed");
		err->why = GEARMAND_WHY_LASTING;
	} else if (journal_start(j, err)) {
		*store_r = j;
		return true;
	}
	journal_close(&store);
	return false;
}

/* A record that counts; false: the server wants no more. */
static bool
replay_record(const struct record *r, const char *body, gearmand_replay_f *replay, void *sink)
{
	struct gearmand_slice part[PARTS];

	for (int i = 0; i < PARTS; body += r->len[i++])
		part[i] = (struct gearmand_slice){ .data = body, .len = r->len[i] };
	return replay(sink, &(struct gearmand_job){ .function = part[0],
				.unique = part[1],
				.handle = part[2],
				.reducer = part[3],
				.data = part[4],
				.error = part[5],
				.run_at = r->run_at,
				.priority = (enum gearmand_priority)r->priority,
				.flags = r->flags | (r->op == GEARMAND_BURY ? GEARMAND_JOB_DEAD : 0),
				.attempts = r->attempts,
				.changed_at = r->changed_at,
				.expires_at = r->expires_at });
}

/* All that was put with this operation; *stopped_r: the server wants no more. */
static bool
replay_all(struct journal *j, uint32_t op, gearmand_replay_f *replay, void *sink, bool *stopped_r)
{
	struct record r;

	for (off_t at = sizeof(signature); at < j->end && !*stopped_r; at += (off_t)(sizeof(r) + record_body(&r))) {
		if (!record_read(j, at, j->end, &r))
			return false;
		if (r.op == op && index_has(j, &r, j->body.data, at))
			*stopped_r = !replay_record(&r, j->body.data, replay, sink);
	}
	return true;
}

/* Dead jobs come last. */
static bool
journal_replay(void *store, gearmand_replay_f *replay, void *sink, struct gearmand_error *err)
{
	struct journal *j = store;
	bool stopped = false;

	if (replay_all(j, GEARMAND_ADD, replay, sink, &stopped) &&
	    (stopped || replay_all(j, GEARMAND_BURY, replay, sink, &stopped)))
		return true;
	j->host->error_set(err, "%s: a record cannot be read", j->path);
	return false;
}

/* Puts the head in front of its body. */
static void
batch_seal(struct journal *j, size_t at, struct record *r)
{
	r->check = record_check(r, j->batch.data + at + sizeof(*r), record_body(r));
	memcpy(j->batch.data + at, r, sizeof(*r));
}

/* Adds the record of a change to the batch, or refuses the change. */
static void
batch_add(struct journal *j, struct gearmand_change *c, int64_t max)
{
	const struct gearmand_job *job = &c->job;
	const struct gearmand_slice none = { "", 0 };
	const bool put = is_put(c->op), named = c->op != GEARMAND_UNBURY;
	const struct gearmand_slice part[PARTS] = { named ? job->function : none, named ? job->unique : none,
		c->op != GEARMAND_REMOVE ? job->handle : none, put ? job->reducer : none, put ? job->data : none,
		put ? job->error : none };
	struct record r;
	size_t at = j->batch.len;

	memset(&r, 0, sizeof(r));
	r.op = c->op;
	for (int i = 0; i < PARTS; i++)
		r.len[i] = (uint32_t)part[i].len;
	if (put) {
		r.priority = job->priority;
		r.flags = job->flags;
		r.run_at = job->run_at;
		r.attempts = job->attempts;
		r.changed_at = job->changed_at;
		r.expires_at = job->expires_at;
		if (j->end + (int64_t)(at + sizeof(r) + record_body(&r)) > max) {
			j->host->refuse(c, "the journal is full");
			return;
		}
	}
	gm_add(&j->batch, &r, sizeof(r));
	for (int i = 0; i < PARTS; i++)
		gm_add_slice(&j->batch, part[i]);
	if (j->batch.failed)
		return; /* journal_commit() looks at the end */
	batch_seal(j, at, &r);
	j->last = at;
}

static void
batch_end(struct journal *j)
{
	struct record r;

	if (j->batch.len == 0)
		return;
	memcpy(&r, j->batch.data + j->last, sizeof(r));
	r.is_last = true;
	batch_seal(j, j->last, &r);
}

/* All of the batch, safe on the disk. */
static bool
batch_write(struct journal *j)
{
	for (size_t done = 0; done < j->batch.len;) {
		ssize_t put = pwrite(j->fd, j->batch.data + done, j->batch.len - done, j->end + (off_t)done);

		if (put < 0 && errno != EINTR)
			return false;
		done += put > 0 ? (size_t)put : 0;
	}
	return fdatasync(j->fd) == 0;
}

static void
batch_apply(struct journal *j)
{
	struct record r;

	for (size_t at = 0; at < j->batch.len; at += sizeof(r) + record_body(&r)) {
		memcpy(&r, j->batch.data + at, sizeof(r));
		index_apply(j, &r, j->batch.data + at + sizeof(r), j->end + (off_t)at);
	}
	j->end += (off_t)j->batch.len;
	if (j->live == 0 && ftruncate(j->fd, sizeof(signature)) == 0)
		j->end = sizeof(signature);
}

static enum gearmand_commit
journal_commit(void *store, struct gearmand_change *change, size_t count, struct gearmand_error *err)
{
	struct journal *j = store;
	int64_t max = j->host->option_number(j->host, "journal-max");
	bool no_room;

	gm_bytes_clear(&j->batch, KEPT);
	for (size_t i = 0; i < count; i++)
		batch_add(j, &change[i], max);
	if (j->batch.failed) {
		gm_fail(err, GEARMAND_WHY_PASSING, "%s: out of memory", j->path);
		return GEARMAND_COMMIT_AGAIN;
	}
	batch_end(j);
	if (batch_write(j)) {
		batch_apply(j);
		return GEARMAND_COMMIT_DONE;
	}
	/* Cut off what may be half written: the server comes again with the same changes. */
	j->host->error_set(err, "%s: %s", j->path, strerror(errno));
	no_room = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
	if (ftruncate(j->fd, j->end) != 0)
		return GEARMAND_COMMIT_BROKEN;
	return no_room ? GEARMAND_COMMIT_FULL : GEARMAND_COMMIT_AGAIN;
}

/* ---- The descriptor ----------------------------------------------------------------- */

static const struct gearmand_option journal_options[] = {
	{ .name = "journal-file",
	    .type = GEARMAND_OPT_PATH,
	    .value_name = "FILE",
	    .help = "file that holds the jobs; required" },
	{ .name = "journal-max",
	    .type = GEARMAND_OPT_SIZE,
	    .dflt = "1G",
	    .min = "4K",
	    .help = "size of the file past which jobs are refused" },
	{ 0 },
};

static const struct gearmand_queue_ops journal_ops = {
	.size = sizeof(journal_ops),
	.open = journal_open,
	.replay = journal_replay,
	.commit = journal_commit,
	.close = journal_close,
	.keeps_dead = true,
};

GEARMAND_QUEUE_PLUGIN("journal", NULL, "1.0", "keeps jobs in a journal file", journal_options, &journal_ops);
