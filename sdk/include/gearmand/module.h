/* SPDX-License-Identifier: BSD-3-Clause
 *
 * module.h - small things that most modules need, so that nobody writes them again.
 *
 * Header only: a module that includes it links against nothing more.  All functions are static and may be called
 * on any thread; what they are given belongs to the caller.  A module need not use it.  It needs POSIX.1-2008: with
 * -std=c11 and the like, -D_GNU_SOURCE.
 */
#ifndef GEARMAND_MODULE_H
#define GEARMAND_MODULE_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <gearmand/plugin.h>

/* The server's bounds of a key, in bytes. */
enum { GM_FUNCTION_MOST = 8192, GM_UNIQUE_MOST = 64 };

/* How many elements an array has. */
#define GM_COUNT(array) (sizeof(array) / sizeof(*(array)))

/* What only a mistake of the module can make false: ends the process with a line on stderr. */
#define GM_CHECK(truth) ((truth) ? (void)0 : gm_check_failed(__FILE__, __LINE__, #truth))

/* What GM_CHECK does with what is not true. */
static inline void
gm_check_failed(const char *file, int line, const char *truth)
{
	fprintf(stderr, "%s:%d: %s is not true\n", file, line, truth);
	abort();
}

/* A `void *` of the server's as the module's struct, whose member `magic` must have the right value. */
#define GM_STORE(type, pointer, magic_) ((type *)gm_checked((pointer), offsetof(type, magic), (magic_)))

/* What GM_STORE looks at. */
static inline void *
gm_checked(void *pointer, size_t offset, uint32_t magic)
{
	GM_CHECK(pointer != NULL && *(const uint32_t *)(const void *)((const char *)pointer + offset) == magic);
	return pointer;
}

/* ---- Sentences ---------------------------------------------------------------------- */

/* Writes the sentence for the operator; always false, for `return gm_fail(...)`. */
static inline GEARMAND_PRINTF(3, 4) bool gm_fail(
    struct gearmand_error *error, enum gearmand_why why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	error->why = why;
	return false;
}

/* What an error code of the module's library means.  A table ends with a phrase of NULL and `outcome` and `why` for
 * all other codes. */
struct gm_cause {
	long code;                    /* the library's */
	enum gearmand_why why;        /* when a store cannot be opened for it */
	enum gearmand_commit outcome; /* when it comes up in a commit */
	const char *phrase;           /* "the disk is full"; "" = what the library says is clear enough */
};

/* The row of this code, or the last one. */
static inline const struct gm_cause *
gm_cause_of(const struct gm_cause *table, long code)
{
	while (table->phrase != NULL && table->code != code)
		table++;
	return table;
}

/* ---- Slices ------------------------------------------------------------------------- */

/* A text's bytes, without its NUL. */
static inline struct gearmand_slice
gm_slice(const char *text)
{
	struct gearmand_slice s = { text, strlen(text) };

	return s;
}

