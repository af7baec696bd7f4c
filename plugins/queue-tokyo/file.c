/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The database file as such: one server on it at a time, a head that makes sense, and still where it was opened.
 *
 * Runs on:  the store thread.
 * Owns:     a descriptor of the database file, and the lock on it.
 *
 * The lock is inside the one that gearmand 1.1 and Tokyo's tools take, which is on the whole file, so they and this
 * server keep each other away.  It belongs to the descriptor: POSIX drops a process's ordinary locks on a file when the
 * process closes any descriptor of it, as the library does.
 *
 * Every file of Tokyo Cabinet 1.4 is a hash database: a head of 256 bytes, the bucket array, room for a list of free
 * blocks, then blocks.  The library, told not to lock, does not look whether the head makes sense.
 */
#include <libgen.h>
#include <strings.h>

#include <tchdb.h>

#include "queue_tokyo.h"

#define HEAD_MAGIC "ToKyO CaBiNeT"

enum { HEAD = 256, HEAD_FLAGS_AT = 33, LOCK_PATIENCE_MS = 250 };

static const struct gm_cause causes[] = {
	{ ENOSPC, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_FULL, "no room: " },
	{ EDQUOT, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_FULL, "no room: " },
	{ EFBIG, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_FULL, "no room: " },
	{ ENOMEM, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_AGAIN, "" },
	{ EACCES, GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, "" },
	{ EPERM, GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, "" },
	{ EROFS, GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, "" },
	{ EISDIR, GEARMAND_WHY_LASTING, GEARMAND_COMMIT_BROKEN, "" },
	{ 0, GEARMAND_WHY_PASSING, GEARMAND_COMMIT_BROKEN, NULL },
};

bool
tk_fail(const struct tk_store *s, struct gearmand_error *err, enum gearmand_why why, const char *what)
{
	return gm_fail(err, why, "queue file %s: %s", s->name.path, what);
}

/* Where errno says nothing it was the library, about what it read. */
bool
tk_fail_errno(const struct tk_store *s, struct gearmand_error *err, const char *doing)
{
	const struct gm_cause *cause = gm_cause_of(causes, errno);

	if (errno == 0)
		return gm_fail(err, GEARMAND_WHY_LASTING,
		    "queue file %s: %s: the database is damaged; repair it, or move it away", s->name.path, doing);
	return gm_fail(err, cause->why, "queue file %s: %s%s%s%s", s->name.path, doing == NULL ? "" : doing,
	    doing == NULL ? "" : ": ", cause->phrase == NULL ? "" : cause->phrase, strerror(errno));
}

enum gearmand_commit
tk_outcome(int error)
{
	return gm_cause_of(causes, error)->outcome;
}

bool
tk_read_at(int fd, void *bytes, size_t len, off_t at)
{
	return pread(fd, bytes, len, at) == (ssize_t)len;
}

/* A part of it is written where room ran out. */
bool
tk_write_at(int fd, const void *bytes, size_t len, off_t at)
{
	ssize_t n = pwrite(fd, bytes, len, at);

	if (n >= 0 && (size_t)n < len)
		errno = ENOSPC;
	return n == (ssize_t)len;
}

uint64_t
tk_number(const char *bytes, int len, bool is_swapped)
{
	uint64_t n = 0;

	for (int i = 0; i < len; i++)
		n = n << 8 | (unsigned char)bytes[is_swapped ? i : len - 1 - i];
	return n;
}

void
tk_file_path(const struct tk_store *s, const char *suffix, char path[TK_FILE_PATH])
{
	snprintf(path, TK_FILE_PATH, "%s%s", s->path, suffix);
}

