/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The head of a database file, and whether its blocks are sound.
 *
 * Runs on:  the store thread.
 * Owns:     nothing.
 *
 * Tokyo trusts a file: with a free block of size 0 it goes round for ever, with an absurd length of a key it ends the
 * process.  So all blocks are walked before it gets the file: their sizes must lead from the first to the end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue_tokyo.h"

#define MAGIC "ToKyO CaBiNeT"

enum { BLOCK_RECORD = 0xc8, BLOCK_FREE = 0xb0 };
enum { WINDOW = 1 << 16, BLOCK_HEAD_MOST = 32, FREE_HEAD = 5 };

uint64_t
tk_number(const void *bytes, int len, bool is_swapped)
{
	const unsigned char *b = bytes;
	uint64_t n = 0;

	for (int i = 0; i < len; i++)
		n = n << 8 | b[is_swapped ? i : len - 1 - i];
	return n;
}

/* Read the wrong way round, an offset is beyond any file. */
static bool
is_swapped(const char head[TK_HEAD])
{
	return tk_number(head + 64, 8, true) < tk_number(head + 64, 8, false);
}

bool
tk_layout_read(struct tk_layout *l, const char head[TK_HEAD])
{
	bool swapped = is_swapped(head);

	if (memcmp(head, MAGIC, sizeof(MAGIC) - 1) != 0)
		return false;
	*l = (struct tk_layout){
		.type = (uint8_t)head[32],
		.flags = (uint8_t)head[TK_FLAGS_AT],
		.apow = (uint8_t)head[34],
		.opts = (uint8_t)head[36],
		.is_swapped = swapped,
		.buckets = tk_number(head + 40, 8, swapped),
		.records = tk_number(head + 48, 8, swapped),
		.size = tk_number(head + 56, 8, swapped),
		.first = tk_number(head + 64, 8, swapped),
	};
	return true;
}

/* ---- The head ------------------------------------------------------------------------------------ */

static const char *
kind_of(int type)
{
	return type == TCDBTHASH    ? "hash database (.tch)"
	       : type == TCDBTBTREE ? "B+ tree (.tcb)"
	       : type == TCDBTFIXED ? "fixed-length database (.tcf)"
	       : type == TCDBTTABLE ? "table database (.tct)"
				    : "database of an unknown kind";
}

static bool
check_layout(struct tk_store *s, const struct tk_layout *l, uint64_t size, struct gearmand_error *err)
{
	uint64_t bucket = (l->opts & HDBTLARGE) != 0 ? 8 : 4;
	char text[128];

	if (l->type != s->name.kind->type) {
		snprintf(text, sizeof(text), "it is a %s, and its name says that it is a %s", kind_of(l->type),
		    s->name.kind->what);
		return tk_fail(s, err, GEARMAND_WHY_LASTING, text);
	}
	if ((l->opts & HDBTEXCODEC) != 0)
		return tk_fail(s, err, GEARMAND_WHY_LASTING, "its records are packed by a program's own functions");
	if (size < l->size) {
		snprintf(text, sizeof(text), "the database is damaged: it ends at byte %llu of %llu",
		    (unsigned long long)size, (unsigned long long)l->size);
		return tk_fail(s, err, GEARMAND_WHY_LASTING, text);
	}
	if (l->apow > 16 || l->buckets == 0 || l->buckets > size / bucket || l->first < TK_HEAD + l->buckets * bucket ||
	    l->first > l->size)
		return tk_fail(s, err, GEARMAND_WHY_LASTING, "the database is damaged: its head makes no sense");
	return true;
}

/* Making it was broken off: it ends before its first record. */
static bool
is_unfinished(const struct tk_layout *l, uint64_t size)
{
	return l->records == 0 && (l->flags & TK_FLAG_OPEN) == 0 && size < l->first && l->size == l->first;
}

bool
tk_layout_load(struct tk_store *s, struct gearmand_error *err)
{
	char head[TK_HEAD] = { 0 };
	struct stat st;

	s->layout = (struct tk_layout){ 0 };
	if (fstat(s->lock_fd, &st) != 0)
		return tk_fail_errno(s, err, "reading it");
	if (st.st_size == 0)
		return true; /* Tokyo makes one of it */
	errno = 0;
	if (!tk_read_at(s->lock_fd, head, sizeof(head), 0) && errno != 0)
		return tk_fail_errno(s, err, "reading it");
	if (!tk_layout_read(&s->layout, head))
		return tk_fail(s, err, GEARMAND_WHY_LASTING, "not a Tokyo Cabinet database");
	if (is_unfinished(&s->layout, (uint64_t)st.st_size)) {
		s->layout = (struct tk_layout){ 0 };
		return ftruncate(s->lock_fd, 0) == 0 || tk_fail_errno(s, err, "emptying it");
	}
	return check_layout(s, &s->layout, (uint64_t)st.st_size, err);
}