/* In the order of bytes, the shorter first: < 0, 0, > 0. */
static inline int
gm_compare(struct gearmand_slice a, struct gearmand_slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n == 0 ? 0 : memcmp(a.data, b.data, n);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Are both of the same bytes? */
static inline bool
gm_same(struct gearmand_slice a, struct gearmand_slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Are its bytes those of the text? */
static inline bool
gm_is(struct gearmand_slice s, const char *text)
{
	return gm_same(s, gm_slice(text));
}

/* Are its first bytes those of the text? */
static inline bool
gm_begins(struct gearmand_slice s, const char *text)
{
	size_t len = strlen(text);

	return s.len >= len && (len == 0 || memcmp(s.data, text, len) == 0);
}

/* Is the byte anywhere in it? */
static inline bool
gm_has_byte(struct gearmand_slice s, char byte)
{
	return s.len > 0 && memchr(s.data, byte, s.len) != NULL;
}

/* ---- Bytes that grow ---------------------------------------------------------------- */

/* Starts zeroed.  When memory runs out `failed` is set, and what is added after that is dropped: so one look at the end
 * is enough. */
struct gm_bytes {
	char *data;  /* from malloc(); NULL while nothing was added */
	size_t len;  /* bytes that are in it */
	size_t cap;  /* bytes there is room for */
	bool failed; /* memory ran out */
};

/* Room for `more` bytes behind `len`, which the caller may fill and then count; NULL when memory ran out. */
static inline char *
gm_room(struct gm_bytes *b, size_t more)
{
	size_t cap = b->cap < 256 ? 256 : b->cap;
	char *data;

	if (b->failed || more > SIZE_MAX / 4 - b->len) {
		b->failed = true;
		return NULL;
	}
	while (cap < b->len + more)
		cap *= 2;
	if (cap != b->cap) {
		data = (char *)realloc(b->data, cap);
		b->failed = data == NULL;
		if (data == NULL)
			return NULL;
		b->data = data;
		b->cap = cap;
	}
	return b->data + b->len;
}

/* Adds a copy of so many bytes. */
static inline void
gm_add(struct gm_bytes *b, const void *bytes, size_t len)
{
	char *to = gm_room(b, len);

	if (to == NULL || len == 0)
		return;
	memcpy(to, bytes, len);
	b->len += len;
}

/* Adds a copy of a slice's bytes. */
static inline void
gm_add_slice(struct gm_bytes *b, struct gearmand_slice s)
{
	gm_add(b, s.data, s.len);
}

/* Adds a text without its NUL. */
static inline void
gm_add_text(struct gm_bytes *b, const char *text)
{
	gm_add(b, text, strlen(text));
}

/* Adds what printf would print. */
static inline GEARMAND_PRINTF(2, 3) void gm_addf(struct gm_bytes *b, const char *format, ...)
{
	va_list args;
	char *to;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	to = n < 0 ? NULL : gm_room(b, (size_t)n + 1);
	if (to == NULL)
		return;
	va_start(args, format);
	vsnprintf(to, (size_t)n + 1, format, args);
	va_end(args);
	b->len += (size_t)n;
}

/* All bytes so far; valid until the next change. */
static inline struct gearmand_slice
gm_bytes_slice(const struct gm_bytes *b)
{
	struct gearmand_slice s = { b->data, b->len };

	return s;
}

/* Gives the memory back; may be used again. */
static inline void
gm_bytes_free(struct gm_bytes *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

/* Empty again; memory past `keep` bytes is given back. */
static inline void
gm_bytes_clear(struct gm_bytes *b, size_t keep)
{
	if (b->cap > keep)
		gm_bytes_free(b);
	b->len = 0;
	b->failed = false;
}

/* ---- Keys --------------------------------------------------------------------------- */

/* A unique for a row that has none, as the tables of gearmand 1.1 may have: 32 hexadecimal digits and a NUL.  Goes with
 * GEARMAND_JOB_NO_UNIQUE or GEARMAND_JOB_UNIQUE_IS_DATA. */
static inline void
gm_made_unique(char out[33])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[16];

	GM_CHECK(getrandom(bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[32] = '\0';
}

/* ---- Between two tries, and two openings -------------------------------------------- */

/* Sleeps so many milliseconds; only where a callback may block. */
static inline void
gm_pause(int64_t ms)
{
	const struct timespec pause = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };

	nanosleep(&pause, NULL);
}

/* `forget` of a module whose memory is one block. */
static inline void
gm_forget(void **memory)
{
	free(*memory);
	*memory = NULL;
}

/* After a database was away, the server that had the store comes first.  It tries again every five seconds at least; a
 * standby asks several times a second, and would take the store from a server that lives.  So a standby that saw an
 * owner, and then no database, waits longer than that.  Belongs into the memory of the opening, zeroed at first. */
struct gm_standby {
	bool saw_owner;     /* set when another server has the store, cleared when the store is ours */
	bool was_away;      /* the database was not there since */
	int64_t not_before; /* the store is left alone until then, by host->monotonic() */
};

/* The database is not there. */
static inline void
gm_standby_away(struct gm_standby *s)
{
	s->was_away |= s->saw_owner;
}

/* The database is there: must the store be left to the server that had it?  `now` is host->monotonic(). */
static inline bool
gm_standby_waits(struct gm_standby *s, int64_t now)
{
	if (s->was_away)
		s->not_before = now + INT64_C(7000000000);
	s->was_away = false;
	return now < s->not_before;
}

/* ---- One server per file ------------------------------------------------------------ */

/* Where a lock belongs to the process instead of the descriptor, it serves as well: a process has one store. */
#ifdef F_OFD_SETLK
#define GM_SETLK F_OFD_SETLK
#else
#define GM_SETLK F_SETLK
#endif

/* A lock on one byte far behind the file's content.  It is on the file itself and not on a name, so a link to the
 * file is the same file; it ends with the process, however that ends.  A server that was just killed may need a moment
 * to be gone, so the lock is tried for `patience_ms`.  False: the error says why; IN_USE when another
 * server has it. */
static inline bool
gm_lock_file(int fd, const char *path, int64_t patience_ms, struct gearmand_error *error)
{
	struct flock lock;

	for (int64_t waited = 0;; waited += 20) {
		memset(&lock, 0, sizeof(lock));
		lock.l_type = F_WRLCK;
		lock.l_whence = SEEK_SET;
		lock.l_start = (off_t)(INT64_C(1) << 62);
		lock.l_len = 1;
		if (fcntl(fd, GM_SETLK, &lock) == 0)
			return true;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return gm_fail(
			    error, GEARMAND_WHY_PASSING, "queue file %s: cannot be locked: %s", path, strerror(errno));
		if (waited >= patience_ms)
			return gm_fail(error, GEARMAND_WHY_IN_USE,
			    "queue file %s: another gearmand is using it; each server needs a file of its own", path);
		gm_pause(20);
	}
}

#endif