int
tk_file_open_beside(const struct tk_store *s, const char *suffix)
{
	char path[TK_FILE_PATH];

	tk_file_path(s, suffix, path);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

bool
tk_file_remove(const struct tk_store *s, const char *suffix)
{
	char path[TK_FILE_PATH];

	tk_file_path(s, suffix, path);
	return unlink(path) == 0 || errno == ENOENT;
}

bool
tk_folder_sync(const struct tk_store *s)
{
	char path[TK_FILE_PATH];
	int fd;
	bool ok;

	tk_file_path(s, "", path);
	fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = fsync(fd) == 0 || errno == EINVAL; /* some file systems do not need it */
	close(fd);
	return ok;
}

bool
tk_file_is_there(const struct tk_store *s)
{
	struct stat st;

	return stat(s->path, &st) == 0 && st.st_ino == s->ino && st.st_dev == s->dev;
}

/* ---- Open and close --------------------------------------------------------------------------------- */

bool
tk_file_open(struct tk_store *s, struct gearmand_error *err)
{
	struct stat st;

	s->fd = open(s->name.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (s->fd < 0 || fstat(s->fd, &st) != 0)
		return tk_fail_errno(s, err, NULL);
	if (!S_ISREG(st.st_mode))
		return tk_fail(s, err, GEARMAND_WHY_LASTING, "it is not a regular file");
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	if (!gm_lock_file(s->fd, s->name.path, LOCK_PATIENCE_MS, err))
		return false;
	s->path = realpath(s->name.path, NULL);
	if (s->path == NULL)
		return tk_fail_errno(s, err, NULL);
	/* The library gets this path, and sees from its ending what it is. */
	if (strlen(s->path) >= TK_PATH || strchr(s->path, '#') != NULL ||
	    strcasecmp(strrchr(s->name.path, '.'), s->path + strlen(s->path) - 4) != 0)
		return tk_fail(
		    s, err, GEARMAND_WHY_LASTING, "its real path is too long, has a # in it, or has another ending");
	return tk_file_is_there(s) || tk_fail(s, err, GEARMAND_WHY_PASSING, "it was replaced while it was opened");
}

/* ---- The head ----------------------------------------------------------------------------------------- */

static const char *
kind_of(int type)
{
	static const char *const kinds[] = { "hash database (.tch)", "B+ tree (.tcb)", "fixed-length database (.tcf)",
		"table database (.tct)" };

	return type >= 0 && type < 4 ? kinds[type] : "database of an unknown kind";
}

static bool
check_head(struct tk_store *s, uint64_t size, struct gearmand_error *err)
{
	const struct tk_head *h = &s->head;
	uint64_t bucket = h->is_large ? 8 : 4;
	int type = s->name.is_tree ? TCDBTBTREE : TCDBTHASH;
	char text[128];

	if (h->type != type) {
		snprintf(text, sizeof(text), "it is a %s, and its name says that it is a %s", kind_of(h->type),
		    kind_of(type));
		return tk_fail(s, err, GEARMAND_WHY_LASTING, text);
	}
	if ((h->options & HDBTEXCODEC) != 0)
		return tk_fail(s, err, GEARMAND_WHY_LASTING, "a program packed its records with functions of its own");
	if (size < h->size) {
		snprintf(text, sizeof(text), "the database is damaged: it ends at byte %llu of %llu",
		    (unsigned long long)size, (unsigned long long)h->size);
		return tk_fail(s, err, GEARMAND_WHY_LASTING, text);
	}
	if (h->alignment > 16 || h->buckets == 0 || h->buckets > size / bucket ||
	    h->first < HEAD + h->buckets * bucket || h->first > h->size)
		return tk_fail(s, err, GEARMAND_WHY_LASTING, "the database is damaged: its head makes no sense");
	return true;
}

bool
tk_head_load(struct tk_store *s, struct gearmand_error *err)
{
	char head[HEAD] = { 0 };
	struct tk_head *h = &s->head;
	struct stat st;
	bool swapped;

	*h = (struct tk_head){ 0 };
	if (fstat(s->fd, &st) != 0)
		return tk_fail_errno(s, err, "reading it");
	if (st.st_size == 0)
		return true;
	errno = 0;
	if (!tk_read_at(s->fd, head, sizeof(head), 0) && errno != 0)
		return tk_fail_errno(s, err, "reading it");
	if (memcmp(head, HEAD_MAGIC, sizeof(HEAD_MAGIC) - 1) != 0)
		return tk_fail(s, err, GEARMAND_WHY_LASTING, "it is not a Tokyo Cabinet database");
	/* Read the wrong way round, an offset is beyond any file. */
	swapped = tk_number(head + 64, 8, true) < tk_number(head + 64, 8, false);
	*h = (struct tk_head){ .type = (uint8_t)head[32],
		.flags = (uint8_t)head[HEAD_FLAGS_AT],
		.alignment = (uint8_t)head[34],
		.options = (uint8_t)head[36],
		.is_large = (head[36] & HDBTLARGE) != 0,
		.is_swapped = swapped,
		.buckets = tk_number(head + 40, 8, swapped),
		.records = tk_number(head + 48, 8, swapped),
		.size = tk_number(head + 56, 8, swapped),
		.first = tk_number(head + 64, 8, swapped) };
	/* The library was ended while it made the file: nothing can be in it. */
	if (h->records == 0 && (uint64_t)st.st_size < h->first && h->size == h->first) {
		*h = (struct tk_head){ 0 };
		return ftruncate(s->fd, 0) == 0 || tk_fail_errno(s, err, "emptying it");
	}
	return check_head(s, (uint64_t)st.st_size, err);
}

bool
tk_head_is_open(const struct tk_store *s)
{
	char head[HEAD];

	return tk_read_at(s->fd, head, sizeof(head), 0) && memcmp(head, HEAD_MAGIC, sizeof(HEAD_MAGIC) - 1) == 0 &&
	       (head[HEAD_FLAGS_AT] & HDBFOPEN) != 0;
}

bool
tk_head_mark_open(struct tk_store *s)
{
	char flags = (char)(s->head.flags | HDBFOPEN);

	return s->head.size == 0 || tk_write_at(s->fd, &flags, 1, HEAD_FLAGS_AT);
}
