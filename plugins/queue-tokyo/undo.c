/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tokyo's log of a transaction, FILE.wal: what it touched, and taking it back.
 *
 * Runs on:  the store thread.
 * Owns:     nothing; s->log is the store's.
 *
 * The log holds the file's size when the transaction began, then regions of the file as they were: offset, length,
 * bytes.  It is empty when no transaction is open.  Tokyo takes back what a killed process left half done when it opens
 * the file, but stumbles over a last region that is cut short: then it goes on with the head of before and the rest of
 * after.  So it is done here, before Tokyo sees the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue_tokyo.h"

enum { REGION_HEAD = 8 + 4 };

bool
tk_log_read(int fd, struct tk_buf *log)
{
	struct stat st;

	log->len = 0;
	if (fstat(fd, &st) != 0 || tk_buf_room(log, (size_t)st.st_size) == NULL ||
	    !tk_read_at(fd, log->data, (size_t)st.st_size, 0))
		return false;
	log->len = (size_t)st.st_size;
	return true;
}

bool
tk_log_begin(struct tk_log *l, const struct tk_buf *log, bool is_swapped)
{
	if (log->len < 8 + REGION_HEAD + TK_HEAD)
		return false;
	*l = (struct tk_log){ .is_swapped = is_swapped,
		.file_size = tk_number(log->data, 8, is_swapped),
		.rest = log->data + 8,
		.end = log->data + log->len };
	return true;
}

bool
tk_log_next(struct tk_log *l, struct tk_region *r)
{
	size_t left = (size_t)(l->end - l->rest);

	if (left < REGION_HEAD)
		return false;
	*r = (struct tk_region){ .at = tk_number(l->rest, 8, l->is_swapped),
		.len = (uint32_t)tk_number(l->rest + 8, 4, l->is_swapped),
		.bytes = l->rest + REGION_HEAD };
	if (left - REGION_HEAD < r->len)
		return false;
	l->rest += REGION_HEAD + r->len;
	return true;
}

/* What a loss of power left of a log may be anything: each region must lie in the file as it was, and the first one
 * is the head. */
static bool
is_sound(struct tk_log l, size_t *count_r)
{
	struct tk_region r;
	struct tk_layout head;

	*count_r = 0;
	while (tk_log_next(&l, &r)) {
		if (r.len == 0 || r.at > l.file_size || r.len > l.file_size - r.at)
			return false;
		if (*count_r == 0 && (r.at != 0 || r.len != TK_HEAD || !tk_layout_read(&head, r.bytes) ||
					 head.first > l.file_size || head.size != l.file_size))
			return false;
		++*count_r;
	}
	return *count_r > 0;
}

/* The last one first. */
static bool
take_back(struct tk_store *s, struct tk_log l, size_t count)
{
	struct tk_region *r = calloc(count, sizeof(*r));
	char head[TK_HEAD];
	bool ok = r != NULL;

	for (size_t i = 0; i < count && ok; i++)
		tk_log_next(&l, &r[i]);
	for (size_t i = count; i-- > 1 && ok;)
		ok = tk_write_at(s->lock_fd, r[i].bytes, r[i].len, (off_t)r[i].at);
	if (ok) {
		/* It goes on being a file that nobody closed, until all is done. */
		memcpy(head, r[0].bytes, sizeof(head));
		head[TK_FLAGS_AT] |= TK_FLAG_OPEN;
		ok = tk_write_at(s->lock_fd, head, sizeof(head), 0) && ftruncate(s->lock_fd, (off_t)l.file_size) == 0;
	}
	free(r);
	return ok;
}

static bool
undo_from(struct tk_store *s, int fd, bool is_swapped, struct gearmand_error *err)
{
	struct tk_log l;
	size_t count;

	if (!tk_log_read(fd, &s->log))
		return tk_fail_errno(s, err, "reading its .wal");
	if (!tk_log_begin(&l, &s->log, is_swapped) || !is_sound(l, &count))
		return true;
	if (!take_back(s, l, count) || fsync(s->lock_fd) != 0)
		return tk_fail_errno(s, err, "taking back an unfinished transaction");
	s->host->log(s->host, GEARMAND_LOG_INFO, "queue file %s: took back an unfinished transaction", s->name.path);
	return true;
}

bool
tk_undo(struct tk_store *s, bool always, struct gearmand_error *err)
{
	char path[4200], head[TK_HEAD] = { 0 };
	struct tk_layout l;
	bool ok = true;
	int fd;

	tk_file_name(s, ".wal", path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0)
		return tk_fail_errno(s, err, "opening its .wal");
	/* One beside a file that was closed in order is of no meaning. */
	if (tk_read_at(s->lock_fd, head, sizeof(head), 0) && tk_layout_read(&l, head) &&
	    (always || (l.flags & TK_FLAG_OPEN) != 0))
		ok = undo_from(s, fd, l.is_swapped, err);
	close(fd);
	return ok;
}