/* ---- The blocks ------------------------------------------------------------------------------------ */

struct window {
	int fd;
	uint64_t at, len, end; /* of the bytes here; of the file */
	unsigned char bytes[WINDOW];
};

/* At least `want` bytes, or what is left of the file. */
static const unsigned char *
look_at(struct window *w, uint64_t at, uint64_t want, uint64_t *have_r)
{
	if (at < w->at || at + want > w->at + w->len) {
		w->at = at;
		w->len = w->end - at < WINDOW ? w->end - at : WINDOW;
		if (!tk_read_at(w->fd, w->bytes, w->len, (off_t)at)) {
			w->len = 0;
			return NULL;
		}
	}
	*have_r = w->len - (at - w->at);
	return w->bytes + (at - w->at);
}

struct block {
	uint64_t size, key, value; /* bytes; size 0: that is none */
	uint64_t head;             /* bytes before the key */
	bool is_record;
};

static struct block
read_block(const struct tk_layout *l, const unsigned char *b, uint64_t have)
{
	int child = (l->opts & HDBTLARGE) != 0 ? 8 : 4;
	struct tk_bytes rest = { b + 2 + 2 * child + 2, b + have };
	struct block k = { .is_record = b[0] == BLOCK_RECORD };

	if (have < FREE_HEAD)
		return k;
	if (b[0] == BLOCK_FREE)
		k.size = tk_number(b + 1, 4, l->is_swapped);
	if (!k.is_record || rest.end <= rest.at || !tk_take_number(&rest, &k.key) || !tk_take_number(&rest, &k.value) ||
	    k.key > INT32_MAX || k.value > INT32_MAX)
		return k;
	k.head = (uint64_t)(rest.at - b);
	k.size = k.head + k.key + k.value + tk_number(b + 2 + 2 * child, 2, l->is_swapped);
	return k;
}

/* The record's bytes are where Tokyo can read them without harm. */
static bool
is_content_sound(struct tk_store *s, uint64_t at, const struct block *k)
{
	const char *bytes;

	if (!tk_content_is_known(&s->layout))
		return true;
	s->value.len = 0;
	bytes = tk_buf_room(&s->value, k->key + k->value);
	if (bytes == NULL || !tk_read_at(s->lock_fd, s->value.data, k->key + k->value, (off_t)(at + k->head)))
		return false;
	return k->key > 0 && tk_content_is_sound(&s->layout, bytes[0],
				 (struct tk_bytes){ (const unsigned char *)bytes + k->key,
				     (const unsigned char *)bytes + k->key + k->value });
}

static bool
damaged_at(struct tk_store *s, struct gearmand_error *err, uint64_t at)
{
	char text[96];

	snprintf(text, sizeof(text), "the database is damaged at byte %llu; repair it, or move it away",
	    (unsigned long long)at);
	return tk_fail(s, err, GEARMAND_WHY_LASTING, text);
}

bool
tk_layout_check(struct tk_store *s, struct gearmand_error *err)
{
	struct tk_layout *l = &s->layout;
	struct window *w;
	bool ok = true;
	uint64_t at, size, have;

	if (l->size == 0)
		return true;
	w = s->host->allocate(sizeof(*w));
	w->fd = s->lock_fd;
	w->end = l->size;
	for (at = l->first; at < l->size && ok; at += size) {
		uint64_t want = l->size - at < BLOCK_HEAD_MOST ? l->size - at : BLOCK_HEAD_MOST;
		const unsigned char *b = look_at(w, at, want, &have);
		struct block k = { 0 };

		if (b != NULL)
			k = read_block(l, b, have);
		size = k.size;
		ok = size > 0 && size <= l->size - at && (!k.is_record || is_content_sound(s, at, &k));
		if (ok && k.is_record) {
			l->live += size;
			l->largest = size > l->largest ? size : l->largest;
		}
	}
	s->host->release(w);
	return ok || damaged_at(s, err, at - size);
}
